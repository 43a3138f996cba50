"""Calls of real programs, through a real collector, as Jaeger, Tempo and Loki have them."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from stack import backends
from stack.assembly import Stack
from stack.backends import wait_for
from stack.calls import HERE, Made, application, read_made
from stack.provider import holding

ANSWER: Final = "Everything there is to say, in order: " + ", ".join(f"thing {number}" for number in range(5000))
"""Some 60 KB, which is more than what a backend keeps of an attribute by default."""


def whole(span: Made) -> backends.SpanFound:
    """The span as a backend must have it."""
    return {
        "name": span["name"],
        "kind": span["kind"].removeprefix("SpanKind."),
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": (span["parent_id"] or "").removeprefix("0x"),
        "status": span["status"]["status_code"],
        "attributes": span["attributes"],
        "events": [(event["name"], event["attributes"]) for event in span["events"]],
    }


@pytest.mark.parametrize("backend", ["jaeger", "tempo"])
@pytest.mark.timeout(180)
def test_every_span_is_whole(backend: str, stack: Stack, made: list[Made]) -> None:
    """Each span of the demonstration arrives with all attributes and events as they were made."""
    assert len(made) > 25
    for span in made:
        assert wait_for(lambda span=span: trace(backend, stack, span.trace_id).get(span.span_id)) == whole(span)


def trace(backend: str, stack: Stack, trace_id: str) -> dict[str, backends.SpanFound]:
    """What the backend knows of that trace."""
    ask, url = {"jaeger": (backends.jaeger_trace, stack.jaeger), "tempo": (backends.tempo_trace, stack.tempo)}[backend]
    return ask(url, trace_id)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("outcome", ["completed", "aborted", "abandoned", "cancelled", "truncated", "failed"])
def test_tempo_finds_calls_by_how_they_ended(outcome: str, stack: Stack, made: list[Made]) -> None:
    """TraceQL on `streamspan.outcome` finds just the traces that have such a call."""
    ours = {span.trace_id for span in made}
    expected = {span.trace_id for span in made if span.outcome == outcome}
    query = f'{{ resource.service.name = "stack-test" && span.streamspan.outcome = "{outcome}" }}'
    assert expected
    assert wait_for(lambda: backends.tempo_search(stack.tempo, query) & ours, expected.issubset) == expected


@pytest.mark.timeout(180)
def test_tempo_finds_calls_by_their_cost(stack: Stack, made: list[Made]) -> None:
    """Costs are numbers to TraceQL: calls above one are found, and no others."""
    ours = {span.trace_id for span in made}
    costs = {span.trace_id: span["attributes"].get("streamspan.cost.total", 0) for span in made if span.outcome}
    limit = sorted(costs.values())[len(costs) // 2]
    expected = {span.trace_id for span in made if span["attributes"].get("streamspan.cost.total", 0) > limit}
    query = f'{{ resource.service.name = "stack-test" && span.streamspan.cost.total > {limit:.9f} }}'
    assert wait_for(lambda: backends.tempo_search(stack.tempo, query) & ours, expected.issubset) == expected


@pytest.mark.timeout(180)
def test_streams_are_in_loki_too(stack: Stack, made: list[Made]) -> None:
    """Each stream that somebody could look at has progress events with the ids of its span; the last one says how it ended."""
    streams = [span for span in made if span["attributes"].get("streamspan.chunks", 0) > 1 and span.seconds > 1.2]
    expected = {(span.trace_id, span.span_id, f"{span['attributes']['gen_ai.request.model']} {span.outcome}") for span in streams}
    assert len(expected) > 2
    assert wait_for(lambda: last_words(stack), expected.issubset) >= expected


def last_words(stack: Stack) -> set[tuple[str, str, str]]:
    """Trace id, span id and how the line begins, of each progress event that is the last of its stream."""
    query = '{service_name="stack-test"} | event_name=`streamspan.progress` | streamspan_state!~`waiting|running|stalled`'
    return {
        (labels["trace_id"], labels["span_id"], line.split(" | ")[0]) for labels, line in backends.loki_lines(stack.loki, query)
    }


@pytest.mark.timeout(180)
def test_a_stream_is_seen_while_it_runs(stack: Stack, tmp_path: Path, measured: Callable[[str], None]) -> None:
    """Its text is in Loki before it has ended; then its span, with an answer of 60 KB, is in Jaeger and Tempo under the same trace id."""
    with holding(ANSWER) as provider, application(HERE / "asking.py", stack, provider.url, tmp_path / "spans") as process:
        labels, line = wait_for(lambda: progress(stack))[-1]
        assert process.poll() is None
        assert "thing" in line
        provider.go_on.set()
        trace_id = labels["trace_id"]
        seen = dict(seen_at(stack, trace_id))
        output = process.communicate(timeout=60)[0]
    assert output.endswith(ANSWER)
    (span,) = read_made(tmp_path / "spans")
    assert json.loads(span["attributes"]["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": ANSWER}]
    for backend in ("jaeger", "tempo"):
        assert trace(backend, stack, trace_id) == {span.span_id: whole(span)}
    measured(
        "After its end a stream's span was in " + ", ".join(f"{name} within {at - span.ended:.2f} s" for name, at in seen.items())
    )


def progress(stack: Stack) -> list[tuple[dict[str, str], str]]:
    """The progress events of streams that have said some of the answer, oldest first."""
    return backends.loki_lines(stack.loki, '{service_name="stack-test"} | event_name=`streamspan.progress` |= "thing"')


def seen_at(stack: Stack, trace_id: str) -> Iterator[tuple[str, float]]:
    """When each backend has the trace, in seconds since 1970."""
    for backend in ("jaeger", "tempo"):
        assert wait_for(lambda backend=backend: trace(backend, stack, trace_id))
        yield backend, time.time()
