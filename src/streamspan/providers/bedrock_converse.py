"""Amazon Bedrock's Converse, whole or streamed: the same for every model.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, fields, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole answer."""
    try:  # what a stream is made of: a delta of text
        text = event["contentBlockDelta"]["delta"]["text"]
    except (KeyError, TypeError):
        text = None
    if type(text) is str:
        into.text(0, text)
        return
    for name, value in fields(event).items():
        if reader := _READERS.get(name):
            reader(value, into)


# --- streamed --------------------------------------------------------------------------------------------------------


def _read_start(event: Any, into: Sink) -> None:
    """The head of a block; one of text has none."""
    head = fields(fields(event).get("start"))
    into.boundary(0)
    if use := fields(head.get("toolUse")):
        into.tool_call(0, _place(event), use.get("name"), "", use.get("toolUseId"))
    else:
        _read_other(head, into)


def _read_delta(event: Any, into: Sink) -> None:
    delta = fields(fields(event).get("delta"))
    if use := fields(delta.get("toolUse")):
        into.tool_call(0, _place(event), None, _string(use.get("input")))
    elif thought := _string(fields(delta.get("reasoningContent")).get("text")):
        into.reasoning(0, thought)
    # else a signature, a citation or a piece of an image: nothing that the model says


def _read_stop(event: Any, into: Sink) -> None:  # noqa: ARG001 - what matters is that it is there
    into.boundary(0)


def _place(event: Any) -> int:
    return fields(event).get("contentBlockIndex") or 0


def _read_end(event: Any, into: Sink) -> None:
    _read_reason(fields(event).get("stopReason"), into)


def _read_metadata(event: Any, into: Sink) -> None:
    said = fields(event)
    read_usage(said.get("usage"), into)
    _read_trace(said.get("trace"), into)


# --- whole -----------------------------------------------------------------------------------------------------------


def _read_output(output: Any, into: Sink) -> None:
    for index, block in enumerate(map(fields, sequence(fields(fields(output).get("message")).get("content")))):
        into.boundary(0)
        _read_block(index, block, into)


def _read_block(index: int, block: dict[str, Any], into: Sink) -> None:
    if text := _string(block.get("text")):
        into.text(0, text)
    elif use := fields(block.get("toolUse")):
        into.tool_call(0, index, use.get("name"), dump_json(use.get("input") or {}), use.get("toolUseId"))
    elif thought := _string(fields(fields(block.get("reasoningContent")).get("reasoningText")).get("text")):
        into.reasoning(0, thought)
    elif cited := fields(block.get("citationsContent")):
        into.text(0, _join(cited.get("content")))
    else:
        _read_other(block, into)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_other(block: dict[str, Any], into: Sink) -> None:
    if block:
        into.part(0, _part(block))


def _read_reason(reason: Any, into: Sink) -> None:
    if reason:
        into.finish(0, str(reason))


def _read_trace(trace: Any, into: Sink) -> None:
    """A prompt router says which model it chose."""
    into.identity(None, fields(fields(trace).get("promptRouter")).get("invokedModelId"))


def read_usage(usage: Any, into: Sink) -> None:
    """``TokenUsage``, whose input tokens exclude the cache."""
    counts = fields(usage)
    into.usage(
        Usage(
            uncached_input_tokens=counts.get("inputTokens"),
            cache_read_tokens=counts.get("cacheReadInputTokens"),
            cache_write_tokens=counts.get("cacheWriteInputTokens"),
            cache_write_1h_tokens=_written_for_an_hour(counts.get("cacheDetails")),
            output_tokens=counts.get("outputTokens"),
        )
    )


def _written_for_an_hour(details: Any) -> int | None:
    counts = [detail.get("inputTokens") or 0 for detail in map(fields, sequence(details)) if detail.get("ttl") == "1h"]
    return sum(counts) if counts else None


_READERS: dict[str, Callable[[Any, Sink], None]] = {
    "contentBlockStart": _read_start,
    "contentBlockDelta": _read_delta,
    "contentBlockStop": _read_stop,
    "messageStop": _read_end,
    "metadata": _read_metadata,
    "output": _read_output,
    "stopReason": _read_reason,
    "usage": read_usage,
    "trace": _read_trace,
}
"""By event type, or by member of a whole answer; messageStart and what is not invented yet say nothing."""


# --- the request -----------------------------------------------------------------------------------------------------

