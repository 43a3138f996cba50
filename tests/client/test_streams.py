"""How streams of a `Client` end: each way resolves the result, closes the connection and ends the span, once.

The rows of the table that these tests follow: what another product documents for such streams, and what it does.
"""

import asyncio
import gc
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.util.types import AttributeValue

import streamspan
from streamspan import live, semconv
from streamspan.client import AsyncLocalStream, LocalStream

from client_cases import CASES, TEXT, TEXTS, Case
from conftest import Recorder
from loopback import CUT, Loopback, Reply

SYNC = [case for case in CASES if not case.is_async]
ASYNC = [case for case in CASES if case.is_async]


def stalls(case: Case, hold: threading.Event) -> Reply:
    """The beginning of an answer, and then nothing until ``hold`` is set."""
    return case.surface.streams([*case.wire(terminal=False)[: case.surface.partway], hold, *case.wire()[case.surface.partway :]])


def ended(observed: Recorder) -> Mapping[str, AttributeValue]:
    return observed.attributes()


@pytest.mark.parametrize("case", CASES, ids=repr)
@pytest.mark.parametrize("leaves", [True, False], ids=["break", "goes-on"])
async def test_abort_in_the_loop(case: Case, leaves: bool, observed: Recorder) -> None:
    """The documented example, and the same without ``break``: the result is there at once, with the text and the usage so far."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream: Any = await case.run(client, stream=True)
            texts: list[str] = []
            if case.is_async:
                async for text in stream:
                    texts.append(text)
                    stream.abort()
                    if leaves:
                        break
            else:
                for text in stream:
                    texts.append(text)
                    stream.abort()
                    if leaves:
                        break
            result = await case.result(stream)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert (result.aborted, result.outcome, result.text, stream.text) == (True, "aborted", texts[0], texts[0])
    assert result.usage.output_tokens >= 1
    assert "output_tokens" in result.usage.estimated
    assert result.cost > 0
    assert result.finish_reason is None
    attributes = ended(observed)
    assert attributes[semconv.OUTCOME] == "aborted"
    assert attributes[semconv.COST_TOTAL] == result.cost
    assert texts[0] in str(attributes[semconv.OUTPUT_MESSAGES])


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_break_alone(case: Case, observed: Recorder) -> None:
    """Leaving the loop is leaving the stream: nothing waits for the garbage collector."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            texts = await case.read(stream, count=1)
            result = await asyncio.wait_for(stream.result, 10) if case.is_async else stream.result.result(timeout=0)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert (result.aborted, result.outcome, result.text) == (True, "aborted", texts[0])
    assert ended(observed)[semconv.OUTCOME] == "aborted"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_abort_wakes_a_stalled_read(case: Case, observed: Recorder) -> None:
    """From another thread, while nothing comes: the reader's loop ends at once, and the connection is closed."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream: Any = await case.run(client, stream=True)
            expected = TEXTS[: 3 if case.provider == "openai" else 4]
            helper = threading.Thread(target=lambda: (wait_for_text(stream), stream.abort()))
            helper.start()
            texts = await asyncio.wait_for(case.read(stream), 10)
            helper.join()
            result = await case.result(stream)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert texts
    assert "".join(expected).startswith("".join(texts))
    assert (result.aborted, result.outcome) == (True, "aborted")
    assert ended(observed)[semconv.OUTCOME] == "aborted"


def wait_for_text(stream: Any) -> None:
    """Returns once something has come; the reader then waits for more, or is about to."""
    for _ in range(1000):
        if stream.text:
            return
        time.sleep(0.01)


def wait_for_read(stream: Any, thread: int) -> None:
    """Returns once something has come, and the thread waits at its socket for more."""
    wait_for_text(stream)
    while sys._current_frames()[thread].f_code.co_name not in {"read", "readinto"}:
        time.sleep(0.01)


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_an_error_in_the_stream(case: Case, observed: Recorder) -> None:
    """The SDK's own exception goes to the reader and is the result; what had come is still there."""
    wire = [*case.wire(terminal=False)[: case.surface.partway], case.surface.error_event]
    with Loopback(case.surface.streams(wire)) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            with pytest.raises(Exception, match=r"overloaded|server had an error|Slow down|Overloaded") as raised:
                await case.read(stream)
            with pytest.raises(type(raised.value)) as again:
                await case.result(stream)
    assert again.value is raised.value
    assert raised.value.__class__.__module__.partition(".")[0] in {"openai", "anthropic", "google", "botocore"}
    assert (stream.partial.text, stream.partial.aborted, stream.partial.outcome) == (stream.text, False, "failed")
    assert TEXT.startswith(stream.text)
    assert stream.text
    attributes = ended(observed)
    assert attributes[semconv.OUTCOME] == "failed"
    assert stream.text in str(attributes[semconv.OUTPUT_MESSAGES])


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_connection_that_is_cut(case: Case, observed: Recorder) -> None:
    """An error of the SDK's, or of its HTTP library's, as without us."""
    with Loopback(case.surface.streams([*case.wire()[: case.surface.partway], CUT])) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
                await case.read(stream)
            with pytest.raises(type(raised.value)):
                await case.result(stream)
    assert ended(observed)[semconv.OUTCOME] == "failed"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_request_that_is_refused(case: Case, observed: Recorder) -> None:
    """The SDK's own exception comes from the call; there is no stream."""
    with Loopback(case.surface.refuses("bad", 400)) as server:
        async with case.client(server) as client:
            with pytest.raises(Exception) as raised:  # noqa: PT011
                await case.run(client, stream=True)
            with pytest.raises(type(raised.value)):
                await case.run(client)
    assert [span.attributes[semconv.OUTCOME] for span in observed.spans(2) if span.attributes] == ["failed"] * 2


