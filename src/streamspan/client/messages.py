"""A conversation in no provider's spelling: what callers write, checked and made of one kind."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from streamspan.answer import dump_json, parse_arguments
from streamspan.client.variables import fill
from streamspan.result import ToolCall

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

OWN_ID: Final = "streamspan-"
"""How ids of tool calls begin that a provider left out, and that it is not to be sent."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something said."""

    text: str
    signature: str | None = None
    """What the provider wants back with it (Google's thought signature, in base64)."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: where it is, or its bytes."""

    url: str | None = None
    data: bytes = b""
    mime_type: str = ""
    detail: str | None = None
    """How closely to look, where the provider asks (OpenAI)."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought, for itself to read again."""

    text: str
    provider: str
    """Whose it is: no other provider takes it."""
    signature: str | None = None
    redacted: str | None = None
    """What the provider does not show, as it wants it back."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that an assistant wanted to have called."""

    id: str
    name: str
    arguments: dict[str, Any]
    """Parsed; empty where the model wrote no JSON object, as providers take nothing else back."""
    raw_arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave."""

    id: str
    name: str
    """The tool's; empty if nothing says it."""
    content: str


Part: TypeAlias = Text | Image | Reasoning | ToolUse | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody's turn."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All that is said in it."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(slots=True)
class Turn:
    """What one side says, for providers that know two sides only."""

    role: Literal["user", "assistant"]
    parts: list[Part] = field(default_factory=list[Part])


def system_texts(messages: Iterable[Message]) -> list[str]:
    """What the system and the developer say, for providers that take it apart from the conversation."""
    return [message.text for message in messages if message.role in {"system", "developer"} and message.text]


def turns(messages: Iterable[Message]) -> list[Turn]:
    """The conversation as two sides that take turns: results of tools are on the user's, an empty text is on neither."""
    sides: list[Turn] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        if not sides or sides[-1].role != role:
            sides.append(Turn(role))
        sides[-1].parts += [part for part in message.parts if not isinstance(part, Text) or part.text or part.signature]
    return [side for side in sides if side.parts]


# --- reading what the caller wrote -----------------------------------------------------------------------------------

_ROLES: Final = ("system", "developer", "user", "assistant", "tool")
_WRITTEN: Final = frozenset({"system", "developer", "user"})
"""Who speaks the caller's own words. What models and tools said is never looked through for variables."""


def read_messages(given: Iterable[Mapping[str, Any]], variables: Mapping[str, object] | None = None) -> tuple[Message, ...]:
    """The messages that a caller gives.

    Args:
        given: ``{"role": ..., "content": ...}``, where the content is text or a list of parts.
        variables: What ``{{name}}`` stands for in what system, developer and user say.

    Raises:
        ValueError: If there is none, or one is of no known form; the message says which.
    """
    if isinstance(given, str | bytes | Mapping):
        raise ValueError('messages is a list of messages, such as [{"role": "user", "content": "Hello"}]')
    names: dict[str, str] = {}
    messages: list[Message] = []
    for position, message in enumerate(given):
        read = _read_message(message, f"messages[{position}]", variables or {}, names)
        names |= {part.id: part.name for part in read.parts if isinstance(part, ToolUse)}
        messages.append(read)
    if not messages:
        raise ValueError("messages is empty: there is nothing to answer")
    return tuple(messages)


def _read_message(given: Any, where: str, variables: Mapping[str, object], names: Mapping[str, str]) -> Message:
    message = _mapping(given, where)
    role = message.get("role")
    if role not in _ROLES:
        raise _wrong(f"{where} has the role {role!r}, which is none of {', '.join(_ROLES)}")
    if role == "tool":
        return Message("tool", (_read_result(message, where, names),))
    parts = _read_content(message.get("content"), f"{where}.content")
    if role in _WRITTEN and variables:
        parts = [Text(fill(part.text, variables)) if isinstance(part, Text) else part for part in parts]
    parts += [_read_call(call, f"{where}.tool_calls") for call in message.get("tool_calls") or ()]
    if not parts:
        raise _wrong(f"{where} has no content")
    return Message(cast("Role", role), tuple(parts), message.get("name"))


