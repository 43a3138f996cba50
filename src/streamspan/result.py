"""What has become of a stream, in plain Python, for the program that reads it."""

from dataclasses import dataclass, field
from typing import Any

from streamspan import outcome
from streamspan.answer import Answer, parse_arguments
from streamspan.charges import Charges


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """How many tokens a call has used; ``None`` where that is not known."""

    input_tokens: int | None = None
    """All of the input, what was read from a cache or written to one included."""
    output_tokens: int | None = None
    """All of the output, reasoning included."""
    cache_read_tokens: int | None = None
    """Of the input, what was read from a cache."""
    cache_write_tokens: int | None = None
    """Of the input, what was written to a cache."""
    reasoning_tokens: int | None = None
    """Of the output, the model's thinking."""
    estimated: tuple[str, ...] = ()
    """Which of these numbers are our estimate, as the provider reported none."""

    @property
    def total_tokens(self) -> int | None:
        """Input and output together, if both are known."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to be called."""

    id: str | None
    """The provider's id of this call, which its result is to name."""
    name: str | None
    """Which tool."""
    arguments: Any
    """The arguments, parsed; the text as it came where it is no JSON, as of a stream that was cut."""
    raw_arguments: str
    """The arguments as the model wrote them."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What a stream brought, and how it ended."""

    outcome: str
    """``completed``, ``truncated``, ``aborted``, ``abandoned``, ``cancelled`` or ``failed``."""
    trace_id: str
    """32 hexadecimal digits; all 0 if the request was never sent."""
    span_id: str
    """16 hexadecimal digits; likewise."""
    text: str = ""
    """The visible output of the first choice, as far as it came."""
    error: BaseException | None = None
    """What was raised into the reader of the stream, if anything was."""
    error_type: str | None = None
    """``error.type`` of a stream that failed or was cut: the provider's own code where there is one."""
    finish_reasons: tuple[str, ...] = ()
    """In the provider's words, one for each choice; ``error`` where it never came."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of the first choice."""
    usage: TokenUsage = field(default_factory=TokenUsage)
    """The tokens, as the provider counted them; what it did not count is estimated, or ``None``."""
    cost: float | None = None
    """US dollars; ``None`` where no price is known."""
    model: str | None = None
    """The model that answered; the one that was asked for, where the answer does not say."""
    duration: float = 0.0
    """Seconds from the request to the end."""
    reasoning: str = field(default="", repr=False)
    """The model's thinking, as far as the provider shows it."""

    @property
    def aborted(self) -> bool:
        """Whether the program itself ended the stream before its end."""
        return self.outcome in {outcome.ABORTED, outcome.CANCELLED, outcome.ABANDONED}


def text_of(answer: Answer) -> str:
    """The visible output of the first choice."""
    return answer.first_text("text", "refusal")


def tool_calls_of(answer: Answer) -> tuple[ToolCall, ...]:
    """The tool calls of the first choice."""
    return tuple(
        ToolCall(part.call_id, part.name, parse_arguments(part.string), part.string) for part in answer.first_parts("tool_call")
    )


def usage_of(charges: Charges) -> TokenUsage:
    """The usage of a call, with what of it is estimated."""
    usage = charges.usage
    return TokenUsage(
        usage.total_input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        tuple(charges.estimated),
    )


def cost_of(charges: Charges) -> float | None:
    """The cost of a call in US dollars, if a price is known."""
    return None if charges.price is None else float(charges.price.total)
