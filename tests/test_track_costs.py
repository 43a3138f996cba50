"""`track_costs`: what the calls of a function cost, over real SDKs, and with streams that no SDK made."""

import asyncio
import contextvars
import gc
import inspect
import json
import logging
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import streamspan
from streamspan import BudgetError, BudgetExceededError, CallCost, Costs, RateLimitExceededError, track_costs
from streamspan.enforcement import gate
from streamspan.tracking.limits import MinuteLimit

from conftest import Recorder
from loopback import Loopback, Reply, openai_usage
from surfaces import (
    BEDROCK,
    GOOGLE,
    SURFACES,
    AnthropicSurface,
    GoogleSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

SYNC, ASYNC = OpenAISurface(is_async=False), OpenAISurface(is_async=True)
REPORTED = openai_usage(prompt=1000, completion=200)
COST = Decimal("0.00027")
"""Of that, with gpt-4o-mini."""


def body(**options: Any) -> list[bytes]:
    """A stream of the OpenAI API that says what it used."""
    return SYNC.wire(["Li", "ma"], usage=REPORTED, **options)


def chunks() -> list[dict[str, Any]]:
    """The same as decoded JSON, as somebody has it who speaks HTTP himself."""
    return [json.loads(piece.partition(b"data: ")[2]) for piece in body() if b"{" in piece]


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing stays observed, and no budget is in force."""
    monkeypatch.setattr(gate, "_declared", ())
    yield
    streamspan.uninstrument()


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """Answers every question in the same way."""
    with Loopback(lambda _: Reply(body=body())) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Any]:
    """A client of it."""
    client = SYNC.client(server)
    yield client
    client.close()


def open_stream(client: Any) -> Any:
    """A stream of one call."""
    resource, arguments = SYNC.call(client)
    return resource.create(stream=True, **arguments)


# --- the examples of the product document ----------------------------------------------------------------------------


def test_the_documents_sync_example(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """It works as it is printed: the cost is there when the stream is read."""
    with SYNC.client(server) as client:

        @track_costs(project="my_app", max_budget=5.00)
        def stream_response(text: str) -> Any:
            return client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": text}],
                stream=True,
                stream_options={"include_usage": True},  # recommended
            )

        for chunk in stream_response("Hello"):
            if chunk.choices:
                print(chunk.choices[0].delta.content or "", end="")  # noqa: T201
    assert capsys.readouterr().out == "Lima"
    assert streamspan.costs(stream_response) == Costs(1, 1000, 200, COST)


async def test_the_documents_async_example(server: Loopback) -> None:
    """An asynchronous generator over an asynchronous stream."""
    client = ASYNC.client(server)

    @track_costs(project="my_app")
    async def async_stream(text: str) -> AsyncIterator[Any]:
        stream = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            yield chunk

    assert len([chunk async for chunk in async_stream("Hello")]) > 2
    await client.close()
    assert streamspan.costs(async_stream) == Costs(1, 1000, 200, COST)


# --- what SDKs return ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
@pytest.mark.parametrize("instrumented", [False, True])
async def test_a_stream_keeps_its_type(surface: Surface, instrumented: bool, recorder: Recorder) -> None:
    """The SDK's own stream comes back, sync or async (rows 1, 2, 16, 17), and is one call, with or without `instrument`."""
    told: list[CallCost] = []
    if instrumented:
        streamspan.instrument(tracer_provider=recorder.provider)
    with Loopback(surface.streams(surface.wire(["Li", "ma"]))) as server:
        client = surface.client(server)
        tracked = track_costs(project="p", report=told.append)(lambda: surface.open(client))
        stream = await tracked()
        kind = stream.__class__
        await surface.take(stream)
        await surface.shut(client)

    assert kind in surface.stream_types
    assert streamspan.costs(tracked).calls == 1
    assert [(cost.project, cost.outcome, cost.cost is not None) for cost in told] == [("p", "completed", True)]
    assert len(recorder.ended) == instrumented
    assert all(span.attributes and span.attributes["streamspan.project"] == "p" for span in recorder.ended)


@pytest.mark.parametrize("surface", [surface for surface in SURFACES if surface.has_helper], ids=repr)
async def test_a_manager_that_is_returned(surface: Surface) -> None:
    """``stream()`` sends when it is entered, outside of the function: it is charged to it all the same (row 1)."""
    with Loopback(surface.streams(surface.wire(["Li", "ma"]))) as server:
        client = surface.client(server)
        tracked = track_costs(lambda: surface.helper(client))
        manager = tracked()
        assert type(manager).__name__.endswith("StreamManager")
        async with surface.within(manager) as stream:
            await surface.take(stream)
        await surface.shut(client)
    assert streamspan.costs(tracked).calls == 1


@pytest.mark.parametrize("via", ["", "with_raw_response", "with_streaming_response"])
@pytest.mark.parametrize("surface", [SYNC, ASYNC, AnthropicSurface(is_async=False)], ids=repr)
async def test_whole_answers_and_raw_responses(surface: Surface, via: str) -> None:
    """An answer that comes at once is counted, however it is handed over."""
    with Loopback(lambda _: surface.wholly(surface.whole("Lima"))) as server:
        client = surface.client(server)

        @track_costs
        async def ask() -> Any:
            return await surface.create(client, via=via)

        result = await ask()
        if via == "with_streaming_response":
            async with surface.within(result) as response:
                await surface.parse(response)
        await surface.shut(client)
    assert streamspan.costs(ask).calls == 1
    assert streamspan.costs(ask).total > 0


def test_a_sync_function_that_returns_a_coroutine(server: Loopback) -> None:
    """The coroutine of an asynchronous client runs later, in the function's name."""

    async def run() -> None:
        client = ASYNC.client(server)
        tracked = track_costs(lambda: ASYNC.open(client))
        coroutine = tracked()
        assert inspect.iscoroutine(coroutine)
        await ASYNC.take(await coroutine)
        await client.close()
        assert streamspan.costs(tracked).calls == 1

    asyncio.run(run())


def test_a_google_stream_that_is_read_elsewhere() -> None:
    """The request of google-genai goes out with the first item, outside of the function."""
    surface = GoogleSurface(is_async=False)
    with Loopback(surface.streams(surface.wire(["Li", "ma"]))) as server, surface.client(server) as client:
        tracked = track_costs(project="g")(lambda: client.models.generate_content_stream(model=surface.model, contents="?"))
        stream = tracked()
        assert stream.gi_frame.f_globals["__name__"].startswith("google.genai")
        list(stream)
    assert streamspan.costs(tracked).calls == 1


# --- generators ------------------------------------------------------------------------------------------------------


def test_a_generator_over_a_stream_is_one_call(client: Any) -> None:
    """What a generator hands on of an observed stream is not counted again, also as dictionaries."""

    @track_costs
    def objects() -> Iterator[Any]:
        yield from open_stream(client)

    @track_costs
    def dictionaries() -> Iterator[Any]:
        for chunk in open_stream(client):
            yield chunk.model_dump()

    assert len(list(objects())) == len(list(dictionaries()))
    assert streamspan.costs(objects) == streamspan.costs(dictionaries) == Costs(1, 1000, 200, COST)


def test_a_stream_from_outside_that_is_handed_on(recorder: Recorder) -> None:
    """A stream that was asked for elsewhere is no call of the function that relays it."""
    with Loopback(Reply(body=body())) as server, SYNC.client(server) as client:
        streamspan.instrument(tracer_provider=recorder.provider)
        stream = open_stream(client)

        @track_costs
        def relay(stream: Any) -> Iterator[Any]:
            yield from stream

        list(relay(stream))
    assert streamspan.costs(relay).calls == 0


@pytest.mark.parametrize("form", ["dictionaries", "lines", "bytes"])
def test_chunks_that_no_sdk_made(form: str, recorder: Recorder) -> None:
    """Chunks of a raw HTTP stream are a call of their own, with a span."""
    streamspan.instrument(tracer_provider=recorder.provider)
    wire = b"".join(body())
    forms: dict[str, list[Any]] = {
        "dictionaries": chunks(),
        "lines": wire.decode().splitlines(),
        "bytes": [wire[start : start + 50] for start in range(0, len(wire), 50)],
    }

    @track_costs(project="raw")
    def replay() -> Iterator[Any]:
        yield from forms[form]

    assert list(replay()) == forms[form]
    assert streamspan.costs(replay) == Costs(1, 1000, 200, COST)
    assert recorder.attributes()["streamspan.project"] == "raw"


async def test_chunks_that_no_sdk_made_async() -> None:
    """The same of an asynchronous generator."""

    @track_costs
    async def replay() -> AsyncIterator[Any]:
        for chunk in chunks():
            yield chunk

    assert len([chunk async for chunk in replay()]) == len(chunks())
    assert streamspan.costs(replay) == Costs(1, 1000, 200, COST)


class RawStream:
    """A stream of a client that nobody observes."""

    def __init__(self) -> None:
        self.items = iter(chunks())
        self.is_closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        """Closes it."""
        self.is_closed = True


def test_a_stream_of_an_unknown_client() -> None:
    """What has ``__next__`` and ``close`` is read along; files and plain iterators are what they were (the document)."""
    tracked = track_costs(RawStream)
    stream = tracked()
    assert isinstance(stream, RawStream)
    list(stream)
    stream.close()
    assert stream.is_closed
    assert streamspan.costs(tracked) == Costs(1, 1000, 200, COST)
    plain = map(str, [1])
    assert track_costs(lambda: plain)() is plain


@pytest.mark.parametrize("how", ["break", "close", "drop", "error"])
def test_a_generator_that_is_left_early(how: str, client: Any) -> None:
    """What was consumed is counted, with its input, and the SDK's stream is closed (rows 4, 5, 6, 7)."""
    told: list[CallCost] = []
    streams: list[Any] = []

    @track_costs(report=told.append)
    def generate() -> Iterator[Any]:
        with open_stream(client) as stream:
            streams.append(stream)
            yield from stream

    generator: Any = generate()
    for _, chunk in zip(range(3), generator, strict=False):
        if how == "break" and chunk:
            continue
    if how == "error":
        with pytest.raises(ZeroDivisionError):
            generator.throw(ZeroDivisionError)
    elif how == "close":
        generator.close()
    del generator
    gc.collect()

    costs = streamspan.costs(generate)
    (cost,) = told
    assert (costs.calls, costs.estimated_share) == (1, 1.0)
    assert costs.input_tokens > 0
    assert costs.total > 0
    assert cost.estimated
    assert streams[0].response.is_closed


def test_a_raw_generator_that_is_left_early() -> None:
    """Of chunks that no SDK made, what came is counted."""

    @track_costs
    def replay() -> Iterator[Any]:
        yield from chunks()

    generator: Any = replay()
    next(generator)
    next(generator)
    generator.close()
    assert (streamspan.costs(replay).calls, streamspan.costs(replay).output_tokens) == (1, 1)


def test_what_a_generator_takes_and_gives() -> None:
    """``send``, ``throw`` and the return value work as without."""

    @track_costs
    def echo() -> Generator[Any, Any, str]:
        got = yield 1
        try:
            yield got
        except KeyError:
            return "caught"
        return ""

    generator = echo()
    assert (next(generator), generator.send(2)) == (1, 2)
    with pytest.raises(StopIteration) as stop:
        generator.throw(KeyError())
    assert stop.value.value == "caught"


# --- what only the program knows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "costs"),
    [
        (("gpt-4o-mini", 1000, 200), Costs(1, 1000, 200, COST)),
        ({"model": "gpt-4o-mini", "input_tokens": 1000, "output_tokens": 200}, Costs(1, 1000, 200, COST)),
        (("gpt-4o-mini", None, None), Costs(1)),
        (None, Costs()),
        (("too", "short"), Costs()),
        (ZeroDivisionError(), Costs()),
    ],
    ids=str,
)
def test_extract_usage(said: Any, costs: Costs, caplog: pytest.LogCaptureFixture) -> None:
    """It counts what nobody sees; without tokens, or if it fails, nothing of that reaches the application (row 21)."""

    def extract(result: str) -> Any:
        assert result == "answer"
        if isinstance(said, Exception):
            raise said
        return said

    ask = track_costs(extract_usage=extract)(lambda: "answer")
    assert ask() == "answer"
    assert streamspan.costs(ask) == costs
    assert ("extract_usage" in caplog.text) == (said == ("too", "short") or isinstance(said, Exception))


