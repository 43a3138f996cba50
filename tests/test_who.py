"""Who and what calls are for: attributes that hold inside of a block, as they leave the process over OTLP."""

import asyncio
import contextvars
import gc
import inspect
import threading
import uuid
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import openai
import pytest
from opentelemetry.context import attach, get_current
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.threading import ThreadingInstrumentor  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult

import streamspan
from streamspan import Settings, live, who

from collector import Collector, SpanRecord
from loopback import Loopback, Reply, google_chunk, sse
from surfaces import (
    BEDROCK,
    GOOGLE,
    INTERACTIONS,
    SURFACES,
    AnthropicSurface,
    GoogleSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

ALL = [*SURFACES, *GOOGLE, *INTERACTIONS, *BEDROCK]
FULL: dict[str, Any] = {
    "user_id": "u1",
    "session_id": "s1",
    "conversation_id": "c1",
    "tags": ["beta", "eu"],
    "project": "maps",
    "team": "search",
}
WRITTEN = {
    "user.id": "u1",
    "session.id": "s1",
    "gen_ai.conversation.id": "c1",
    "streamspan.tags": ("beta", "eu"),
    "streamspan.project": "maps",
    "team": "search",
}


class Watching(Sampler):
    """Takes every span, and keeps what it was told of it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        """Takes it."""
        self.told.append(dict(kwargs.get("attributes") or args[4] or {}))
        return ALWAYS_ON.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        """Its name."""
        return "watching"


class Pipeline:
    """The SDKs observed, with each span and log event sent over OTLP at once."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.sampler = Watching()
        self.spans = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.traces_endpoint)))
        self.logs = LoggerProvider(shutdown_on_exit=False)
        self.logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))

    def close(self) -> None:
        """Ends it."""
        self.spans.shutdown()
        self.logs.shutdown()

    def span(self) -> SpanRecord:
        """The only span."""
        (span,) = self.collector.spans()
        return span

    def said(self) -> list[dict[str, Any]]:
        """What each span says of who and what it is for."""
        return [told(span["attributes"]) for span in self.collector.spans()]


