"""Text in, text out: the bodies with a ``prompt`` that Amazon Bedrock's InvokeModel carries.

Llama, Mistral, Cohere's command, the first Claudes and DeepSeek-R1 are asked alike but for the names of some parameters, and
answer each in a shape of its own.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-text-completion.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, count, fields, request_attributes, sequence, strings


def read(chunk: Any, into: Sink) -> None:
    """Reads a chunk, or a whole answer, of any of them: they look the same but for how much text there is."""
    top = fields(chunk)
    if "generation" in top:
        _read_llama(top, into)
        return
    if into.text_index < 0:  # the first chunk, or the only one
        into.identity(top.get("id"), top.get("model"))
    several = top.get("outputs") or top.get("generations") or top.get("choices")  # of Mistral, Cohere, DeepSeek
    for index, said in enumerate(sequence(several) or [top]):
        _read_text(count(fields(said).get("index")) or index, fields(said), into)


def _read_llama(top: dict[str, Any], into: Sink) -> None:
    if text := top["generation"]:
        into.text(0, str(text))
    if reason := top.get("stop_reason"):
        into.finish(0, str(reason))
    # The input is counted on the first chunk, the output is on each how much there is so far.
    prompt_tokens, tokens = count(top.get("prompt_token_count")), count(top.get("generation_token_count"))
    into.usage(Usage(input_tokens=prompt_tokens, output_tokens=tokens))


def _read_text(index: int, said: dict[str, Any], into: Sink) -> None:
    if text := said.get("text") or said.get("completion"):
        into.text(index, str(text))
    if reason := said.get("stop_reason") or said.get("finish_reason"):
        into.finish(index, str(reason))


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "max_gen_len": (semconv.REQUEST_MAX_TOKENS, int),
    "max_tokens_to_sample": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "p": (semconv.REQUEST_TOP_P, float),
    "top_k": (semconv.REQUEST_TOP_K, int),
    "k": (semconv.REQUEST_TOP_K, int),
    "stop": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "num_generations": (semconv.REQUEST_CHOICE_COUNT, int),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    return request_attributes(body, _REQUEST)


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The prompt, as what the user says."""
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(body.get("prompt"))]}])


FORMAT = WireFormat("botocore", "", semconv.TEXT_COMPLETION, read, request, prompt, choices_key="num_generations")
