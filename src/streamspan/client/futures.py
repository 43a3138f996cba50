"""Futures that only we resolve: whoever waits for one can neither cancel it nor lose it to a timeout."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """Resolves a future once, from whichever thread comes first. No lock is held while callbacks run."""

    __slots__ = ("_claim", "future")

    def __init__(self) -> None:
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # from now on ``cancel()`` says no
        self._claim = threading.Lock()

    def claim(self) -> bool:
        """Whether the caller is to resolve it; true once."""
        return self._claim.acquire(blocking=False)

    @property
    def is_claimed(self) -> bool:
        """Whether it is resolved, or about to be."""
        return self._claim.locked()


def as_awaitable(future: Future[T]) -> "asyncio.Future[T]":
    """A future of the running loop with the same result: one of its own for each who waits, who may cancel it."""
    if not future.done():
        return asyncio.wrap_future(future)
    waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    if (error := future.exception()) is None:
        waiting.set_result(future.result())
    else:
        waiting.set_exception(error)
        waiting.exception()  # it is in the other future as well: nothing is lost if nobody looks at it here
    return waiting