def told(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes that are not of the call itself."""
    ours = ("gen_ai.", "streamspan.", "server.", "openai.", "error.type", "cloud.", "aws.")
    return {name: value for name, value in attributes.items() if name in WRITTEN or not name.startswith(ours)}


@pytest.fixture
def pipeline(request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """Settings come from ``@pytest.mark.settings(...)``; in the end, nothing may be in force any more."""
    marker = request.node.get_closest_marker("settings")
    settings: dict[str, Any] = dict(marker.kwargs) if marker else {}
    with Collector(takes_logs=True) as collector:
        pipeline = Pipeline(collector)
        streamspan.instrument(tracer_provider=pipeline.spans, logger_provider=pipeline.logs, **settings)
        yield pipeline
        streamspan.uninstrument()
        pipeline.close()
    assert who.in_force() == {}


SYNC, ASYNC = OpenAISurface(is_async=False), OpenAISurface(is_async=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """Says one word to every question."""
    with Loopback(lambda _: Reply(body=SYNC.wire(["x"]))) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Any]:
    """A client of it."""
    client = SYNC.client(server)
    yield client
    client.close()


def ask(client: Any) -> None:
    """One streamed call, read to its end."""
    resource, arguments = SYNC.call(client)
    for _ in resource.create(stream=True, **arguments):
        pass


# --- on the spans of the block ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_a_stream_that_is_read_outside_of_the_block(surface: Surface, pipeline: Pipeline) -> None:
    """What holds when a stream is asked for is on its span and known to the sampler, wherever it is read."""
    with Loopback(surface.streams(surface.wire(["Li", "ma"]))) as server:
        client = surface.client(server)
        with streamspan.attributes(**FULL):
            stream = await surface.open(client)
        with streamspan.attributes(user_id="somebody else"):
            await surface.take(stream)
        await surface.shut(client)

    assert pipeline.said() == [WRITTEN]
    assert [told(attributes) for attributes in pipeline.sampler.told] == [WRITTEN]
    assert pipeline.span()["attributes"]["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_a_whole_answer(surface: Surface, pipeline: Pipeline) -> None:
    """A call that is not streamed has them too; the one after the block has none."""
    with Loopback(lambda _: surface.wholly(surface.whole("Lima"))) as server:
        client = surface.client(server)
        async with streamspan.attributes(**FULL):
            await surface.create(client)
        await surface.create(client)
        await surface.shut(client)

    assert pipeline.said() == [WRITTEN, {}]


def test_blocks_are_nested(client: Any, pipeline: Pipeline) -> None:
    """The inner value wins, tags add up without being there twice, ``None`` changes nothing, and each block ends with itself."""
    with streamspan.attributes(user_id="outer", tags=["a", "b"], team="x"):
        with streamspan.attributes(user_id="inner", session_id=None, tags=["b", "c"]), streamspan.attributes(tags="one tag"):
            ask(client)
        ask(client)

    assert pipeline.said() == [
        {"user.id": "inner", "streamspan.tags": ("a", "b", "c", "one tag"), "team": "x"},
        {"user.id": "outer", "streamspan.tags": ("a", "b"), "team": "x"},
    ]


@pytest.mark.settings(progress_interval=0.05)
def test_the_request_wins(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation that the request itself names is the one that it is of, on the span and in its log events."""
    surface, end = ResponsesSurface(is_async=False), threading.Event()
    live.end_all()
    monkeypatch.setattr(live, "interval", 0.05)
    wire = surface.wire(["Li", "ma"])
    with Loopback(Reply(body=[*wire[:-1], end, wire[-1]])) as server, surface.client(server) as client:
        with streamspan.attributes(**FULL):
            stream = client.responses.create(model=surface.model, input="?", conversation="body", stream=True)
        event = (next(stream), pipeline.collector.wait_for_event(lambda _: True))[1]
        end.set()
        list(stream)
    live.end_all()

    assert told(pipeline.span()["attributes"]) == {**WRITTEN, "gen_ai.conversation.id": "body"}
    assert {**event["attributes"], **WRITTEN, "gen_ai.conversation.id": "body"} == event["attributes"]


@pytest.mark.settings(details_event=True, keep="errors", progress_interval=0)
def test_the_events_at_the_end(pipeline: Pipeline) -> None:
    """The event with a call's details has them, and the one with its exception; also why the call is worth keeping."""
    with Loopback(SYNC.refuses("overloaded", 400)) as server, SYNC.client(server) as client:
        with streamspan.attributes(**FULL), pytest.raises(openai.BadRequestError):
            ask(client)
        live.settle()
    pipeline.collector.wait_for_event(lambda event: event["name"].endswith("exception"))
    pipeline.collector.wait_for_event(lambda event: event["name"].endswith("details"))

    events = {event["name"].rpartition(".")[2]: event["attributes"] for event in pipeline.collector.events()}
    assert {name: {**attributes, **WRITTEN} == attributes for name, attributes in events.items()} == {
        "exception": True,
        "details": True,
    }
    assert events["details"]["streamspan.keep"] == "errors"


@pytest.mark.settings(pending_span=True)
def test_the_pending_span(client: Any, pipeline: Pipeline) -> None:
    """The span that is sent when a call starts says who is waiting."""
    with streamspan.attributes(**FULL):
        ask(client)

    assert pipeline.said() == [WRITTEN, WRITTEN]


def test_a_shared_span(client: Any, pipeline: Pipeline) -> None:
    """On a framework's span of the same call they are, too; what the framework says itself stays."""
    own = {"gen_ai.operation.name": "chat", "user.id": "theirs"}
    tracer = pipeline.spans.get_tracer("framework")
    with tracer.start_as_current_span("theirs", attributes=own), streamspan.attributes(**FULL):
        ask(client)

    assert pipeline.said() == [{**WRITTEN, "user.id": "theirs"}]


@pytest.mark.parametrize("streamed", [True, False])
def test_the_parent_of_function_calls(streamed: bool, pipeline: Pipeline) -> None:
    """Where the SDK calls functions by itself, the common parent has them, and so has each request."""

    def get_weather(city: str) -> str:
        """Tells the weather."""
        return f"fine in {city}"

    call: list[Any] = [{"functionCall": {"name": "get_weather", "args": {"city": "Lima"}}}]
    surface = GoogleSurface(is_async=False)
    first = google_chunk(call, finish="STOP")
    streams = [Reply(body=[sse(None, first)]), Reply(body=surface.wire(["fine"]))]
    replies = streams if streamed else [Reply.of(first), Reply.of(surface.whole("fine"))]
    with Loopback(replies) as server, surface.client(server) as client:
        models = client.models
        with streamspan.attributes(user_id="u1"):
            ask = models.generate_content_stream if streamed else models.generate_content
            answer = ask(model=surface.model, contents="?", config={"tools": [get_weather]})
        if streamed:
            list(answer)
        del answer
        gc.collect()
        live.settle()

    pipeline.collector.wait_for(3)  # another thread may be at it
    assert pipeline.said() == [{"user.id": "u1"}] * 3


# --- values ----------------------------------------------------------------------------------------------------------


class Broken:
    """Something whose author did not test it."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Word(str):
    """A string of a kind of its own."""

    __slots__ = ()


ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"user_id": 42, "session_id": ID}, {"user.id": "42", "session.id": str(ID)}),
        ({"user_id": None, "tags": None, "project": None, "team": None}, {}),
        ({"tags": "one tag"}, {"streamspan.tags": ("one tag",)}),
        ({"project": 7}, {"streamspan.project": "7"}),
        ({"tags": ("a", "b", "a", 3)}, {"streamspan.tags": ("a", "b", "3")}),
        pytest.param({"tags": (tag for tag in ["a", "b"])}, {"streamspan.tags": ("a", "b")}, id="tags of a generator"),
        ({"tags": []}, {}),
        ({"feature.flag": True, "n": 3, "x": 0.5, "word": Word("w")}, {"feature.flag": True, "n": 3, "x": 0.5, "word": "w"}),
        ({"list": ["a", "b"], "numbers": (1, 2)}, {"list": ("a", "b"), "numbers": (1, 2)}),
        ({"mixed": [1, "a"], "map": {"a": 1}, "set": {1}}, {"mixed": "[1, 'a']", "map": "{'a': 1}", "set": "{1}"}),
        ({"price": Decimal("0.10"), "huge": 2**63, "nan": float("nan")}, {"price": "0.10", "huge": str(2**63), "nan": "nan"}),
        ({"user_id": "\ud83d\ude00 \ud800"}, {"user.id": "\U0001f600 \ufffd"}),
        ({"raw": b"\xff"}, {"raw": "b'\\xff'"}),
        ({"user.id": "by name", "streamspan.tags": "t", "tags": ["u"]}, {"user.id": "by name", "streamspan.tags": ("t", "u")}),
        ({"gen_ai.conversation.id": "by name"}, {"gen_ai.conversation.id": "by name"}),
    ],
    ids=str,
)
def test_values(given: dict[str, Any], written: dict[str, Any], client: Any, pipeline: Pipeline) -> None:
    """Ids and tags are strings; a value that an attribute cannot hold, or a batch not carry, becomes its ``str``."""
    with streamspan.attributes(**given):
        ask(client)

    assert pipeline.said() == [written]


def test_a_value_that_cannot_be_written_harms_nobody(client: Any, pipeline: Pipeline) -> None:
    """The application's own ``__str__`` may fail: the block does not."""
    with streamspan.attributes(user_id=Broken(), thing=Broken()):
        ask(client)

    (said,) = pipeline.said()
    assert {name: "Broken object at" in value for name, value in said.items()} == {"user.id": True, "thing": True}


def test_a_list_that_is_changed_later(client: Any, pipeline: Pipeline) -> None:
    """A block says what it said when it was made."""
    teams = ["a"]
    block = streamspan.attributes(teams=teams)
    teams.append("b")
    with block:
        ask(client)

    assert pipeline.said() == [{"teams": ("a",)}]


def test_reserved_names(client: Any, pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """What streamspan writes itself cannot be set: one warning for each name, and no exception in the middle of a request."""
    names = ["gen_ai.request.model", "streamspan.outcome", "server.address", "error.type", ""]
    for _ in range(2):
        with streamspan.attributes(**dict.fromkeys(names, "mine"), team="x"):
            ask(client)

    assert pipeline.said() == [{"team": "x"}] * 2
    assert pipeline.collector.spans()[0]["attributes"]["streamspan.outcome"] == "completed"
    assert caplog.messages == [
        f"streamspan.attributes: {name!r} is a name that streamspan writes itself; it is left out" for name in names
    ]


# --- tasks and threads -----------------------------------------------------------------------------------------------


async def in_a_task(client: Any) -> None:
    await asyncio.create_task(as_coroutine(client))


async def as_coroutine(client: Any) -> None:
    ask(client)


async def in_a_thread_of_asyncio(client: Any) -> None:
    await asyncio.to_thread(ask, client)


async def in_a_copy_of_the_context(client: Any) -> None:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(ask, client))
    thread.start()
    thread.join()


async def in_a_thread(client: Any) -> None:
    thread = threading.Thread(target=ask, args=(client,))
    thread.start()
    thread.join()


async def in_a_pool(client: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, client).result()


@pytest.fixture
def threads_carry_context() -> Iterator[None]:
    """OpenTelemetry's instrumentation of threads and pools."""
    ThreadingInstrumentor().instrument()
    yield
    ThreadingInstrumentor().uninstrument()


@pytest.mark.parametrize("where", [in_a_task, in_a_thread_of_asyncio, in_a_copy_of_the_context])
async def test_what_the_context_flows_into(where: Callable[[Any], Any], client: Any, pipeline: Pipeline) -> None:
    """Tasks, asyncio's threads and copies of the context are inside of the block."""
    with streamspan.attributes(**FULL):
        await where(client)

    assert pipeline.said() == [WRITTEN]


@pytest.mark.parametrize("where", [in_a_thread, in_a_pool])
async def test_plain_threads(where: Callable[[Any], Any], client: Any, pipeline: Pipeline) -> None:
    """A plain thread has a context of its own, which is Python's rule, and none of the attributes."""
    with streamspan.attributes(**FULL):
        await where(client)

    assert pipeline.said() == [{}]


@pytest.mark.usefixtures("threads_carry_context")
@pytest.mark.parametrize("where", [in_a_thread, in_a_pool])
async def test_threads_under_opentelemetrys_instrumentation(
    where: Callable[[Any], Any], client: Any, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """With opentelemetry-instrumentation-threading plain threads and pools are inside as well."""
    with streamspan.attributes(**FULL):
        await where(client)

    assert pipeline.said() == [WRITTEN]
    assert caplog.messages == []


async def test_a_task_that_outlives_the_block(client: Any, pipeline: Pipeline) -> None:
    """A task that was started inside is inside until it ends, as with every context variable."""
    go_on = asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        ask(client)

    with streamspan.attributes(**FULL):
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    go_on.set()
    await task

    assert pipeline.said() == [WRITTEN]


async def test_tasks_side_by_side(pipeline: Pipeline) -> None:
    """Each of many tasks has its own."""
    with Loopback(lambda _: Reply(body=ASYNC.wire(["x"]))) as server:
        client = ASYNC.client(server)

        async def answer(user: int) -> None:
            with streamspan.attributes(user_id=user):
                await asyncio.sleep(0)
                await ASYNC.take(await ASYNC.open(client))

        await asyncio.gather(*map(answer, range(10)))
        await ASYNC.shut(client)

    assert sorted(said["user.id"] for said in pipeline.said()) == [str(user) for user in range(10)]


def test_one_block_in_many_threads() -> None:
    """One block may be entered often, inside of itself, and by many threads at a time."""
    block, barrier = streamspan.attributes(team="x"), threading.Barrier(4)
    seen: list[Any] = []

    def work() -> None:
        for _ in range(50):
            barrier.wait()
            with block, block:
                barrier.wait()
                seen.append(who.in_force())
            seen.append(who.in_force())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, seen)) == [0] * 200 + [1] * 200
    assert block._entered == []


