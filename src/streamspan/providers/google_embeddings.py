"""Google's embeddings, of the Gemini API and of Vertex AI, whose older models are asked for predictions.

https://ai.google.dev/api/embeddings
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streamspan import semconv
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, fields, request_attributes, sequence


def read(response: Any, into: Sink) -> None:
    """Reads an ``EmbedContentResponse``: of how many tokens, which not every model tells."""
    top = fields(response)
    total = fields(top.get("usage_metadata")).get("prompt_token_count")
    into.usage(Usage(input_tokens=_add_up(sequence(top.get("embeddings"))) if total is None else total))


def _add_up(embeddings: list[Any]) -> int | None:
    """The tokens of all texts, where the model counts each for itself."""
    counts: list[Any] = [fields(fields(embedding).get("statistics")).get("token_count") for embedding in embeddings]
    return None if None in counts or not counts else int(sum(counts))


_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "output_dimensionality": (semconv.EMBEDDINGS_DIMENSION_COUNT, int),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(body, _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """What is to be embedded; it is no message to anybody."""
    return Prompt(texts=[*_texts(body.get("contents"))])


def _texts(contents: Any) -> Iterator[str]:
    """The text in contents in every form that the SDK takes: a string, a part, a content, and lists of them."""
    if isinstance(contents, str):
        yield contents
    elif isinstance(contents, list | tuple):
        for item in sequence(contents):
            yield from _texts(item)
    else:
        said = fields(contents)
        yield from _texts(said.get("parts") or said.get("text") or ())


FORMAT = WireFormat("google.genai", ":embedContent", semconv.EMBEDDINGS, read, request, prompt, generates=False)