def test_a_model_that_has_no_price(client: Any) -> None:
    """`model=` says by which model a deployment is priced; without it the call is unpriced, not free (rows 14, 15)."""
    resource, arguments = SYNC.call(client)
    reply = Reply(body=SYNC.wire(["x"], usage=REPORTED, model="our-deployment"))
    with Loopback([reply, reply]) as server, SYNC.client(server) as own:
        resource, arguments = SYNC.call(own)

        def ask() -> None:
            list(resource.create(stream=True, **{**arguments, "model": "our-deployment"}))

        unknown, known = track_costs(ask), track_costs(model="gpt-4o-mini")(ask)
        unknown()
        known()
    assert (streamspan.costs(unknown).unpriced, streamspan.costs(unknown).total) == (1, 0)
    assert streamspan.costs(known) == Costs(1, 1000, 200, COST)


# --- budgets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path, recorder: Recorder) -> None:
    """A ledger of this test's own."""
    streamspan.instrument(tracer_provider=recorder.provider, budget_store=f"sqlite:///{tmp_path}/ledger.db")


@pytest.mark.usefixtures("ledger")
def test_a_budget_that_is_used_up(client: Any) -> None:
    """The call that passes it is paid, kept and recorded; the next one is not sent (rows 8, 9, 10)."""

    @track_costs(project=f"p-{uuid4()}", max_budget=COST / 2 * 3, on_exceed="block", period="day")
    def ask() -> list[Any]:
        resource, arguments = SYNC.call(client)
        return list(resource.create(stream=True, **arguments, max_tokens=200))

    assert ask()
    assert ask()
    with pytest.raises(BudgetExceededError) as refused:
        ask()
    assert refused.value.spent == 2 * COST
    assert streamspan.costs(ask).total == 2 * COST


