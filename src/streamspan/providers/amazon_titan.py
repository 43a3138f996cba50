"""Amazon's Titan: text in, text out; and embeddings of text and of images.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, count, fields, request_attributes, sequence, strings


def read(chunk: Any, into: Sink) -> None:
    """Reads a chunk, a whole answer, or an embedding: what each lacks the others may have."""
    top = fields(chunk)
    if into.text_index < 0 or top.get("completionReason"):  # the input is counted on each chunk, the output on the last
        into.usage(Usage(input_tokens=count(top.get("inputTextTokenCount")), output_tokens=count(_count_output(top))))
    for index, said in enumerate(map(fields, sequence(top.get("results")) or [top])):
        if text := said.get("outputText"):
            into.text(index, str(text))
        if reason := said.get("completionReason"):
            into.finish(index, str(reason))


def _count_output(top: dict[str, Any]) -> Any:
    if "results" not in top:
        return top.get("totalOutputTextTokenCount")
    return next((fields(result).get("tokenCount") for result in sequence(top["results"])), None)


_REQUEST = {
    "maxTokenCount": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "topP": (semconv.REQUEST_TOP_P, float),
    "stopSequences": (semconv.REQUEST_STOP_SEQUENCES, strings),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(fields(body.get("textGenerationConfig")), _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The text, as what the user says."""
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(body.get("inputText"))]}])


_EMBEDDINGS = {
    "dimensions": (semconv.EMBEDDINGS_DIMENSION_COUNT, int),
    "embeddingTypes": (semconv.REQUEST_ENCODING_FORMATS, strings),
}


def request_embeddings(body: Mapping[str, Any]) -> Attributes:
    """The parameters of a request for embeddings; those of text and of images spell the dimensions differently."""
    length = fields(body.get("embeddingConfig")).get("outputEmbeddingLength")
    return request_attributes({"dimensions": length, **body}, _EMBEDDINGS)


def prompt_embeddings(body: Mapping[str, Any]) -> Prompt:
    """What is to be embedded; it is no message to anybody."""
    return Prompt(texts=[text for text in (body.get("inputText"),) if isinstance(text, str)])


FORMAT = WireFormat("botocore", "", semconv.TEXT_COMPLETION, read, request, prompt)
EMBEDDINGS = WireFormat("botocore", "", semconv.EMBEDDINGS, read, request_embeddings, prompt_embeddings, generates=False)