# --- blocks that are left in another way than they were entered ------------------------------------------------------


def speak() -> Iterator[str]:
    with streamspan.attributes(user_id="u1"):
        yield "a"
        yield "b"


async def aspeak() -> AsyncGenerator[str]:
    with streamspan.attributes(user_id="u1"):
        yield "a"
        yield "b"


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is in force in the end, and nothing was logged."""
    yield
    assert who.in_force() == {}
    assert caplog.messages == []


@pytest.mark.usefixtures("quiet")
def test_a_generator_that_is_closed_in_another_context() -> None:
    """Its block is over in the context in which it began, too: no later call is somebody else's."""
    generator = speak()
    next(generator)
    assert who.in_force() == {"user.id": "u1"}

    contextvars.Context().run(generator.close)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.usefixtures("quiet")
def test_a_generator_that_is_closed_in_a_copy_of_the_context() -> None:
    """Then it is over in the copy as well."""
    generator = speak()
    next(generator)

    def close() -> Any:
        generator.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        return who.in_force()

    assert contextvars.copy_context().run(close) == {}


@pytest.mark.usefixtures("quiet")
def test_a_generator_that_is_closed_by_another_thread() -> None:
    """A server's thread may do that."""
    generator = speak()
    next(generator)
    thread = threading.Thread(target=generator.close)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    thread.start()
    thread.join()


