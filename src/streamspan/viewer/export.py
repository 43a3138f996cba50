"""One call to take away: as JSON, or as Markdown that a person, or a model, can read."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

_HEADINGS: Final = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}
_FACTS: Final = (
    ("model", "model"),
    ("outcome", "outcome"),
    ("error", "error"),
    ("duration", "duration_ms"),
    ("time to first content", "time_to_first_content_ms"),
    ("input tokens", "input_tokens"),
    ("output tokens", "output_tokens"),
    ("cost (USD)", "cost"),
    ("trace", "trace_id"),
    ("span", "span_id"),
)


def to_json(found: Mapping[str, Any]) -> str:
    """All of it."""
    return json.dumps(found, indent=2)


def to_markdown(found: Mapping[str, Any]) -> str:
    """The numbers, then the conversation."""
    facts = [f"- {name}: {_shown(key, found['summary'][key])}" for name, key in _FACTS if found["summary"][key] is not None]
    messages = [*_system(found["system"]), *found["input"], *found["output"]]
    title = f"# {found['summary']['operation'] or 'call'} {found['summary']['model']}"
    return "\n\n".join([title, "\n".join(facts), *map(_message, messages)]) + "\n"


def _shown(key: str, value: Any) -> str:
    return f"{value / 1e3:.2f} s" if key.endswith("_ms") else " ".join(str(value).split())


def _system(parts: list[Any]) -> list[Any]:
    return [{"role": "system", "parts": parts}] if parts else []


def _message(message: Any) -> str:
    role, text = spoken(message)
    return "\n\n".join(filter(None, (f"## {_HEADINGS.get(role, role)}" if isinstance(message, dict) else "", text)))


def spoken(message: Any) -> tuple[str, str]:
    """Who says it, and what."""
    if not isinstance(message, dict):
        return "", _fenced(message)
    fields = cast("dict[str, Any]", message)
    parts = fields.get("parts", [])
    texts = map(_part, cast("list[Any]", parts)) if isinstance(parts, list) else [_fenced(parts)]
    return str(fields.get("role", "")), "\n\n".join(texts)


def _part(part: Any) -> str:
    match part:
        case {"type": "text", "content": str(text)}:
            return text
        case {"type": "reasoning", "content": str(text)}:
            return "\n".join(f"> {line}" for line in text.splitlines())
        case {"type": "tool_call", "name": name}:
            return f"calls `{name}`\n\n{_fenced(part.get('arguments'))}"
        case {"type": "tool_call_response"}:
            return _fenced(part.get("response", part.get("result")))
        case _:
            return _fenced(part)


def _fenced(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"```\n{text}\n```"


FORMATS: Final[Mapping[str, tuple[str, str, Callable[[Mapping[str, Any]], str]]]] = {
    "json": ("application/json", "json", to_json),
    "markdown": ("text/markdown", "md", to_markdown),
}
