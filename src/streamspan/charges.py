"""What a call used and what it costs: reported where it is reported, estimated where it can be, and on one span only."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from streamspan import semconv, span
from streamspan.answer import Answer
from streamspan.pricing import Price, reported
from streamspan.request import Request
from streamspan.telemetry import Telemetry
from streamspan.usage import Usage
from streamspan.wire import Attributes, WireFormat


@dataclass(frozen=True, slots=True)
class Charges:
    """What one call used and costs."""

    usage: Usage = field(default_factory=Usage)
    estimated: list[str] = field(default_factory=list[str])
    """Which fields of it are our estimate."""
    price: Price | None = None
    is_unpriced: bool = False
    """Whether there is something to pay, and nobody knows how much."""
    omitted: str | None = None
    """Why nothing of this is told here, if another span has it."""

    def attributes(self) -> Attributes:
        """As attributes of its span."""
        if self.omitted:
            return {semconv.USAGE_OMITTED: self.omitted}
        attributes = span.usage_attributes(self.usage, self.estimated)
        return attributes | span.cost_attributes(self.price) if self.price or self.is_unpriced else attributes


def charge(telemetry: Telemetry, request: Request, answer: Answer, estimate_input: Callable[[], int] | None) -> Charges:
    """Sums up what an accepted request, and its answer, used.

    Args:
        telemetry: Knows the prices, and which answers are paid for already.
        request: What was asked.
        answer: What has come of the answer.
        estimate_input: Estimates the tokens of the request; ``None`` where the answer passed unread, and says nothing of its own.
    """
    if omitted := _omitted(telemetry, request, answer):
        return Charges(omitted=omitted)
    wire, estimated = request.wire, list[str]()
    if wire.estimates and not wire.opaque and estimate_input is not None:
        estimated = span.complete_usage(answer, estimate_input, generates=wire.generates)
    charges = priced(telemetry, request, answer, estimated)
    return charges if wire.estimates or charges.price else Charges(answer.reported, estimated, is_unpriced=True)


def priced(telemetry: Telemetry, request: Request, answer: Answer, estimated: list[str]) -> Charges:
    """What is known of the usage of ``answer``, with its price where that is all there is to know."""
    usage = answer.reported
    if answer.charged is not None:
        return Charges(usage, estimated, reported(answer.charged))
    if usage.total_input_tokens is None or (usage.output_tokens is None and request.wire.generates):
        return Charges(usage, estimated)
    price = telemetry.prices.price(request.provider, (answer.model, request.model, request.stand_in), usage)
    return Charges(usage, estimated, price, is_unpriced=price is None)


def is_charged(wire: WireFormat) -> bool:
    """Whether what a stream of this format has used can be told while it runs."""
    return wire.estimates and not (wire.opaque or wire.fetches)


def so_far(telemetry: Telemetry, request: Request, answer: Answer, estimate_input: Callable[[], int]) -> Charges:
    """What a running stream has used until now: its output is always our estimate, as providers count it at the end."""
    if not is_charged(request.wire):
        return Charges(replace(answer.reported))
    estimated = ["output_tokens"]
    tokens = span.estimate_output(answer.characters, answer.preview(span.SAMPLE_CHARS))
    usage = replace(answer.reported, output_tokens=tokens)
    if usage.total_input_tokens is None:
        usage.input_tokens = estimate_input()
        estimated.insert(0, "input_tokens")
    price = telemetry.prices.price(request.provider, (answer.model, request.model, request.stand_in), usage)
    return Charges(usage, estimated, price, is_unpriced=price is None)


def _omitted(telemetry: Telemetry, request: Request, answer: Answer) -> str | None:
    """Why the usage of an accepted call is not on its span, if it is not.

    Each answer is charged on one span. That is the span of the request that made it, unless the provider makes it in the
    background: then it is the first span in this process that sees its usage. Before that there is nothing to estimate, as
    the answer goes on.

    Returns:
        ``counted`` if another span has the usage, ``unreported`` if one will have it, or could; ``None`` if this one has.
    """
    if not (answer.in_background or request.wire.fetches):
        return None
    if answer.reported == Usage():
        return "unreported"
    first = answer.in_background and telemetry.counted.claim(answer.response_id)
    return None if first else "counted"
