"""Amazon Bedrock's ``converse`` and ``converse_stream``."""

import base64
import mimetypes
from typing import Any, Final

from streamspan.answer import dump_json
from streamspan.client.messages import Image, Part, Reasoning, Text, ToolResult, ToolUse, system_texts, turns
from streamspan.client.question import JsonFormat, NamedTool, Question, Tool, ToolChoice, given

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def arguments(question: Question) -> dict[str, Any]:
    """The arguments of either method."""
    limits = given(
        maxTokens=question.max_output_tokens,
        temperature=question.temperature,
        topP=question.top_p,
        stopSequences=list(question.stop) or None,
    )
    return given(
        modelId=question.model,
        system=[{"text": text} for text in system_texts(question.messages)] or None,
        messages=[
            {"role": turn.role, "content": [block for part in turn.parts for block in _blocks(part)]}
            for turn in turns(question.messages)
        ],
        inferenceConfig=limits or None,
        toolConfig=_tools(question),
        outputConfig=_format(question.response_format),
    ) | dict(question.extra)


def _blocks(part: Part) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [{"text": part.text}]
        case Image():
            return [{"image": {"format": _kind(part), "source": _source(part)}}]
        case ToolUse():
            use = {"toolUseId": part.id, "name": part.name, "input": part.arguments}
            return [{"toolUse": use}]
        case ToolResult():
            return [{"toolResult": {"toolUseId": part.id, "content": [{"text": part.content}]}}]
        case Reasoning():
            return _reasoning(part)


def _kind(image: Image) -> str:
    mime = image.mime_type or mimetypes.guess_type(image.url or "")[0] or ""
    return mime.rpartition("/")[2] or "png"


def _source(image: Image) -> dict[str, Any]:
    if not image.url:
        return {"bytes": image.data}
    if image.url.startswith("s3://"):
        return {"s3Location": {"uri": image.url}}
    message = f"Bedrock fetches no images from {image.url!r}: give the image's bytes as data, or an s3:// URL"
    raise ValueError(message)


def _reasoning(reasoning: Reasoning) -> list[dict[str, Any]]:
    """Its own thoughts only."""
    if reasoning.provider != "amazon_bedrock":
        return []
    if reasoning.redacted:
        return [{"reasoningContent": {"redactedContent": base64.b64decode(reasoning.redacted)}}]
    return [{"reasoningContent": {"reasoningText": given(text=reasoning.text, signature=reasoning.signature)}}]


def _tools(question: Question) -> dict[str, Any] | None:
    if not question.tools:
        return None
    return given(tools=[{"toolSpec": _tool(tool)} for tool in question.tools], toolChoice=_choice(question.tool_choice))


def _tool(tool: Tool) -> dict[str, Any]:
    schema = _NO_ARGUMENTS if tool.parameters is None else tool.parameters
    return {**given(name=tool.name, description=tool.description), "inputSchema": {"json": schema}, **tool.more}


def _choice(choice: ToolChoice | NamedTool | None) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case NamedTool():
            return {"tool": {"name": choice.name}}
        case "none":
            raise ValueError('Bedrock has no tool_choice "none": leave the tools out')
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}


def _format(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if wanted.schema is None:
        raise ValueError('Bedrock has no response_format "json_object": give a "json_schema"')
    schema = given(schema=dump_json(wanted.schema), name=wanted.name, description=wanted.description)
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
