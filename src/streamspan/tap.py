"""How an SDK's stream is observed in place: the only file with ``await`` on the hot path.

The application keeps the SDK's own stream object. Inside it the iterator is replaced by a tap, which feeds each chunk to the call
and sees the end; the HTTP body is replaced by one that reports its closing, which is the only sign of a helper left early or of
raw lines read. Neither refers to the stream, so that a dropped stream is freed as it would be without us.
"""

import dis
import inspect
import sys
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any

import wrapt

from streamspan import live
from streamspan.call import Call
from streamspan.errors import guard, logger
from streamspan.hidden_usage import UsageHider, is_usage_alone
from streamspan.sse import WireReader


class Tap:
    """Passes on what an iterator yields, and tells the call."""

    __slots__ = ("__weakref__", "_call", "_feed", "_inner")

    def __init__(self, inner: Iterator[Any], call: Call) -> None:
        self._call = call
        self._feed = call.feed
        self._inner = inner
        call.reader = weakref.ref(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._inner)
        except StopIteration as end:
            self._call.exhausted()
            raise self._call.verdict or end from None
        except BaseException as error:
            _stop(self._inner, self._call, error)
            if self._call.is_aborted and isinstance(error, Exception):
                raise self._call.verdict or StopIteration from None  # it is the connection that `abort` has closed
            raise
        self._feed(chunk)
        return chunk

    def stop(self) -> None:
        """Whoever asks for a chunk from now on gets the end."""
        self._inner = iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_inner"), name)  # a half-made copy has none, and must not recurse

    def __del__(self) -> None:
        _let_go(self._call)


class AsyncTap:
    """The same for an asynchronous iterator."""

    __slots__ = ("__weakref__", "_call", "_feed", "_inner", "_next")

    def __init__(self, inner: AsyncIterator[Any], call: Call) -> None:
        self._call = call
        self._feed = call.feed
        self._inner = inner
        self._next = inner.__anext__
        call.reader = weakref.ref(self)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await self._next()
        except StopAsyncIteration as end:
            self._call.exhausted()
            raise self._call.verdict or end from None
        except BaseException as error:
            _stop(self._inner, self._call, error)
            if self._call.is_aborted and isinstance(error, Exception):
                raise self._call.verdict or StopAsyncIteration from None
            raise
        self._feed(chunk)
        return chunk

    def stop(self) -> None:
        """Whoever asks for a chunk from now on gets the end."""
        self._next = _nothing_more

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_inner"), name)

    def __del__(self) -> None:
        _let_go(self._call)


async def _nothing_more() -> Any:
    raise StopAsyncIteration


class HidingTap(Tap):
    """Keeps usage to itself that only we asked for, where it could not be taken out of the bytes: they are compressed."""

    __slots__ = ()

    def __next__(self) -> Any:
        while is_usage_alone(chunk := super().__next__()):
            pass
        return chunk


class AsyncHidingTap(AsyncTap):
    """The same for an asynchronous iterator."""

    __slots__ = ()

    async def __anext__(self) -> Any:
        while is_usage_alone(chunk := await super().__anext__()):
            pass
        return chunk


def _stop(inner: object, call: Call, error: BaseException) -> None:
    # Two threads at one generator: the second gets an exception, the first goes on reading.
    if not (getattr(inner, "gi_running", False) or getattr(inner, "ag_running", False)):
        call.stopped(error)


def _let_go(call: Call) -> None:
    """A tap is freed: its stream was dropped, or Google's interactions close the generators around it.

    These close the HTTP response next, whose body then reports who does it.
    """
    frame = sys._getframe(1).f_back  # above ``__del__`` there may be none: at exit
    while frame is not None and frame.f_code.co_flags & _GENERATOR:
        frame = frame.f_back
    if frame is None or not _is_closing(frame):
        live.drop(call)


_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def _is_closing(frame: FrameType) -> bool:
    """Whether this is the ``close()`` that the google-genai SDK puts on a stream of interactions."""
    return frame.f_code.co_name == "_close" and frame.f_globals.get("__name__") == "google.genai._interactions_continuation"


# --- for SDKs whose streams are generators ---------------------------------------------------------------------------

_END: Any = object()


def generate(tap: Tap, call: Call, send: Callable[..., Any]) -> Iterator[Any]:
    """A generator over a tap, whose first chunk is asked for through ``send``, as that sends the request.

    The SDK drops it where it is itself closed or dropped, and CPython ends either at once: it is told apart by looking for who
    called ``close()``. What was not closed is ended by the tap's finalizer.
    """
    chunk = send(next, tap, _END)
    call.accepted = True
    if call.is_followed:
        call.connection()
    try:
        while chunk is not _END:
            yield chunk
            chunk = next(tap, _END)
    except GeneratorExit:
        _report_exit(call)
        raise


