"""What is written on the span of a call, put together from plain values."""

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import Span

from streamspan import semconv
from streamspan.answer import Answer
from streamspan.estimate import Count, estimate_tokens
from streamspan.pricing import Price
from streamspan.usage import Usage
from streamspan.wire import Attributes

DEFAULT_EVENT_LIMIT = 128
"""The SDK's own; past it, it drops the oldest event without a word."""


def event_limit(span: Span) -> int:
    """How many events this span keeps."""
    limits: Any = getattr(span, "_limits", None)
    limit = getattr(limits, "max_events", DEFAULT_EVENT_LIMIT)
    return 2**31 if limit is None else limit


def text_limit(span: Span, wanted: int) -> int:
    """``wanted`` characters, or fewer if the SDK cuts attributes shorter: it would log each cut."""
    limit = attribute_limit(span)
    return wanted if limit is None else min(wanted, limit)


def attribute_limit(span: Span) -> int | None:
    """How many characters the SDK leaves of an attribute, if it cuts any."""
    limits: Any = getattr(span, "_limits", None)
    return getattr(limits, "max_span_attribute_length", None)


def response_attributes(answer: Answer, choices: int) -> Attributes:
    """Who answered, and why each choice ended."""
    attributes: Attributes = {**answer.attributes}
    if answer.response_id:
        attributes[semconv.RESPONSE_ID] = answer.response_id
    if answer.model:
        attributes[semconv.RESPONSE_MODEL] = answer.model
    if choices:
        attributes[semconv.RESPONSE_FINISH_REASONS] = list(answer.finish_reasons(choices))
    return attributes


def identifying_attributes(operation: str, provider: str, model: str | None) -> Attributes:
    """What call this is, for signals beside its span."""
    attributes: Attributes = {semconv.OPERATION_NAME: operation}
    if provider:
        attributes[semconv.PROVIDER_NAME] = provider
    if model:
        attributes[semconv.REQUEST_MODEL] = model
    return attributes


SAMPLE_CHARS = 1000


def estimate_output(characters: int, sample: str) -> int:
    """How many tokens so many characters are, more or less, if all of them are like those of the ``sample``."""
    return round(estimate_tokens(sample) * characters / len(sample)) if sample else round(characters / _CHARACTERS_PER_TOKEN)


_CHARACTERS_PER_TOKEN = 4


def complete_usage(
    answer: Answer, estimate_input: Callable[[], int], *, generates: bool = True, count: Count = estimate_tokens
) -> list[str]:
    """Adds estimates to the reported usage for what was not reported, and returns the names of the estimated fields.

    Args:
        answer: What has come.
        estimate_input: How many tokens the request has, more or less.
        generates: Whether there is output to count.
        count: How many tokens a text has, more or less.
    """
    usage, estimated = answer.reported, list[str]()
    if usage.total_input_tokens is None:
        usage.input_tokens = estimate_input()
        estimated.append("input_tokens")
    if usage.output_tokens is None and generates:
        usage.output_tokens = count(answer.generated_text())
        estimated.append("output_tokens")
    return estimated


_USAGE = {
    semconv.USAGE_INPUT_TOKENS: "total_input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
    semconv.USAGE_CACHE_READ_INPUT_TOKENS: "cache_read_tokens",
    semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: "cache_write_tokens",
    semconv.USAGE_REASONING_OUTPUT_TOKENS: "reasoning_tokens",
}


def usage_attributes(usage: Usage, estimated: list[str]) -> Attributes:
    """Token counts; a reported 0 is a number, what was not reported is left out."""
    attributes: Attributes = {key: count for key, name in _USAGE.items() if (count := getattr(usage, name)) is not None}
    if estimated:
        attributes[semconv.USAGE_ESTIMATED] = estimated
    return attributes


def cost_attributes(price: Price | None) -> Attributes:
    """The cost in US dollars; for an unknown price the flag alone, never 0."""
    if price is None:
        return {semconv.COST_UNPRICED: True}
    parts = {
        semconv.COST_TOTAL: price.total,
        semconv.COST_INPUT: price.input,
        semconv.COST_OUTPUT: price.output,
        semconv.USAGE_COST: price.total,
    }
    amounts: Attributes = {key: float(amount) for key, amount in parts.items() if amount is not None}
    if price.tier:
        amounts[semconv.COST_TIER] = price.tier
    return {**amounts, semconv.COST_SOURCE: price.source}
