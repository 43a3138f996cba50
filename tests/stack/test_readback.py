"""Calls of real programs, through a real collector, as Jaeger, Tempo and Loki have them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from stack import backends
from stack.assembly import Stack
from stack.backends import wait_for
from stack.provider import holding
from streamspan.demo import replay
from streamspan.demo.tour import PROGRAMS, environment, program
from streamspan.viewer.server import listen, serving

HERE: Final = Path(__file__).parent
_INSTRUMENT: Final = (sys.executable, "-P", "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")
ANSWER: Final = "Everything there is to say, in order: " + ", ".join(f"thing {number}" for number in range(5000))
"""Some 60 KB, which is more than what a backend keeps of an attribute by default."""


class Made(dict[str, Any]):
    """One span as the program made it: the SDK's own JSON."""

    @property
    def trace_id(self) -> str:
        """In hex."""
        return self["context"]["trace_id"].removeprefix("0x")

    @property
    def span_id(self) -> str:
        """In hex."""
        return self["context"]["span_id"].removeprefix("0x")

    @property
    def outcome(self) -> str | None:
        """How the call ended, if the span is one of a call."""
        return self["attributes"].get("streamspan.outcome")

    @property
    def seconds(self) -> float:
        """How long it took."""
        start, end = (datetime.fromisoformat(self[name]) for name in ("start_time", "end_time"))
        return (end - start).total_seconds()


@contextmanager
def application(script: Path, stack: Stack, services: str, spans: Path) -> Generator[subprocess.Popen[str]]:
    """The program under ``opentelemetry-instrument``, with the collector as its endpoint, as the README has it."""
    variables = environment(os.environ, stack.otlp, services) | {"OTEL_SERVICE_NAME": "stack-test"}
    command = [*_INSTRUMENT, sys.executable, str(HERE / "application.py"), str(spans), str(script)]
    with subprocess.Popen(
        command, cwd=script.parent, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_made(spans: Path) -> list[Made]:
    """What the program wrote."""
    return [Made(json.loads(line)) for line in spans.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """The spans of the programs of `streamspan demo`, run against the stack."""
    folder = tmp_path_factory.mktemp("spans")
    with serving(replay.app(), listen("127.0.0.1", 0)) as services, ExitStack() as programs:
        running = [programs.enter_context(application(program(name), stack, services, folder / name)) for name in PROGRAMS]
        for process in running:
            output = process.communicate(timeout=60)[0]
            assert process.returncode == 0, output
    return [span for name in PROGRAMS for span in read_made(folder / name)]


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
    expected = {span.trace_id for span in made if span.outcome == outcome}
    query = f'{{ resource.service.name = "stack-test" && span.streamspan.outcome = "{outcome}" }}'
    assert expected
    assert wait_for(lambda: backends.tempo_search(stack.tempo, query), expected.issubset) == expected


@pytest.mark.timeout(180)
def test_tempo_finds_calls_by_their_cost(stack: Stack, made: list[Made]) -> None:
    """Costs are numbers to TraceQL: calls above one are found, and no others."""
    costs = {span.trace_id: span["attributes"].get("streamspan.cost.total", 0) for span in made if span.outcome}
    limit = sorted(costs.values())[len(costs) // 2]
    expected = {span.trace_id for span in made if span["attributes"].get("streamspan.cost.total", 0) > limit}
    query = f'{{ resource.service.name = "stack-test" && span.streamspan.cost.total > {limit:.9f} }}'
    assert wait_for(lambda: backends.tempo_search(stack.tempo, query), expected.issubset) == expected


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
        ended = time.monotonic()
        trace_id = labels["trace_id"]
        delays = dict(seen(stack, trace_id, ended))
        output = process.communicate(timeout=60)[0]
    assert output.endswith(ANSWER)
    (span,) = read_made(tmp_path / "spans")
    assert json.loads(span["attributes"]["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": ANSWER}]
    for backend in ("jaeger", "tempo"):
        assert trace(backend, stack, trace_id) == {span.span_id: whole(span)}
    measured("After a stream's last word its span was in " + ", ".join(f"{name} within {s:.2f} s" for name, s in delays.items()))


def progress(stack: Stack) -> list[tuple[dict[str, str], str]]:
    """The progress events of streams that have said some of the answer, oldest first."""
    return backends.loki_lines(stack.loki, '{service_name="stack-test"} | event_name=`streamspan.progress` |= "thing"')


def seen(stack: Stack, trace_id: str, since: float) -> Iterator[tuple[str, float]]:
    """After how long each backend has the trace."""
    for backend in ("jaeger", "tempo"):
        assert wait_for(lambda backend=backend: trace(backend, stack, trace_id))
        yield backend, time.monotonic() - since
