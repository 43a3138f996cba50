"""A program's own hold on a stream that it reads: what has come of it, its ids, and its end at will."""

import asyncio
import gc
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any, TypeVar

from streamspan import awaited, outcome
from streamspan.call import Call
from streamspan.connection import break_off
from streamspan.result import StreamResult, TokenUsage, cost_of, text_of, tool_calls_of, usage_of
from streamspan.sdks.botocore_streams import Close
from streamspan.tap import AsyncTap, Body, Tap

Stream = TypeVar("Stream")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


def handle(stream: Any) -> "Handle":
    """A handle on a stream that streamspan observes. The stream stays the program's to read.

    Args:
        stream: What the SDK returned for a streamed call: its stream, a helper around it, a raw response, a generator of
            google-genai's, the event stream of boto3's or aiobotocore's, or the response that it is in.

    Raises:
        TypeError: If it is no stream of a call that is observed. That is so, too, where instrumentation is off, and where the
            span is not sampled and nobody takes metrics.

    Example:
        >>> stream = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        >>> h = streamspan.handle(stream)
        >>> for chunk in stream:
        ...     if len(h.text) > 500:
        ...         h.abort()
        >>> h.result.result().usage.output_tokens
        128
    """
    if (reader := _observer(stream)) is not None:
        return Handle(reader._call, reader)
    if (frame := _frame(stream)) is not None:
        pending = Handle(None, None)
        pending._wait(stream, frame)
        return pending
    msg = f"streamspan observes no stream in this {type(stream).__qualname__}"
    raise TypeError(msg)


def abort_on_cancel(stream: Stream) -> Stream:
    """Has a stream count as ``aborted``, and not as ``cancelled``, if the task that reads it is cancelled.

    For an answer that is passed on to somebody who may leave: an ASGI server tells of that by cancelling the task. Nothing else
    changes; to close the stream is the program's, as ever. What streamspan does not observe is given
    back as well: it raises nothing.

    Args:
        stream: What `handle` takes, or a stream of `Client`.

    Returns:
        The same object.

    Example:
        >>> async with streamspan.abort_on_cancel(await client.chat.completions.create(..., stream=True)) as stream:
        ...     async for chunk in stream:
        ...         yield chunk.choices[0].delta.content or ""
    """
    if (reader := _observer(stream)) is not None:
        _mark(reader._call)
    elif (frame := _frame(stream)) is not None:
        awaited.expect(frame, _mark)
        weakref.finalize(stream, awaited.forget, frame).atexit = False
    return stream


def _mark(call: Call) -> None:
    call.abort_on_cancel = True


def is_observed(stream: Any) -> bool:
    """Whether a stream is one of a call that is observed, as far as that can be seen before it is read."""
    return _observer(stream) is not None


