"""What a call gives back: plain values, the same for every provider."""

from dataclasses import dataclass, field
from typing import Any, Literal

from streamspan.result import TokenUsage, ToolCall

FinishReason = Literal["stop", "tool_calls", "max_tokens", "content_filter", "error", "other"]
"""Why the model stopped, in one vocabulary.

``stop``: it was done, or met a stop sequence. ``tool_calls``: it waits for tools. ``max_tokens``: a limit cut it short.
``content_filter``: it, or a filter, refused. ``error``: what it wrote could not be used. ``other``: anything else; the provider's
own word is in `RunLocalResult.provider_finish_reason`.
"""

Outcome = Literal["completed", "truncated", "aborted", "abandoned", "cancelled", "failed"]
"""How the call ended, as on its span (``streamspan.outcome``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLocalResult:
    """What one call gave."""

    text: str
    """All visible text."""
    span_id: str
    """16 hexadecimal digits: the id of the call's span; all 0 if nothing observes it."""
    trace_id: str
    """32 hexadecimal digits; likewise."""
    latency_ms: int
    """From the call to its end, in milliseconds."""
    usage: TokenUsage
    cost: float | None
    """US dollars; ``None`` if the model's price is not known, never 0 for that."""
    provider: str
    """``openai``, ``anthropic``, ``google`` or ``amazon_bedrock``."""
    model: str
    """The model as it was asked for."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Each has an id, which is one of ours where the provider gives none."""
    finish_reason: FinishReason | None = None
    """``None`` if the stream ended before the model said why."""
    provider_finish_reason: str | None = None
    """The same in the provider's own word."""
    message: dict[str, Any] = field(default_factory=dict[str, Any])
    """The assistant's message, ready to be sent back in ``messages``. It is plain JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult(RunLocalResult):
    """What one streamed call gave."""

    aborted: bool = False
    """Whether the caller ended the stream before its end: by `LocalStream.abort`, by leaving the loop, by cancelling it."""
    outcome: Outcome = "completed"