@pytest.mark.usefixtures("ledger")
def test_budgets_of_functions_inside_of_each_other(client: Any) -> None:
    """The inner project is what the call is charged to; the outer budget counts it, too."""
    outer_project, inner_project = f"o-{uuid4()}", f"i-{uuid4()}"
    told: list[CallCost] = []

    @track_costs(project=inner_project, max_budget=1, report=told.append)
    def inner() -> None:
        resource, arguments = SYNC.call(client)
        list(resource.create(stream=True, **arguments, max_tokens=200))

    @track_costs(project=outer_project, max_budget=COST)
    def outer() -> None:
        inner()

    outer()
    with pytest.raises(BudgetExceededError) as refused:
        outer()
    assert refused.value.key == f"project:{outer_project}"
    inner()
    assert streamspan.costs(outer).total == COST
    assert {cost.project for cost in told} == {inner_project}
    assert streamspan.costs(inner_project).total == 2 * COST
    assert streamspan.costs(outer_project).calls == 0


@pytest.mark.usefixtures("ledger")
def test_fifty_threads(client: Any) -> None:
    """Side by side they spend no more than there is: what one call may cost is reserved (row 8)."""
    limit = COST * 10

    @track_costs(project=f"t-{uuid4()}", max_budget=limit)
    def ask() -> None:
        resource, arguments = SYNC.call(client)
        list(resource.create(stream=True, **arguments, max_tokens=1000))

    refused: list[BudgetExceededError] = []

    def run() -> None:
        try:
            ask()
        except BudgetExceededError as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    costs = streamspan.costs(ask)
    assert refused
    assert costs.total <= limit + COST
    assert costs.calls == 50
    assert costs.total == COST * (50 - len(refused))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_budget": -1}, BudgetError),
        ({"max_budget": float("nan")}, BudgetError),
        ({"max_budget": "much"}, BudgetError),
        ({"period": "monthly"}, BudgetError),
        ({"on_exceed": "explode"}, BudgetError),
        ({"tz": "Mars/Base"}, BudgetError),
        ({"project": ""}, TypeError),
        ({"project": 7}, TypeError),
        ({"model": 7}, TypeError),
        ({"report": 7}, TypeError),
        ({"extract_usage": 7}, TypeError),
        ({"rate_limit": 0}, TypeError),
        ({"tpm_limit": 1.5}, TypeError),
    ],
    ids=str,
)
def test_what_cannot_be(arguments: dict[str, Any], error: type[Exception]) -> None:
    """One clear error where the function is decorated, never later (row 11)."""
    with pytest.raises(error, match=next(iter(arguments))):
        track_costs(**arguments)


