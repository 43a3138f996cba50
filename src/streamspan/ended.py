"""A call that has ended: all that is known of it, for whoever tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from traceback import TracebackException

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from streamspan import outcome, semconv
from streamspan.answer import Answer
from streamspan.charges import Charges
from streamspan.content import Content, Messages
from streamspan.enforcement.hold import Hold
from streamspan.errors import BudgetExceededError
from streamspan.outcome import FAILED, TRUNCATED
from streamspan.request import Request
from streamspan.wire import Attributes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call is an error."""

    code: str
    """``error.type``."""
    exception_type: str
    """The class of what was raised; empty if nothing was."""
    message: str
    """In the provider's words, without keys; it may quote the prompt."""
    exception: TracebackException | None = None
    """What was raised, if anything was. No frame of the application's is kept alive by it."""


def failure(kind: str, answer: Answer, error: BaseException | None, content: Content) -> Failure | None:
    """What is wrong with a call of this outcome, if anything is, in words that ``content`` lets out."""
    if kind not in {FAILED, TRUNCATED}:
        return None
    if error is None:
        code, message = answer.failure or (TRUNCATED, "the stream ended without the provider's terminal event")
        return Failure(code, "", outcome.scrub(content.text(message)))
    trace = TracebackException(type(error), error, error.__traceback__, lookup_lines=False)
    message = outcome.scrub(content.text(outcome.error_message(error)))
    code = type(error).__name__ if isinstance(error, BudgetExceededError) else outcome.error_type(error)
    return Failure(code, outcome.class_name(error), message, trace)


@dataclass(frozen=True, slots=True)
class Ended:
    """All that is known of a call that has ended."""

    request: Request
    opening: Attributes
    """What was known when it began, as attributes."""
    span: Span
    outcome: str
    failure: Failure | None
    at: int
    """When it ended, in nanoseconds since the epoch."""
    duration: float
    """Seconds, from the request to the end."""
    response: Attributes
    """Who answered, and why each choice ended."""
    timing: Attributes
    charges: Charges
    messages: Messages = field(default_factory=dict[str, list[dict[str, object]]])
    """What was asked and said, as far as content is kept."""
    preview: str = ""
    references: Mapping[str, str] | None = None
    """What is written in place of the messages, if they were uploaded."""
    keep: str = ""
    """Why it is worth keeping: the rules that hold for it."""
    hold: Hold | None = None
    """Which budgets it counts against, and what came of that."""

    def facts(self) -> Attributes:
        """What call it was, for signals beside its span."""
        return self.request.facts(self.opening)

    @property
    def context(self) -> Context:
        """The context of its span."""
        return set_span_in_context(self.span)

    def attributes(self) -> Attributes:
        """What its end adds to what was known when it began, without content."""
        failed: Attributes = {semconv.ERROR_TYPE: self.failure.code} if self.failure else {}
        keep: Attributes = {semconv.KEEP: self.keep} if self.keep else {}
        budget: Attributes = {} if self.hold is None else self.hold.attributes()
        known = {**self.response, **self.charges.attributes(), **self.timing}
        return {semconv.OUTCOME: self.outcome, **failed, **known, **keep, **budget}
