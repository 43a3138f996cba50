"""Every way in which a caller can let go of a stream ends its span exactly once, with the outcome and what was said so far."""

import asyncio
import gc
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from conftest import Recorder
from loopback import CUT, Loopback, Piece, Reply
from surfaces import BEDROCK, GOOGLE, INTERACTIONS, SURFACES, Surface

TEXTS = ["Lima ", "is ", "the ", "capital ", "of ", "Peru."]
WHOLE = "".join(TEXTS)


class CallersError(Exception):
    """What the application's own code raises."""


@dataclass(frozen=True)
class Way:
    """One way to let go of a stream."""

    act: Callable[[Surface, Any], Awaitable[None]]
    """What the application does, given a client."""
    outcome: str
    text: str | None
    """What the model had said by then; ``None`` is "some of it"."""
    script: str = "full"
    error: type[BaseException] | None = None
    """What the application sees raised."""
    only: str = ""
    """Surfaces whose name holds this."""


async def read_to_the_end(surface: Surface, client: Any) -> None:
    await surface.take(await surface.open(client))


async def break_and_drop(surface: Surface, client: Any) -> None:
    await surface.take(await surface.open(client), surface.partway)


async def break_and_resume(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    first = await surface.take(stream, surface.partway)
    assert trace.get_current_span() is trace.INVALID_SPAN
    rest = await surface.take(stream)
    assert len(first) == surface.partway
    assert rest


async def next_by_next(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    while await surface.next(stream) is not None:
        pass


async def leave_with(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client)) as stream:
        await surface.take(stream, surface.partway)


async def enter_and_leave(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client)):
        pass


async def close(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    await surface.take(stream, surface.partway)
    await surface.close(stream)


async def never_iterate(surface: Surface, client: Any) -> None:
    await surface.open(client)


async def raise_in_with(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client)) as stream:
        await surface.take(stream, surface.partway)
        raise CallersError


async def raise_in_loop(surface: Surface, client: Any) -> None:
    await surface.take(await surface.open(client), surface.partway)
    raise CallersError


async def interrupt_in_with(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client)) as stream:
        await surface.take(stream, surface.partway)
        raise KeyboardInterrupt


async def helper_to_the_end(surface: Surface, client: Any) -> None:
    async with surface.within(surface.helper(client)) as stream:
        await surface.take(stream)


async def helper_left_early(surface: Surface, client: Any) -> None:
    async with surface.within(surface.helper(client)) as stream:
        await surface.take(stream, surface.partway + 2)


async def helper_until_done(surface: Surface, client: Any) -> None:
    async with surface.within(surface.helper(client)) as stream:
        waiting = stream.until_done()
        if surface.is_async:
            await waiting


async def cancel_while_reading(surface: Surface, client: Any) -> None:
    stream, reading = await surface.open(client), asyncio.Event()

    async def read() -> None:
        async for _ in stream:
            reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    await asyncio.sleep(0.3)  # until it has read all there is, on a busy machine too
    task.cancel()
    await task


async def time_out_while_reading(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    async with asyncio.timeout(0.5):
        await surface.take(stream)


async def cancel_in_with(surface: Surface, client: Any) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with surface.within(await surface.open(client)) as stream:
            await surface.take(stream, surface.partway)
            reading.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await task


async def cancel_while_sending(surface: Surface, client: Any) -> None:
    task = asyncio.create_task(surface.open(client))
    await asyncio.sleep(0.2)
    task.cancel()
    await task


async def read_elsewhere(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    if surface.is_async:
        await asyncio.create_task(surface.take(stream))
    else:
        await asyncio.to_thread(lambda: asyncio.run(surface.take(stream)))


async def close_from_elsewhere(surface: Surface, client: Any) -> None:
    stream = await surface.open(client)
    await surface.take(stream, surface.partway)
    if surface.is_async:
        await asyncio.create_task(surface.close(stream))
    else:
        thread = threading.Thread(target=stream.close)
        thread.start()
        thread.join()


async def parse_raw(surface: Surface, client: Any) -> None:
    raw = await surface.open(client, via="with_raw_response")
    await surface.take(await surface.parse(raw))


async def parse_raw_twice(surface: Surface, client: Any) -> None:
    raw = await surface.open(client, via="with_raw_response")
    assert await surface.parse(raw) is await surface.parse(raw)
    await surface.take(await surface.parse(raw))


async def never_parse_raw(surface: Surface, client: Any) -> None:
    await surface.open(client, via="with_raw_response")


async def parse_streaming(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client, via="with_streaming_response")) as response:
        await surface.take(await surface.parse(response))


async def read_lines(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client, via="with_streaming_response")) as response:
        await surface.take(response.iter_lines())


async def read_some_lines(surface: Surface, client: Any) -> None:
    async with surface.within(await surface.open(client, via="with_streaming_response")) as response:
        await surface.take(response.iter_lines(), 3 * surface.partway)