class Handle:
    """What is known of a stream, at any moment and from any thread. To hold one does not keep the stream open."""

    def __init__(self, call: Call | None, reader: Any) -> None:
        self._call: Call | None = None
        self._reader = _nothing if reader is None else weakref.ref(reader)
        self._loop = _running_loop()
        self._is_aborted = False
        self.result: Future[StreamResult] = Future()
        """Resolves once the stream has ended, however it does: also where it failed, was aborted or dropped, or is open at exit.
        To wait for it with a timeout, or to give up waiting, never touches the stream."""
        self.result.set_running_or_notify_cancel()  # from here on nobody can cancel it
        if call is not None:
            self._bind(call)

    @property
    def trace_id(self) -> str:
        """The trace, as 32 hexadecimal digits; all 0 as long as google-genai has not sent the request."""
        return _NO_TRACE if self._call is None else f"{self._call.span_context.trace_id:032x}"

    @property
    def span_id(self) -> str:
        """The span of the call, as 16 hexadecimal digits; likewise."""
        return _NO_SPAN if self._call is None else f"{self._call.span_context.span_id:016x}"

    @property
    def text(self) -> str:
        """The visible output so far."""
        return "" if self._call is None else text_of(self._call.answer)

    @property
    def preview(self) -> str:
        """The end of the visible output so far, of at most `Settings.stream_preview_chars` characters."""
        return "" if self._call is None else self._call.preview

    @property
    def usage(self) -> TokenUsage:
        """The tokens so far; while the stream runs, those of the output are our estimate."""
        return TokenUsage() if self._call is None else usage_of(self._call.charges_so_far())

    @property
    def cost(self) -> float | None:
        """US dollars so far; ``None`` where no price is known."""
        return None if self._call is None else cost_of(self._call.charges_so_far())

    @property
    def outcome(self) -> str | None:
        """How the stream has ended; ``None`` while it runs."""
        return self.result.result().outcome if self.result.done() else None

    def abort(self) -> None:
        """Ends the stream: its span, with what has come by then, and its connection.

        From any thread or task, also while another one waits for the next chunk: that one gets the end of the stream at once, as
        if the model had said no more. Does nothing once the stream has ended. A connection that other streams share (HTTP/2,
        which the SDKs use only if they are told to) stays open: then the reader gets the end when anything comes on it.
        """
        self._is_aborted = True
        if (call := self._call) is None:
            return  # what is sent after this ends as soon as it is known
        if call.abort():  # else it is over, and its connection may be another request's by now
            self._break_off()

    async def aresult(self) -> StreamResult:
        """The same as `result`, to be awaited, as often as one likes."""
        return await asyncio.shield(asyncio.wrap_future(self.result))

    # --- inside ---

    def _break_off(self) -> None:
        """Ends the connection of a call that has just been ended, in whichever thread or task it is being read."""
        reader, call = self._reader(), self._call
        if isinstance(reader, Tap | AsyncTap):
            reader.stop()
        if call is not None and (response := call.connection()) is not None:
            break_off(response, self._loop)

    def _bind(self, call: Call) -> None:
        self._call = call
        call.follow(self._resolve)
        call.connection()  # google-genai's is to be found only while nobody reads
        if self._is_aborted:
            self.abort()

    def _wait(self, stream: Any, frame: FrameType) -> None:
        """Until the SDK's generator is started; it may be dropped before."""
        awaited.expect(frame, self._bind)
        weakref.finalize(stream, self._give_up, frame).atexit = False

    def _give_up(self, frame: FrameType) -> None:
        awaited.forget(frame)
        if self._call is None:
            kind = outcome.ABORTED if self._is_aborted else outcome.ABANDONED
            self.result.set_result(StreamResult(outcome=kind, trace_id=_NO_TRACE, span_id=_NO_SPAN))

    def _resolve(self) -> None:
        call = self._call
        assert call is not None  # noqa: S101 - who follows a call has one
        answer, ended = call.answer, call.ended
        charges = call.charges_so_far()
        self.result.set_result(
            StreamResult(
                text=text_of(answer),
                reasoning=answer.first_text("reasoning"),
                outcome=call.outcome or outcome.FAILED,
                error=call.error,
                error_type=ended.failure.code if ended and ended.failure else None,
                finish_reasons=answer.finish_reasons(0) if answer.choices else (),
                tool_calls=tool_calls_of(answer),
                usage=usage_of(charges),
                cost=cost_of(charges),
                model=answer.model or call.asked_model,
                trace_id=self.trace_id,
                span_id=self.span_id,
                duration=ended.duration if ended else 0.0,
            )
        )


def _nothing() -> None:
    return None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# --- finding what observes a stream ----------------------------------------------------------------------------------

_HOLDERS: tuple[str, ...] = (
    "_iterator", "generator", "_raw_stream", "_event_stream", "http_response", "_response", "response", "stream", "close",
    "_self_tap", "__wrapped__", "_opened",
)  # fmt: skip
"""The attributes in which the SDKs' streams and helpers keep what is under them, and ours of `Client`."""
_MOST = 200


def _observer(stream: Any) -> Tap | AsyncTap | Body | Close | None:
    """What observes a stream; nothing, where google-genai has not sent the request yet."""
    return next((found for found in _inside(stream) if isinstance(found, Tap | AsyncTap | Body | Close)), None)


def _inside(stream: Any) -> Iterator[Any]:
    """The stream and what is under it, from the outside in."""
    seen: list[Any] = [stream]
    for holder in seen:
        yield holder
        if len(seen) < _MOST:
            seen.extend(found for found in _under(holder) if not any(found is other for other in seen))


def _under(holder: Any) -> Iterator[Any]:
    if issubclass(type(holder), GeneratorType | AsyncGeneratorType):  # not what passes for one, as `observe` gives it
        # What a suspended generator iterates over is on its stack, where nothing but the garbage collector's view reaches.
        yield from (found for found in gc.get_referents(holder) if isinstance(found, _STREAMING))
    elif isinstance(holder, Mapping):
        yield from holder.values()  # pyright: ignore[reportUnknownVariableType]
    else:
        yield from (found for name in _HOLDERS if (found := getattr(holder, name, None)) is not None)


_STREAMING = (GeneratorType, AsyncGeneratorType, Tap, AsyncTap)


def _frame(stream: Any) -> FrameType | None:
    """The frame of a generator of google-genai's, which has not been started if nothing of ours is in it."""
    frame: FrameType | None = getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)
    is_theirs = frame is not None and str(frame.f_globals.get("__name__", "")).startswith("google.genai.")
    return frame if is_theirs else None
