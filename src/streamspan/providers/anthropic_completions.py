"""Anthropic's legacy text completions, which its SDK has until 1.x: text in, text out, and no count of tokens.

https://platform.claude.com/docs/en/api/completions
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.wire import Attributes, Prompt, WireFormat, fields, request_attributes


def read(chunk: Any, into: Sink) -> None:
    """Reads a chunk, or a whole ``completion``: they look the same."""
    top = fields(chunk)
    into.identity(top.get("id"), top.get("model"))
    if text := top.get("completion"):
        into.text(0, str(text))
    if reason := top.get("stop_reason"):
        into.finish(0, str(reason))
    if error := fields(top.get("error")):
        into.error(str(error.get("type") or "error"), str(error.get("message") or ""))


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_tokens_to_sample": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "top_k": (semconv.REQUEST_TOP_K, int),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, list),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(body, _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The prompt as what the user says, with the turns that it spells out itself."""
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(str(body.get("prompt") or ""))]}])


FORMAT = WireFormat("anthropic", "/v1/complete", semconv.TEXT_COMPLETION, read, request, prompt)
