"""The streams that callers get: text, as it comes, and a result that always does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Self

from streamspan import live
from streamspan.client.futures import as_awaitable
from streamspan.client.results import StreamResult
from streamspan.client.run import Run
from streamspan.client.transports import AsyncOpened, Opened
from streamspan.errors import BudgetExceededError
from streamspan.outcome import COMPLETED

_TAKEN = "this stream has been iterated already: what came is in .text, and .result has the whole"


class _Stream:
    """What both kinds have in common."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_taken = False

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits: the id of the call's span, known before the first chunk; empty if nothing records it."""
        return self._run.observation.span_id

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty if nothing records it."""
        return self._run.observation.trace_id

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return self._run.transcript.visible

    @property
    def partial(self) -> StreamResult:
        """What has come so far, at any moment: also after an error, when `result` has the error."""
        return self._run.snapshot()

    def abort(self) -> None:
        """Ends the stream: closes the connection, wakes whoever reads, and resolves `result` with what has come.

        It may be called from the loop's body, from another task and from another thread. After the end it does nothing.
        """
        if not self._run.is_over:
            self._run.leave()
            self._release()

    def _release(self) -> None:
        """Lets go of the connection, in whatever thread."""
        raise NotImplementedError

    def _take(self) -> None:
        if self._is_taken:
            raise RuntimeError(_TAKEN)
        self._is_taken = True


class LocalStream(_Stream):
    """The text of an answer as it comes: ``for text in stream``. Its request has been sent.

    Leaving the loop early, by ``break`` or by an exception, closes the connection, as does leaving ``with stream:``.

    Example:
        ```python
        with client.run_local(model="gpt-4o", messages=messages, stream=True) as stream:
            for text in stream:
                print(text, end="")
        print(stream.result.result().usage.total_tokens)
        ```
    """

    def __init__(self, run: Run, opened: Opened) -> None:
        super().__init__(run)
        self._opened = opened

    @property
    def result(self) -> Future[StreamResult]:
        """Resolves when the stream ends, however it does: with the result, or with the error that ended it.

        After `abort`, ``break``, Ctrl-C or when the stream is dropped the result is what has come, and `StreamResult.aborted`
        says so. Neither a timeout while waiting nor ``cancel()`` touches the stream.
        """
        return self._run.promise.future

    def __iter__(self) -> Iterator[str]:
        self._take()
        return self._read()

    def _read(self) -> Iterator[str]:
        run = self._run
        try:
            for chunk in () if run.is_left else self._opened.chunks:
                if text := run.hear(chunk):
                    yield text
                if run.is_left:
                    self._release()  # whoever left could not, if this was being read
                    return
        except GeneratorExit:
            self._close()
            raise
        except BaseException as error:
            if run.is_left and isinstance(error, Exception) and not isinstance(error, BudgetExceededError):  # it was woken
                return
            run.stopped(error)
            self._release()
            raise
        run.resolve(COMPLETED)

    def _close(self) -> None:
        """The caller leaves, in the thread that reads."""
        if not self._run.is_over:
            self._run.leave_here()
            self._release()

    def _release(self) -> None:
        with suppress(Exception):  # what is closed already, or broken
            self._opened.close()

    def close(self) -> None:
        """The same as `abort`."""
        self.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __del__(self) -> None:
        run: Run | None = getattr(self, "_run", None)
        if run is not None and not run.is_over:
            live.later(partial(_forget, run, self._opened))  # a finalizer must neither wait nor take locks


def _forget(run: Run, opened: Opened) -> None:
    run.forget()
    with suppress(Exception):
        opened.close()


class AsyncLocalStream(_Stream):
    """The text of an answer as it comes: ``async for text in stream``. Its request has been sent.

    Leaving the loop early, by ``break`` or by an exception, closes the connection, as does leaving ``async with stream:``.

    Example:
        ```python
        async with await client.arun_local(model="gpt-4o", messages=messages, stream=True) as stream:
            async for text in stream:
                print(text, end="")
        print((await stream.result).usage.total_tokens)
        ```
    """

    def __init__(self, run: Run, opened: AsyncOpened) -> None:
        super().__init__(run)
        self._opened = opened
        self._loop = asyncio.get_running_loop()

    @property
    def result(self) -> "asyncio.Future[StreamResult]":
        """Resolves when the stream ends, however it does: with the result, or with the error that ended it.

        It may be awaited any number of times, by any number of tasks. Cancelling such an ``await``, or a timeout around it,
        never touches the stream.
        """
        return as_awaitable(self._run.promise.future)

    def __aiter__(self) -> AsyncIterator[str]:
        self._take()
        return self._read()

    async def _read(self) -> AsyncIterator[str]:
        run = self._run
        try:
            if not run.is_left:
                async for chunk in self._opened.chunks:
                    if text := run.hear(chunk):
                        yield text
                    if run.is_left:
                        await _release(self._opened)
                        return
        except GeneratorExit:
            await self._close()
            raise
        except BaseException as error:
            if run.is_left and isinstance(error, Exception) and not isinstance(error, BudgetExceededError):
                return
            run.stopped(error)
            await _release(self._opened)
            raise
        run.resolve(COMPLETED)

    async def _close(self) -> None:
        """The caller leaves, in the task that reads."""
        if not self._run.is_over:
            self._run.leave_here()
            await _release(self._opened)

    def _release(self) -> None:
        self._opened.leave()
        _release_soon(self._loop, self._opened)

    async def close(self) -> None:
        """Ends the stream as `abort` does, and waits until the connection is closed."""
        self.abort()
        await _release(self._opened)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    def __del__(self) -> None:
        run: Run | None = getattr(self, "_run", None)
        if run is not None and not run.is_over:
            live.later(partial(_aforget, run, self._loop, self._opened))


def _aforget(run: Run, loop: asyncio.AbstractEventLoop, opened: AsyncOpened) -> None:
    run.forget()
    opened.leave()
    _release_soon(loop, opened)


_releasing: set[Any] = set()
"""Tasks that close connections; a loop keeps none of its own alive."""


def _release_soon(loop: asyncio.AbstractEventLoop, opened: AsyncOpened) -> None:
    """Has the loop close a connection, whichever thread asks for it."""

    def begin() -> None:
        task = loop.create_task(_release(opened))
        _releasing.add(task)
        task.add_done_callback(_releasing.discard)

    with suppress(RuntimeError):  # the loop is closed, and the connection with it
        loop.call_soon_threadsafe(begin)


async def _release(opened: AsyncOpened) -> None:
    with suppress(Exception):
        await opened.close()
