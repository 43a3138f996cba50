"""How a running stream stands, as log events: OTLP carries a span only once it has ended.

The thread that watches running calls asks; the stream itself never does anything for it.
"""

from dataclasses import dataclass, replace

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.trace import Span, set_span_in_context

from streamspan import semconv
from streamspan.wire import Attributes

WAITING, RUNNING, STALLED = "waiting", "running", "stalled"
LONGEST_PAUSE = 60.0
"""Seconds: however long a stream stands still, it is heard of this often."""
_TAIL = 120


@dataclass(frozen=True, slots=True)
class Standing:
    """How a stream stands at one moment, or how it ended."""

    state: str
    """`WAITING` for the first chunk, `RUNNING`, `STALLED`; or the outcome."""
    elapsed: float
    """Seconds since the request was sent."""
    silence: float
    """Seconds since the last chunk; since the request, if there is none yet."""
    chunks: int
    characters: int
    output_tokens: int | None
    is_estimated: bool
    cost: float | None
    """US dollars."""
    preview: str
    """The end of the visible output; empty where content is not captured."""

    def attributes(self) -> Attributes:
        """As attributes of a log event."""
        said: Attributes = {
            semconv.PROGRESS_STATE: self.state,
            semconv.ELAPSED_MS: round(self.elapsed * 1e3),
            semconv.CHUNKS: self.chunks,
            semconv.CHARACTERS: self.characters,
        }
        if self.state in {WAITING, STALLED}:
            said[semconv.STALLED_MS] = round(self.silence * 1e3)
        if self.output_tokens is not None:
            said[semconv.USAGE_OUTPUT_TOKENS] = self.output_tokens
        if self.is_estimated:
            said[semconv.USAGE_ESTIMATED] = ["output_tokens"]
        if self.cost is not None:
            said[semconv.COST_TOTAL] = self.cost
        if self.preview:
            said[semconv.PREVIEW] = self.preview
        return said

    def line(self, model: str) -> str:
        """All that matters in one line: live tails show no attributes."""
        state = f"{STALLED} for {self.silence:.1f} s" if self.state == STALLED else self.state
        said = [f"{model} {state}", f"{self.elapsed:.1f} s"]
        if self.output_tokens is not None:
            said.append(f"{'~' if self.is_estimated else ''}{self.output_tokens} tok")
        if self.cost is not None:
            said.append(f"{'~' if self.is_estimated else ''}${self.cost:.6f}")
        if self.preview:
            said.append(" ".join(self.preview[-_TAIL:].split()))
        return " | ".join(said)


class ProgressLog:
    """The log events of one stream: each time it has grown, and ever more rarely while it stands still."""

    __slots__ = ("_chunks", "_content", "_facts", "_interval", "_last", "_logger", "_model", "_pause", "_sequence", "_span")

    def __init__(self, logger: Logger, span: Span, facts: Attributes, interval: float, started: float, *, content: bool) -> None:
        self._logger = logger
        self._span = span
        self._facts = facts
        self._model = str(facts.get(semconv.REQUEST_MODEL, "?"))
        self._content = content
        self._interval = interval
        self._pause = interval
        self._last = started
        self._chunks = 0
        self._sequence = 0

    def ask(self, now: float, chunks: int) -> str | None:
        """The state that is to be told at this moment, if one is: at once for the first chunk, else in its time."""
        grown = chunks != self._chunks
        is_first = grown and not self._chunks
        # The thread's beat is not exact: a hair early is not too early.
        if not is_first and now - self._last < 0.99 * (self._interval if grown else self._pause):
            return None
        self._pause = self._interval if grown else min(2 * self._pause, LONGEST_PAUSE)
        self._chunks, self._last = chunks, now
        return RUNNING if grown else STALLED if chunks else WAITING

    def emit(self, standing: Standing, at: int) -> None:
        """Sends one event.

        Args:
            standing: How the stream stands.
            at: When it stood so, in nanoseconds since the epoch.
        """
        self._sequence += 1
        if not self._content:
            standing = replace(standing, preview="")
        self._logger.emit(
            timestamp=at,
            context=set_span_in_context(self._span),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=standing.line(self._model),
            attributes={**self._facts, **standing.attributes(), semconv.PROGRESS_SEQUENCE: self._sequence},
            event_name=semconv.PROGRESS_EVENT,
        )
