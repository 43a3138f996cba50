"""Whose model it is, by its id."""

import re

import pytest

from streamspan.client.routing import PROVIDERS, provider_of

MODELS = {
    "openai": ["gpt-4o", "gpt-5.4-mini", "o1", "o3-mini", "o4-mini-2025-04-16", "chatgpt-4o-latest", "ft:gpt-4o-mini:acme::abc"],
    "anthropic": ["claude-haiku-4-5", "claude-3-5-sonnet-20241022"],
    "google": ["gemini-2.5-flash", "models/gemini-2.5-pro", "gemma-3-27b-it", "publishers/google/models/gemini-2.5-flash"],
    "amazon_bedrock": [
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us-gov.anthropic.claude-haiku-4-5-20251001-v1:0",
        "apac.amazon.nova-pro-v1:0",
        "amazon.nova-lite-v1:0",
        "meta.llama3-1-8b-instruct-v1:0",
        "openai.gpt-oss-120b-1:0",
        "qwen.qwen3-32b-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-v2",
    ],
}


@pytest.mark.parametrize(("provider", "model"), [(provider, model) for provider, models in MODELS.items() for model in models])
def test_a_model_id_tells_its_provider(provider: str, model: str) -> None:
    """By the beginning of the id; Amazon's have the vendor in them, behind a region or not."""
    assert provider_of(model) == provider


def test_a_provider_that_is_said_wins() -> None:
    """Whatever the id looks like, as a deployment may be called anything."""
    assert [provider_of("gpt-4o", given=provider) for provider in PROVIDERS] == list(PROVIDERS)


@pytest.mark.parametrize("model", ["my-deployment", "", "llama-3", "ogre", "gptx", "mistral-large"])
def test_a_model_that_nobody_knows_asks_for_its_provider(model: str) -> None:
    """The error names the argument and what it takes."""
    with pytest.raises(ValueError, match=re.escape("say provider=, one of openai, anthropic, google, amazon_bedrock")):
        provider_of(model)


def test_a_provider_that_does_not_exist_is_refused() -> None:
    """The error names those that do."""
    with pytest.raises(ValueError, match="there is no provider 'azure'; provider= is one of openai, anthropic"):
        provider_of("gpt-4o", given="azure")
