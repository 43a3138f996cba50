"""Tokens: what a provider reports."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Usage:
    """Token counts of one call; ``None`` is "not reported", which is not 0.

    Counts are running totals on every wire that we read, so a later report replaces an earlier one; only where there are several
    requests behind one answer, as behind an agent's, they are added up.
    """

    input_tokens: int | None = None
    """All input, cached or not. Left ``None`` by providers that report `uncached_input_tokens` instead."""
    uncached_input_tokens: int | None = None
    """Input without what came from or went into the cache (Anthropic)."""
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    """The part of `cache_write_tokens` that is kept for an hour and costs more (Anthropic)."""
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_video_tokens: int | None = None
    cached_audio_tokens: int | None = None
    """The part of `cache_read_tokens` that is audio, and of `input_audio_tokens` that was cached (Google)."""
    output_tokens: int | None = None
    """All output, reasoning included."""
    reasoning_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    output_video_tokens: int | None = None
    web_searches: int | None = None
    """Searches of the web by the provider that it charges for."""
    input_characters: int | None = None
    """What some models that speak are paid by."""
    audio_seconds: float | None = None
    """What some models that listen are paid by."""
    tier: str | None = None
    """How it was served, where that decides about the price, such as ``flex``, ``priority``, ``fast``, ``batch``."""

    def update(self, newer: "Usage") -> None:
        """Takes over each count that ``newer`` has; a count that it lacks, or that is none, stays."""
        for name in _COUNTS:
            count: Any = getattr(newer, name)
            if type(count) is int and 0 <= count < _TOO_MANY:
                setattr(self, name, count)
        if newer.tier is not None:
            self.tier = newer.tier
        if newer.audio_seconds is not None and 0 <= newer.audio_seconds < _TOO_MANY:
            self.audio_seconds = newer.audio_seconds

    def add(self, more: "Usage") -> None:
        """Adds each count that ``more`` has: those of one more request behind the same answer."""
        for name in _ADDITIVE:
            if (count := getattr(more, name)) is not None:
                setattr(self, name, (getattr(self, name) or 0) + count)

    @property
    def total_input_tokens(self) -> int | None:
        """All input, summed from its parts where the provider reports it in parts (Anthropic's rule in the conventions)."""
        if self.input_tokens is not None or self.uncached_input_tokens is None:
            return self.input_tokens
        return self.uncached_input_tokens + (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0)


_TOO_MANY = 2**63
"""What does not fit into an attribute of OTLP."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a provider says that it charges for a call, in US dollars."""

    total: Decimal
    input: Decimal | None = None
    """The part of it that is for the input, if the provider says so."""
    output: Decimal | None = None


_ADDITIVE = tuple(field.name for field in fields(Usage) if field.name != "tier")
_COUNTS = tuple(name for name in _ADDITIVE if name != "audio_seconds")
