"""Amazon Bedrock's InvokeModel, whole or streamed: an envelope around the bodies of many models.

What a body is can be seen from the body alone: its keys say which wire format a request is in, and who reads a chunk of the
answer. So the model's id need not be known, which an ARN may hide, and which is new every month. Where nobody knows the body,
Bedrock's own counts are still read, and nothing is guessed.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from streamspan import semconv
from streamspan.answer import Sink
from streamspan.providers import (
    amazon_titan,
    anthropic_messages,
    bedrock_completions,
    bedrock_converse,
    cohere_chat,
    openai_chat,
)
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, count, fields, request_attributes, sequence

# --- the answer ------------------------------------------------------------------------------------------------------

_PLAIN_TEXT = re.compile(
    rb'\{"type":"content_block_delta","index":\d+,"delta":\{"type":"text_delta","text":"([^"\\]*)"\}\}'
    rb'|\{"contentBlockDelta":\{"delta":\{"text":"([^"\\]*)"\},"contentBlockIndex":\d+\}\}'
).fullmatch
"""What most chunks of Claude and of Nova are, letter by letter, with a text that needs no unescaping: read in half the time."""
_decode = json.JSONDecoder().raw_decode  # `json.loads` would first guess the encoding, and take three times as long
METRICS: Final = "amazon-bedrock-invocationMetrics"


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or the body of a whole answer, beside which its headers are told as metrics."""
    try:
        data = event["chunk"]["bytes"]
    except (KeyError, TypeError):
        _read_body(fields(event), into)
        return
    plain = _PLAIN_TEXT(data) if into.text_index == 0 else None
    if plain is not None:
        into.text(0, (plain[1] or plain[2] or b"").decode("utf-8", "replace"))
    else:
        body = _parse(data)
        _read_body(body, into)
        if METRICS in body:  # they come with the last chunk
            into.done()


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return fields(_decode(data.decode("utf-8", "replace").lstrip())[0])
    except ValueError:
        return {}


def _read_body(body: dict[str, Any], into: Sink) -> None:
    for key in body:
        if reader := _READERS.get(key):
            reader(body, into)
            break
    if metrics := fields(body.get(METRICS)):
        into.usage(_read_metrics(metrics))


def _read_metrics(metrics: dict[str, Any]) -> Usage:
    """What Bedrock itself counts, and sends with the last chunk: the input without what came from or went into the cache."""
    return Usage(
        uncached_input_tokens=count(metrics.get("inputTokenCount")),
        cache_read_tokens=count(metrics.get("cacheReadInputTokenCount")),
        cache_write_tokens=count(metrics.get("cacheWriteInputTokenCount")),
        output_tokens=count(metrics.get("outputTokenCount")),
    )


def _read_typed(said: dict[str, Any], into: Sink) -> None:
    """Claude: messages, or the text completions of its first versions."""
    (bedrock_completions.read if "completion" in said else anthropic_messages.read)(said, into)


def _read_choices(said: dict[str, Any], into: Sink) -> None:
    """OpenAI's shape, in which many models answer; some call the finish reason otherwise, some have text instead of messages."""
    try:  # what a stream is made of
        (choice,) = said["choices"]
        delta = choice.get("delta") or choice["message"]
        text = delta["content"]
        more = delta.keys() - _PLAIN or choice.get("finish_reason") or choice.get("stop_reason") or said.get("usage")
        if not more and type(text) is str and into.text_index == choice["index"]:
            into.text(into.text_index, text)
            return
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    _read_any_choices(said, into)


_PLAIN = {"content", "role"}


def _read_any_choices(said: dict[str, Any], into: Sink) -> None:
    choices = [fields(choice) for choice in sequence(said["choices"])]
    if any("text" in choice for choice in choices):
        bedrock_completions.read(said, into)
        return
    openai_chat.read(said, into)
    into.identity(None, said.get("model"))
    for choice in choices:
        if (reason := choice.get("stop_reason")) and not choice.get("finish_reason"):
            into.finish(choice.get("index") or 0, str(reason))


_READERS: dict[str, Callable[[Any, Sink], None]] = {
    "type": _read_typed,
    "completion": bedrock_completions.read,
    "choices": _read_choices,
    "generation": bedrock_completions.read,
    "generations": bedrock_completions.read,
    "outputs": bedrock_completions.read,
    "outputText": amazon_titan.read,
    "inputTextTokenCount": amazon_titan.read,
    "event_type": cohere_chat.read,
    "is_finished": cohere_chat.read,
    "text": cohere_chat.read,
    "embeddings": cohere_chat.read_embeddings,
    "messageStart": bedrock_converse.read,
    "contentBlockStart": bedrock_converse.read,
    "contentBlockDelta": bedrock_converse.read,
    "contentBlockStop": bedrock_converse.read,
    "messageStop": bedrock_converse.read,
    "metadata": bedrock_converse.read,
    "output": bedrock_converse.read,
}
"""Who reads a body, by the first of its keys that tells."""

