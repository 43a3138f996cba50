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


IN_A_THOUSAND = Usage(input_tokens=1000, output_tokens=100)
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("model", "total"),
    [
        # $3 in and $15 out for a million where it may run anywhere, a tenth more where it stays in a region
        (f"global.{MODEL}", "0.0045"),
        (MODEL, "0.00495"),
        (f"us.{MODEL}", "0.00495"),
        (f"eu.{MODEL}:200k", "0.00495"),
        (f"ca.{MODEL}", "0.00495"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}", "0.00495"),
        (f"{ARN}:inference-profile/us.{MODEL}", "0.00495"),
        (f"{ARN}:inference-profile/global.{MODEL}", "0.0045"),
        ("apac.amazon.nova-lite-v1:0:300k", "0.000084"),
        ("us.meta.llama4-scout-17b-instruct-v1:0", "0.000236"),
        ("openai.gpt-oss-20b-1:0", "0.0001"),
    ],
)
def test_names_of_bedrock(model: str, total: str) -> None:
    """A model has its price under all its names: with a region, with a version and a context size, as an ARN."""
    price = PriceBook().price("aws.bedrock", (None, model), IN_A_THOUSAND)
    assert price is not None
    assert price.total == Decimal(total)


@pytest.mark.parametrize(
    "model",
    [
        f"{ARN}:application-inference-profile/a1b2c3",
        f"{ARN}:custom-model/{MODEL}:200k/a1b2c3",
        f"{ARN}:provisioned-model/a1b2c3",
        f"{ARN}:imported-model/a1b2c3",
        f"{ARN}:prompt/A1B2C3:1",
        f"{ARN}:default-prompt-router/anthropic.claude:1",
        f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{MODEL}",
        f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{MODEL}",
        "global.anthropic.claude-imaginary-9",
        "a1b2c3",
    ],
)
def test_names_of_bedrock_that_hide_the_model(model: str) -> None:
    """Where a name does not say which model it is, or the model was customised, there is no price."""
    assert PriceBook().price("aws.bedrock", (None, model), IN_A_THOUSAND) is None


def test_answer_names_a_model_that_was_hidden() -> None:
    """The name in the answer is looked up where that of the request says nothing; else the request's says where it runs."""
    book, hidden, answered = PriceBook(), f"{ARN}:application-inference-profile/a1b2c3", "claude-sonnet-4-5-20250929"
    named, anywhere = (book.price("aws.bedrock", (answered, asked), IN_A_THOUSAND) for asked in (hidden, f"global.{MODEL}"))

    assert book.price("aws.bedrock", (answered, "us-gov.anthropic.claude-imaginary-9"), IN_A_THOUSAND) is None
    assert named is not None
    assert anywhere is not None
    assert (named.total, anywhere.total) == (Decimal("0.00495"), Decimal("0.0045"))


@pytest.mark.parametrize(
    ("provider", "models", "total"),
    [
        ("gcp.gemini", ("models/gemini-2.5-flash",), "0.00055"),
        ("gcp.vertex_ai", ("publishers/google/models/gemini-2.5-flash",), "0.00055"),
        ("gcp.vertex_ai", ("projects/p/locations/global/publishers/google/models/gemini-2.5-flash-001",), "0.00055"),
        ("gcp.vertex_ai", ("claude-sonnet-4-5@20250929",), "0.0045"),
        ("gcp.vertex_ai", ("publishers/anthropic/models/claude-sonnet-4-5@default",), "0.0045"),
        ("openai", ("gpt-4o-mini-2099-12-31",), "0.00021"),
        ("azure.ai.openai", ("gpt-4o-mini-2024-07-18", "gpt-4o"), "0.00021"),
        ("azure.ai.openai", (None, "gpt-4o-mini"), "0.00021"),
    ],
)
def test_names_of_other_platforms(provider: str, models: tuple[str | None, ...], total: str) -> None:
    """Paths and dates are looked through; of an Azure deployment, which may be called anything, the answer's name comes first."""
    price = PriceBook().price(provider, models, IN_A_THOUSAND)
    assert price is not None
    assert price.total == Decimal(total)
