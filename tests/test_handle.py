"""A program's hold on a stream: what it tells at any moment, how it ends a stream, and that its result always comes."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

import streamspan
from streamspan import Handle, StreamResult, TokenUsage, live

from conftest import Recorder
from loopback import CUT, Loopback, Piece, Reply, Tool, openai_usage
from surfaces import BEDROCK, GOOGLE, SURFACES, OpenAISurface, Surface

ALL = [*SURFACES, *GOOGLE, *BEDROCK]
TEXTS = ["Lima ", "is ", "in ", "Peru."]


@asynccontextmanager
async def stalled(surface: Surface) -> AsyncGenerator[tuple[Any, Loopback]]:
    """A stream that brings all its text, and then nothing more until the client leaves."""
    never = threading.Event()
    body: list[Piece] = [*surface.wire(TEXTS, terminal=False), never]
    reply = surface.streams(body)
    with Loopback(reply) as server:
        client = surface.client(server)
        yield await surface.open(client), server
        never.set()
        await surface.shut(client)


def in_time(result: "Future[StreamResult]") -> StreamResult:
    """The result, which has to be there soon."""
    return result.result(timeout=10)


async def read_until(surface: Surface, stream: Any, held: Handle, text: str) -> Any:
    """Reads until this text has come; the stream is to be read on from what is returned."""
    iterator = surface.iterator(stream)
    while held.text != text:
        await surface.next(iterator)
    return iterator


async def collect_until_over(held: Handle) -> None:
    """Lets what was dropped be collected: asyncio closes dropped generators in tasks of its own, which refer to them for a while."""
    async with asyncio.timeout(10):
        while not held.result.done():
            gc.collect()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_abort_from_another_thread_wakes_the_reader(surface: Surface, observed: Recorder) -> None:
    """A reader who waits for a chunk gets the end of the stream, the server sees the client leave, span and result have the rest."""
    async with stalled(surface) as (stream, server):
        held = streamspan.handle(stream)
        iterator = await read_until(surface, stream, held, "".join(TEXTS))
        threading.Timer(0.1, held.abort).start()
        await surface.take(iterator)  # what had come by then may be among it, such as the end of a block

        result = in_time(held.result)
        server.wait_for_connections(0)
    attributes = observed.attributes()
    assert (result.outcome, result.aborted, result.error, result.text) == ("aborted", True, None, "Lima is in Peru.")
    assert result.usage.output_tokens == attributes["gen_ai.usage.output_tokens"]
    assert result.cost == attributes.get("streamspan.cost.total")
    assert attributes["streamspan.outcome"] == "aborted"
    assert observed.span().status.is_unset


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_abort_in_the_loop(surface: Surface, observed: Recorder) -> None:
    """The result is there as soon as abort() returns, and the loop ends with the next chunk that it asks for."""
    async with stalled(surface) as (stream, server):
        held = streamspan.handle(stream)
        iterator = await read_until(surface, stream, held, "".join(TEXTS))
        held.abort()
        assert held.result.done()
        assert held.outcome == "aborted"
        assert await surface.take(iterator) == []
        server.wait_for_connections(0)
    assert in_time(held.result).text == "Lima is in Peru."
    assert observed.attributes()["streamspan.outcome"] == "aborted"


@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_an_abort_that_comes_too_late(surface: Surface, observed: Recorder) -> None:
    """To abort a stream that has ended leaves its connection alone: another stream may be read from it by then."""
    body = surface.wire(TEXTS)
    gate = threading.Event()
    with Loopback([surface.streams(body), surface.streams([*body[: surface.partway], gate, *body[surface.partway :]])]) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        held = streamspan.handle(stream)
        await surface.take(stream)
        other = await surface.open(client)
        held.abort()
        gate.set()
        assert len(await surface.take(other)) >= len(TEXTS)
        await surface.shut(client)
    assert held.outcome == "completed"
    assert [dict(span.attributes or {})["streamspan.outcome"] for span in observed.spans(2)] == ["completed", "completed"]


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_a_whole_stream(surface: Surface, observed: Recorder) -> None:
    """At the end the result says what the span says; the stream brings the same chunks to who holds a handle."""
    body = surface.wire(TEXTS)
    with Loopback([surface.streams(body), surface.streams(body)]) as server:
        client = surface.client(server)
        bare = await surface.take(await surface.open(client))
        stream = await surface.open(client)
        held = streamspan.handle(stream)
        chunks = await surface.take(stream)
        await surface.shut(client)

    result = await held.aresult()
    span = observed.spans(2)[1]
    attributes: dict[str, Any] = dict(span.attributes or {})
    assert [type(chunk) for chunk in chunks] == [type(chunk) for chunk in bare]
    assert span.context is not None
    assert (result.trace_id, result.span_id) == (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    assert (held.trace_id, held.span_id, held.outcome) == (result.trace_id, result.span_id, "completed")
    assert (result.outcome, result.aborted, result.text) == ("completed", False, "Lima is in Peru.")
    assert result.finish_reasons == attributes["gen_ai.response.finish_reasons"]
    assert result.usage.input_tokens == attributes["gen_ai.usage.input_tokens"]
    assert result.usage.output_tokens == attributes["gen_ai.usage.output_tokens"]
    assert list(result.usage.estimated) == list(attributes.get("streamspan.usage.estimated", ()))
    assert result.cost == attributes.get("streamspan.cost.total")
    assert result.model == attributes.get("gen_ai.response.model", surface.model)
    assert (held.text, held.preview, held.usage, held.cost) == (result.text, result.text, result.usage, result.cost)


@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_ids_are_there_before_the_first_chunk(surface: Surface, observed: Recorder) -> None:
    """Before anything was read a handle has the ids of the span, no text, and no outcome."""
    async with stalled(surface) as (stream, _):
        held = streamspan.handle(stream)
        before = (held.trace_id, held.span_id, held.text, held.outcome)
        held.abort()
    context = observed.span().context
    assert context is not None
    assert before == (f"{context.trace_id:032x}", f"{context.span_id:016x}", "", None)


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_google_sends_when_the_first_chunk_is_asked_for(surface: Surface, observed: Recorder) -> None:
    """A handle on a generator of google-genai's that is not started has no ids yet; dropped unread, its result comes all the same."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        held = streamspan.handle(stream)
        before, requests = (held.trace_id, held.usage, held.cost, held.preview), len(server.requests)
        await surface.take(stream)
        unread = await surface.open(client)
        lost = streamspan.handle(unread)
        del unread
        gc.collect()
        await surface.shut(client)

    result = in_time(held.result)
    if requests == 0:
        assert before == ("0" * 32, TokenUsage(), None, "")
        assert in_time(lost.result).outcome == "abandoned"
    assert result.outcome == "completed"
    assert held.trace_id == result.trace_id != "0" * 32
    observed.wait_for(1 if requests == 0 else 2)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # botocore leaves the socket of a dropped stream open