def test_what_is_no_function() -> None:
    """Only what can be called can be decorated."""
    nothing: Any = 7
    with pytest.raises(TypeError, match="decorates a function, not 7"):
        track_costs(nothing)


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_rate_limit_holds_for_threads() -> None:
    """What is asked for is taken at once: of fifty callers five get through (row 20)."""
    called: list[int] = []
    refused: list[float] = []
    ask = track_costs(rate_limit=5)(lambda: called.append(1))

    def run() -> None:
        try:
            ask()
        except RateLimitExceededError as error:
            refused.append(error.retry_after)

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(called), len(refused)) == (5, 45)
    assert all(0 < seconds <= 60 for seconds in refused)


def test_the_token_limit(client: Any) -> None:
    """Once its calls have used that much in a minute, the function is not called."""
    ask = track_costs(tpm_limit=1000)(lambda: list(open_stream(client)))
    ask()
    with pytest.raises(RateLimitExceededError, match="tpm_limit is 1000 a minute"):
        ask()


def test_a_minute_passes() -> None:
    """After a minute there is room again."""
    now = [0.0]
    limit = MinuteLimit("rate_limit", 1, lambda: now[0])
    limit.take(1)
    with pytest.raises(RateLimitExceededError):
        limit.take(1)
    now[0] = 60.0
    limit.take(1)


