"""A call whose span exists already: a framework, or another instrumentor, above us made it and is in it now.

Two spans with the usage of one call are counted twice, so what we know goes to the span that is there. If that one ends before
the call does, it cannot know how the call went: then the call gets a span of its own, under it.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

from opentelemetry.context import Context, get_value, set_value
from opentelemetry.trace import Span, SpanContext, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.util.types import Attributes, AttributeValue

from streamspan import semconv

_GENERATING = {semconv.CHAT, semconv.GENERATE_CONTENT, semconv.TEXT_COMPLETION, semconv.OPENINFERENCE_LLM}
_EMBEDDING = {semconv.EMBEDDINGS, semconv.OPENINFERENCE_EMBEDDING}


_shared = WeakSet[Span]()
"""Spans that a call has taken for its own: a second request under the same span, such as a retry, gets one of its own."""


def span_above(*, generates: bool) -> Span | None:
    """The current span, if it is that of a model call already: the one that is about to be sent. It is given to one call only."""
    span = get_current_span()
    attributes: Mapping[str, Any] | None = getattr(span, "attributes", None)
    if not attributes or not span.is_recording():
        return None
    later: Mapping[str, Any] = getattr(span, "_self_important_attributes", {})  # what OpenInference writes when it ends
    kind = attributes.get(semconv.OPERATION_NAME) or {**later, **attributes}.get(semconv.OPENINFERENCE_SPAN_KIND)
    if kind not in (_GENERATING if generates else _EMBEDDING) or span in _shared:
        return None
    _shared.add(span)
    return span


def mark(context: Context, *, generates: bool) -> Context:
    """Says in ``context``, as ``opentelemetry-util-genai`` does, that the model call in it has its span.

    The official instrumentors ask for this before they make one. The module is looked for, not imported: without it nobody asks.
    """
    module: Any = sys.modules.get("opentelemetry.util.genai.invocation")
    prefix = "INFERENCE" if generates else "EMBEDDING"
    key = getattr(module, f"CLIENT_{prefix}_CONTEXT_KEY", None)
    if key is None or get_value(key, context) is not None:
        return context
    return set_value(key, getattr(module, f"{prefix.capitalize()}Data")(), context)


def inside(span: Span, *, generates: bool) -> Context:
    """The context inside a call: its span is current, and the officials under us know of it."""
    context = set_span_in_context(span.owner if isinstance(span, SharedSpan) else span)
    return mark(context, generates=generates)


class Above(Protocol):
    """A call that the program itself makes a span for, above one that we observe: both are one, and end together."""

    def give_way(self, call: Any) -> None:
        """From now on ``call`` knows best how it goes."""

    def keep(self, call: Any, kind: str, error: BaseException | None, at: float) -> bool:
        """``call`` has ended: keeps that for its own end, or returns false where it is over itself."""
        ...


_above = WeakValueDictionary[int, Above]()
"""By the ids of their spans."""


def put_above(span: Span, call: Above) -> None:
    """Says whose span this is, for calls that will share it."""
    _above[span.get_span_context().span_id] = call


def call_above(span: Span) -> Above | None:
    """The program's own call whose span a call shares, if it is such a span."""
    return _above.get(span.get_span_context().span_id) if isinstance(span, SharedSpan) else None


def is_above(span: Span) -> bool:
    """Whether this is the span of a call of the program's own."""
    return span.get_span_context().span_id in _above


def let_share(span: Span) -> None:
    """Lets another call share a span: where the first was refused, or is one with it."""
    _shared.discard(span)


def take(span: Span) -> None:
    """Lets nobody share a span any more."""
    _shared.add(span)


class SharedSpan(Span):
    """Keeps what is written on it until the call has ended, then writes it on the owner's span.

    The name, the status and the end are the owner's.
    """

    def __init__(self, owner: Span, make_own: Callable[..., Span], request: Mapping[str, Any]) -> None:
        self.owner = owner
        self._make_own = make_own
        self._request = request
        self._attributes: dict[str, AttributeValue] = {}
        self._events: list[tuple[str, Attributes, int | None]] = []
        self._status: Status | None = None
        self.speaks_for_owner = False
        """Whether the owner's end and its status are this call's."""

    @property
    def _limits(self) -> Any:
        return getattr(self.owner, "_limits", None)

    def end(self, end_time: int | None = None) -> None:
        """Writes it all."""
        if self.owner.is_recording():
            if not self.speaks_for_owner:
                self._attributes.pop(semconv.ERROR_TYPE, None)  # it goes with the status
            elif self._status is not None:
                self.owner.set_status(self._status)
            self.owner.set_attributes(self._missing(self._request))
            self._write(self.owner)
            return
        own = self._make_own(context=set_span_in_context(self.owner))
        self._write(own)
        if self._status is not None:
            own.set_status(self._status)
        own.end(end_time)

    def _missing(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """What the owner has not said itself."""
        said: Mapping[str, Any] = getattr(self.owner, "attributes", None) or {}
        return {key: value for key, value in attributes.items() if key not in said}

    def _write(self, span: Span) -> None:
        span.set_attributes(self._attributes)
        for name, attributes, at in self._events:
            span.add_event(name, attributes, at)

    def get_span_context(self) -> SpanContext:
        """The owner's."""
        return self.owner.get_span_context()

    def is_recording(self) -> bool:
        """Yes: it is made only of a span that is."""
        return True

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """For the end."""
        self._attributes.update(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """For the end."""
        self._attributes[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """For the end."""
        self._events.append((name, attributes, timestamp))

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """For a span of the call's own."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def update_name(self, name: str) -> None:
        """Nothing: the name is the owner's."""

    def record_exception(self, *_: Any, **__: Any) -> None:
        """Nothing: the owner sees the exception too."""
