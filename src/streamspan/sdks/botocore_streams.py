"""How an event stream of botocore, or of aiobotocore, is observed in place.

The application keeps the SDK's own stream, whose class has no iterator to replace: three of its attributes are shadowed on the
instance. Nothing of ours refers to the stream: the methods behind the shadows are those of a twin without its generator, which is
what refers back to the stream.
"""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from streamspan import live
from streamspan.call import Call


def tap_events(stream: Any, call: Call) -> None:
    """Has ``call`` observe the events of a stream, and how it ends."""
    call.connection = weakref.ref(stream)
    twin = _twin(stream)
    is_async = hasattr(stream._event_generator, "__anext__")
    stream._event_generator = (AsyncEvents if is_async else watch_events)(stream._event_generator, call)
    stream._parse_event = (watch_parsing_async if is_async else watch_parsing)(twin._parse_event, call)
    stream.close = Close(twin.close, call)


def _twin(stream: Any) -> Any:
    """The stream again, without its generator."""
    twin: Any = object.__new__(stream.__class__)
    twin.__dict__.update(stream.__dict__)
    del twin._event_generator
    return twin


def watch_events(events: Iterator[Any], call: Call) -> Iterator[Any]:
    """Passes on what comes over the wire, and tells the call how that ends."""
    try:
        yield from events
    except GeneratorExit:
        raise  # the stream was dropped, and `Close` says so
    except BaseException as error:
        call.stopped(error)
        if not call.is_aborted or not isinstance(error, Exception):
            raise
    call.exhausted()
    if call.verdict is not None:
        raise call.verdict


class AsyncEvents:
    """The same for an asynchronous stream."""

    __slots__ = ("_call", "_inner", "_next")

    def __init__(self, inner: Any, call: Call) -> None:
        self._call = call
        self._inner = inner
        self._next = inner.__anext__

    def __aiter__(self) -> "AsyncEvents":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._next()
        except StopAsyncIteration as end:
            self._call.exhausted()
            raise self._call.verdict or end from None
        except BaseException as error:
            if not self._inner.ag_running:  # else a second task asks in vain, and the first goes on reading
                self._call.stopped(error)
            if self._call.is_aborted and isinstance(error, Exception):
                raise self._call.verdict or StopAsyncIteration from None
            raise


def watch_parsing(parse: Callable[[Any], Any], call: Call) -> Callable[[Any], Any]:
    """The SDK's method that makes of a frame what the application gets, or raises what the frame says."""
    feed = call.feed

    def parse_event(event: Any) -> Any:
        if call.is_aborted:
            return None  # which the SDK passes over
        try:
            parsed = parse(event)
        except BaseException as error:
            call.stopped(error)
            raise
        if parsed:  # else it is passed over
            feed(parsed)
        return parsed

    return parse_event


def watch_parsing_async(parse: Callable[[Any], Any], call: Call) -> Callable[[Any], Any]:
    """The same for an asynchronous stream."""
    feed = call.feed

    async def parse_event(event: Any) -> Any:
        if call.is_aborted:
            return None
        try:
            parsed = await parse(event)
        except BaseException as error:
            call.stopped(error)
            raise
        if parsed:
            feed(parsed)
        return parsed

    return parse_event


class Close:
    """The stream's ``close``; freed with the stream, which it tells as well."""

    __slots__ = ("__weakref__", "_call", "_close")

    def __init__(self, close: Callable[[], Any], call: Call) -> None:
        self._call = call
        self._close = close

    def __call__(self) -> Any:
        """Closes the stream; the call ends first, so that a read which this makes fail elsewhere is no failure."""
        self._call.closed()
        return self._close()

    def __del__(self) -> None:
        live.drop(self._call)