def _read_content(content: Any, where: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list | tuple):
        raise _wrong(f"{where} is {type(content).__name__}, where text or a list of parts belongs")
    given = cast("list[Any]", content)
    return [_read_part(part, f"{where}[{position}]") for position, part in enumerate(given)]


def _read_part(given: Any, where: str) -> Part:
    if isinstance(given, str):
        return Text(given)
    part = _mapping(given, where)
    match part.get("type"):
        case "text":
            return Text(_text(part.get("text"), f"{where}.text"), part.get("signature"))
        case "image":
            return _read_image(part, where)
        case "image_url":
            image = part.get("image_url")
            known = {"url": image} if isinstance(image, str) else _mapping(image, f"{where}.image_url")
            return _read_image(known, where)
        case "tool_call":
            return _read_call(part, where)
        case "reasoning":
            return Reasoning(str(part.get("text") or ""), str(part.get("provider")), part.get("signature"), part.get("redacted"))
        case kind:
            raise _wrong(f"{where} is of type {kind!r}, which is none of text, image, tool_call")


def _read_image(part: Mapping[str, Any], where: str) -> Image:
    mime, detail = str(part.get("mime_type") or ""), part.get("detail")
    if url := part.get("url"):
        if not str(url).startswith("data:"):
            return Image(url=str(url), mime_type=mime, detail=detail)
        head, _, data = str(url).partition(",")
        mime, given = mime or head[5:].partition(";")[0], cast("Any", data)
    else:
        given = part.get("data")
    data = _bytes(given, where)
    mime = mime or _sniff(data)
    if not mime:
        raise _wrong(f"{where} is an image of a kind that cannot be told from its bytes: say mime_type")
    return Image(data=data, mime_type=mime, detail=detail)


def _bytes(data: Any, where: str) -> bytes:
    """Bytes as they are, or in base64."""
    if isinstance(data, bytes | bytearray) and data:
        return bytes(data)
    if isinstance(data, str) and data:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise _wrong(f"{where}.data is no base64") from error
    raise _wrong(f"{where} is an image without url and without data")


_MAGIC: Final = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"BM", "image/bmp"))


def _sniff(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC if data.startswith(magic)), "")


def _read_call(given: Any, where: str) -> ToolUse:
    """A tool call as ours, as a `ToolCall` or as OpenAI's SDK spells it."""
    if isinstance(given, ToolCall):
        given = {"id": given.id, "name": given.name, "arguments": given.raw_arguments}
    call = _mapping(given, where)
    inner = cast("Mapping[str, Any]", call["function"]) if isinstance(call.get("function"), Mapping) else call
    name, arguments = str(inner.get("name") or ""), inner.get("arguments")
    if not name:
        raise _wrong(f"{where} has a tool call without a name")
    raw = arguments if isinstance(arguments, str) else dump_json(arguments or {})
    return ToolUse(str(call.get("id") or ""), name, read_arguments(raw), raw, call.get("signature"))


def read_arguments(raw: str) -> dict[str, Any]:
    """A tool call's arguments; empty where they are no JSON object."""
    parsed = parse_arguments(raw)
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _read_result(message: Mapping[str, Any], where: str, names: Mapping[str, str]) -> ToolResult:
    known = str(message.get("tool_call_id") or "")
    if not known:
        raise _wrong(f"{where} is a tool's, and has no tool_call_id")
    name = str(message.get("tool_name") or message.get("name") or names.get(known) or "")
    content = message.get("content")
    if isinstance(content, list | tuple) and all(
        isinstance(part, Mapping) and "text" in part for part in cast("list[Any]", content)
    ):
        content = "".join(str(part["text"]) for part in cast("list[Any]", content))
    return ToolResult(known, name, content if isinstance(content, str) else dump_json(content))


def _mapping(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise _wrong(f"{where} is {type(given).__name__}, where a dict belongs")
    return cast("Mapping[str, Any]", given)


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise _wrong(f"{where} is {type(given).__name__}, where text belongs")
    return given


def _wrong(message: str) -> ValueError:
    return ValueError(message)


def as_object(content: str) -> dict[str, Any]:
    """A tool's result as a JSON object, which some providers insist on; anything else is put into one, as ``result``."""
    try:
        value = json.loads(content)
    except ValueError:
        value = content
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": value}
