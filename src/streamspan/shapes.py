"""The parts of a message in the JSON shapes of the GenAI conventions: the only place that spells them.

Pictures, sound and documents are never written themselves. A ``blob`` of the conventions has to hold its bytes; what stands here
in its place is a part of our own, ``blob_reference``, which tells their modality, MIME type and size.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

Part = dict[str, Any]


# --- text ------------------------------------------------------------------------------------------------------------


def text(content: Any) -> Part:
    """What somebody says; pictures inside, as Markdown can have them, are left out."""
    said = _string(content)
    return {"type": "text", "content": _DATA_URL.sub(_left_out, said) if ";base64," in said else said}


def reasoning(content: Any) -> Part:
    """What a model thinks."""
    return {"type": "reasoning", "content": _string(content)}


def refusal(content: Any) -> Part:
    """What a model says in place of an answer; the conventions have no such part."""
    return {"type": "refusal", "content": _string(content)}


def redacted_reasoning() -> Part:
    """Thoughts that are encrypted; the conventions want text in theirs."""
    return {"type": "redacted_reasoning"}


def compaction(content: Any, item_id: Any = None) -> Part:
    """What stands for the conversation before it."""
    told = {"id": item_id, "content": content}
    return {"type": "compaction", **{key: value for key, value in told.items() if isinstance(value, str)}}


def other(kind: Any) -> Part:
    """A part of a kind that is none of the conventions', or is not invented yet: named and not shown."""
    return {"type": str(kind)}


def _string(content: Any) -> str:
    return content if isinstance(content, str) else "" if content is None else str(content)


# --- tools -----------------------------------------------------------------------------------------------------------


def tool_call(call_id: Any, name: Any, arguments: Any) -> Part:
    """A call that the application is to make; ``arguments`` as the JSON text that the model wrote, or as what it holds."""
    given = parse_arguments(arguments) if isinstance(arguments, str) else arguments
    return {"type": "tool_call", **_identified(call_id), "name": _string(name), "arguments": without_binaries(given)}


def tool_call_response(call_id: Any, response: Any) -> Part:
    """What the application answers to it."""
    return {"type": "tool_call_response", **_identified(call_id), "response": without_binaries(response)}


def server_tool_call(call_id: Any, name: Any, details: Mapping[str, Any]) -> Part:
    """A call that the provider makes itself; the ``details`` have the ``type`` of the tool."""
    said = without_binaries({**details})
    return {"type": "server_tool_call", **_identified(call_id), "name": _string(name), "server_tool_call": said}


def server_tool_call_response(call_id: Any, details: Mapping[str, Any]) -> Part:
    """What came of it; the ``details`` have the ``type``, too."""
    said = without_binaries({**details})
    return {"type": "server_tool_call_response", **_identified(call_id), "server_tool_call_response": said}


def _identified(call_id: Any) -> Part:
    return {} if call_id is None else {"id": str(call_id)}


def parse_arguments(arguments: str) -> Any:
    """A tool call's arguments as JSON; the raw text where a model wrote no valid JSON or was cut short."""
    if not arguments:
        return {}
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


# --- media -----------------------------------------------------------------------------------------------------------


def media(given: Any, mime_type: Any = None, modality: str | None = None, *, file_id: Any = None, **more: Any) -> Part:
    """Something that is no text.

    Args:
        given: Its bytes, plain or in base64; a ``data:`` URL, which holds them; or another URL, where they can be had.
        mime_type: Its MIME type, where it is known beside what the URL says.
        modality: What it is; by default, what its type says.
        file_id: What the provider knows it by, if it has it already.
        more: What else there is to tell, where there is.
    """
    kind = mime_type if isinstance(mime_type, str) and mime_type else None
    if is_data := isinstance(given, str) and given.startswith("data:"):
        kind = given[5:].partition(",")[0].partition(";")[0] or kind
    told = {"modality": modality or _modality(kind), "mime_type": kind, **more}
    if isinstance(given, str) and ":" in given and not is_data:
        part = {"type": "uri", **told, "uri": given}
    elif file_id:
        part = {"type": "file", **told, "file_id": str(file_id)}
    else:
        part = {"type": "blob_reference", **told, "size": size(given)}
    return {key: value for key, value in part.items() if value is not None}


def _modality(mime_type: str | None) -> str:
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else "document"


def size(given: Any) -> int | None:
    """How many bytes these are: themselves, in base64, or in a ``data:`` URL; ``None`` for what would have to be read first."""
    if isinstance(given, bytes | bytearray):
        return len(given)
    if not isinstance(given, str):
        return None
    if given.startswith("data:"):
        head, _, data = given.partition(",")
        return _decoded(data) if head.endswith(";base64") else len(unquote_to_bytes(data))
    return _decoded(given)


def _decoded(base64: str) -> int:
    digits = base64.rstrip("=\r\n")
    return (len(digits) - digits.count("\n") - digits.count("\r")) * 3 // 4


# --- binaries among other things -------------------------------------------------------------------------------------

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/_=-]*)")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{60,}\r?\n)*[A-Za-z0-9+/_-]+={0,2}\s*").fullmatch
_MIXED = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])").match  # not so a hash, or the letters of a gene
_LEAST = 256
"""Characters that base64 has to have to be taken for it where nothing says so: a shorter text may be an id, or a key."""
_DATA = ("data", "bytes", "b64_json")
_MIME_TYPES = ("mime_type", "mimeType", "media_type", "mediaType")


def without_binaries(value: Any) -> Any:
    """``value``, out of JSON, with a reference in place of each picture, sound and document in it, however it is spelled."""
    if isinstance(value, str):
        return _text_or_reference(value)
    if isinstance(value, dict):
        return _object_or_reference(value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [without_binaries(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return media(value) if isinstance(value, bytes | bytearray) else value


def _text_or_reference(value: str) -> Any:
    if _DATA_URL.fullmatch(value) or _is_base64(value):
        return media(value)
    if ";base64," in value:
        value = _DATA_URL.sub(_left_out, value)
    return '"'.join(map(_without_base64, value.split('"'))) if len(value) >= _LEAST and '"' in value else value  # JSON within


def _is_base64(value: str) -> bool:
    return len(value) >= _LEAST and bool(_BASE64(value) and _MIXED(value))


def _without_base64(quoted: str) -> str:
    plain = quoted.rstrip("\\")  # before a quotation mark that is escaped
    return f"[{_decoded(plain)} bytes left out]{quoted[len(plain) :]}" if _is_base64(plain) else quoted


def _object_or_reference(value: dict[str, Any]) -> Any:
    mime_type = next((value[key] for key in _MIME_TYPES if key in value), None)
    data = next((value[key] for key in _DATA if isinstance(value.get(key), str | bytes)), None)
    if mime_type is not None and data is not None:
        return media(data, mime_type)
    return {key: without_binaries(item) for key, item in value.items()}


def _left_out(match: re.Match[str]) -> str:
    return f"data:{match[1] or ''};base64,[{_decoded(match[2])} bytes left out]"


def stand_in(value: Any) -> Any:
    """What is written of something that JSON cannot hold."""
    return media(value) if isinstance(value, bytes | bytearray) else str(value)
