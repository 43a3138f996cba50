"""What others see of a stream while it runs: log events over OTLP, and the preview on the live span."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import Span, SpanProcessor

import streamspan
from streamspan import live
from streamspan.listeners.progress_log import LONGEST_PAUSE, ProgressLog, Standing

from collector import Collector, LogEvent
from conftest import Recorder
from loopback import Loopback, Piece, Reply
from surfaces import GOOGLE, SURFACES, Surface

STREAMED = [*SURFACES, *GOOGLE]
TEXTS = ["Lima ", "is ", "the ", "capital ", "of ", "Peru."]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Collector]:
    """The SDKs observed, each log event sent over OTLP at once; the thread looks twenty times a second."""
    marker = request.node.get_closest_marker("settings")
    settings: dict[str, Any] = {"progress_interval": 0.05, **(marker.kwargs if marker else {})}
    live.end_all()  # the thread takes up the interval of this test
    monkeypatch.setattr(live, "interval", 0.05)
    with Collector(takes_logs=True) as collector:
        logs = LoggerProvider(shutdown_on_exit=False)
        logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))
        streamspan.instrument(tracer_provider=recorder.provider, logger_provider=logs, **settings)
        yield collector
        streamspan.uninstrument()
        logs.shutdown()
    live.end_all()


class Started(SpanProcessor):
    """Keeps spans from their start."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Keeps it."""
        self.spans.append(span)


def is_in_state(state: str) -> Any:
    """Whether a log event is of a stream in that state."""

    def is_it(event: LogEvent) -> bool:
        return event["attributes"]["streamspan.state"] == state

    return is_it


