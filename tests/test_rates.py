"""Prices by rate are those of the library, to the last digit."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as Reported

from streamspan import price_table, rates
from streamspan.model_prices import ModelPrice
from streamspan.usage import Usage

KINDS = (
    ("input_tokens",),
    ("input_tokens", "output_tokens"),
    ("input_tokens", "output_tokens", "reasoning_tokens"),
    ("input_tokens", "cache_read_tokens", "output_tokens", "web_searches"),
    ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
    ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens"),
    ("input_tokens", "input_audio_tokens", "output_tokens", "output_audio_tokens"),
    ("input_tokens", "cache_read_tokens", "input_audio_tokens", "cached_audio_tokens", "output_tokens"),
    ("input_tokens", "input_image_tokens", "input_video_tokens", "output_tokens", "output_image_tokens", "output_video_tokens"),
    ("input_characters",),
    ("audio_seconds",),
)
"""Which counts a provider may report."""
TIERS = ("", "batch", "flex", "priority", "fast")


def make_usage(chance: random.Random, kinds: tuple[str, ...]) -> Usage:
    """A usage with these counts, parts no greater than their wholes."""
    counts: dict[str, Any] = {name: chance.randrange(1, 200) for name in kinds}
    if "input_tokens" in counts:
        counts["input_tokens"] = chance.choice((2_000, 110_000, 250_000, 300_000, 2_000_000)) + chance.randrange(1000)
    if "cache_write_1h_tokens" in counts:
        counts["cache_write_tokens"] += counts["cache_write_1h_tokens"]
    if "cached_audio_tokens" in counts:
        counts["cached_audio_tokens"] = chance.choice((0, 1, min(counts["cache_read_tokens"], counts["input_audio_tokens"])))
    if "output_tokens" in counts:
        counts["output_tokens"] += sum(count for name, count in counts.items() if name.startswith(("output_", "reasoning_")))
    return Usage(**counts)


def outcome(calculate: Callable[..., object], *arguments: object) -> object:
    """What it returns, or the kind of exception that it raises."""
    try:
        return calculate(*arguments)
    except (LookupError, ValueError) as error:
        return type(error)


def by_the_library(provider: str, model: str, counts: dict[str, Any], tier: str) -> rates.Amounts:
    """What genai-prices calculates without us."""
    reported = Reported(**{name: count for ours, count in counts.items() for name in rates.COUNTS[ours]})
    context = rates.CONTEXTS.get(tier)
    price = price_table.load().snapshot.calc(reported, model, provider, None, None, context)
    priced = {key for key, value in vars(price.model_price).items() if value is not None}
    paid_by = {"input_tokens": "input_mtok", "audio_seconds": "audio_hours", "input_characters": "input_mchars"}
    counted = [key for count, key in paid_by.items() if getattr(reported, count)]
    if priced and not priced & set(counted):
        raise LookupError(model)  # it says that they cost nothing
    return price.total_price, price.input_price, price.output_price


@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
def test_same_as_the_library(kinds: tuple[str, ...]) -> None:
    """For models of every provider, below and above their tiers, the price by rate equals what genai-prices calculates."""
    chance = random.Random("+".join(kinds))  # noqa: S311 - no secret is made of it
    providers = price_table.load().snapshot.providers
    models = [(provider.id, model.id) for provider in providers for model in provider.models][chance.randrange(29) :: 29]
    models += [(one.id, model.id) for one in providers for model in one.models if model.price_variants][chance.randrange(5) :: 5]
    for provider, model in models:
        tier, counts = chance.choice(TIERS), rates.counts_of(make_usage(chance, kinds))
        sheet = rates.find(provider, model)
        ours = outcome(rates.calculate, sheet, counts, sheet.tier(tier)) if sheet else LookupError
        assert ours == outcome(by_the_library, provider, model, counts, tier), (provider, model, tier, counts)


def test_no_tokens_cost_nothing() -> None:
    """A usage of zeros has a price: nothing."""
    sheet = rates.find("openai", "gpt-4o")
    assert sheet is not None
    assert rates.calculate(sheet, rates.counts_of(Usage(input_tokens=0, output_tokens=0))) == (Decimal(0),) * 3


def test_tiers_that_a_model_has() -> None:
    """A tier of service counts where the provider itself has prices for it; elsewhere the usual ones hold."""
    found = [rates.find(*names) for names in (("openai", "gpt-4.1"), ("azure", "gpt-4.1"), ("anthropic", "claude-opus-5"))]
    told = [[sheet.tier(tier) for tier in ("fast", "flex", "priority", "standard", "", None)] for sheet in found if sheet]

    assert told == [["fast", "", "priority", "", "", ""], ["", "", "", "", "", ""], ["fast", "", "", "", "", ""]]


ALL = ModelPrice(
    input=1,
    output=2,
    cache_read="0.1",
    cache_write="1.25",
    cache_write_1h="2.5",
    input_audio=10,
    input_image=3,
    output_audio=20,
    output_image=30,
    reasoning=4,
    request="0.01",
    web_search="0.02",
)
M = 1_000_000


@pytest.mark.parametrize(
    ("price", "usage", "total"),
    [
        (ALL, Usage(input_tokens=M, output_tokens=M), "3.01"),
        (ALL, Usage(input_tokens=M, output_tokens=0, cache_read_tokens=M), "0.11"),
        (ALL, Usage(input_tokens=4 * M, output_tokens=0, cache_write_tokens=3 * M, cache_write_1h_tokens=M), "6.01"),
        (ALL, Usage(input_tokens=2 * M, output_tokens=0, input_audio_tokens=M), "11.01"),
        (
            ALL,
            Usage(input_tokens=2 * M, output_tokens=0, input_audio_tokens=M, cache_read_tokens=M, cached_audio_tokens=M),
            "1.11",
        ),
        (ALL, Usage(input_tokens=2 * M, output_tokens=0, input_image_tokens=M), "4.01"),
        (
            ALL,
            Usage(input_tokens=0, output_tokens=4 * M, output_audio_tokens=M, output_image_tokens=M, reasoning_tokens=M),
            "56.01",
        ),
        (ALL, Usage(input_tokens=0, output_tokens=0, web_searches=3), "0.07"),
        (ModelPrice(input=1), Usage(input_tokens=M, cache_read_tokens=M, input_audio_tokens=0), "1"),
        (ModelPrice(input=1, cache_write=2), Usage(input_tokens=M, cache_write_tokens=M, cache_write_1h_tokens=M), "2"),
        (ModelPrice(input=0, output=0), Usage(input_tokens=M, output_tokens=M), "0"),
        (ModelPrice(input="0.1", output=3), Usage(input_tokens=3, output_tokens=0), "0.0000003"),
    ],
)
def test_a_users_price(price: ModelPrice, usage: Usage, total: str) -> None:
    """Each kind of token has its own price where there is one, else that of its whole; exactly, in decimals."""
    all_, into, out = rates.overridden(price, rates.counts_of(usage))
    apart = price.amounts.get("request", Decimal(0)) + (usage.web_searches or 0) * price.amounts.get("web_search", Decimal(0))

    assert all_ == Decimal(total) == into + out + apart


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=1, output_tokens=1),
        Usage(input_tokens=1, cache_read_tokens=2),
        Usage(audio_seconds=2.5),
        Usage(input_characters=5),
    ],
)
def test_a_users_price_that_says_nothing(usage: Usage) -> None:
    """Output without a price for it, counts that contradict each other, time and characters have no price."""
    with pytest.raises((LookupError, ValueError)):
        rates.overridden(ModelPrice(input=1), rates.counts_of(usage))