WAYS = {
    way.act.__name__ if way.script == "full" else f"{way.act.__name__}-{way.script}": way
    for way in (
        Way(read_to_the_end, "completed", WHOLE),
        Way(next_by_next, "completed", WHOLE),
        Way(break_and_drop, "abandoned", None),
        Way(break_and_resume, "completed", WHOLE),
        Way(leave_with, "aborted", None),
        Way(enter_and_leave, "aborted", ""),
        Way(close, "aborted", None),
        Way(never_iterate, "abandoned", ""),
        Way(raise_in_with, "aborted", None, error=CallersError),
        Way(raise_in_loop, "abandoned", None, error=CallersError),
        Way(interrupt_in_with, "cancelled", None, error=KeyboardInterrupt),
        Way(helper_to_the_end, "completed", WHOLE),
        Way(helper_until_done, "completed", WHOLE),
        Way(helper_left_early, "aborted", None),
        Way(read_to_the_end, "failed", WHOLE, "error event", Exception),
        Way(helper_to_the_end, "failed", WHOLE, "error event", Exception),
        Way(read_to_the_end, "failed", WHOLE, "cut", Exception),
        Way(read_lines, "failed", WHOLE, "cut", Exception),
        Way(read_to_the_end, "truncated", WHOLE, "no terminal"),
        Way(read_lines, "truncated", WHOLE, "no terminal"),
        Way(read_lines, "failed", WHOLE, "error event"),
        Way(read_to_the_end, "failed", "", "429", Exception),
        Way(read_to_the_end, "failed", "", "500", Exception),
        Way(helper_to_the_end, "failed", "", "500", Exception),
        Way(parse_raw, "failed", "", "500", Exception),
        Way(cancel_while_reading, "cancelled", WHOLE, "stalled", asyncio.CancelledError, only="async"),
        Way(time_out_while_reading, "cancelled", WHOLE, "stalled", TimeoutError, only="async"),
        Way(cancel_in_with, "cancelled", None, "stalled", asyncio.CancelledError, only="async"),
        Way(cancel_while_sending, "cancelled", "", "silent", asyncio.CancelledError, only="async"),
        Way(read_elsewhere, "completed", WHOLE),
        Way(close_from_elsewhere, "aborted", None),
        Way(parse_raw, "completed", WHOLE),
        Way(parse_raw_twice, "completed", WHOLE),
        Way(never_parse_raw, "abandoned", ""),
        Way(parse_streaming, "completed", WHOLE),
        Way(read_lines, "completed", WHOLE),
        Way(read_some_lines, "aborted", None),
    )
}


OF_GENERATORS = {
    read_to_the_end,
    next_by_next,
    break_and_drop,
    break_and_resume,
    raise_in_loop,
    cancel_while_reading,
    time_out_while_reading,
    read_elsewhere,
}
"""The ways that an SDK has whose streams are generators; for what it does otherwise, see test_google_genai.py."""


OF_EVENT_STREAMS = OF_GENERATORS | {
    leave_with,
    enter_and_leave,
    close,
    close_from_elsewhere,
    never_iterate,
    raise_in_with,
    interrupt_in_with,
    cancel_in_with,
    cancel_while_sending,
}
"""The ways that Amazon's have, whose ``with`` is `contextlib.closing`."""

LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning")
"""botocore leaves the socket of a dropped stream to the garbage collector, with us as without us, and Python warns of it."""

ALL = [
    *(pytest.param(surface, id=repr(surface)) for surface in (*SURFACES, *INTERACTIONS, *GOOGLE)),
    *(pytest.param(surface, id=repr(surface), marks=LEAVES_SOCKETS) for surface in BEDROCK),
]


def has(surface: Surface, way: Way) -> bool:
    if surface in SURFACES or surface in INTERACTIONS:
        return surface.has_helper or not way.act.__name__.startswith("helper")
    return way.act in (OF_EVENT_STREAMS if surface in BEDROCK else OF_GENERATORS)


def answer(surface: Surface, script: str, hold: threading.Event) -> Reply:
    """What the server does under each script's name."""
    events: list[Piece] = list(surface.wire(TEXTS))
    said: list[Piece] = list(surface.wire(TEXTS, terminal=False))
    match script:
        case "429" | "500":
            kind = "rate_limit_error" if script == "429" else "api_error"
            return surface.refuses(kind, int(script))
        case "error event":
            return surface.streams([*said, surface.error_event])
        case "cut":
            return surface.streams([*said, 0.05, CUT])
        case "no terminal":
            return surface.streams(said)
        case "stalled":
            return surface.streams([*said, hold])
        case "silent":
            hold.wait(10)
            return surface.streams([])
        case _:
            return surface.streams(events)


