"""Metrics of calls, as they arrive over OTLP: what is recorded, when, and of what it costs the streams nothing."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler

import streamspan
from streamspan import live
from streamspan.answer import Answer
from streamspan.conventions import BY_NAME
from streamspan.instruments import SECONDS, TOKENS, instruments_of
from streamspan.listeners.chunk_gaps import ChunkGaps

from collector import Collector, Point
from conftest import Recorder
from loopback import Loopback, Piece, Reply, openai_chunks, openai_usage
from surfaces import BEDROCK, GOOGLE, INTERACTIONS, MESSAGES, SURFACES, OpenAISurface, Surface

EVERYWHERE = [*SURFACES, *GOOGLE, *INTERACTIONS, *BEDROCK]
SYNC = [surface for surface in EVERYWHERE if not surface.is_async]
TEXTS = ["Lima ", "is ", "big."]
OPENAI = OpenAISurface(is_async=False)


@dataclass
class Meters:
    """A meter provider, and what it has sent."""

    provider: MeterProvider
    collector: Collector
    trace: Recorder

    def points(self) -> list[Point]:
        """All that is known now, as it arrives."""
        self.provider.force_flush()
        return self.collector.metrics()[-1]

    def named(self, name: str) -> list[Point]:
        """The points of one metric."""
        return [point for point in self.points() if point["metric"] == name]

    def one(self, name: str) -> Point:
        """The only point of a metric."""
        (point,) = self.named(name)
        return point


@pytest.fixture(scope="module")
def receiver() -> Iterator[Collector]:
    """One receiver for all tests here: what each looks at is the last export, which is its own."""
    with Collector(takes_metrics=True) as collector:
        yield collector


@pytest.fixture
def meters(request: pytest.FixtureRequest, receiver: Collector, recorder: Recorder) -> Iterator[Meters]:
    """The SDKs observed, with settings from ``@pytest.mark.settings(...)``, and metrics sent over OTLP when they are asked for."""
    marker = request.node.get_closest_marker("settings")
    settings: dict[str, Any] = dict(marker.kwargs) if marker else {}
    exporter = OTLPMetricExporter(f"{receiver.endpoint}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    streamspan.instrument(tracer_provider=recorder.provider, meter_provider=provider, **settings)
    yield Meters(provider, receiver, recorder)
    streamspan.uninstrument()
    provider.shutdown()


async def run(surface: Surface, reply: Reply, *, stream: bool = True) -> int:
    """One call, read to its end or to its error; the port of the server."""
    with Loopback(reply) as server:
        client = surface.client(server)
        if stream:
            answer = await surface.open(client)
            with suppress(Exception):
                await surface.take(answer)
            await surface.close(answer)
        else:
            await surface.create(client)
        await surface.shut(client)
        return int(server.url.rpartition(":")[2])


def spoken(attributes: Any, *more: str) -> dict[str, Any]:
    """Those attributes of a span that its metrics have, too."""
    keys = (
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "server.address",
        "server.port",
        *more,
    )
    return {key: attributes[key] for key in keys if key in attributes}


@pytest.mark.settings(chunk_metrics=True)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", EVERYWHERE, ids=repr)
async def test_what_a_call_is_counted_as(surface: Surface, stream: bool, meters: Meters) -> None:
    """Times, tokens, cost and outcome have the figures of the span, its attributes, and a link to it: right after the call."""
    reply = surface.streams(surface.wire(TEXTS)) if stream else surface.wholly(surface.whole("".join(TEXTS)))
    port = await run(surface, reply, stream=stream)

    points = meters.points()
    span = meters.trace.span()
    attributes: dict[str, Any] = dict(span.attributes or {})
    context: Any = span.context
    duration = (int(span.end_time or 0) - int(span.start_time or 0)) / 1e9
    told = {(point["metric"], point["attributes"].get("gen_ai.token.type")): point for point in points}
    gaps = told.pop(("gen_ai.client.operation.time_per_output_chunk", None), None)
    known = spoken(attributes)
    estimated = set(attributes.get("streamspan.usage.estimated", ()))
    expected: dict[tuple[str, Any], tuple[float, dict[str, Any]]] = {
        ("gen_ai.client.operation.duration", None): (duration, known),
        ("streamspan.client.outcomes", None): (1, {**known, "streamspan.outcome": "completed"}),
        ("streamspan.client.cost", None): (
            attributes["streamspan.cost.total"],
            {**known, **({"streamspan.cost.estimated": True} if estimated else {})},
        ),
    }
    for kind in ("input", "output"):
        if f"{kind}_tokens" not in estimated:
            told_as = {**known, "gen_ai.token.type": kind}
            expected["gen_ai.client.token.usage", kind] = (attributes[f"gen_ai.usage.{kind}_tokens"], told_as)
    if stream:
        first = attributes["gen_ai.response.time_to_first_chunk"]
        expected["gen_ai.client.operation.time_to_first_chunk", None] = (first, known)
    assert attributes["server.port"] == port
    assert {key: point["attributes"] for key, point in told.items()} == {key: told_as for key, (_, told_as) in expected.items()}
    assert {key: point["value"] for key, point in told.items()} == pytest.approx(
        {key: value for key, (value, _) in expected.items()}, rel=1e-4
    )
    assert (gaps["count"] if gaps else None) == (attributes["streamspan.chunks"] - 1 if stream else None)
    link = (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert {(point["count"], *point["exemplars"]) for point in told.values()} == {(1, link)}
    assert {(point["scope"], point["schema_url"]) for point in points} == {
        ("streamspan", "https://opentelemetry.io/schemas/1.41.0")
    }


USAGE = openai_usage(100, 50, cached=40, reasoning=20)
USAGE["prompt_tokens_details"]["audio_tokens"] = 10
NAMES = {
    "1.41": {
        ("gen_ai.client.operation.duration", "histogram", "s", SECONDS),
        ("gen_ai.client.operation.time_to_first_chunk", "histogram", "s", SECONDS),
        ("gen_ai.client.operation.time_per_output_chunk", "histogram", "s", SECONDS),
        ("gen_ai.client.token.usage", "histogram", "{token}", TOKENS),
    },
    "1.42-dev": {
        ("gen_ai.client.inference.duration", "histogram", "s", SECONDS),
        ("gen_ai.client.inference.time_to_first_chunk", "histogram", "s", SECONDS),
        ("gen_ai.client.inference.time_per_output_chunk", "histogram", "s", SECONDS),
        ("gen_ai.client.inference.operation.input_tokens", "histogram", "{token}", TOKENS),
        ("gen_ai.client.inference.operation.output_tokens", "histogram", "{token}", TOKENS),
        ("gen_ai.client.inference.usage.input_tokens", "counter", "{token}", ()),
        ("gen_ai.client.inference.usage.output_tokens", "counter", "{token}", ()),
        ("gen_ai.client.inference.usage.cache_read.input_tokens", "counter", "{token}", ()),
        ("gen_ai.client.inference.usage.reasoning.output_tokens", "counter", "{token}", ()),
    },
}
OURS = {
    ("streamspan.client.cost", "counter", "{USD}", ()),
    ("streamspan.client.outcomes", "counter", "{call}", ()),
}


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        pytest.param("1.41", NAMES["1.41"], marks=pytest.mark.settings(conventions="1.41", chunk_metrics=True)),
        pytest.param("1.42-dev", NAMES["1.42-dev"], marks=pytest.mark.settings(conventions="1.42-dev", chunk_metrics=True)),
        pytest.param(
            "both", NAMES["1.41"] | NAMES["1.42-dev"], marks=pytest.mark.settings(conventions="both", chunk_metrics=True)
        ),
    ],
)
async def test_names_units_and_bounds_of_each_generation(generation: str, names: set[Any], meters: Meters) -> None:
    """Each generation has its own instruments, with the conventions' units and bucket bounds, and ours are the same in all."""
    await run(OPENAI, Reply(body=openai_chunks(TEXTS, usage=USAGE)))

    points = meters.points()
    assert {(p["metric"], p["kind"], p["unit"], p["bounds"]) for p in points} == names | OURS
    assert {p["schema_url"] for p in points} == {BY_NAME[generation].schema_url}


