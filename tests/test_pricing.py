"""Prices: real ones, by hand."""

from decimal import Decimal

import pytest

from streamspan.pricing import PriceBook
from streamspan.usage import Usage


@pytest.mark.parametrize(
    ("provider", "model", "usage", "total"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", Usage(input_tokens=1000, output_tokens=100), "0.00021"),
        ("azure.ai.openai", "gpt-4o-mini", Usage(input_tokens=1000, output_tokens=100), "0.00021"),
        # 1,500 plain at $3, 1,000 read at $0.30, 300 written for 5 minutes at $3.75 and 200 for an hour at $6, 100 out at $15
        (
            "anthropic",
            "claude-sonnet-4-5",
            Usage(
                uncached_input_tokens=1500,
                cache_read_tokens=1000,
                cache_write_tokens=500,
                cache_write_1h_tokens=200,
                output_tokens=100,
            ),
            "0.008625",
        ),
        ("deepseek", "deepseek-chat", Usage(input_tokens=0, output_tokens=0), "0"),
    ],
)
def test_price(provider: str, model: str, usage: Usage, total: str) -> None:
    """The cost of a usage, cache tokens at their own prices, is exact."""
    price = PriceBook().price(provider, (None, model), usage)

    assert price is not None
    assert price.total == Decimal(total) == (price.input or 0) + (price.output or 0)


def test_model_that_answered_is_preferred() -> None:
    """The price is that of the model that answered, or of the one asked for where that is unknown."""
    usage = Usage(input_tokens=1000, output_tokens=0)
    book = PriceBook()

    assert book.price("openai", ("gpt-4o", "gpt-4o-mini"), usage) == book.price("openai", ("gpt-4o",), usage)
    assert book.price("openai", ("our-deployment", "gpt-4o-mini"), usage) == book.price("openai", ("gpt-4o-mini",), usage)


@pytest.mark.parametrize(
    "usage", [Usage(input_tokens=1, cache_read_tokens=5, output_tokens=1), Usage(input_tokens=-4, output_tokens=1)]
)
def test_counts_that_contradict_each_other_have_no_price(usage: Usage) -> None:
    """More cached tokens than input, or a negative count: no price rather than a wrong one."""
    assert PriceBook().price("openai", ("gpt-4o",), usage) is None


def test_unknown_models_have_no_price() -> None:
    """A model, a provider, or no name at all that the table does not hold."""
    usage = Usage(input_tokens=1, output_tokens=1)

    assert PriceBook().price("openai", ("gpt-99-imaginary",), usage) is None
    assert PriceBook().price("nobody", ("gpt-4o",), usage) is None
    assert PriceBook().price("openai", (None, None), usage) is None