@pytest.mark.parametrize("case", ASYNC, ids=repr)
@pytest.mark.parametrize("kind", ["cancelled", "aborted"])
async def test_a_task_that_is_cancelled(kind: str, case: Case, observed: Recorder) -> None:
    """`CancelledError` passes; whoever else waits for the result gets what had come. The program may call it an abort."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            if kind == "aborted":
                streamspan.abort_on_cancel(stream)
            begun = asyncio.Event()

            async def read() -> None:
                async for _ in stream:
                    begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            result = await asyncio.wait_for(stream.result, 10)
            await asyncio.to_thread(server.wait_for_connections, 0, 5)  # sooner than the server goes on
    assert (result.aborted, result.outcome) == (True, kind)
    assert result.text
    assert ended(observed)[semconv.OUTCOME] == kind


@contextmanager
def default_ctrl_c() -> Generator[None]:
    """Has Ctrl-C raise where the main thread is, as outside of asyncio."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("case", SYNC, ids=repr)
async def test_ctrl_c_while_it_reads(case: Case, observed: Recorder) -> None:
    """`KeyboardInterrupt` passes; the result is what had come, and the connection is closed."""
    main = threading.main_thread().ident
    assert main is not None
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            helper = threading.Thread(target=lambda: (wait_for_read(stream, main), signal.pthread_kill(main, signal.SIGINT)))
            helper.start()
            with default_ctrl_c(), pytest.raises(KeyboardInterrupt):
                await case.read(stream)
            helper.join()
            result = await case.result(stream)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert (result.aborted, result.outcome) == (True, "cancelled")
    assert result.text
    assert ended(observed)[semconv.OUTCOME] == "cancelled"


def raise_in_loop(stream: LocalStream, error: type[BaseException]) -> None:
    for _ in stream:
        raise error