@pytest.mark.settings(conventions="1.42-dev")
async def test_tokens_by_modality(meters: Meters) -> None:
    """Counters of 1.42-dev split off what the provider tells apart; the rest is of unknown modality, and nothing counts twice."""
    await run(OPENAI, Reply(body=openai_chunks(TEXTS, usage=USAGE)))

    counted = {
        (p["metric"].removeprefix("gen_ai.client.inference.usage."), p["attributes"]["gen_ai.token.modality"]): p["value"]
        for p in meters.points()
        if ".usage." in p["metric"]
    }
    assert counted == {
        ("input_tokens", "audio"): 10,
        ("input_tokens", "unknown"): 90,
        ("output_tokens", "unknown"): 50,
        ("cache_read.input_tokens", "unknown"): 40,
        ("reasoning.output_tokens", "unknown"): 20,
    }


@pytest.mark.settings(conventions="1.42-dev")
async def test_embeddings_keep_their_metrics(meters: Meters) -> None:
    """What is no inference has no metric of its own in 1.42-dev, and keeps those of 1.41."""
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    with Loopback(Reply.of(answer)) as server, OPENAI.client(server) as client:
        client.embeddings.create(model="text-embedding-3-small", input="Lima", encoding_format="float")

    (tokens,) = meters.named("gen_ai.client.token.usage")
    assert (tokens["value"], tokens["attributes"]["gen_ai.operation.name"]) == (7, "embeddings")
    assert meters.one("gen_ai.client.operation.duration")["count"] == 1
    assert not [p for p in meters.points() if "inference" in p["metric"]]


