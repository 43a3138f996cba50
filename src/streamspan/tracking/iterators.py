"""Streams that are no generators, of clients that nobody observes: a function may return one."""

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from streamspan.handle import is_observed
from streamspan.tap import Proxy
from streamspan.tracking.activation import Activation
from streamspan.tracking.unseen import Watch

_NOT_STREAMS = sys.stdlib_module_names | {"builtins", "streamspan"}
"""Whose iterators are never an answer: those of files, cursors, pools."""


def stand_for(stream: Any, here: Activation) -> Any:
    """What stands for a stream of which nothing is known, until it shows whether it is an answer; ``None`` if it is no stream."""
    kind = stream.__class__
    is_async = hasattr(kind, "__anext__")
    if here.streams or not (is_async or hasattr(kind, "__next__")) or not (hasattr(kind, "close") or hasattr(kind, "aclose")):
        return None
    if kind.__module__.partition(".")[0] in _NOT_STREAMS or not is_instrumentation_enabled() or is_observed(stream):
        return None
    return _AsyncStream(stream, here) if is_async else _Stream(stream, here)


class _Passing(Proxy):
    """The same attributes and ``isinstance`` as the stream's; what it yields is watched."""

    def __init__(self, stream: Any, here: Activation) -> None:
        super().__init__(stream)
        self._self_steps = here.block.steps()
        self._self_watch = Watch(here)

    def _self_took(self, item: Any) -> None:
        if self._self_watch.is_open:
            self._self_watch.take(item)

    def _self_closed(self) -> None:
        if (call := self._self_watch.call) is not None:
            call.closed()


class _Stream(_Passing):
    """A stream that is iterated."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            with self._self_steps:
                item = next(self.__wrapped__)
        except StopIteration:
            self._self_watch.exhausted()
            raise
        except BaseException as error:
            self._self_watch.stopped(error)
            raise
        self._self_took(item)
        return item

    def close(self) -> Any:
        """Closes the stream, and ends the call."""
        try:
            return self.__wrapped__.close()
        finally:
            self._self_closed()

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*error)
        finally:
            self._self_closed()


class _AsyncStream(_Passing):
    """A stream that is iterated asynchronously."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            with self._self_steps:
                item = await self.__wrapped__.__anext__()
        except StopAsyncIteration:
            self._self_watch.exhausted()
            raise
        except BaseException as error:
            self._self_watch.stopped(error)
            raise
        self._self_took(item)
        return item

    async def close(self) -> Any:
        """Closes the stream, and ends the call."""
        return await self._self_close("close")

    async def aclose(self) -> Any:
        """The same under Python's name."""
        return await self._self_close("aclose")

    async def _self_close(self, name: str) -> Any:
        try:
            return await getattr(self.__wrapped__, name)()
        finally:
            self._self_closed()

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*error)
        finally:
            self._self_closed()
