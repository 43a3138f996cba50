"""A synchronous SDK in an asynchronous program: a thread reads, and the loop is never held up."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar

T = TypeVar("T")

ROOM: Final = 16
"""How many chunks the thread reads ahead of the program, at most."""

_END: Any = object()


async def in_worker(function: Callable[..., T], /, *args: Any) -> T:
    """Calls a function that blocks, in a thread, in the caller's context."""
    return await asyncio.to_thread(function, *args)


class Source(Protocol):
    """A stream that blocks."""

    stream: Any
    chunks: Any

    def close(self) -> None:
        """Closes the connection."""


class WorkerStream:
    """An asynchronous iterator over a synchronous stream, which one thread opens, reads and closes."""

    def __init__(self, source: Callable[[], Source]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._room = threading.Semaphore(ROOM)
        self._left = False
        """Whether nobody wants more of it."""
        self._is_over = False
        self.stream: Any = None
        """The SDK's own stream, once it is open."""

    @classmethod
    async def open(cls, source: Callable[[], Source]) -> Self:
        """Sends the request, and returns when the answer begins.

        Args:
            source: Sends it, and returns the stream; called in the thread, in the caller's context.
        """
        stream = cls(source)
        run = partial(contextvars.copy_context().run, stream._run)
        threading.Thread(target=run, name="streamspan-worker", daemon=True).start()
        try:
            await stream._opened
        except asyncio.CancelledError:
            stream.leave()  # the thread closes what it may still open
            raise
        return stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._is_over or self._left:
            raise StopAsyncIteration
        item = await self._items.get()
        self._room.release()
        if item is _END or self._left:
            self._is_over = True
            raise StopAsyncIteration
        if isinstance(item, _Raised):
            self._is_over = True
            raise item.error
        return item

    def leave(self) -> None:
        """Ends it for whoever reads, and has the thread stop as soon as it comes back from what it is at; from any thread."""
        self._left = True
        self._room.release()
        self._tell(self._items.put_nowait, _END)

    async def close(self) -> None:
        """Stops the thread, and closes the connection."""
        self.leave()
        if self.stream is not None:
            await in_worker(self.stream.close)

    # --- in the thread ---

    def _run(self) -> None:
        try:
            source = self._source()
        except BaseException as error:
            self._tell(self._fail, error)
            return
        self.stream = source.stream
        self._tell(self._succeed)
        self._pump(source)

    def _pump(self, source: Source) -> None:
        try:
            for chunk in source.chunks:
                if self._left or not self._put(chunk):
                    source.close()
                    return
            self._put(_END)
        except BaseException as error:
            self._put(_Raised(error))

    def _put(self, item: Any) -> bool:
        """Hands an item to the loop, once there is room; false if nobody wants it any more."""
        self._room.acquire()
        return not self._left and self._tell(self._items.put_nowait, item)

    def _tell(self, function: Callable[..., None], *args: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed
            return False
        return True

    # --- back in the loop ---

    def _succeed(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)


class _Raised:
    """An exception on its way to the reader."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
