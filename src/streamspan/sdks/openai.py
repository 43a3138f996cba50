"""The OpenAI SDK, 1.109 and newer."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from importlib import import_module
from typing import Any

from streamspan import semconv
from streamspan.providers import openai_chat
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


# --- usage, which a stream of chat completions brings only if it is asked for --------------------------------------------


def ask_for_usage(wish: str, client: Any, options: Any) -> Any | None:
    """The options of a stream of chat completions with ``include_usage``; ``None`` where that is not to be added.

    What the caller says about it stands. So does a streaming raw response: its bytes are the caller's.
    """
    if wish == "off" or not options.url.partition("?")[0].endswith(openai_chat.FORMAT.path):
        return None
    body, extra = _mapping(options.json_data), _mapping(options.extra_json)
    given = body.get("stream_options", {})
    if "stream_options" in extra or _is_settled(given) or _is_read_raw(options) or not _is_plain_stream({**body, **extra}):
        return None
    if wish == "auto" and not _accepts(client, options):
        return None
    asking = copy(options)
    asking.json_data = {**body, "stream_options": {**_mapping(given), "include_usage": True}}
    return asking


def _is_settled(stream_options: Any) -> bool:
    """Whether the caller has said whether usage is wanted: a ``null`` says so, too, an argument that was not given does not."""
    if type(stream_options).__name__ in {"NotGiven", "Omit"}:
        return False
    return not isinstance(stream_options, Mapping) or "include_usage" in stream_options


def _is_read_raw(options: Any) -> bool:
    return _mapping(options.headers).get("X-Stainless-Raw-Response") == "stream"


def _is_plain_stream(body: Mapping[str, Any]) -> bool:
    """Whether it is a stream, and not over data of one's own at Azure, which takes no ``stream_options``."""
    return body.get("stream") is True and "data_sources" not in body and "dataSources" not in body


_AZURE_SINCE = "2024-09-01"
"""The first version of Azure's API that takes ``stream_options``."""
_AZURE_NEWEST = frozenset({"preview", "latest"})


def _accepts(client: Any, options: Any) -> bool:
    """Whether it is known of the server that it takes ``include_usage``: many that speak this format answer with an error."""
    url = client.base_url
    if url.host == "api.openai.com":
        return True
    if not any(url.host.endswith(f".{end}") for end, name in _HOSTS.items() if name == semconv.AZURE_OPENAI):
        return False
    if "/openai/v1" in url.path:
        return True
    version = {**client.default_query, **_mapping(options.params)}.get("api-version")
    is_known = isinstance(version, str) and (version in _AZURE_NEWEST or _AZURE_SINCE <= version < "9")
    return is_known and "/openai" in url.path and "/extensions" not in url.path


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


TARGETS = (replace(make_target("openai", name_provider, {}, ask_for_usage), prepare=load_httpx2),)