# --- the request -----------------------------------------------------------------------------------------------------

_OUTER = {
    "model": (semconv.REQUEST_MODEL, str),
    "guardrailIdentifier": (semconv.AWS_BEDROCK_GUARDRAIL_ID, str),
    "guardrailVersion": (semconv.AWS_BEDROCK_GUARDRAIL_VERSION, str),
}


def _outer(params: Mapping[str, Any]) -> Attributes:
    return request_attributes(params, _OUTER)


def _no_prompt(params: Mapping[str, Any]) -> Prompt:  # noqa: ARG001 - the signature of `WireFormat.prompt`
    return Prompt()


def _envelop(inner: WireFormat) -> WireFormat:
    """A body's format, for the operation's parameters whose ``body`` it is."""

    def request(params: Mapping[str, Any]) -> Attributes:
        return {**inner.request(_body(params)), **_outer(params)}

    def prompt(params: Mapping[str, Any]) -> Prompt:
        return inner.prompt(_body(params))

    return replace(inner, sdk="botocore", path="", read=read, request=request, prompt=prompt)


def _body(params: Mapping[str, Any]) -> dict[str, Any]:
    return fields(params.get("body"))


def _request_nova(body: Mapping[str, Any]) -> Attributes:
    """Nova asks as Converse does, but for the names of two parameters."""
    given = fields(body.get("inferenceConfig"))
    names = {"max_new_tokens": "maxTokens", "top_p": "topP"}
    attributes = bedrock_converse.request({**body, "inferenceConfig": {names.get(key, key): given[key] for key in given}})
    return attributes | request_attributes(given, {"topK": (semconv.REQUEST_TOP_K, int), "top_k": (semconv.REQUEST_TOP_K, int)})


def _request_chat(body: Mapping[str, Any]) -> Attributes:
    """As OpenAI's, which is who speaks, but not whose API this is."""
    attributes = openai_chat.request(body)
    attributes.pop(semconv.OPENAI_API_TYPE, None)
    return attributes


_CLAUDE = _envelop(anthropic_messages.FORMAT)
_NOVA = _envelop(replace(bedrock_converse.FORMAT, request=_request_nova))
_CHAT = _envelop(replace(openai_chat.FORMAT, request=_request_chat))
_COMMAND_R = _envelop(cohere_chat.FORMAT)
_TEXT = _envelop(bedrock_completions.FORMAT)
_TITAN = _envelop(amazon_titan.FORMAT)
_TITAN_EMBEDDINGS = _envelop(amazon_titan.EMBEDDINGS)
_COHERE_EMBEDDINGS = _envelop(cohere_chat.EMBEDDINGS)


def choose(params: Mapping[str, Any]) -> WireFormat:
    """The format that an operation's ``body`` is in."""
    body, model = _body(params), str(params.get("model"))
    match body:
        case {"anthropic_version": _}:
            return _CLAUDE
        case {"messages": messages}:
            return _NOVA if _is_of_converse(body, messages) else _CHAT
        case {"message": str()}:
            return _COMMAND_R
        case {"inputText": _} | {"inputImage": _}:
            return _TITAN if "textGenerationConfig" in body or "titan-t" in model else _TITAN_EMBEDDINGS
        case {"input_type": _}:
            return _COHERE_EMBEDDINGS
        case {"prompt": str()} if not body.keys() & _DRAWING and "stability." not in model:
            return _TEXT
        case {"taskType": task} if "EMBEDDING" in str(task):
            return _OTHER_EMBEDDINGS
        case _:
            return FORMAT


_DRAWING = {"mode", "aspect_ratio", "output_format"}
"""What only models that draw are told beside a prompt."""


def _is_of_converse(body: dict[str, Any], messages: Any) -> bool:
    """Whether a conversation is spelled as for Converse: each part of its content is named by its only key."""
    contents = [fields(message).get("content") for message in sequence(messages)]
    parts = [part for content in contents for part in sequence(content)]
    return "inferenceConfig" in body or any("type" not in fields(part) for part in parts)


FORMAT = WireFormat(
    "botocore", "/bedrock-runtime/InvokeModel", semconv.GENERATE_CONTENT, read, _outer, _no_prompt, opaque=True, within=choose
)
"""For a body that nobody knows, such as that of a model that draws; where it is known, ``within`` says."""
_OTHER_EMBEDDINGS = replace(FORMAT, operation=semconv.EMBEDDINGS)