_INFERENCE = {
    "maxTokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "topP": (semconv.REQUEST_TOP_P, float),
    "stopSequences": (semconv.REQUEST_STOP_SEQUENCES, list),
}
_REQUEST = {"model": (semconv.REQUEST_MODEL, str)}
_GUARDRAIL = {
    "guardrailIdentifier": (semconv.AWS_BEDROCK_GUARDRAIL_ID, str),
    "guardrailVersion": (semconv.AWS_BEDROCK_GUARDRAIL_VERSION, str),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = {
        **request_attributes(body, _REQUEST),
        **request_attributes(fields(body.get("inferenceConfig")), _INFERENCE),
        **request_attributes(fields(body.get("guardrailConfig")), _GUARDRAIL),
    }
    output = fields(body.get("outputConfig"))
    if effort := output.get("effort"):
        attributes[semconv.REQUEST_REASONING_LEVEL] = str(effort)
    if fields(output.get("textFormat")).get("type") == "json_schema":
        attributes[semconv.OUTPUT_TYPE] = "json"
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The conversation, the system prompt beside it, and the tools."""
    tools = sequence(fields(body.get("toolConfig")).get("tools"))
    return Prompt(
        messages=[_message(fields(message)) for message in sequence(body.get("messages"))],
        system=_content(body.get("system")) or None,
        tools=[tool for given in map(fields, tools) if (tool := _tool(given))] or None,
    )


def _message(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message.get("role", "user"), "parts": _content(message.get("content"))}


def _content(content: Any) -> list[dict[str, Any]]:
    """Content blocks; a cache point is a mark between them, and no content."""
    return [_part(block) for block in map(fields, sequence(content)) if "cachePoint" not in block]


def _part(block: dict[str, Any]) -> dict[str, Any]:
    """A content block in the conventions' JSON."""
    for name, value in block.items():
        if convert := _PARTS.get(name):
            return convert(value)
    return shapes.other(next(iter(block), "unknown"))


def _guarded(content: Any) -> dict[str, Any]:
    said = fields(content)
    return shapes.text(fields(said.get("text")).get("text")) if "text" in said else _part(said)


def _reasoning(content: Any) -> dict[str, Any]:
    said = fields(content)
    if "reasoningText" not in said:
        return shapes.redacted_reasoning()
    return shapes.reasoning(fields(said["reasoningText"]).get("text"))


def _cited(content: Any) -> dict[str, Any]:
    return shapes.text(_join(fields(content).get("content")))


def _join(content: Any) -> str:
    return "".join(str(item.get("text") or "") for item in map(fields, sequence(content)))


def _use(use: Any) -> dict[str, Any]:
    said = fields(use)
    return shapes.tool_call(said.get("toolUseId"), said.get("name"), said.get("input"))


def _result(result: Any) -> dict[str, Any]:
    said = fields(result)
    shown = [block["json"] if "json" in block else _part(block) for block in map(fields, sequence(said.get("content")))]
    return shapes.tool_call_response(said.get("toolUseId"), shown)


def _image(image: Any) -> dict[str, Any]:
    return _source("image", fields(image))


def _video(video: Any) -> dict[str, Any]:
    return _source("video", fields(video))


def _audio(audio: Any) -> dict[str, Any]:
    return _source("audio", fields(audio))


def _document(document: Any) -> dict[str, Any]:
    said = fields(document)
    source = fields(said.get("source"))
    if (text := source.get("text")) is not None:
        return shapes.text(text)
    return shapes.text(_join(source["content"])) if "content" in source else _source("document", said)


def _source(modality: str, media: dict[str, Any]) -> dict[str, Any]:
    """Something that is no text."""
    source, kind = fields(media.get("source")), "application" if modality == "document" else modality
    given = fields(source.get("s3Location")).get("uri") or source.get("bytes")
    return shapes.media(given, f"{kind}/{media.get('format')}", modality, name=media.get("name"))


_PARTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "text": shapes.text,
    "guardContent": _guarded,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "toolUse": _use,
    "toolResult": _result,
    "image": _image,
    "video": _video,
    "audio": _audio,
    "document": _document,
}
"""By the one member that a content block has; what is not invented yet is named and not shown."""


def _tool(tool: dict[str, Any]) -> dict[str, Any] | None:
    """A tool on offer; a cache point among them is none."""
    if system := fields(tool.get("systemTool")):
        return {"type": "systemTool", "name": system.get("name")}
    spec = fields(tool.get("toolSpec"))
    if not spec:
        return None
    schema = fields(spec.get("inputSchema")).get("json")
    named = {"name": spec.get("name"), "description": spec.get("description"), "parameters": schema}
    return {"type": "function", **{key: value for key, value in named.items() if value is not None}}


FORMAT = WireFormat("botocore", "/bedrock-runtime/Converse", semconv.CHAT, read, request, prompt)
