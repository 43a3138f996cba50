"""From OTLP to rows: the few facts about each span that the viewer lists, and all the rest beside them."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from streamspan import semconv
from streamspan.viewer import foreign, otlp

_SERVICE_NAME: Final = "service.name"
_LARGEST: Final = 2**53  # past it, neither JavaScript nor SQLite has the number as it is
_LONGEST_PREVIEW: Final = 4096
RUNNING: Final = "running"
LOST: Final = "lost"
"""The outcome of a call that was seen running and whose end never came."""


@dataclass(frozen=True, slots=True)
class Call:
    """One model call; None is what nobody has said of it."""

    operation: str
    model: str
    outcome: str
    first_content_ms: int | None = None
    tokens_per_second: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: frozenset[str] = frozenset()
    cost: float | None = None
    unpriced: bool = False
    error: str = ""
    preview: str = ""
    provider: str = ""
    response_model: str = ""
    longest_gap_ms: int | None = None
    chunks: int | None = None
    user_id: str = ""
    session_id: str = ""
    conversation_id: str = ""
    project: str = ""
    tags: tuple[str, ...] = ()
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A span event: its name, when it was (nanoseconds since 1970) and its attributes."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Detail:
    """All that a span says: its attributes in our names, whoever wrote them."""

    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    resource: Mapping[str, Any] = field(default_factory=dict[str, Any])
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One span: its place in the trace, and the call if it is one."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    start_ns: int
    end_ns: int
    failed: bool
    call: Call | None
    detail: Detail = field(default=Detail(), compare=False, repr=False)
    is_final: bool = True
    """False where it is made from progress events: the span will say better, if it comes."""

    @property
    def seconds(self) -> float:
        """How long it took; never negative, whatever the clocks said."""
        return max(self.end_ns - self.start_ns, 0) / 1e9

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by: the ids of its trace and its span."""
        return self.trace_id, self.span_id

    def brief(self) -> "Row":
        """The row without all that its span says, for who keeps many."""
        return replace(self, detail=Detail())


def rows(request: ExportTraceServiceRequest) -> Iterator[Row]:
    """A row for every span of the request, in its order."""
    for of_resource in request.resource_spans:
        resource = otlp.attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _row(span, resource)


def _row(span: Span, resource: Mapping[str, Any]) -> Row:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    events = tuple(Event(event.name, _time(event.time_unix_nano), otlp.attributes(event.attributes)) for event in span.events)
    found = foreign.renamed(otlp.attributes(span.attributes), [(event.name, event.attributes) for event in events])
    return Row(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        service=service(resource),
        start_ns=_time(span.start_time_unix_nano),
        end_ns=_time(span.end_time_unix_nano),
        failed=failed,
        call=call(found, failed=failed, message=span.status.message),
        detail=Detail(found, resource, events),
    )


def service(resource: Mapping[str, Any]) -> str:
    """The name that a program gives itself."""
    return str(resource.get(_SERVICE_NAME, ""))


def call(found: Mapping[str, Any], *, failed: bool, message: str = "") -> Call | None:
    """The call that the attributes describe; None if they describe none."""
    if semconv.OUTCOME not in found and not foreign.is_call(found):
        return None
    error = str(found.get(semconv.ERROR_TYPE, "error" if failed else ""))
    return Call(
        operation=_text(found, semconv.OPERATION_NAME),
        model=_text(found, semconv.REQUEST_MODEL) or _text(found, semconv.RESPONSE_MODEL) or "unknown model",
        outcome=_text(found, semconv.OUTCOME) or ("failed" if failed else "ended"),
        error=f"{error}: {message}" if error and message and message != error else error,
        preview=(_text(found, semconv.PREVIEW) or said(found.get(semconv.OUTPUT_MESSAGES)))[-_LONGEST_PREVIEW:],
        is_foreign=semconv.OUTCOME not in found,
        **numbers(found),
        **_names(found),
    )


def numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    """What can be counted of a call, by the names of `Call`."""
    return {
        "first_content_ms": _first_content_ms(found),
        "tokens_per_second": number(found.get(semconv.OUTPUT_TOKENS_PER_SECOND)),
        "input_tokens": whole(found.get(semconv.USAGE_INPUT_TOKENS)),
        "output_tokens": whole(found.get(semconv.USAGE_OUTPUT_TOKENS)),
        "cached_tokens": whole(found.get(semconv.USAGE_CACHE_READ_INPUT_TOKENS)),
        "reasoning_tokens": whole(found.get(semconv.USAGE_REASONING_OUTPUT_TOKENS)),
        "estimated": frozenset(_list(found.get(semconv.USAGE_ESTIMATED))),
        "cost": number(found.get(semconv.COST_TOTAL, found.get(semconv.USAGE_COST))),
        "unpriced": found.get(semconv.COST_UNPRICED) is True,
        "longest_gap_ms": whole(found.get(semconv.LONGEST_GAP_MS)),
        "chunks": whole(found.get(semconv.CHUNKS)),
    }


def _names(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider": _text(found, semconv.PROVIDER_NAME),
        "response_model": _text(found, semconv.RESPONSE_MODEL),
        "user_id": _text(found, semconv.USER_ID),
        "session_id": _text(found, semconv.SESSION_ID),
        "conversation_id": _text(found, semconv.CONVERSATION_ID),
        "project": _text(found, semconv.PROJECT),
        "tags": tuple(dict.fromkeys(_list(found.get(semconv.TAGS)))),
    }


def _first_content_ms(found: Mapping[str, Any]) -> int | None:
    """Milliseconds to the first content; of a span that is not ours, to the first chunk."""
    seconds = number(found.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK))
    if semconv.OUTCOME in found or seconds is None:
        return whole(found.get(semconv.TIME_TO_FIRST_CONTENT_MS))
    return whole(seconds * 1000)


def said(messages: Any) -> str:
    """What messages hold as one text: what is said, and the tools that are asked for."""
    try:
        parsed = json.loads(messages) if isinstance(messages, str) else messages
        parts = [part for message in parsed for part in message["parts"]]
        return "\n".join(filter(None, map(_part, parts)))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return ""


def _part(part: Mapping[str, Any]) -> str:
    match part:
        case {"type": "text", "content": text}:
            return str(text)
        case {"type": "tool_call", "name": name}:
            return f"{name}({json.dumps(part.get('arguments'))})"
        case _:
            return ""


# --- values ----------------------------------------------------------------------------------------------------------


def number(value: Any) -> float | None:
    """The number that an attribute is, if it is one."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """The whole number that an attribute is, if it is a number that can be stored."""
    found = number(value)
    return None if found is None or abs(found) > _LARGEST else int(found)


def _time(nanoseconds: int) -> int:
    return min(nanoseconds, 2**63 - 1)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return "" if value is None else str(value)


def _list(value: Any) -> Iterable[str]:
    return map(str, cast("list[Any]", value)) if isinstance(value, list) else ()
