"""The OpenAI SDK, 1.109 and newer."""

import sys
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
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


def load_httpx2() -> None:
    """Imports httpx2 here and now where openai 2 would find it half imported.

    While it sends, openai 2 looks for it in ``sys.modules``, and genai-prices imports it in a thread of ours: a call in that
    moment would fail with "partially initialized module 'httpx2'".
    """
    if "openai._httpx2" in sys.modules:
        with suppress(ImportError):
            import_module("httpx2")


TARGETS = (replace(make_target("openai", name_provider, {}), prepare=load_httpx2),)
