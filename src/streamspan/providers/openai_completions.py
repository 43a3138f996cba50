"""OpenAI's legacy completions: text in, text out.

https://platform.openai.com/docs/api-reference/completions
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, request_attributes, sequence, strings


def read(chunk: Any, into: Sink) -> None:
    """Reads a chunk, or a whole ``text_completion``: they look the same."""
    top = fields(chunk)
    if error := fields(top.get("error") or extras(chunk).get("error")):
        into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))
    for choice in map(fields, sequence(top.get("choices"))):
        index = choice.get("index") or 0
        text = choice.get("text")
        if text and isinstance(text, str):
            into.text(index, text)
        if reason := choice.get("finish_reason"):
            into.finish(index, reason)
    if usage := fields(top.get("usage")):
        into.usage(read_usage(usage))
    if not into.response_id:  # every chunk repeats it
        _read_head(top, into)


def _read_head(top: dict[str, Any], into: Sink) -> None:
    into.identity(top.get("id"), top.get("model"))
    if fingerprint := top.get("system_fingerprint"):
        into.attribute(semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, str(fingerprint))


def read_usage(usage: dict[str, Any]) -> Usage:
    """The ``usage`` object: prompt tokens include cached ones, completion tokens include reasoning."""
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        cache_read_tokens=fields(usage.get("prompt_tokens_details")).get("cached_tokens"),
        output_tokens=usage.get("completion_tokens"),
        reasoning_tokens=fields(usage.get("completion_tokens_details")).get("reasoning_tokens"),
    )


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, float),
    "stop": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "seed": (semconv.REQUEST_SEED, int),
    "n": (semconv.REQUEST_CHOICE_COUNT, int),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(body, _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """Each prompt as what a user says; prompts in tokens are nobody's text."""
    text = body.get("prompt")
    texts = [text] if isinstance(text, str) else [item for item in sequence(text) if isinstance(item, str)]
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(text)]} for text in texts])


FORMAT = WireFormat("openai", "/completions", semconv.TEXT_COMPLETION, read, request, prompt)