@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
@pytest.mark.parametrize("end", ["close", "drop", "cut"])
async def test_the_result_always_comes(surface: Surface, end: str, observed: Recorder) -> None:
    """Closed, dropped or cut in the middle: the result has what came, how it ended, and the exception that the reader got."""
    wire = surface.wire(TEXTS, terminal=False)
    never = threading.Event()
    with Loopback(surface.streams([*wire, CUT if end == "cut" else never])) as server:
        client = surface.client(server)
        stream: Any = await surface.open(client)
        held = streamspan.handle(stream)
        iterator: Any = await read_until(surface, stream, held, "".join(TEXTS))
        raised: Exception | None = None
        if end == "close":
            await surface.close(stream)
        elif end == "cut":
            try:
                await surface.take(iterator)
            except Exception as error:  # each SDK raises its own
                raised = error
        del stream, iterator
        await collect_until_over(held)
        never.set()
        result = await held.aresult()
        await surface.shut(client)

    assert result.text == "Lima is in Peru."
    assert result.error is raised
    if end == "cut":
        assert result.outcome in {"failed", "truncated"}
        assert result.error_type
    else:
        assert result.outcome == {"close": "aborted", "drop": "abandoned"}[end]
    assert observed.attributes()["streamspan.outcome"] == result.outcome


def test_what_is_open_at_exit_is_abandoned(observed: Recorder) -> None:
    """At exit every result comes; whoever aborts a stream after that still ends it for its reader."""
    surface = OpenAISurface(is_async=False)
    never = threading.Event()
    with Loopback(Reply(body=[*surface.wire(["Lima"], terminal=False), never])) as server, surface.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        held = streamspan.handle(stream)
        next(stream)
        live.end_all()
        assert in_time(held.result).outcome == "abandoned"
        threading.Timer(0.1, held.abort).start()
        list(stream)  # ends, and raises nothing
        server.wait_for_connections(0)
        never.set()
    assert observed.attributes()["streamspan.outcome"] == "abandoned"


async def test_a_cancelled_task(observed: Recorder) -> None:
    """A reader whose task is cancelled gets its CancelledError; the result says so."""
    surface = OpenAISurface(is_async=True)
    async with stalled(surface) as (stream, _):
        held = streamspan.handle(stream)
        task = asyncio.create_task(surface.take(stream))
        async with asyncio.timeout(10):
            while held.text != "Lima is in Peru.":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        result = await asyncio.wait_for(held.aresult(), 10)
    assert (result.outcome, type(result.error)) == ("cancelled", asyncio.CancelledError)
    assert observed.attributes()["streamspan.outcome"] == "cancelled"