@pytest.mark.parametrize("case", SYNC, ids=repr)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
async def test_an_exception_in_the_loop(case: Case, error: type[BaseException], observed: Recorder) -> None:
    """The caller's own exception passes, and leaving the loop by it is leaving the stream."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            with pytest.raises(error), stream:
                raise_in_loop(stream, error)
            result = await case.result(stream)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert result.aborted
    assert result.text
    assert ended(observed)[semconv.OUTCOME] == result.outcome == "aborted"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_stream_that_is_dropped(case: Case, observed: Recorder) -> None:
    """Never iterated: its result resolves, its span ends as abandoned, its connection is closed."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            future = stream.result
            del stream
            gc.collect()
            result = await asyncio.wait_for(future, 10) if case.is_async else future.result(timeout=10)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert (result.aborted, result.outcome, result.text) == (True, "abandoned", "")
    assert ended(observed)[semconv.OUTCOME] == "abandoned"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_stream_that_is_open_at_exit(case: Case, observed: Recorder) -> None:
    """What the exit of the process does with running calls resolves their results, too."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            live.end_all()
            result = await case.result(stream)
            stream.abort()
    assert (result.aborted, result.outcome) == (True, "abandoned")
    assert ended(observed)[semconv.OUTCOME] == "abandoned"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_client_that_is_closed(case: Case, observed: Recorder) -> None:
    """In the middle of a stream: the loop ends without an error, and the result is what had come. More cannot be asked."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream: Any = await case.run(client, stream=True)
            texts: list[str] = []
            if case.is_async:
                async for text in stream:
                    texts.append(text)
                    await client.aclose()
            else:
                for text in stream:
                    texts.append(text)
                    client.close()
            result = await case.result(stream)
            with pytest.raises(RuntimeError, match="is closed"):
                await case.run(client)
    assert (result.aborted, [result.text]) == (True, texts)
    assert ended(observed)[semconv.OUTCOME] == "aborted"


@pytest.mark.parametrize("case", SYNC, ids=repr)
async def test_whoever_waits_cannot_harm_the_stream(case: Case, observed: Recorder) -> None:
    """Neither a timeout nor ``cancel()`` on the future reaches it."""
    with Loopback(case.streams()) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            with pytest.raises(TimeoutError):
                stream.result.result(timeout=0)
            assert not stream.result.cancel()
            assert await case.read(stream) == TEXTS
            assert stream.result.result(timeout=0).text == TEXT
    assert ended(observed)[semconv.OUTCOME] == "completed"


@pytest.mark.parametrize("case", ASYNC, ids=repr)
async def test_whoever_awaits_cannot_harm_the_stream(case: Case, observed: Recorder) -> None:
    """The result can be awaited often; a timeout, a cancelled task and ``cancel()`` take nothing from the others."""
    with Loopback(case.streams()) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.result, 0)
            stream.result.cancel()
            waiting = [asyncio.ensure_future(stream.result) for _ in range(2)]
            assert await case.read(stream) == TEXTS
            results = [await stream.result, *await asyncio.gather(*waiting)]
    assert [result.text for result in results] == [TEXT] * 3
    assert ended(observed)[semconv.OUTCOME] == "completed"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_the_second_loop_is_refused(case: Case, observed: Recorder) -> None:
    """With an error that says where the text is; ending it again changes nothing."""
    with Loopback(case.streams()) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            assert type(stream) is (AsyncLocalStream if case.is_async else LocalStream)
            await case.read(stream)
            with pytest.raises(RuntimeError, match=r"iterated already: what came is in \.text"):
                await case.read(stream)
            before = await case.result(stream)
            stream.abort()
            await case.close(stream)
            assert await case.result(stream) is before
    assert (before.aborted, before.text) == (False, TEXT)
    assert ended(observed)[semconv.OUTCOME] == "completed"


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_stream_that_is_aborted_before_it_is_read(case: Case, observed: Recorder) -> None:
    """The loop has nothing in it."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            stream.abort()
            assert await case.read(stream) == []
            result = await case.result(stream)
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert (result.aborted, result.text) == (True, "")
    assert ended(observed)[semconv.OUTCOME] == "aborted"


@pytest.mark.parametrize("case", SYNC, ids=repr)
async def test_callbacks_may_do_anything(case: Case, observed: Recorder) -> None:
    """No lock is held while they run, in whichever thread the stream ends: they may ask the stream, and wait for others who do."""
    with Loopback(stalls(case, threading.Event())) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            said: list[Any] = []

            def look(_: Any) -> None:
                helper = threading.Thread(target=lambda: said.append((stream.partial.aborted, stream.result.done())))
                helper.start()
                helper.join(10)
                stream.abort()

            stream.result.add_done_callback(look)
            stream.abort()
    assert said == [(True, True)]
    assert ended(observed)[semconv.OUTCOME] == "aborted"