# --- reports ---------------------------------------------------------------------------------------------------------


def test_a_line_for_each_call(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """``report=True`` writes one line."""
    with caplog.at_level(logging.INFO, "streamspan.costs"):

        @track_costs(project="maps", report=True)
        def ask() -> None:
            list(open_stream(client))

        ask()
        streamspan.costs(ask)
    name = "test_a_line_for_each_call.<locals>.ask"
    assert caplog.messages == [f"maps: {name}, gpt-4o-mini, 1000 + 200 tokens, $0.00027, completed"]


def test_a_report_that_raises(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the call is counted (row 18)."""

    def fail(_: CallCost) -> None:
        raise ZeroDivisionError

    ask = track_costs(report=fail)(lambda: list(open_stream(client)))
    ask()
    assert streamspan.costs(ask).calls == 1
    assert "the report of track_costs" in caplog.text


def test_who_it_was_for(client: Any, recorder: Recorder) -> None:
    """A report says for whom a call was, and on which span it is."""
    streamspan.instrument(tracer_provider=recorder.provider)
    told: list[CallCost] = []
    ask = track_costs(report=told.append)(lambda: list(open_stream(client)))
    with streamspan.attributes(user_id="u1", tags=["a"]):
        ask()
    streamspan.costs(ask)
    (cost,) = told
    context = recorder.span().get_span_context()
    assert context is not None
    assert dict(cost.attributes) == {"user.id": "u1", "streamspan.tags": ("a",)}
    assert (cost.trace_id, cost.span_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert (cost.cost, cost.usage.input_tokens, cost.estimated) == (COST, 1000, False)


# --- where it holds --------------------------------------------------------------------------------------------------


def test_calls_outside_are_left_alone(client: Any, recorder: Recorder) -> None:
    """Without `instrument`, only what a tracked function does is observed; nothing is counted twice when that comes later."""
    ask = track_costs(lambda: list(open_stream(client)))
    ask()
    list(open_stream(client))
    assert streamspan.costs(ask).calls == 1
    streamspan.instrument(tracer_provider=recorder.provider)
    ask()
    list(open_stream(client))
    assert streamspan.costs(ask).calls == 2
    assert len(recorder.spans(2)) == 2
    streamspan.uninstrument()
    ask()
    assert streamspan.costs(ask).calls == 3


def test_several_calls_threads_and_recursion(client: Any) -> None:
    """All calls inside count, once each, also in a thread that has the context, and of a function that calls itself."""

    @track_costs
    def ask(depth: int) -> None:
        list(open_stream(client))
        if depth:
            thread = threading.Thread(target=contextvars.copy_context().run, args=(ask, depth - 1))
            thread.start()
            thread.join()

    ask(2)
    assert streamspan.costs(ask).calls == 3


def test_sums_are_exact(client: Any) -> None:
    """Money is added as decimals: many calls make no drift (row 21)."""
    ask = track_costs(lambda: list(open_stream(client)))
    for _ in range(11):
        ask()
    assert streamspan.costs(ask).total == COST * 11


def test_functions_stay_what_they_are() -> None:
    """Kind, name, docstring and signature are the function's own."""

    def plain(a: int, *, b: str = "") -> None:
        """Says nothing."""

    async def coroutine() -> None: ...
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    for function in (plain, coroutine, generator, async_generator):
        tracked = track_costs(function)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert kind(tracked) == kind(function)
        assert inspect.signature(tracked) == inspect.signature(function)
        assert (tracked.__name__, tracked.__doc__) == (function.__name__, function.__doc__)
        assert inspect.unwrap(tracked) is function  # pyright: ignore[reportArgumentType]


class Assistant:
    """An application's class."""

    name = "Lima"

    @track_costs
    def method(self, text: str) -> str:
        """Of an object."""
        return self.name + text

    @classmethod
    @track_costs
    def of_class(cls, text: str) -> str:
        """Of the class."""
        return cls.name + text

    @staticmethod
    @track_costs
    def static(text: str) -> str:
        """Of nothing."""
        return text


def test_methods() -> None:
    """Methods of every kind work, in either order of the decorators."""
    above: Any = type("Above", (Assistant,), {"static": track_costs(staticmethod(Assistant.static))})
    assert Assistant().method("!") == Assistant.of_class("!") == Assistant().of_class("!") == "Lima!"
    assert Assistant.static("!") == Assistant().static("!") == above().static("!") == "!"
    assert streamspan.costs(Assistant().method) == Costs()


@pytest.mark.parametrize("surface", [ResponsesSurface(is_async=True)], ids=repr)
async def test_a_task_that_is_cancelled(surface: Surface) -> None:
    """The exception is the application's; what came by then is counted."""
    gate = threading.Event()
    wire = surface.wire(["Li", "ma"])
    with Loopback(Reply(body=[*wire[:4], gate, *wire[4:]])) as server:
        client = surface.client(server)
        first = asyncio.Event()

        @track_costs
        async def ask() -> None:
            async for _ in await surface.open(client):
                first.set()

        task = asyncio.create_task(ask())
        await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await surface.shut(client)
    assert streamspan.costs(ask).calls == 1
