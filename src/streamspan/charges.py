"""What a call used and what it costs: reported where it is reported, estimated where it can be, and on one span only."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from streamspan import semconv, span
from streamspan.answer import Answer
from streamspan.estimated import say
from streamspan.pricing import Price, reported
from streamspan.prompt_size import uncounted
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
    uncounted: list[str] = field(default_factory=list[str])
    """What of the request an estimate of its tokens leaves out, such as ``image``."""

    def attributes(self) -> Attributes:
        """As attributes of its span."""
        if self.omitted:
            return {semconv.USAGE_OMITTED: self.omitted}
        attributes = span.usage_attributes(self.usage, self.estimated)
        if self.uncounted:
            attributes[semconv.USAGE_UNCOUNTED] = self.uncounted
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
        count = telemetry.settings.count_tokens(request.model, answer.model)
        estimated = span.complete_usage(answer, estimate_input, generates=wire.generates, count=count)
    charges = priced(telemetry, request, answer, estimated)
    if estimated:
        say(request.model or answer.model or "(no model)", estimated)
        if "input_tokens" in estimated and (left_out := uncounted(wire.prompt(request.body))):
            return replace(charges, uncounted=left_out)
    return charges if wire.estimates or charges.price else Charges(answer.reported, estimated, is_unpriced=True)


def priced(telemetry: Telemetry, request: Request, answer: Answer, estimated: list[str]) -> Charges:
    """What is known of the usage of ``answer``, with its price where that is all there is to know."""
    usage = answer.reported
    if usage.total_input_tokens is None and isinstance(text := request.body.get(request.wire.spoken), str):
        usage.input_characters = len(text)
    if not _is_counted(request.wire, usage):
        return Charges(usage, estimated, reported(answer.charged) if answer.charged is not None else None)
    models, tier = (answer.model, request.model, request.stand_in), _tier(request, answer)
    price = telemetry.prices.price(request.provider, models, usage, tier, answer.charged)
    return Charges(usage, estimated, price, is_unpriced=price is None)


def _is_counted(wire: WireFormat, usage: Usage) -> bool:
    """Whether all is known that may have to be paid."""
    if usage.audio_seconds is not None or usage.input_characters is not None:
        return True
    return usage.total_input_tokens is not None and (usage.output_tokens is not None or not wire.generates)


def _tier(request: Request, answer: Answer) -> str | None:
    """How it was served: as the answer says, or else, as it was asked to be."""
    said = answer.attributes.get(semconv.OPENAI_RESPONSE_SERVICE_TIER) or answer.reported.tier
    asked = said or request.body.get("service_tier") or request.body.get("speed")
    tier = getattr(asked, "value", asked)  # Google's SDK has an enum of them
    return tier if isinstance(tier, str) else None


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
    models = (answer.model, request.model, request.stand_in)
    price = telemetry.prices.price(request.provider, models, usage, _tier(request, answer))
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
