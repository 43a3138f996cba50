"""`streamspan.observe`: any iterator of text or chunks, which stays what it was."""

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, Self

import pytest
from opentelemetry.trace import get_current_span

import streamspan
from streamspan import live, wiring

from conftest import Recorder

TEXTS = ["Lima ", "is ", "in Peru."]


@pytest.fixture
def told(recorder: Recorder) -> Iterator[Recorder]:
    """Manual spans go to the recorder; in the end none may be left open."""
    wiring.choose({"progress_interval": 0}, tracer_provider=recorder.provider)
    yield recorder
    wiring.forget()
    gc.collect()
    live.settle()
    assert len(recorder.ended) == len(recorder.started)


class Stream:
    """An SDK's stream: an iterator with a context manager and attributes of its own."""

    def __init__(self, items: list[Any]) -> None:
        self.items = iter(items)
        self.closed = False
        self.response = "response"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncStream:
    """The same, asynchronous."""

    def __init__(self, items: list[Any]) -> None:
        self.items = iter(items)
        self.closed = False
        self.response = "response"

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        try:
            return next(self.items)
        except StopIteration:
            raise StopAsyncIteration from None

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def generate(items: list[Any]) -> Generator[Any]:
    """A generator; it raises what is an exception."""
    for item in items:
        if isinstance(item, BaseException):
            raise item
        yield item


async def agenerate(items: list[Any]) -> AsyncGenerator[Any]:
    """The same, asynchronous."""
    for item in generate(items):
        await asyncio.sleep(0)
        yield item


SOURCES: dict[str, Callable[[list[Any]], Any]] = {
    "generator": generate,
    "iterator": iter,
    "list": list,
    "stream": Stream,
    "async-generator": agenerate,
    "async-stream": AsyncStream,
}
CLOSING = [name for name in SOURCES if name not in {"iterator", "list"}]


async def take(stream: Any, count: int | None = None) -> list[Any]:
    """Reads in a loop, and breaks out of it after ``count``."""
    taken: list[Any] = []
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            taken.append(item)
            if len(taken) == count:
                break
    else:
        for item in stream:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


async def close(stream: Any) -> None:
    """``close()`` or ``aclose()``."""
    closing = stream.aclose() if hasattr(stream, "__aiter__") else stream.close()
    if closing is not None:
        await closing


def observe(kind: str, items: list[Any]) -> Any:
    """A stream of that kind, observed."""
    return streamspan.observe(SOURCES[kind](items), model="gpt-4.1-mini", provider="openai", input="Where is Lima?")


@pytest.mark.parametrize("kind", SOURCES)
async def test_complete(kind: str, told: Recorder) -> None:
    """Every item passes unchanged; the span has ids at once, and output, usage and cost when the stream ends."""
    items: list[Any] = [str(text) for text in TEXTS]
    stream = observe(kind, items)
    ids = stream.trace_id, stream.span_id
    taken = await take(stream)
    assert all(one is other for one, other in zip(taken, items, strict=True))
    context: Any = told.span().context
    assert ids == (format(context.trace_id, "032x"), format(context.span_id, "016x"))
    attributes = told.attributes()
    assert (attributes["streamspan.outcome"], attributes["streamspan.preview"]) == ("completed", "Lima is in Peru.")
    assert (attributes["streamspan.chunks"], told.span().name) == (3, "chat gpt-4.1-mini")
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert "streamspan.cost.total" in attributes


@pytest.mark.parametrize("kind", CLOSING)
@pytest.mark.parametrize("count", [0, 1])
async def test_closed(kind: str, count: int, told: Recorder) -> None:
    """Closing the stream closes the source and ends the call as aborted, also before the first item."""
    stream = observe(kind, TEXTS)
    if count:
        await take(stream, count)
    await close(stream)
    assert told.attributes()["streamspan.outcome"] == "aborted"
    source = stream.__wrapped__
    assert getattr(source, "closed", None) or getattr(source, "gi_frame", None) is None or source.ag_frame is None


@pytest.mark.parametrize("kind", SOURCES)
async def test_dropped(kind: str, told: Recorder) -> None:
    """A stream that is dropped half-way is abandoned, with its partial text; a break alone ends nothing."""
    stream = observe(kind, TEXTS)
    await take(stream, 1)
    assert told.ended == []
    del stream
    assert (told.attributes()["streamspan.outcome"], told.attributes()["streamspan.preview"]) == ("abandoned", "Lima ")


