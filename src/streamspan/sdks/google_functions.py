"""One parent for the requests of one question, where the google-genai SDK calls functions by itself and asks again.

If the application has a span, the requests are its children. If it has none, each would begin a trace of its own: then they get
a parent, which is no model call and has neither usage nor cost. For this alone public methods are wrapped, as nothing else sees
where a question begins; what they return is the SDK's own.
"""

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter, time_ns
from types import FrameType
from typing import Any
from weakref import finalize, ref

from opentelemetry.context import Context, attach
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context

from streamspan import live, semconv
from streamspan.errors import guard
from streamspan.sdks.deferred import find_who, frame_of, note_who
from streamspan.sdks.patching import Wrapper, active
from streamspan.sdks.sending import Sending
from streamspan.telemetry import Telemetry
from streamspan.wire import fields, sequence


def make_wrappers(package: str, kind: str, method: str) -> dict[str, Wrapper]:
    """Wrappers of a method that answers a question, of its streaming twin, and of both on the asynchronous class."""
    return {
        f"{kind}.{method}": partial(_ask, package),
        f"{kind}.{method}_stream": partial(_stream, package),
        f"Async{kind}.{method}": partial(_ask_async, package),
        f"Async{kind}.{method}_stream": partial(_stream_async, package),
    }


def _calls_functions(owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the SDK may call functions of the application's: those that are given as such, or through MCP."""
    config = fields(kwargs.get("config") or (args[1] if len(args) > 1 else None) or getattr(owner, "_config", None))
    if fields(config.get("automatic_function_calling")).get("disable"):
        return False
    return any(callable(tool) or hasattr(tool, "call_tool") for tool in sequence(config.get("tools")))


def _telemetry(package: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Telemetry | None:
    """Where a parent goes, if this question may need one."""
    telemetry = active(package, owner)
    return telemetry if telemetry and is_instrumentation_enabled() and _calls_functions(owner, args, kwargs) else None


def _has_span() -> bool:
    return get_current_span().get_span_context().is_valid


def _start(telemetry: Telemetry) -> Span:
    return telemetry.tracer.start_span(semconv.AUTOMATIC_FUNCTION_CALLING, kind=SpanKind.INTERNAL, attributes=find_who()[0])


# --- whole answers: the parent is current for as long as the method runs ---------------------------------------------


@guard("starting a parent span")
def _begin(package: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
    telemetry = None if _has_span() else _telemetry(package, owner, args, kwargs)
    return _start(telemetry) if telemetry else None


@guard("ending a parent span")
def _end(span: Span) -> None:
    span.end()


def _ask(package: str, wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    span = _begin(package, owner, args, kwargs)
    if span is None:
        return wrapped(*args, **kwargs)
    try:
        return Sending(None, attach(set_span_in_context(span))).send(wrapped, *args, **kwargs)
    finally:
        _end(span)


async def _ask_async(package: str, wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    span = _begin(package, owner, args, kwargs)
    if span is None:
        return await wrapped(*args, **kwargs)
    try:
        return await Sending(None, attach(set_span_in_context(span))).send_async(wrapped, *args, **kwargs)
    finally:
        _end(span)


# --- streams: the parent begins with the first request, and ends when the SDK's generator is freed -------------------


class Question:
    """What a stream answers, with several requests."""

    __slots__ = ("__weakref__", "_span", "_started", "_started_ns", "_stream", "_telemetry")

    def __init__(self, telemetry: Telemetry, stream: Any) -> None:
        self._telemetry = telemetry
        self._stream = ref(stream)
        self._span: Span | None = None
        self._started, self._started_ns = 0.0, 0

    def is_asked_in(self, frame: FrameType) -> bool:
        """Whether this is the frame of its generator, and not one that has the same id later."""
        return frame_of(self._stream()) is frame

    def context(self) -> Context:
        """The context in which to send a request."""
        if self._span is None:
            self._started, self._started_ns = perf_counter(), time_ns()
            self._span = _start(self._telemetry)
            live.add(self)
        return set_span_in_context(self._span)

    def abandon(self, at: float) -> None:
        """Its generator is freed, or the process ends."""
        if live.claim(self) and self._span is not None:
            self._span.end(self._started_ns + int((at - self._started) * 1e9))

    def look(self, now: float) -> None:
        """There is nothing to note: the requests tell how far they have come."""


_questions: dict[int, Question] = {}
"""By the id of the frame of the SDK's generator, for as long as that lives: the requests are sent from inside it."""


@guard("noting a stream")
def _note(package: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any], stream: Any) -> None:
    telemetry, frame = _telemetry(package, owner, args, kwargs), frame_of(stream)
    if telemetry is not None and frame is not None:
        question = _questions[id(frame)] = Question(telemetry, stream)
        finalize(stream, _forget, id(frame), question).atexit = False


def _forget(key: int, question: Question) -> None:
    if _questions.get(key) is question:
        del _questions[key]
    live.drop(question)


def _stream(package: str, wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    stream = wrapped(*args, **kwargs)
    _note(package, owner, args, kwargs, stream)
    note_who(stream)
    return stream


async def _stream_async(
    package: str, wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    stream = await wrapped(*args, **kwargs)
    _note(package, owner, args, kwargs, stream)
    note_who(stream)
    return stream


def find_parent() -> Context | None:
    """The context of the question that the running code asks, if that has no other parent."""
    if not _questions or _has_span():
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        question = _questions.get(id(frame))
        if question is not None and question.is_asked_in(frame):
            return question.context()
        frame = frame.f_back
    return None
