"""Token counts as a program has them in hand: plain numbers, or a provider's usage object."""

from collections.abc import Callable, Mapping
from dataclasses import fields as names_of
from decimal import Decimal
from typing import Any

from streamspan.answer import Answer
from streamspan.providers import (
    anthropic_messages,
    bedrock_converse,
    google_genai,
    google_interactions,
    openai_chat,
    openai_responses,
)
from streamspan.usage import Cost, Usage
from streamspan.wire import count, extras, fields

_SPELLINGS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "reasoning_output_tokens": "reasoning_tokens",
    "thinking_tokens": "reasoning_tokens",
    **{field.name: field.name for field in names_of(Usage)},
}


def check(usage: Any) -> None:
    """Says so if something is no usage at all.

    Raises:
        TypeError: If it has no fields.
    """
    if usage is not None and not isinstance(usage, Mapping) and not hasattr(usage, "__dict__") and not isinstance(usage, Usage):
        example = "{'input_tokens': 512, 'output_tokens': 128}"
        msg = f"usage must be a mapping such as {example} or a provider's usage object, not {usage!r}"
        raise TypeError(msg)


def read(usage: Any) -> Answer:
    """What a usage says, as an answer that says nothing else."""
    said = Answer()
    if isinstance(usage, Usage):
        said.usage(usage)
        return said
    top = fields(dict(usage) if isinstance(usage, Mapping) else usage)  # pyright: ignore[reportUnknownArgumentType]
    extra = {**top, **extras(usage)}
    said.usage(_reader(top)(top, extra, said))
    if (dollars := extra.get("cost_usd")) is not None and not isinstance(dollars, bool):
        said.cost(Cost(Decimal(str(dollars))))
    elif "cost" in extra and (cost := openai_chat.read_cost(extra)):
        said.cost(cost)
    return said


Reader = Callable[[dict[str, Any], dict[str, Any], Answer], Usage]


def _reader(top: Mapping[str, Any]) -> Reader:
    """Who knows a usage, by the first of its keys that tells."""
    return next((reader for keys, reader in _READERS if keys & top.keys()), _read_plain)


def _read_plain(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    usage = Usage()
    for key, name in _SPELLINGS.items():
        if key in top:
            setattr(usage, name, count(top[key]))
    seconds, tier = top.get("audio_seconds"), top.get("tier")
    usage.audio_seconds = seconds if isinstance(seconds, int | float) else None
    usage.tier = tier if isinstance(tier, str) else None
    return usage


def _read_chat(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:
    plain = _read_plain(top, extra, said)
    plain.update(openai_chat.read_usage(top, extra))
    return plain


def _read_responses(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    return openai_responses.read_usage(top)


def _read_anthropic(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    return anthropic_messages.read_usage(top)


def _read_google(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    return google_genai.read_usage(google_genai.fields(top))


def _read_interaction(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    return google_interactions.read_usage(top)


def _read_converse(top: dict[str, Any], extra: dict[str, Any], said: Answer) -> Usage:  # noqa: ARG001
    bedrock_converse.read_usage(top, said)
    return Usage()


_READERS: tuple[tuple[frozenset[str], Reader], ...] = (
    (frozenset({"prompt_tokens", "completion_tokens"}), _read_chat),
    (frozenset({"input_tokens_details", "output_tokens_details"}), _read_responses),
    (frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"}), _read_anthropic),
    (frozenset({"promptTokenCount", "candidatesTokenCount", "prompt_token_count", "candidates_token_count"}), _read_google),
    (frozenset({"total_input_tokens", "total_output_tokens"}), _read_interaction),
    (frozenset({"inputTokens", "outputTokens"}), _read_converse),
)