@pytest.mark.parametrize("surface", STREAMED, ids=repr)
async def test_a_stream_is_seen_while_it_runs(surface: Surface, collector: Collector, recorder: Recorder) -> None:
    """Events on the span's context tell of the wait, of the first words, of standing still, of the end; the live span has the preview."""
    begin, go_on, end = (threading.Event() for _ in range(3))
    wire = surface.wire(TEXTS)
    pieces: list[Piece] = [begin, *wire[: surface.partway], go_on, *wire[surface.partway : -1], end, wire[-1]]
    seen: dict[str, LogEvent] = {}
    started = Started()
    recorder.provider.add_span_processor(started)
    previews: list[Any] = []

    def follow() -> None:
        for state, gate in (("waiting", begin), ("running", None), ("stalled", go_on)):
            seen[state] = collector.wait_for_event(is_in_state(state))
            if gate is not None:
                gate.set()
        collector.wait_for_event(lambda event: "Peru." in event["attributes"].get("streamspan.preview", ""))
        previews.extend(span.attributes["streamspan.preview"] for span in started.spans)
        end.set()

    follower = threading.Thread(target=follow)
    with Loopback(Reply(body=pieces)) as server:
        client = surface.client(server)
        follower.start()
        await in_thread(surface, client)
        follower.join()
        await surface.shut(client)
    live.settle()

    span = recorder.span()
    context: Any = span.context
    last = collector.wait_for_event(is_in_state("completed"))
    assert previews == ["".join(TEXTS)]
    assert {(event["name"], event["severity"], event["scope"]) for event in collector.events()} == {
        ("streamspan.progress", "INFO", "streamspan")
    }
    assert {(event["trace_id"], event["span_id"]) for event in collector.events()} == {
        (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    }
    assert seen["waiting"]["attributes"]["streamspan.chunks"] == 0
    assert seen["running"]["attributes"]["streamspan.preview"] in "".join(TEXTS)
    assert seen["stalled"]["attributes"]["streamspan.stalled_ms"] >= 40
    assert [event["attributes"]["streamspan.sequence"] for event in collector.events()] == list(
        range(1, len(collector.events()) + 1)
    )
    attributes = dict(span.attributes or {})
    assert last["attributes"]["streamspan.preview"] == attributes["streamspan.preview"] == "".join(TEXTS)
    for key in ("gen_ai.usage.output_tokens", "streamspan.cost.total", "streamspan.chunks", "gen_ai.request.model"):
        assert last["attributes"].get(key) == attributes.get(key)
    assert last["body"].startswith(f"{surface.model} completed | ")
    assert last["body"].endswith(" | Lima is the capital of Peru.")


async def in_thread(surface: Surface, client: Any) -> None:
    """Reads a stream to its end."""
    await surface.take(await surface.open(client))


@pytest.mark.settings(capture_content=False)
async def test_without_content_only_numbers_are_told(collector: Collector, recorder: Recorder) -> None:
    """With content capture off no event holds a word of the answer, in its attributes or in its line."""
    surface, gate = SURFACES[0], threading.Event()
    wire = surface.wire(TEXTS)
    with Loopback(Reply(body=[*wire[:-2], gate, *wire[-2:]])) as server:
        client = surface.client(server)
        reader = threading.Thread(target=lambda: list(client.chat.completions.create(**surface.call(client)[1], stream=True)))
        reader.start()
        event = collector.wait_for_event(is_in_state("running"))
        gate.set()
        reader.join()
        await surface.shut(client)
    live.settle()

    collector.wait_for_event(is_in_state("completed"))
    assert "Lima" not in str(collector.events())
    assert event["attributes"]["streamspan.characters"] > 0
    assert "streamspan.preview" not in (recorder.attributes())


@pytest.mark.settings(idle_timeout=0.2)
@pytest.mark.parametrize("surface", SURFACES[:2], ids=repr)
async def test_a_forgotten_stream_is_ended(surface: Surface, collector: Collector, recorder: Recorder) -> None:
    """After ``idle_timeout`` without a chunk the span ends as abandoned with what was said; the stream goes on as if nothing were."""
    gate = threading.Event()
    wire = surface.wire(TEXTS)
    with Loopback(Reply(body=[*wire[: surface.partway], gate, *wire[surface.partway :]])) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        first = await surface.take(stream, surface.partway)
        collector.wait_for_event(is_in_state("abandoned"))
        gate.set()
        rest = await surface.take(stream)
        await surface.shut(client)

    attributes = recorder.attributes()
    assert attributes["streamspan.outcome"] == "abandoned"
    assert str(attributes["streamspan.preview"]) in "".join(TEXTS)
    assert len([*first, *rest]) == len(wire) - wire[-1].startswith(b"data: [DONE]")


@pytest.mark.settings(pending_span=True)
@pytest.mark.parametrize("streamed", [True, False])
async def test_pending_span(streamed: bool, collector: Collector, recorder: Recorder) -> None:
    """Each call sends one child span when it starts, over at once, without any name that usage is counted by."""
    surface = SURFACES[0]
    reply = Reply(body=surface.wire(TEXTS)) if streamed else Reply.of(surface.whole("Lima"))
    with Loopback(reply) as server:
        client = surface.client(server)
        result = await surface.create(client, stream=streamed)
        pending = recorder.ended[0]
        if streamed:
            await surface.take(result)
        await surface.shut(client)

    call = next(span for span in recorder.ended if span.name != "streamspan.pending")
    assert (pending.name, pending.attributes) == ("streamspan.pending", {"streamspan.pending.name": call.name})
    assert pending.parent is not None
    assert call.context is not None
    assert pending.parent.span_id == call.context.span_id
    assert pending.start_time == pending.end_time == call.start_time
    assert len(recorder.ended) == 2


class Silence:
    """A logger that takes what it gets."""

    def emit(self, **_: Any) -> None:
        """Takes it."""


def told(chunks_at: list[tuple[float, int]], interval: float) -> list[tuple[float, str]]:
    """When a stream with these chunks is heard of."""
    log = ProgressLog(Silence(), None, {}, interval, 0.0, content=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    states = ((at, log.ask(at, chunks)) for at, chunks in chunks_at)
    return [(at, state) for at, state in states if state]


@pytest.mark.parametrize(
    ("chunks_at", "expected"),
    [
        ([(0.1, 0), (0.2, 1), (0.5, 2), (0.7, 5)], [(0.2, "running"), (0.7, "running")]),
        (
            [(0.5, 0), (1.0, 0), (1.5, 0), (2.0, 1), (2.5, 2)],
            [(0.5, "waiting"), (1.5, "waiting"), (2.0, "running"), (2.5, "running")],
        ),
        ([(0.5, 1), (1.0, 1), (1.5, 1), (2.0, 1), (2.1, 2)], [(0.5, "running"), (1.0, "stalled"), (2.0, "stalled")]),
    ],
)
def test_when_a_stream_is_heard_of(chunks_at: list[tuple[float, int]], expected: list[tuple[float, str]]) -> None:
    """At its first chunk, each interval while it grows, within one interval when it stalls, and ever more rarely from then on."""
    assert told(chunks_at, 0.5) == expected


def test_a_stream_that_stands_still_for_an_hour_is_heard_of_rarely() -> None:
    """The pauses double up to a minute."""
    times = [at for at, _ in told([(look / 2, 1) for look in range(1, 7200)], 0.5)]

    assert len(times) < 80
    assert LONGEST_PAUSE - 1 < max(later - earlier for earlier, later in pairwise(times)) <= LONGEST_PAUSE


def test_line_can_be_read_alone() -> None:
    """Live tails show no attributes: the line has the model, the state, the time, tokens, money and the end of the text."""
    standing = Standing("stalled", 12.34, 3.21, 41, 400, 105, is_estimated=True, cost=0.00042, preview="so far\n\nso good " * 20)
    line = standing.line("gpt-4o")

    assert line.startswith("gpt-4o stalled for 3.2 s | 12.3 s | ~105 tok | ~$0.000420 | ")
    assert line.endswith("so far so good")
    assert "\n" not in line
