"""What is known of a call before it is sent, and the span that it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from streamspan import semconv, span, who
from streamspan.answer import MOST_CHOICES
from streamspan.budgets.scope import Scopes
from streamspan.shared import SharedSpan, span_above
from streamspan.telemetry import Telemetry
from streamspan.wire import Attributes, WireFormat


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a call before it is sent."""

    wire: WireFormat
    provider: str
    """``gen_ai.provider.name``; empty where a program that makes a span by itself does not say."""
    address: str
    """The host; empty where the SDK finds it out only while it sends."""
    port: int
    body: Mapping[str, Any]
    streamed: bool
    more: Attributes = field(default_factory=dict[str, Any])
    """What else is known of it, under its semconv names, that the body does not say."""
    context: Context | None = None
    """Whose child the span is, if not the current one's."""
    scopes: Scopes = field(default_factory=who.scopes_in_force)
    """The functions under `streamspan.track_costs` that it starts in, the outermost first: their budgets count it, too."""
    who: Mapping[str, Any] = field(default_factory=who.in_force)
    """Who and what it is for: the attributes in force when it starts, which is before a stream is read, wherever that is."""

    @property
    def model(self) -> str | None:
        """The model that is asked for."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None

    @property
    def stand_in(self) -> str | None:
        """The model by which it is priced if neither it nor its answer names one that has a price, as its function says."""
        return next((scope.model for scope in reversed(self.scopes) if scope.model), None)

    @property
    def name(self) -> str:
        """The name of its span."""
        subject = self.body.get(self.wire.subject)
        return f"{self.wire.operation} {subject}" if subject and isinstance(subject, str) else self.wire.operation

    @property
    def choices(self) -> int:
        """How many answers are asked for whose end has a reason: none where the model says nothing."""
        if not (self.wire.generates and self.wire.gives_reasons) or self.wire.opaque:
            return 0
        count = self.body.get(self.wire.choices_key)
        return count if isinstance(count, int) and 0 < count <= MOST_CHOICES else 1

    def attributes(self) -> Attributes:
        """All that is known of it but its content: on its span from the start, as a sampler may want to know it."""
        attributes: Attributes = {
            **self.who,
            semconv.OPERATION_NAME: self.wire.operation,
            semconv.PROVIDER_NAME: self.provider,
            semconv.SERVER_ADDRESS: self.address,
            semconv.SERVER_PORT: self.port,
            **self.more,
            **self.wire.request(self.body),
        }
        if not self.address:
            del attributes[semconv.SERVER_ADDRESS], attributes[semconv.SERVER_PORT]
        if not self.provider:
            del attributes[semconv.PROVIDER_NAME]
        if self.streamed:
            attributes[semconv.REQUEST_STREAM] = True
        return attributes

    def purpose(self, opening: Attributes) -> Attributes:
        """Who and what it is for, in the request's own words where it has some: those are in ``opening``, its `attributes`."""
        return {name: opening[name] for name in self.who}

    def facts(self, opening: Attributes) -> Attributes:
        """What call it is, and who and what for: for signals beside its span."""
        return span.identifying_attributes(self.wire.operation, self.provider, self.model) | self.purpose(opening)


def start(telemetry: Telemetry, request: Request, attributes: Attributes, at: int) -> Span:
    """Starts the span of a call, as a child of the caller's.

    If the current span is the call's already, made by somebody above us, it is shared.

    Args:
        telemetry: Where the span goes.
        request: The call.
        attributes: What is known of it.
        at: When it starts, in nanoseconds since the epoch.
    """
    make = partial(
        telemetry.tracer.start_span,
        request.name,
        context=request.context,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        start_time=at,
    )
    owner = span_above(generates=request.wire.generates) if request.context is None else None
    return SharedSpan(owner, make, attributes) if owner is not None else make()
