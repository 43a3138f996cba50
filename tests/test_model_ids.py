"""Which of the models that the SDKs themselves name have a price, and under which names platforms serve them."""

import typing
from importlib import import_module
from typing import Any

import pytest

from streamspan.pricing import PriceBook

BEDROCK = "anthropic.claude-haiku-4-5-20251001-v1:0"
REGIONS = ("", "us.", "eu.", "apac.", "jp.", "au.", "global.")
ARN = "arn:aws:bedrock:us-east-1:123456789012"
OTHERS = [
    *(("aws.bedrock", f"{region}{BEDROCK}") for region in REGIONS),
    ("aws.bedrock", "us-gov.anthropic.claude-haiku-5-5"),
    *(("aws.bedrock", f"{ARN}:inference-profile/{region}{BEDROCK}") for region in ("us.", "eu.", "apac.", "global.")),
    ("aws.bedrock", f"arn:aws:bedrock:us-east-1::foundation-model/{BEDROCK}"),
    ("azure.ai.openai", "gpt-4o-2024-08-06"),
    ("azure.ai.openai", "text-embedding-3-small"),
    ("azure.ai.inference", "gpt-4o"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::a1b2c3"),
    ("openai", "gpt-4o-mini-2099-01-01"),
    ("openai", "text-embedding-3-large"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("gcp.vertex_ai", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
    ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash"),
    ("gcp.gemini", "models/gemini-2.5-flash"),
    ("gcp.gen_ai", "gemini-2.5-flash"),
    ("gcp.gemini", "gemini-embedding-001"),
    ("x_ai", "grok-4.3"),
]
HIDDEN = [
    ("aws.bedrock", f"{ARN}:application-inference-profile/a1b2c3"),
    ("azure.ai.openai", "our-deployment"),
    ("openai", "ft:gpt-99-imaginary:acme::a1b2c3"),
    ("openai", "gpt-5.9"),
    ("anthropic", "claude-opus-9"),
    ("gcp.gemini", "gemini-9-pro"),
    ("aws.bedrock", "us.anthropic.claude-opus-9-v1:0"),
]


def has_price(provider: str, model: str) -> bool:
    """Whether a model has a price that nobody gave it."""
    return PriceBook().find(provider, model).sheet is not None


@pytest.mark.parametrize(("provider", "model"), OTHERS)
def test_names_that_platforms_give(provider: str, model: str) -> None:
    """Regions, versions, dates, paths, ARNs and fine-tuned models are looked through."""
    assert has_price(provider, model)


@pytest.mark.parametrize(("provider", "model"), HIDDEN)
def test_names_that_hide_the_model(provider: str, model: str) -> None:
    """What names no known model has no price: nothing is guessed."""
    assert not has_price(provider, model)


def literals(kind: Any) -> set[str]:
    """All strings of a type of strings."""
    if isinstance(kind, str):
        return {kind}
    return {text for part in typing.get_args(kind) for text in literals(part)}


def named(module: str, kind: str) -> set[str]:
    """The models that an installed SDK names; none if it is not installed, or names none yet."""
    try:
        return literals(getattr(import_module(module), kind))
    except (ImportError, AttributeError):
        return set()


NAMED = {
    (provider, kind): {model for model in named(module, kind) if model.startswith(prefix)}
    for module, kind, provider, prefix in (
        ("openai.types.shared.chat_model", "ChatModel", "openai", ""),
        ("openai.types.embedding_model", "EmbeddingModel", "openai", ""),
        ("anthropic.types.model", "Model", "anthropic", ""),
        ("google.genai._gaos.types.interactions.model", "Model", "gcp.gemini", "gemini"),
    )
}


@pytest.mark.parametrize(("provider", "kind"), [which for which, models in NAMED.items() if models])
def test_models_of_the_sdks(provider: str, kind: str) -> None:
    """Of the models that an installed SDK names, at least four of five have a price: it may be newer than the table."""
    models = NAMED[provider, kind]
    unknown = sorted(model for model in models if not has_price(provider, model))

    assert len(unknown) <= len(models) // 5, f"{len(models) - len(unknown)} of {len(models)} have a price, not {unknown}"
