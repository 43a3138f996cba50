"""OpenAI embeddings: text in, numbers out.

https://platform.openai.com/docs/api-reference/embeddings
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, request_attributes, sequence, strings


def read(response: Any, into: Sink) -> None:
    """Reads the ``list`` of embeddings: who made them, and of how many tokens."""
    top = fields(response)
    into.identity(None, top.get("model"))
    if error := fields(top.get("error") or extras(response).get("error")):
        into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))
    if usage := fields(top.get("usage")):
        into.usage(Usage(input_tokens=usage.get("prompt_tokens")))


_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "dimensions": (semconv.EMBEDDINGS_DIMENSION_COUNT, int),
    "encoding_format": (semconv.REQUEST_ENCODING_FORMATS, strings),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(body, _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """What is to be embedded; it is no message to anybody."""
    text = body.get("input")
    return Prompt(texts=[text] if isinstance(text, str) else [item for item in sequence(text) if isinstance(item, str)])


FORMAT = WireFormat("openai", "/embeddings", semconv.EMBEDDINGS, read, request, prompt, generates=False)