async def agenerate(tap: AsyncTap) -> AsyncIterator[Any]:
    """An asynchronous generator over a tap.

    Where the SDK's own is closed, this one is not, but dropped: between them is another one of the SDK's, which asyncio ends in a
    task of its own. By then nothing tells whether the outer one was closed or dropped, so the two are not told apart.
    """
    if tap._call.is_followed and (first := await anext(tap, _END)) is not _END:
        tap._call.connection()
        yield first
    async for chunk in tap:
        yield chunk


@guard("ending a generator")
def _report_exit(call: Call) -> None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_flags & inspect.CO_GENERATOR and not _closes(frame):
        frame = frame.f_back
    if frame is not None and _closes(frame):
        call.closed()


def _closes(frame: FrameType) -> bool:
    """Whether a frame is in the middle of ``something.close()``."""
    before = ""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti:
            return before == "close" and instruction.opname in _CALLING
        if instruction.opname not in _CALLING:  # 3.11 has two of them for one call
            before = instruction.argval if instruction.opname in {"LOAD_ATTR", "LOAD_METHOD"} else ""
    return False


_CALLING = frozenset({"PRECALL", "CALL"})
"""Where a call is made: on 3.11 at ``CALL`` at first, and already at ``PRECALL`` once the code has run often (specialised)."""


_SDK_GENERATORS = frozenset({"__stream__", "stream_events", "stream_events_async"})
"""The SDKs' generators of events, which close the response when they are dropped."""

_READING = frozenset({Tap.__next__.__code__, AsyncTap.__anext__.__code__})


class Body:
    """The byte stream of a response: reports its closing, and reads along where the application reads raw bytes.

    `wrap_body` mixes in the HTTP library's own byte stream classes, as the library checks for them.
    """

    def __init__(self, inner: Any, call: Call, reader: WireReader | None, hider: UsageHider | None = None) -> None:
        self._inner = inner
        self._call = call
        self._hider = hider
        """Takes out what the application did not ask for."""
        self._reader = reader
        """Reads along; ``None`` once an SDK stream with a tap reads this body: then the tap tells what comes."""
        # The Anthropic SDK looks this up at every chunk: to find it missing through `__getattr__` would take 1 us each time.
        self.stream_observer: Any = getattr(inner, "stream_observer", None)

    @property
    def is_tapped(self) -> bool:
        """Whether a tap reads the chunks."""
        return self._reader is None

    def leave_to_tap(self) -> None:
        """From now on a tap reads the chunks, and the body reports its closing only."""
        self._reader = None

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_inner"), name)

    def __iter__(self) -> Iterator[bytes]:
        inner = iter(self._inner) if self._hider is None else _hide(self._inner, self._hider)
        return inner if self._reader is None else self._read_along(inner, self._reader)

    def __aiter__(self) -> AsyncIterator[bytes]:
        inner = self._inner.__aiter__() if self._hider is None else _ahide(self._inner, self._hider)
        return inner if self._reader is None else self._aread_along(inner, self._reader)

    def _read_along(self, inner: Iterator[bytes], reader: WireReader) -> Iterator[bytes]:
        try:
            for data in inner:
                reader.feed(data, self._call)
                yield data
        except GeneratorExit:
            raise  # the reader stops here; closing or dropping will say how
        except BaseException as error:
            self._call.stopped(error)
            if self._call.is_aborted and isinstance(error, Exception):
                if self._call.verdict is not None:
                    raise self._call.verdict from None
                return
            raise
        reader.end(self._call)

    async def _aread_along(self, inner: AsyncIterator[bytes], reader: WireReader) -> AsyncIterator[bytes]:
        try:
            async for data in inner:
                reader.feed(data, self._call)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            self._call.stopped(error)
            if self._call.is_aborted and isinstance(error, Exception):
                if self._call.verdict is not None:
                    raise self._call.verdict from None
                return
            raise
        reader.end(self._call)

    def close(self) -> None:
        """Closes the body; this is the end of the call, unless the SDK closes it from inside a read, whose tap knows better."""
        try:
            self._inner.close()
        finally:
            self._report_close()

    async def aclose(self) -> None:
        """The same for an asynchronous body."""
        try:
            await self._inner.aclose()
        finally:
            self._report_close()

    @guard("closing a stream")
    def _report_close(self) -> None:
        closer = _find_closer(self._call)
        if closer == "caller":
            self._call.closed()
        elif closer == "finalizer":
            live.drop(self._call)

    def __del__(self) -> None:
        live.drop(self._call)