async def collect() -> None:
    """Frees what was dropped: asyncio ends a dropped async generator in a task, and only then is what it holds garbage."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.01)


async def run(way: Way, surface: Surface) -> BaseException | None:
    """Lets an application do this against a server, and returns what it saw raised."""
    hold = threading.Event()
    with Loopback(lambda _: answer(surface, way.script, hold)) as server:
        client = surface.client(server)
        try:
            await way.act(surface, client)
        except BaseException as error:
            raised: BaseException | None = error.with_traceback(None)
        else:
            raised = None
        await collect()
        hold.set()
        await surface.shut(client)
    return raised


def cases(*, raising: bool = False) -> list[Any]:
    """Each way with each surface that has it; or only the ways in which the provider's failure raises, wherever it runs."""
    return [
        pytest.param(way, surface, id=f"{surface!r}-{name}", marks=[LEAVES_SOCKETS] if surface in BEDROCK else [])
        for surface in (*SURFACES, *INTERACTIONS, *GOOGLE, *BEDROCK)
        for name, way in WAYS.items()
        if way.only in repr(surface) and has(surface, way)
        if surface.raises_error_events or not (way.script == "error event" and way.error)
        if not raising or (way.error is Exception and not way.only)
    ]


def output_text(attributes: dict[str, Any]) -> str:
    messages = json.loads(attributes.get("gen_ai.output.messages", "[]"))
    return "".join(part["content"] for message in messages for part in message["parts"] if part["type"] == "text")


@pytest.mark.parametrize(("way", "surface"), cases())
async def test_way_to_let_go(way: Way, surface: Surface, observed: Recorder) -> None:
    """One span, ended once, with its outcome and the partial output; the application's exception is its own, and no span is left current."""
    raised = await run(way, surface)

    span = observed.span()
    attributes: dict[str, Any] = dict(span.attributes or {})
    text = output_text(attributes)
    assert attributes["streamspan.outcome"] == way.outcome
    assert text == way.text if way.text is not None else (text and WHOLE.startswith(text))
    assert attributes["gen_ai.response.finish_reasons"] == (surface.reasons if way.outcome == "completed" else ("error",))
    assert span.status.status_code is (StatusCode.ERROR if way.outcome in {"failed", "truncated"} else StatusCode.UNSET)
    assert ("error.type" in attributes) == (way.outcome in {"failed", "truncated"})
    assert isinstance(raised, way.error) if way.error else raised is None
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize(("way", "surface"), cases(raising=True))
async def test_same_exception_as_bare(way: Way, surface: Surface, recorder: Recorder) -> None:
    """What the provider's failure raises is the same with streamspan as without: type, text and cause."""
    import streamspan

    bare = await run(way, surface)
    streamspan.instrument(tracer_provider=recorder.provider)
    watched = await run(way, surface)
    streamspan.uninstrument()

    def shape(error: BaseException | None) -> list[tuple[type, str]]:
        return [] if error is None else [(type(error), str(error)), *shape(error.__cause__)]

    assert shape(bare)
    assert shape(watched) == shape(bare)


@pytest.mark.parametrize(
    ("script", "expected"),
    [("429", "rate_limit_error"), ("500", "api_error"), ("no terminal", "truncated"), ("error event", None)],
)
@pytest.mark.parametrize("surface", ALL)
async def test_error_type_is_the_providers_code(script: str, expected: str | None, surface: Surface, observed: Recorder) -> None:
    """``error.type`` is the code that the provider gives, for an HTTP error, an error event, and ours for a truncated stream."""
    await run(Way(read_to_the_end, "", "", script), surface)

    assert observed.attributes()["error.type"] == (expected or surface.error_code)


@pytest.mark.parametrize("surface", ALL)
async def test_stream_is_the_sdks_own(surface: Surface, observed: Recorder) -> None:
    """The application gets an object of exactly the SDK's class, and a dropped one is freed as the SDK frees it."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        assert type(stream) is surface.stream_types[surface.is_async]
        await surface.take(stream)
        await surface.shut(client)
    observed.span()


@pytest.mark.parametrize("surface", [*SURFACES, *INTERACTIONS], ids=repr)
async def test_whole_answer(surface: Surface, observed: Recorder) -> None:
    """An answer that comes whole is a span with the same attributes, and none about chunks."""
    with Loopback(Reply.of(surface.whole(WHOLE))) as server:
        client = surface.client(server)
        await surface.create(client)
        await surface.create(client, via="with_raw_response")
        async with surface.within(await surface.create(client, via="with_streaming_response")) as response:
            await surface.parse(response)
        await surface.shut(client)

    for span in observed.spans(3):
        attributes: dict[str, Any] = dict(span.attributes or {})
        assert attributes["streamspan.outcome"] == "completed"
        assert output_text(attributes) == WHOLE
        assert "streamspan.chunks" not in attributes
        assert "gen_ai.request.stream" not in attributes
