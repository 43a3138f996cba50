"""Prices by rate are those of the library, to the last digit."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from streamspan import rates
from streamspan.usage import Usage

KINDS = (
    ("total_input_tokens",),
    ("total_input_tokens", "output_tokens"),
    ("total_input_tokens", "cache_read_tokens", "output_tokens"),
    ("total_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
    ("total_input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens"),
    ("total_input_tokens", "input_audio_tokens", "output_tokens", "output_audio_tokens"),
)
"""Which counts a provider may report."""


def make_usage(chance: random.Random, kinds: tuple[str, ...]) -> tuple[Usage, dict[str, int]]:
    """A usage with these counts, parts no greater than their wholes."""
    counts = {name: chance.randrange(1, 200) for name in kinds}
    counts["total_input_tokens"] = chance.choice((2_000, 150_000, 300_000, 2_000_000)) + chance.randrange(1000)
    if "cache_write_1h_tokens" in counts:
        counts["cache_write_tokens"] += counts["cache_write_1h_tokens"]
    if "output_audio_tokens" in counts:
        counts["output_tokens"] += counts["output_audio_tokens"]
    fields = {"input_tokens" if name == "total_input_tokens" else name: count for name, count in counts.items()}
    return Usage(**fields), counts


def outcome(calculate: Callable[..., object], *arguments: object) -> object:
    """What it returns, or the kind of exception that it raises."""
    try:
        return calculate(*arguments)
    except (LookupError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
def test_same_as_the_library(kinds: tuple[str, ...]) -> None:
    """For models of every provider, below and above their tiers, the price by rate equals what genai-prices calculates."""
    chance = random.Random("+".join(kinds))  # noqa: S311 - no secret is made of it
    models = [(provider.id, model.id) for provider in rates.load()[0].providers for model in provider.models][::9]
    for provider, model in models:
        usage, counts = make_usage(chance, kinds)
        expected = outcome(rates.ask, provider, model, counts)
        assert outcome(rates.calculate, provider, model, usage) == expected, (provider, model, counts)


def test_no_tokens_cost_nothing() -> None:
    """A usage of zeros has a price: nothing."""
    assert rates.calculate("openai", "gpt-4o", Usage(input_tokens=0, output_tokens=0)) == (Decimal(0),) * 3
