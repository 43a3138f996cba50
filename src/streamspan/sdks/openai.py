"""The OpenAI SDK, 1.109 and newer."""

import sys
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from streamspan import semconv
from streamspan.sdks.stainless import make_target

_HOSTS = {
    "openai.azure.com": semconv.AZURE_OPENAI,
    "cognitiveservices.azure.com": semconv.AZURE_OPENAI,
    "services.ai.azure.com": semconv.AZURE_OPENAI,
    "amazonaws.com": semconv.AWS_BEDROCK,
    "api.aws": semconv.AWS_BEDROCK,
    "generativelanguage.googleapis.com": semconv.GCP_GEMINI,
    "googleapis.com": semconv.GCP_VERTEX_AI,
    "anthropic.com": semconv.ANTHROPIC,
    "cohere.ai": semconv.COHERE,
    "cohere.com": semconv.COHERE,
    "deepseek.com": semconv.DEEPSEEK,
    "groq.com": semconv.GROQ,
    "mistral.ai": semconv.MISTRAL_AI,
    "moonshot.ai": semconv.MOONSHOT_AI,
    "moonshot.cn": semconv.MOONSHOT_AI,
    "openrouter.ai": semconv.OPENROUTER,
    "perplexity.ai": semconv.PERPLEXITY,
    "x.ai": semconv.X_AI,
}
"""Providers that speak OpenAI's wire format under their own name, by the end of their hosts' names."""

_CLIENTS = {"Azure": semconv.AZURE_OPENAI, "Bedrock": semconv.AWS_BEDROCK}
"""Clients of a provider's own, by a word in the name of their class: their host may be a gateway."""


def name_provider(client: Any, host: str) -> str:
    """By the client's class or its host; whoever else speaks this format, such as vLLM on localhost, passes for OpenAI."""
    kind = type(client).__name__
    if named := next((name for word, name in _CLIENTS.items() if word in kind), None):
        return named
    labels = host.split(".")
    ends = (".".join(labels[start:]) for start in range(len(labels)))  # the longest first
    return next((_HOSTS[end] for end in ends if end in _HOSTS), semconv.OPENAI)


def load_httpx2() -> None:
    """Imports httpx2 here and now where openai 2 would find it half imported.

    While it sends, openai 2 looks for it in ``sys.modules``, and genai-prices imports it in a thread of ours: a call in that
    moment would fail with "partially initialized module 'httpx2'".
    """
    if "openai._httpx2" in sys.modules:
        with suppress(ImportError):
            import_module("httpx2")


TARGETS = (replace(make_target("openai", name_provider, {}), prepare=load_httpx2),)