def _hide(inner: Iterable[bytes], hider: UsageHider) -> Iterator[bytes]:
    for data in inner:
        yield hider.feed(data)
    yield hider.end()


async def _ahide(inner: AsyncIterable[bytes], hider: UsageHider) -> AsyncIterator[bytes]:
    async for data in inner:
        yield hider.feed(data)
    yield hider.end()


def _find_closer(call: Call) -> str:
    """Who closes the body: the ``caller``, a ``read`` of this very call, or the ``finalizer`` of a dropped SDK generator.

    Looking at the call stack costs nothing per chunk; a flag around each read would, and could not tell a read in this thread
    from one in another.
    """
    frame, in_generator = sys._getframe(1), False
    while frame is not None:
        code = frame.f_code
        if code in _READING and frame.f_locals["self"]._call is call:
            return "read"
        if _is_closing(frame):
            return "caller"
        in_generator = in_generator or code.co_name in _SDK_GENERATORS
        frame = frame.f_back
    return "finalizer" if in_generator else "caller"


# --- putting them in place -------------------------------------------------------------------------------------------


def wrap_body(response: Any, call: Call, reader: WireReader | None = None, hider: UsageHider | None = None) -> Body:
    """Replaces the byte stream of an httpx or httpx2 response that is not read yet.

    Args:
        response: The HTTP response.
        call: Who is told.
        reader: What reads along, where no tap does.
        hider: Takes out what the application did not ask for.
    """
    inner: Any = response.stream
    body = _body_class(inner.__class__)(inner, call, reader, hider)
    response.stream = body
    call.connection = weakref.ref(response)
    return body


@cache
def _body_class(inner: type) -> type[Body]:
    """`Body` with the byte stream classes of whichever HTTP library ``inner`` is of."""
    bases = tuple(base for base in inner.__mro__ if base.__name__ in {"SyncByteStream", "AsyncByteStream"})
    return type("Body", (Body, *bases), {})


def tap_stream(stream: Any, call: Call, *, hides_usage: bool = False) -> Any:
    """Taps an SDK's stream in place and returns it; a stream without the attribute to tap is returned in a proxy.

    Args:
        stream: The stream.
        call: Who is told.
        hides_usage: Whether the application is not to get a chunk of usage alone.
    """
    name = find_iterator(stream)
    if name is None:
        return _proxy(stream, call)
    inner: Any = getattr(stream, name)
    if not isinstance(inner, Tap | AsyncTap):
        tap, async_tap = (HidingTap, AsyncHidingTap) if hides_usage else (Tap, AsyncTap)
        setattr(stream, name, async_tap(inner, call) if hasattr(inner, "__anext__") else tap(inner, call))
    return stream


def find_iterator(stream: Any) -> str | None:
    """The attribute in which an SDK's stream has its iterator: the first is Stainless's, the second Speakeasy's."""
    for name in ("_iterator", "generator"):
        inner = getattr(stream, name, None)
        if hasattr(inner, "__next__") or hasattr(inner, "__anext__"):
            return name
    return None


def _proxy(stream: Any, call: Call) -> Any:
    logger.info("%s has no iterator that can be tapped in place; it is observed through a proxy", type(stream).__qualname__)
    return AsyncStreamProxy(stream, call) if hasattr(stream, "__anext__") else StreamProxy(stream, call)


if TYPE_CHECKING:  # generic in wrapt 2 only
    Proxy = wrapt.ObjectProxy[Any]
else:
    Proxy = wrapt.ObjectProxy


class StreamProxy(Proxy):
    """Stands for a stream that cannot be tapped: the same attributes and ``isinstance``, observed when iterated."""

    def __init__(self, stream: Any, call: Call) -> None:
        super().__init__(stream)
        self._self_tap = Tap(stream if hasattr(stream, "__next__") else iter(stream), call)

    def __iter__(self) -> Iterator[Any]:
        return self._self_tap

    def __next__(self) -> Any:
        return self._self_tap.__next__()

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self


class AsyncStreamProxy(Proxy):
    """The same for an asynchronous stream."""

    def __init__(self, stream: Any, call: Call) -> None:
        super().__init__(stream)
        self._self_tap = AsyncTap(stream, call)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._self_tap

    def __anext__(self) -> Any:
        return self._self_tap.__anext__()

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        return await self.__wrapped__.__aexit__(*error)