@pytest.mark.usefixtures("quiet")
async def test_an_asynchronous_generator_that_is_dropped() -> None:
    """The event loop closes it in a task of its own."""
    async for _ in aspeak():
        break
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("quiet")
async def test_an_asynchronous_generator_that_another_task_closes() -> None:
    """As frameworks do when a client goes away."""
    generator = aspeak()
    await anext(generator)
    await asyncio.create_task(generator.aclose())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("quiet")
def test_generators_that_overlap() -> None:
    """The block that began first may end first, and takes only itself away."""

    def speak_as(user: str, **more: Any) -> Iterator[None]:
        with streamspan.attributes(user_id=user, **more):
            yield

    first, second = speak_as("u1", a=True), speak_as("u2", b=True)
    next(first)
    next(second)
    assert who.in_force() == {"user.id": "u2", "a": True, "b": True}
    next(first, None)
    assert who.in_force() == {"user.id": "u2", "b": True}
    next(second, None)


@pytest.mark.usefixtures("quiet")
def test_what_others_attach_stays() -> None:
    """A context that somebody attached inside, and left there, stays; the block is over in it, and in what it brings back."""
    before = get_current()
    with streamspan.attributes(user_id="u1"):
        token = attach({**get_current(), "theirs": 1})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert get_current().get("theirs") == 1
    assert who.in_force() == {}
    token.var.reset(token)
    assert who.in_force() == {}
    attach(before)


