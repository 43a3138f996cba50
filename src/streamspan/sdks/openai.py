"""The OpenAI SDK, 1.109 and newer."""

from typing import Any

from streamspan import semconv
from streamspan.sdks.stainless import make_target

_HOSTS = {
    "api.deepseek.com": semconv.DEEPSEEK,
    "api.groq.com": semconv.GROQ,
    "api.mistral.ai": semconv.MISTRAL_AI,
    "api.perplexity.ai": semconv.PERPLEXITY,
    "api.x.ai": semconv.X_AI,
}
"""Providers that speak OpenAI's wire format under their own name."""


def name_provider(client: Any, host: str) -> str:
    """Azure by its client class or host, others by their host; whoever else speaks this format passes for OpenAI."""
    if "Azure" in type(client).__name__ or host.endswith(".openai.azure.com"):
        return semconv.AZURE_OPENAI
    return _HOSTS.get(host, semconv.OPENAI)


TARGETS = (make_target("openai", name_provider, {}),)
