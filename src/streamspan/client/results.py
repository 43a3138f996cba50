"""What a call gives back: plain values, the same for every provider."""

from dataclasses import dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "tool_calls", "max_tokens", "content_filter", "error", "other"]
"""Why the model stopped, in one vocabulary.

``stop``: it was done, or met a stop sequence. ``tool_calls``: it waits for tools. ``max_tokens``: a limit cut it short.
``content_filter``: it, or a filter, refused. ``error``: what it wrote could not be used. ``other``: anything else; the provider's
own word is in `RunLocalResult.provider_finish_reason`.
"""

Outcome = Literal["completed", "truncated", "aborted", "abandoned", "cancelled", "failed"]
"""How the call ended, as on its span (``streamspan.outcome``)."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Token counts of one call; ``None`` where nobody knows."""

    input_tokens: int | None = None
    """All input, cached or not."""
    output_tokens: int | None = None
    """All output, reasoning included."""
    cache_read_tokens: int | None = None
    """The part of the input that came from the provider's cache."""
    reasoning_tokens: int | None = None
    """The part of the output that is reasoning."""
    estimated: tuple[str, ...] = ()
    """Which of the counts are streamspan's estimate, as the provider never sent them, such as of a stream that was aborted."""

    @property
    def total_tokens(self) -> int | None:
        """Input and output; what of it is known, if one of them is not."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to have called."""

    id: str
    """To be sent back as ``tool_call_id``. Where the provider gives none, one of ours."""
    name: str
    arguments: dict[str, Any]
    """Its arguments, parsed; empty if the model wrote no JSON object, or was cut short: see `raw_arguments`."""
    raw_arguments: str
    """Its arguments as the model wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLocalResult:
    """What one call gave."""

    text: str
    """All visible text."""
    span_id: str
    """16 hexadecimal digits: the id of the call's span; empty if nothing records it."""
    trace_id: str
    """32 hexadecimal digits; empty if nothing records it."""
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
    """Whether the caller ended the stream before the model did: by `LocalStream.abort`, by leaving the loop, by cancelling it."""
    outcome: Outcome = "completed"