@pytest.mark.usefixtures("quiet")
def test_a_block_leaves_nothing_behind() -> None:
    """No cycle is left for the garbage collector, which is off in the tests."""
    with streamspan.attributes(user_id="left behind"):
        pass
    layers = [found for found in gc.get_objects() if isinstance(found, who.Layer)]
    assert [layer for layer in layers if layer.values == {"user.id": "left behind"}] == []


# --- as a decorator --------------------------------------------------------------------------------------------------

decorate = streamspan.attributes(team="x")


@decorate
def call(client: Any) -> str:
    """One call."""
    ask(client)
    return "done"


@decorate
async def acall(client: Any) -> str:
    """One call."""
    await asyncio.sleep(0)
    ask(client)
    return "done"


def test_functions(client: Any, pipeline: Pipeline) -> None:
    """A decorated function is inside while it runs, and is what it was otherwise."""
    assert (call(client), call.__name__, call.__doc__) == ("done", "call", "One call.")
    ask(client)

    assert pipeline.said() == [{"team": "x"}, {}]


async def test_coroutine_functions(client: Any, pipeline: Pipeline) -> None:
    """The body of a coroutine is inside, not only the making of it."""
    coroutine = acall(client)
    ask(client)
    assert (await coroutine, inspect.iscoroutinefunction(acall)) == ("done", True)

    assert pipeline.said() == [{}, {"team": "x"}]


@decorate
def generate(log: list[Any]) -> Generator[str, str, str]:
    """Tells what is in force in each of its steps, and what is sent or thrown into it."""
    try:
        sent = yield "a"
        log.append((sent, who.in_force()))
        try:
            yield "b"
        except LookupError as error:
            log.append((repr(error), who.in_force()))
        yield "c"
    finally:
        log.append(("finally", who.in_force()))
    return "returned"


@decorate
async def agenerate(log: list[Any]) -> AsyncGenerator[str, str]:
    """The same."""
    try:
        sent = yield "a"
        log.append((sent, who.in_force()))
        try:
            yield "b"
        except LookupError as error:
            log.append((repr(error), who.in_force()))
        yield "c"
    finally:
        await asyncio.sleep(0)
        log.append(("finally", who.in_force()))


INSIDE = {"team": "x"}


