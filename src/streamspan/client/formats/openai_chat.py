"""OpenAI's ``chat.completions.create``, which the many compatible servers have as well."""

import base64
from typing import Any

from streamspan.client.messages import Image, Message, Text, ToolResult, ToolUse
from streamspan.client.question import JsonFormat, NamedTool, Question, Tool, ToolChoice, given


def arguments(question: Question, *, stream: bool) -> dict[str, Any]:
    """The arguments of ``create``."""
    return given(
        model=question.model,
        messages=[_message(message) for message in question.messages],
        temperature=question.temperature,
        top_p=question.top_p,
        max_completion_tokens=question.max_output_tokens,
        stop=list(question.stop) or None,
        tools=[_tool(tool) for tool in question.tools] or None,
        tool_choice=_choice(question.tool_choice),
        response_format=_format(question.response_format),
        stream=stream or None,
        stream_options={"include_usage": True} if stream else None,
    ) | dict(question.extra)


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        result = next(part for part in message.parts if isinstance(part, ToolResult))
        return {"role": "tool", "tool_call_id": result.id, "content": result.content}
    calls = [_call(part) for part in message.parts if isinstance(part, ToolUse)]
    content = _content(message)
    if calls and not content:
        content = None
    return {"role": message.role, "content": content, **given(name=message.name, tool_calls=calls or None)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Text where there is nothing else, as not every server takes parts."""
    parts = [part for part in message.parts if isinstance(part, Text | Image)]
    if all(isinstance(part, Text) for part in parts) and (len(parts) == 1 or message.role == "assistant"):
        return message.text
    return [_part(part) for part in parts]


def _part(part: Text | Image) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image(url=None):
            data = base64.b64encode(part.data).decode()
            return {"type": "image_url", "image_url": given(url=f"data:{part.mime_type};base64,{data}", detail=part.detail)}
        case Image():
            return {"type": "image_url", "image_url": given(url=part.url, detail=part.detail)}


def _call(use: ToolUse) -> dict[str, Any]:
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.raw_arguments}}


def _tool(tool: Tool) -> dict[str, Any]:
    known = given(name=tool.name, description=tool.description, parameters=tool.parameters)
    return {"type": "function", "function": {**known, **tool.more}}


def _choice(choice: ToolChoice | NamedTool | None) -> Any:
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, NamedTool) else choice


def _format(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    named = given(name=wanted.name or "response", description=wanted.description, strict=wanted.strict)
    return {"type": "json_schema", "json_schema": {**named, "schema": wanted.schema}}