@pytest.mark.parametrize("surface", [each for each in ALL if each.is_async], ids=repr)
async def test_a_cancelled_task_can_count_as_an_abort(surface: Surface, observed: Recorder) -> None:
    """With `abort_on_cancel` the reader gets its CancelledError, and the call is aborted; the connection is closed."""
    async with stalled(surface) as (opened, server):
        stream = streamspan.abort_on_cancel(opened)
        assert stream is opened
        held = streamspan.handle(stream)
        task = asyncio.create_task(surface.take(stream))
        async with asyncio.timeout(10):
            while held.text != "Lima is in Peru.":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await surface.close(stream)
        await asyncio.to_thread(server.wait_for_connections, 0)
        assert in_time(held.result).outcome == "aborted"
    assert observed.attributes()["streamspan.outcome"] == "aborted"


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_several_handles_before_the_request(surface: Surface, observed: Recorder) -> None:
    """Each handle on a generator of google-genai's gets its call, also after another generator was read to its end and dropped."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        read = await surface.open(client)
        holds = [streamspan.handle(read)]
        await surface.take(read)
        stream = await surface.open(client)
        holds += [streamspan.handle(stream), streamspan.handle(stream)]
        del read
        gc.collect()
        await surface.take(stream)
        await surface.shut(client)
    assert [in_time(held.result).outcome for held in holds] == ["completed"] * 3
    assert len({held.span_id for held in holds}) == 2
    observed.wait_for(2)


async def test_waiting_for_the_result_never_touches_the_stream(observed: Recorder) -> None:
    """To cancel the future, to wait too short, or to cancel the waiting changes nothing: the stream goes on, the result comes."""
    surface = OpenAISurface(is_async=True)
    gate = threading.Event()
    wire = surface.wire(TEXTS)
    with Loopback(Reply(body=[*wire[:3], gate, *wire[3:]])) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        held = streamspan.handle(stream)
        assert held.result.cancel() is False
        with pytest.raises(TimeoutError):
            held.result.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(held.aresult(), 0.01)
        waiting = asyncio.create_task(held.aresult())
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        gate.set()
        await surface.take(stream)
        await surface.shut(client)
    assert (await held.aresult()).text == "Lima is in Peru."
    assert observed.attributes()["streamspan.outcome"] == "completed"


def test_callbacks_may_do_anything(observed: Recorder) -> None:
    """No lock is held around callbacks: one may look at the handle, abort, wait for another thread that does, or raise."""
    surface = OpenAISurface(is_async=False)
    seen: list[Any] = []
    with Loopback(Reply(body=surface.wire(TEXTS))) as server, surface.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        held = streamspan.handle(stream)

        def look(future: "Future[StreamResult]") -> None:
            thread = threading.Thread(target=lambda: seen.append((held.text, held.outcome, held.usage.output_tokens)))
            thread.start()
            thread.join()
            held.abort()
            seen.append(future.result().outcome)
            raise CancelledError

        held.result.add_done_callback(look)
        assert len(list(stream)) > len(TEXTS)
    observed.span()
    assert [type(item) for item in seen] == [tuple, str]
    assert seen[1] == "completed"


def test_tool_calls_and_several_handles(observed: Recorder) -> None:
    """Every handle on a stream has the result; tool calls have their arguments parsed, and as they came."""
    surface = OpenAISurface(is_async=False)
    wire = surface.wire(["Hm."], tool_calls=[Tool()], finish="tool_calls", usage=openai_usage(100, 20, reasoning=5))
    with Loopback(Reply(body=wire)) as server, surface.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        first, second = streamspan.handle(stream), streamspan.handle(stream)
        list(stream)
        third = streamspan.handle(stream)
    results = [held.result.result(10) for held in (first, second, third)]
    observed.span()
    assert results[0] == results[1] == results[2]
    (call,) = results[0].tool_calls
    assert (call.id, call.name, call.arguments, call.raw_arguments) == (
        "call_1",
        "get_weather",
        {"city": "Lima"},
        '{"city":"Lima"}',
    )
    assert results[0].usage == TokenUsage(100, 20, 0, None, 5)
    assert results[0].usage.total_tokens == 120


@pytest.mark.parametrize("surface", [each for each in SURFACES if each.has_helper], ids=repr)
async def test_helpers(surface: Surface, observed: Recorder) -> None:
    """What the SDK's ``stream()`` gives has a handle as well."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        async with surface.within(surface.helper(client)) as stream:
            held = streamspan.handle(stream)
            await surface.take(stream)
        await surface.shut(client)
    assert in_time(held.result).text == "Lima is in Peru."
    assert observed.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("what", [None, "text", [1], iter([1]), (number for number in [1])], ids=lambda what: type(what).__name__)
def test_what_is_no_stream(what: Any) -> None:
    """A clear TypeError for anything that is not observed."""
    with pytest.raises(TypeError, match=f"streamspan observes no stream in this {type(what).__qualname__}"):
        streamspan.handle(what)
    assert streamspan.abort_on_cancel(what) is what
