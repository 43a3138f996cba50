"""Google's ``models.generate_content`` and ``generate_content_stream``."""

import base64
import mimetypes
from typing import Any, Final
from urllib.parse import urlsplit

from streamspan.client.messages import (
    OWN_ID,
    Image,
    Part,
    Reasoning,
    Text,
    ToolResult,
    ToolUse,
    as_object,
    system_texts,
    turns,
)
from streamspan.client.question import JsonFormat, NamedTool, Question, Tool, ToolChoice, given


def arguments(question: Question) -> dict[str, Any]:
    """The arguments of either method."""
    config = given(
        system_instruction="\n\n".join(system_texts(question.messages)) or None,
        temperature=question.temperature,
        top_p=question.top_p,
        max_output_tokens=question.max_output_tokens,
        stop_sequences=list(question.stop) or None,
        tools=[{"function_declarations": [_tool(tool) for tool in question.tools]}] if question.tools else None,
        tool_config=_choice(question.tool_choice),
        # The SDK calls tools by itself unless it is told not to; these are only declared.
        automatic_function_calling={"disable": True} if question.tools else None,
        **_format(question.response_format),
    )
    contents = [
        {
            "role": "model" if turn.role == "assistant" else "user",
            "parts": [piece for part in turn.parts for piece in _parts(part)],
        }
        for turn in turns(question.messages)
    ]
    return {"model": question.model, "contents": contents, "config": {**config, **question.extra}}


def _parts(part: Part) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [{"text": part.text, **_signed(part.signature)}]
        case Image():
            return [_image(part)]
        case ToolUse():
            call = {"name": part.name, "args": part.arguments, **_id(part.id)}
            return [{"function_call": call, **_signed(part.signature)}]
        case ToolResult():
            return [{"function_response": {"name": _name(part), "response": as_object(part.content), **_id(part.id)}}]
        case Reasoning():
            return []  # thoughts are shown as summaries only; what it wants back of them is signed on the other parts


def _signed(signature: str | None) -> dict[str, Any]:
    return {"thought_signature": base64.b64decode(signature)} if signature else {}


def _id(known: str) -> dict[str, str]:
    return {"id": known} if known and not known.startswith(OWN_ID) else {}


def _name(result: ToolResult) -> str:
    if not result.name:
        message = f"Google wants the name of the tool that gave a result: say tool_name beside tool_call_id {result.id!r}"
        raise ValueError(message)
    return result.name


def _image(image: Image) -> dict[str, Any]:
    if not image.url:
        return {"inline_data": {"mime_type": image.mime_type, "data": image.data}}
    mime = image.mime_type or mimetypes.guess_type(urlsplit(image.url).path)[0]
    return {"file_data": given(file_uri=image.url, mime_type=mime)}


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.more:
        message = f"the tool {tool.name!r} has {', '.join(tool.more)}, which Google does not know"
        raise ValueError(message)
    return given(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)


_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def _choice(choice: ToolChoice | NamedTool | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, NamedTool):
        return {"function_calling_config": {"mode": "ANY", "allowed_function_names": [choice.name]}}
    return {"function_calling_config": {"mode": _MODES[choice]}}


def _format(wanted: JsonFormat | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    return given(response_mime_type="application/json", response_json_schema=wanted.schema)
