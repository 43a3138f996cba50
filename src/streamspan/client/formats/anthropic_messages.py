"""Anthropic's ``messages.create``."""

import base64
from typing import Any, Final

from streamspan.client.messages import Image, Part, Reasoning, Text, ToolResult, ToolUse, system_texts, turns
from streamspan.client.question import JsonFormat, NamedTool, Question, Tool, ToolChoice, given

MAX_TOKENS: Final = 4096
"""How long an answer may be where the caller does not say: the API insists on a number, and every model takes this one."""

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def arguments(question: Question, *, stream: bool) -> dict[str, Any]:
    """The arguments of ``create``."""
    return given(
        model=question.model,
        system="\n\n".join(system_texts(question.messages)) or None,
        messages=[
            {"role": turn.role, "content": [block for part in turn.parts for block in _blocks(part)]}
            for turn in turns(question.messages)
        ],
        max_tokens=question.max_output_tokens or MAX_TOKENS,
        temperature=question.temperature,
        top_p=question.top_p,
        stop_sequences=list(question.stop) or None,
        tools=[_tool(tool) for tool in question.tools] or None,
        tool_choice=_choice(question.tool_choice),
        output_config=_format(question.response_format),
        stream=stream or None,
    ) | dict(question.extra)


def _blocks(part: Part) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [{"type": "text", "text": part.text}]
        case Image():
            return [{"type": "image", "source": _source(part)}]
        case ToolUse():
            return [{"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}]
        case ToolResult():
            return [{"type": "tool_result", "tool_use_id": part.id, "content": part.content}]
        case Reasoning():
            return _thinking(part)


def _source(image: Image) -> dict[str, Any]:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.mime_type, "data": base64.b64encode(image.data).decode()}


def _thinking(reasoning: Reasoning) -> list[dict[str, Any]]:
    """Its own thoughts only, as it signs them."""
    if reasoning.provider != "anthropic":
        return []
    if reasoning.redacted:
        return [{"type": "redacted_thinking", "data": reasoning.redacted}]
    return [{"type": "thinking", "thinking": reasoning.text, "signature": reasoning.signature}] if reasoning.signature else []


def _tool(tool: Tool) -> dict[str, Any]:
    schema = _NO_ARGUMENTS if tool.parameters is None else tool.parameters
    return {**given(name=tool.name, description=tool.description), "input_schema": schema, **tool.more}


_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def _choice(choice: ToolChoice | NamedTool | None) -> dict[str, Any] | None:
    if isinstance(choice, NamedTool):
        return {"type": "tool", "name": choice.name}
    return {"type": _CHOICES[choice]} if choice else None


def _format(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if wanted.schema is None:
        raise ValueError('Anthropic has no response_format "json_object": give a "json_schema"')
    return {"format": {"type": "json_schema", "schema": wanted.schema}}