@pytest.mark.parametrize("kind", ["generator", "async-generator"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [(OSError("gone"), "failed"), (asyncio.CancelledError(), "cancelled"), (KeyboardInterrupt(), "cancelled")],
)
async def test_error(kind: str, error: BaseException, outcome: str, told: Recorder) -> None:
    """What the source raises is raised, the very same object, and ends the call."""
    stream = observe(kind, ["Lima", error])
    with pytest.raises(type(error)) as raised:
        await take(stream)
    assert raised.value is error
    assert (told.attributes()["streamspan.outcome"], told.attributes()["streamspan.preview"]) == (outcome, "Lima")
    assert told.span().status.status_code.name == ("ERROR" if outcome == "failed" else "UNSET")


@pytest.mark.parametrize("kind", ["stream", "async-stream", "generator", "async-generator"])
async def test_with(kind: str, told: Recorder) -> None:
    """A block around the stream closes it: aborted where it was left early."""
    stream = observe(kind, TEXTS)
    if kind.startswith("async"):
        async with stream as entered:
            await take(entered, 1)
    else:
        with stream as entered:
            await take(entered, 1)
    assert entered is stream
    assert told.attributes()["streamspan.outcome"] == "aborted"


async def test_stays_what_it_was(told: Recorder) -> None:
    """Types, attributes and methods are the source's."""
    stream, generator, other = observe("stream", TEXTS), observe("generator", TEXTS), observe("async-generator", TEXTS)
    assert [isinstance(stream, kind) for kind in (Stream, AsyncStream)] == [True, False]
    assert (stream.response, stream.closed) == ("response", False)
    stream.response = "other"
    assert stream.__wrapped__.response == "other"
    assert inspect.isgenerator(generator)
    assert inspect.isasyncgen(other)
    for each in (stream, generator, other):
        await close(each)
    assert len(told.spans(3)) == 3


def echo() -> Generator[str, str, str]:
    """Yields what it is sent, survives one exception, and returns."""
    got = yield "begun"
    try:
        got = yield got
    except ValueError:
        got = yield "caught"
    return f"done {got}"


async def aecho() -> AsyncGenerator[str, str]:
    """The same, asynchronous."""
    got = yield "begun"
    try:
        got = yield got
    except ValueError:
        yield "caught"


def test_protocol_of_generators(told: Recorder) -> None:
    """``send``, ``throw`` and the returned value are the generator's; what these yield are chunks."""

    def outer() -> Generator[str, str, str]:
        return (yield from streamspan.observe(echo(), model="m"))

    running = outer()
    assert [next(running), running.send("sent"), running.throw(ValueError())] == ["begun", "sent", "caught"]
    with pytest.raises(StopIteration, match="done last"):
        running.send("last")
    assert (told.attributes()["streamspan.outcome"], told.attributes()["streamspan.preview"]) == ("completed", "begunsentcaught")


async def test_protocol_of_asynchronous_generators(told: Recorder) -> None:
    """``asend`` and ``athrow``, likewise."""
    running = streamspan.observe(aecho(), model="m")
    assert [await anext(running), await running.asend("sent"), await running.athrow(ValueError())] == ["begun", "sent", "caught"]
    assert await anext(running, None) is None
    assert (told.attributes()["streamspan.outcome"], told.attributes()["streamspan.preview"]) == ("completed", "begunsentcaught")


def test_outcome_of_chunks(told: Recorder) -> None:
    """A provider's chunks tell how they end: without the last one the stream was truncated, and closing after it changes nothing."""
    chunks: list[Any] = [
        {"choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    for _ in streamspan.observe(generate(chunks[:1]), model="m"):
        pass
    complete = streamspan.observe(generate(chunks), model="m")
    assert [next(complete), next(complete)] == chunks
    complete.close()
    assert [(span.attributes or {})["streamspan.outcome"] for span in told.spans(2)] == ["truncated", "completed"]


async def test_span_is_current_while_the_source_works(told: Recorder) -> None:
    """Spans of the source nest under the call's; the reader's do not."""
    seen: list[Any] = []

    def source() -> Iterator[str]:
        seen.append(get_current_span())
        yield "a"

    async def asource() -> AsyncIterator[str]:
        seen.append(get_current_span())
        yield "a"

    for make in (source, asource):
        stream: Any = streamspan.observe(make(), model="m")
        before = get_current_span()
        await take(stream, 1)
        assert get_current_span() is before
        assert format(seen[-1].get_span_context().span_id, "016x") == stream.span_id
        await close(stream)
    assert len(told.spans(2)) == 2


async def test_cancelled_task(told: Recorder) -> None:
    """A task that is cancelled while it waits for the next item ends the call as cancelled."""
    waiting = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        yield "Lima"
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(take(streamspan.observe(source(), model="m")))
    await waiting.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert (told.attributes()["streamspan.outcome"], told.attributes()["streamspan.preview"]) == ("cancelled", "Lima")


def test_observed_twice(told: Recorder) -> None:
    """What is observed is handed back as it is."""
    stream = observe("stream", TEXTS)
    assert streamspan.observe(stream, model="m") is stream
    assert list(stream) == TEXTS
    assert told.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("kind", SOURCES)
async def test_handle(kind: str, told: Recorder) -> None:
    """`streamspan.handle` takes what `observe` gives; after `abort` the reader gets the end."""
    stream = observe(kind, TEXTS)
    handle = streamspan.handle(stream)
    assert (handle.trace_id, handle.span_id) == (stream.trace_id, stream.span_id)
    assert await take(stream, 1) == ["Lima "]
    assert (handle.text, handle.outcome) == ("Lima ", None)
    handle.abort()
    assert await take(stream) == []
    result = handle.result.result(timeout=5)
    assert (result.text, result.outcome) == ("Lima ", "aborted")
    assert told.attributes()["streamspan.outcome"] == "aborted"
