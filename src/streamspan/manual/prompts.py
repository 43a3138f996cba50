"""What was asked, as a program has it in hand: text, messages, or the arguments of a provider's method."""

from collections.abc import Callable, Mapping
from typing import Any

from streamspan.answer import dump_json
from streamspan.providers import anthropic_messages, bedrock_converse, google_genai, openai_chat, openai_responses
from streamspan.wire import Prompt, fields, sequence


def check(given: Any) -> None:
    """Says so if something is no input at all.

    Raises:
        TypeError: If it is neither text, nor messages, nor an object with fields.
    """
    if not isinstance(given, str | list | tuple | Mapping) and not hasattr(given, "__dict__"):
        msg = f"input must be text, a list of messages or a mapping such as {{'messages': [...]}}, not {given!r}"
        raise TypeError(msg)


def read(given: Any) -> Prompt:
    """The content of a request.

    Args:
        given: A text of the user's, a list of messages, or a mapping with ``messages``, ``input``, ``contents`` or ``prompt``,
            and with ``system``, ``instructions`` or ``tools`` beside it, in any provider's shape or in that of the conventions.
    """
    if isinstance(given, str):
        return Prompt(messages=[_user(given)])
    if isinstance(given, list | tuple):
        return _read_body({"messages": sequence(given)})
    body: dict[str, Any] = dict(given) if isinstance(given, Mapping) else fields(given)  # pyright: ignore[reportUnknownArgumentType]
    return _read_body(body)


def _read_body(body: dict[str, Any]) -> Prompt:
    if "contents" in body:
        return google_genai.prompt(body)
    if "messages" in body:
        return _read_messages(body)
    if "input" in body:
        return openai_responses.prompt(body)
    if isinstance(text := body.get("prompt"), str):
        return Prompt(messages=[_user(text)])
    if "role" in body:
        return _read_messages({"messages": [body]})
    tools = openai_chat.prompt({"tools": body.get("tools")}).tools
    return Prompt(system=_system(body), tools=tools) if tools or "system" in body else Prompt(messages=[_user(body)])


def _read_messages(body: dict[str, Any]) -> Prompt:
    messages = [_user(message) if isinstance(message, str) else message for message in sequence(body["messages"])]
    known = [dict(fields(message)) for message in messages if "parts" in fields(message)]
    if known and len(known) == len(messages):  # as the conventions have it, or Google
        return _with_parts(known, body)
    return _prompt_of(body, messages)({**body, "messages": messages})


def _with_parts(messages: list[dict[str, Any]], body: dict[str, Any]) -> Prompt:
    if all("type" in fields(part) for message in messages for part in sequence(message["parts"])):
        rest = openai_chat.prompt({"tools": body.get("tools")})
        return Prompt(messages=messages, system=_system(body), tools=rest.tools)
    return google_genai.prompt({**body, "contents": messages})


def _prompt_of(body: dict[str, Any], messages: list[Any]) -> Callable[[Mapping[str, Any]], Prompt]:
    """Who knows messages, by what their parts look like."""
    parts = [fields(part) for message in messages for part in sequence(fields(message).get("content"))]
    kinds = {part.get("type") for part in parts}
    if kinds & _RESPONSES or any("role" not in fields(message) for message in messages):
        return lambda body: openai_responses.prompt({**body, "input": body["messages"]})
    if "toolConfig" in body or any("type" not in part for part in parts):
        return bedrock_converse.prompt
    tools = [fields(tool) for tool in sequence(body.get("tools"))]
    anthropic = bool(kinds & _ANTHROPIC) or any("input_schema" in tool for tool in tools)
    return anthropic_messages.prompt if anthropic or "system" in body else openai_chat.prompt


_RESPONSES = frozenset({"input_text", "output_text", "input_image", "input_file"})
_ANTHROPIC = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "server_tool_use"})


def _system(body: dict[str, Any]) -> list[dict[str, Any]] | None:
    return anthropic_messages.prompt({"system": body.get("system") or body.get("instructions")}).system


def _user(content: Any) -> dict[str, Any]:
    """What the user says; something that is no text in any provider's shape is shown as JSON."""
    text = content if isinstance(content, str) else dump_json(content)
    return {"role": "user", "parts": [{"type": "text", "content": text}]}