@pytest.mark.usefixtures("quiet")
def test_generators() -> None:
    """A generator's body is inside, who consumes it is not; sending, throwing, returning and closing are as without us."""
    log: list[Any] = []
    generator = generate(log)
    steps = [(next(generator), who.in_force()), (generator.send("sent"), who.in_force())]
    steps.append((generator.throw(LookupError("thrown")), who.in_force()))
    assert steps == [("a", {}), ("b", {}), ("c", {})]
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "returned"
    assert log == [("sent", INSIDE), ("LookupError('thrown')", INSIDE), ("finally", INSIDE)]

    closed: list[Any] = []
    generator = generate(closed)
    next(generator)
    generator.close()
    with pytest.raises(KeyError):
        fail(generate(closed))
    assert closed == [("finally", INSIDE)] * 2


@pytest.mark.usefixtures("quiet")
async def test_asynchronous_generators() -> None:
    """The same of asynchronous ones."""
    log: list[Any] = []
    generator = agenerate(log)
    steps = [(await anext(generator), who.in_force()), (await generator.asend("sent"), who.in_force())]
    steps.append((await generator.athrow(LookupError("thrown")), who.in_force()))
    assert steps == [("a", {}), ("b", {}), ("c", {})]
    assert await anext(generator, None) is None
    assert log == [("sent", INSIDE), ("LookupError('thrown')", INSIDE), ("finally", INSIDE)]

    closed: list[Any] = []
    generator = agenerate(closed)
    await anext(generator)
    await generator.aclose()
    dropped: AsyncIterator[str] = agenerate(closed)
    await anext(dropped)
    del dropped
    for _ in range(10):
        await asyncio.sleep(0)
    assert closed == [("finally", INSIDE)] * 2


@pytest.mark.usefixtures("quiet")
def test_a_dropped_generator_is_freed_at_once() -> None:
    """What a decorated generator holds, such as a stream, is freed with it: no cycle waits for the garbage collector."""
    log = Held()
    generator = generate(log)
    next(generator)
    del generator
    assert log == [("finally", INSIDE)]
    with pytest.raises(KeyError):
        fail(generate(log))
    is_there = weakref.ref(log)
    del log
    assert is_there() is None


class Held(list[Any]):
    """A list that can be referred to weakly."""


def fail(generator: Generator[str, str, str]) -> None:
    next(generator)
    generator.throw(KeyError("out"))


def test_streams_inside_of_a_decorated_generator(pipeline: Pipeline) -> None:
    """The calls of a decorated generator have the attributes, those of its consumer between two items have not."""
    surface = AnthropicSurface(is_async=False)

    @streamspan.attributes(user_id="u1")
    def relay(client: Any) -> Iterator[Any]:
        for _ in range(2):
            resource, arguments = surface.call(client)
            yield list(resource.create(stream=True, **arguments))

    with Loopback(lambda _: Reply(body=surface.wire(["x"]))) as server, surface.client(server) as client:
        resource, arguments = surface.call(client)
        for _ in relay(client):
            list(resource.create(stream=True, **arguments))

    assert pipeline.said() == [{"user.id": "u1"}, {}, {"user.id": "u1"}, {}]


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_metric_attributes() -> None:
    """Metrics have those attributes that are asked for, if they are in force; metrics take them as they are."""
    names = Settings.load(
        environ={"STREAMSPAN_METRIC_ATTRIBUTES": "team, streamspan.tags,streamspan.project,user.id"}
    ).metric_attributes
    with streamspan.attributes(team="x", tags=["a", "b"], project="maps", session_id="s"):
        wanted = who.metric_attributes(who.in_force(), names)
    assert wanted == {"team": "x", "streamspan.tags": ("a", "b"), "streamspan.project": "maps"}
    assert who.metric_attributes(who.in_force(), names) == {}

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("test").create_counter("calls")
    counter.add(1, wanted)
    counter.add(1, dict(wanted))
    data: Any = reader.get_metrics_data()
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    provider.shutdown()
    assert (point.value, dict(point.attributes)) == (2, wanted)


def test_no_metric_attributes_by_default() -> None:
    """Each value makes a time series, so nothing is on metrics that nobody asked for."""
    with streamspan.attributes(user_id="u1"):
        assert who.metric_attributes(who.in_force(), Settings().metric_attributes) == {}
