"""How many tokens a request has, more or less: its texts, and what a provider puts around messages and tools."""

from collections.abc import Iterator
from typing import Any, Final

from streamspan.answer import dump_json
from streamspan.estimate import Count, estimate_tokens
from streamspan.wire import Prompt, fields, sequence

_PER_REQUEST: Final = 3
_PER_MESSAGE: Final = 4
_WITH_TOOLS: Final = 12
_PER_TOOL: Final = 7
_PER_PROPERTY: Final = 3
"""What OpenAI adds to the texts, by its own account (the cookbook, "How to count tokens"); others do not say."""

_MEDIA: Final = frozenset({"uri", "file", "blob", "blob_reference"})
_NOT_SAID: Final = frozenset({"type", "role", "id"})
"""Keys of messages whose values are no text of theirs."""
_NOT_TOLD: Final = frozenset({"type", "required", "additionalProperties", "strict", "$schema", "title"})
"""Keys of a tool's schema whose values a model is not told, or is told in a token that is counted with the property."""


def estimate_prompt(prompt: Prompt, count: Count = estimate_tokens) -> int:
    """How many tokens a request has, more or less, without those of images, sound and documents (see `uncounted`)."""
    tools, messages = prompt.tools or [], prompt.messages or []
    texts = [*_said(messages), *_said(prompt.system), *(prompt.texts or ()), *_told(tools)]
    around = _PER_REQUEST + _PER_MESSAGE * len(messages) if messages else 0
    if tools:
        around += _WITH_TOOLS + _PER_TOOL * len(tools) + _PER_PROPERTY * sum(map(_properties, tools))
    return around + count("\n".join(texts))


def uncounted(prompt: Prompt) -> list[str]:
    """What else there is in a request, whose tokens nobody can tell from it: ``image``, ``audio``, ``video``, ``document``."""
    parts = [*(prompt.system or ()), *(part for message in prompt.messages or () for part in message.get("parts") or ())]
    return sorted({str(part.get("modality") or "document") for part in _media(parts)})


def _media(value: Any) -> Iterator[dict[str, Any]]:
    part = fields(value)
    if part.get("type") in _MEDIA:
        yield part
    elif part:
        yield from _media(part.get("response"))
    for item in sequence(value):
        yield from _media(item)


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in sequence(value):
        yield from _said(item)
    part = fields(value)
    if part.get("type") not in _MEDIA:
        for key, item in part.items():
            if key == "arguments" and not isinstance(item, str):
                yield dump_json(item)
            elif key not in _NOT_SAID:
                yield from _said(item)


def _told(value: Any) -> Iterator[str]:
    """What a model is told of tools: their names and descriptions, and those of what they take."""
    if isinstance(value, str):
        yield value
    for item in sequence(value):
        yield from _told(item)
    for key, item in fields(value).items():
        if key == "properties":
            yield from fields(item)
            yield from _told([*fields(item).values()])
        elif key not in _NOT_TOLD:
            yield from _told(item)


def _properties(value: Any) -> int:
    """How many things a tool takes, those within others with them."""
    entries = fields(value)
    return len(fields(entries.get("properties"))) + sum(map(_properties, [*entries.values(), *sequence(value)]))