@pytest.mark.parametrize("surface", [surface for surface in SYNC if surface.raises_error_events], ids=repr)
async def test_failures_have_the_code_of_the_span(surface: Surface, meters: Meters) -> None:
    """A stream that fails halfway counts as failed, under the error type that its span has, on the duration too."""
    wire = surface.wire(TEXTS)
    await run(surface, surface.streams([*wire[: surface.partway], surface.error_event]))

    failed = {"error.type": surface.error_code}
    outcome, duration = meters.one("streamspan.client.outcomes"), meters.one("gen_ai.client.operation.duration")
    assert meters.trace.attributes()["error.type"] == surface.error_code
    assert outcome["attributes"].items() >= {**failed, "streamspan.outcome": "failed"}.items()
    assert duration["attributes"].items() >= failed.items()
    assert "error.type" not in meters.one("gen_ai.client.operation.time_to_first_chunk")["attributes"]


async def test_estimates_are_no_reported_tokens(meters: Meters) -> None:
    """Tokens that nobody reported are not recorded; the cost that rests on our estimate says so."""
    await run(OPENAI, Reply(body=openai_chunks(TEXTS)))

    assert meters.trace.attributes()["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert meters.named("gen_ai.client.token.usage") == []
    assert meters.one("streamspan.client.cost")["attributes"]["streamspan.cost.estimated"] is True


async def test_unknown_prices_are_no_cost(meters: Meters) -> None:
    """A model without a known price costs nothing that could be counted, not 0."""
    with Loopback(Reply(body=openai_chunks(TEXTS, model="mine-7b", usage=USAGE))) as server, OPENAI.client(server) as client:
        list(client.chat.completions.create(model="mine-7b", messages=MESSAGES, stream=True))

    assert meters.named("streamspan.client.cost") == []
    assert meters.one("streamspan.client.outcomes")["value"] == 1


@pytest.mark.parametrize("surface", SYNC, ids=repr)
async def test_active_streams(surface: Surface, meters: Meters) -> None:
    """A stream is counted from its request to its end, and then there are none of its kind."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        iterator = surface.iterator(stream)
        await surface.next(iterator)
        running = meters.one("streamspan.client.active_streams")
        while await surface.next(iterator) is not None:
            pass
        over = meters.one("streamspan.client.active_streams")
        await surface.shut(client)

    span = meters.trace.attributes()
    keys = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
    assert running["attributes"] == over["attributes"] == {key: span[key] for key in keys}
    assert (running["value"], over["value"]) == (1, 0)


async def test_whole_calls_are_no_streams(meters: Meters) -> None:
    """While the SDK waits for a whole answer, no stream runs."""
    asked, answer = threading.Event(), threading.Event()

    def reply(_: object) -> Reply:
        asked.set()
        answer.wait(10)
        return Reply.of(OPENAI.whole("Lima"))

    with Loopback(reply) as server, OPENAI.client(server) as client:
        create = client.chat.completions.create
        thread = threading.Thread(target=lambda: create(model="gpt-4o-mini", messages=MESSAGES))
        thread.start()
        asked.wait(10)
        before = len(meters.collector.metrics())
        meters.provider.force_flush()
        points = [point for export in meters.collector.metrics()[before:] for point in export]
        answer.set()
        thread.join()

    assert points == []
    assert meters.one("gen_ai.client.operation.duration")["count"] == 1


@pytest.mark.settings(chunk_metrics=True)
async def test_a_long_stream_is_recorded_while_it_runs(meters: Meters, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been recorded is not kept: a look at the stream takes all that have come, and leaves one moment to go on from."""
    taken: list[int] = []
    take = ChunkGaps.take

    def watched(gaps: ChunkGaps) -> Any:
        found = take(gaps)
        taken.append(len(found))
        assert len(gaps._times) == 0
        return found

    monkeypatch.setattr(ChunkGaps, "take", watched)
    go_on = threading.Event()
    chunks = openai_chunks(["Lima "] * 300)
    pieces: list[Piece] = [*chunks[:200], go_on, *chunks[200:]]
    with Loopback(Reply(body=pieces)) as server, OPENAI.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        for _ in range(200):
            next(stream)
        (call,) = live.running()
        call.look(0.0)
        early = meters.one("gen_ai.client.operation.time_per_output_chunk")["count"]
        go_on.set()
        list(stream)

    chunks_seen = int(str(meters.trace.attributes()["streamspan.chunks"]))
    assert early == 199
    assert meters.one("gen_ai.client.operation.time_per_output_chunk")["count"] == sum(taken) == chunks_seen - 1


def test_gaps_are_those_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often they are taken, none is missing and none is there twice."""
    moments = [1.0, 1.5, 3.0, 3.25, 7.0]
    clock = iter(moments)
    monkeypatch.setattr("streamspan.listeners.chunk_gaps.perf_counter", lambda: next(clock))
    read: list[Any] = []
    gaps = ChunkGaps(lambda chunk, _: read.append(chunk))
    taken = [list(gaps.take())]
    for number, rest in enumerate([1, 2, 2]):
        for _ in range(rest):
            gaps.read(number, Answer())
        taken.append(list(gaps.take()))

    assert taken == [[], [], [0.5, 1.5], [0.25, 3.75]]
    assert read == [0, 1, 1, 2, 2]


# --- not sampled ------------------------------------------------------------------------------------------------------


def instrumented(sampler: Sampler, *readers: InMemoryMetricReader, **settings: Any) -> None:
    """Observes the SDKs with this sampler and these readers of metrics."""
    provider = MeterProvider(readers, shutdown_on_exit=False)
    streamspan.instrument(tracer_provider=TracerProvider(sampler=sampler), meter_provider=provider, **settings)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", SYNC, ids=repr)
async def test_a_call_that_is_not_sampled_is_counted(surface: Surface, stream: bool) -> None:
    """It has no span and no exemplar, and the same metrics as one that is sampled."""
    reply = surface.streams(surface.wire(TEXTS)) if stream else surface.wholly(surface.whole("".join(TEXTS)))
    reader = InMemoryMetricReader()
    instrumented(ALWAYS_OFF, reader, chunk_metrics=True)
    try:
        await run(surface, reply, stream=stream)
        data: Any = reader.get_metrics_data()
    finally:
        streamspan.uninstrument()

    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    of_streams = {"gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.operation.time_per_output_chunk"}
    of_all = {"gen_ai.client.operation.duration", "streamspan.client.outcomes", "streamspan.client.cost"}
    assert {m.name for m in metrics} - {"gen_ai.client.token.usage"} == (of_all | of_streams if stream else of_all)
    assert not [p for m in metrics for p in m.data.data_points if p.exemplars]


async def test_nothing_is_written_of_a_call_that_is_not_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No content is kept, no chunk is noted, no event is sent: whatever the settings say of calls that are sampled."""
    calls: list[Any] = []
    add = live.add

    def watched(call: Any) -> None:
        calls.append(call)
        add(call)

    monkeypatch.setattr(live, "add", watched)
    instrumented(ALWAYS_OFF, InMemoryMetricReader(), capture_stream_chunks="both", details_event=True, pending_span=True)
    try:
        await run(OPENAI, Reply(body=openai_chunks(TEXTS)))
    finally:
        streamspan.uninstrument()

    (call,) = calls
    assert (call.chunk_events, call._prompt, call._asked, call.progress.marks) == (None, None, {}, [])
    assert not call._telemetry.content.is_kept
    assert not call._telemetry.reports_progress
    assert (call._telemetry.settings.sends_details, call._telemetry.settings.pending_span) == (False, False)


@pytest.mark.parametrize(
    "provider",
    [None, metrics.NoOpMeterProvider(), MeterProvider(shutdown_on_exit=False)],
    ids=["none", "no-op", "without a reader"],
)
async def test_nobody_takes_metrics(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a meter provider, with one that does nothing, with one without readers: a call that is not sampled is not observed."""

    def observed(_: object) -> None:
        pytest.fail("observed")

    monkeypatch.setattr(live, "add", observed)
    streamspan.instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF), meter_provider=provider)
    try:
        await run(OPENAI, Reply(body=openai_chunks(TEXTS)))
    finally:
        streamspan.uninstrument()


# --- the machinery ----------------------------------------------------------------------------------------------------


def test_one_set_of_instruments_for_all_sdks() -> None:
    """However many instrumentors there are, and whether a provider is named or is the global one."""
    provider, conventions = MeterProvider(shutdown_on_exit=False), BY_NAME["1.41"]

    assert instruments_of(provider, conventions) is instruments_of(provider, conventions)
    assert instruments_of(None, conventions) is instruments_of(metrics.get_meter_provider(), conventions)
    assert instruments_of(None, conventions) is not instruments_of(provider, conventions)
    assert instruments_of(provider, BY_NAME["both"]) is not instruments_of(provider, conventions)


def test_what_cannot_be_left_to_a_thread_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, as while the interpreter shuts down, nothing is left undone."""
    live.end_all()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[str] = []
    live.later(lambda: done.append("now"))

    assert done == ["now"]


def test_settling_waits_for_what_the_thread_is_at() -> None:
    """What the thread has begun is done, too, when somebody asks that all be done."""
    begun, done = threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        threading.Event().wait(0.05)
        done.append("done")

    live.later(work)
    begun.wait(10)
    live.settle()

    assert done == ["done"]
