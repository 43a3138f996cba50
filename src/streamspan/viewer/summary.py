"""Calls as the page gets them: a summary for lists, and a detail with the conversation and how the stream went."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from streamspan import semconv
from streamspan.viewer.calls import Call, Detail, Event, Row, number, whole

_CONTENT: Final = {
    "system": semconv.SYSTEM_INSTRUCTIONS,
    "input": semconv.INPUT_MESSAGES,
    "output": semconv.OUTPUT_MESSAGES,
    "tools": semconv.TOOL_DEFINITIONS,
}


def summary(row: Row, call: Call) -> dict[str, Any]:
    """One call of a list; None is what is not known."""
    return {
        "trace_id": row.trace_id,
        "span_id": row.span_id,
        "service": row.service or None,
        "operation": call.operation or None,
        "provider": call.provider or None,
        "model": call.model,
        "response_model": call.response_model or None,
        "outcome": call.outcome,
        "started_ms": row.start_ns / 1e6,
        "duration_ms": row.seconds * 1e3,
        "time_to_first_content_ms": call.first_content_ms,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cached_tokens": call.cached_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        "estimated": sorted(call.estimated),
        "cost": call.cost,
        "unpriced": call.unpriced,
        "tokens_per_second": call.tokens_per_second,
        "longest_gap_ms": call.longest_gap_ms,
        "chunks": call.chunks,
        "user_id": call.user_id or None,
        "session_id": call.session_id or None,
        "conversation_id": call.conversation_id or None,
        "project": call.project or None,
        "tags": list(call.tags),
        "error": call.error or None,
        "preview": call.preview or None,
        "stalled_ms": None,
        "source": "foreign" if call.is_foreign else "streamspan",
    }


def call_of(found: Mapping[str, Any]) -> Call:
    """The call of a `summary`."""
    return Call(
        operation=found["operation"] or "",
        model=found["model"],
        outcome=found["outcome"],
        first_content_ms=found["time_to_first_content_ms"],
        tokens_per_second=found["tokens_per_second"],
        input_tokens=found["input_tokens"],
        output_tokens=found["output_tokens"],
        cached_tokens=found["cached_tokens"],
        reasoning_tokens=found["reasoning_tokens"],
        estimated=frozenset(found["estimated"]),
        cost=found["cost"],
        unpriced=found["unpriced"],
        error=found["error"] or "",
        preview=found["preview"] or "",
    )


def searched(row: Row, call: Call) -> str:
    """The text that a search looks through: who and what the call is, and all that was asked and said."""
    names = (row.name, row.service, call.model, call.response_model, call.provider, call.user_id, call.session_id, call.project)
    contents = (str(row.detail.attributes.get(name, "")) for name in _CONTENT.values())
    spoken = (_unescaped(content) for content in contents)
    return "\n".join(filter(None, (*names, *call.tags, call.error, *spoken, call.preview)))


def _unescaped(content: str) -> str:
    """JSON as it is read: a search for two lines, or for an umlaut, does not have to know how JSON writes them."""
    try:
        return json.dumps(json.loads(content), ensure_ascii=False).replace("\\n", "\n").replace('\\"', '"')
    except (ValueError, RecursionError):
        return content


def detail(found: Mapping[str, Any], kept: Detail, start_ns: int) -> dict[str, Any]:
    """One call as its own page has it: ``found`` is its `summary`."""
    rest = {name: value for name, value in kept.attributes.items() if name not in _CONTENT.values()}
    unread = [name for name in _CONTENT.values() if name in kept.attributes and parsed(kept.attributes[name]) is None]
    return {
        "summary": found,
        "attributes": rest | {name: kept.attributes[name] for name in unread},
        "resource": kept.resource,
        **{part: parsed(kept.attributes.get(name)) or [] for part, name in _CONTENT.items()},
        "events": [_event(event, start_ns) for event in kept.events if event.name != semconv.CHUNK_EVENT],
        "chunks": [_event(event, start_ns) for event in kept.events if event.name == semconv.CHUNK_EVENT],
        "progress": _progress(kept.events, start_ns),
        **_gaps(kept.events),
        "error": found["error"],
    }


def parsed(content: Any) -> list[Any] | None:
    """A list, whether it came as one or as JSON; None is what is neither."""
    try:
        read = json.loads(content) if isinstance(content, str) else content
    except (ValueError, RecursionError):
        return None
    return cast("list[Any]", read) if isinstance(read, list) else None


def _event(event: Event, start_ns: int) -> dict[str, Any]:
    return {"name": event.name, "at_ms": (event.at_ns - start_ns) / 1e6, "attributes": event.attributes}


def _progress(events: Iterable[Event], start_ns: int) -> list[dict[str, Any]]:
    """How the text grew: what was seen while the call ran, if it was seen, with its text; and the marks on its span."""
    marks = [event for event in events if event.name == semconv.PROGRESS_EVENT]
    return [_mark(event, start_ns) for event in sorted(marks, key=lambda event: event.at_ns)]


def _mark(event: Event, start_ns: int) -> dict[str, Any]:
    said = event.attributes
    mark = {
        "at_ms": (event.at_ns - start_ns) / 1e6,
        "chars": said.get(semconv.PROGRESS_CHARACTERS, said.get(semconv.CHARACTERS)),
        "chunks": said.get(semconv.PROGRESS_CHUNKS, said.get(semconv.CHUNKS)),
    }
    return mark | ({"text": said[semconv.PREVIEW]} if semconv.PREVIEW in said else {})


def _gaps(events: Sequence[Event]) -> dict[str, Any]:
    """The waits between chunks: each one where chunks are on the span, else the mean between two marks of its progress."""
    offsets = _offsets(events, semconv.CHUNK_EVENT, semconv.CHUNK_COUNT)
    if exact := bool(offsets):
        waits = [[1e3 * at, 1e3 * (at - before)] for (before, _), (at, _) in itertools.pairwise(offsets)]
    else:
        marks = _offsets(events, semconv.PROGRESS_EVENT, semconv.PROGRESS_CHUNKS)
        waits = [
            [1e3 * at, 1e3 * (at - before) / (chunks - already)]
            for (before, already), (at, chunks) in itertools.pairwise(marks)
            if chunks > already
        ]
    return {"gaps": waits, "gaps_are_exact": exact}


def _offsets(events: Iterable[Event], name: str, count: str) -> list[tuple[float, int]]:
    said = [event.attributes for event in events if event.name == name]
    found = [(number(each.get(semconv.CHUNK_OFFSET)), whole(each.get(count, 1))) for each in said]
    return sorted((offset, chunks) for offset, chunks in found if offset is not None and chunks is not None)
