"""One log event per chunk, sent while the stream runs, when asked for; at its end, if texts are redacted."""

from collections.abc import Callable

from opentelemetry._logs import Logger
from opentelemetry.trace import Span, set_span_in_context

from streamspan import semconv
from streamspan.listeners.chunk_events import ChunkEvents
from streamspan.wire import Attributes

MOST_AT_ONCE = 200
"""Events that one look at a stream sends at the most: what is queued for export past 2,048 is lost without a word, so consecutive
chunks share an event rather."""


class ChunkLog:
    """The log events of one stream's chunks. All but the newest chunk are sent: that one may be incomplete until the end."""

    __slots__ = ("_content", "_facts", "_logger", "_sent", "_span", "_started")

    def __init__(self, logger: Logger, span: Span, facts: Attributes, started: float, *, content: bool) -> None:
        self._logger = logger
        self._span = span
        self._facts = facts
        self._started = started
        self._content = content
        self._sent = 0

    def emit(self, events: ChunkEvents, wall: Callable[[float], int], *, is_over: bool) -> None:
        """Sends the chunks that have come since the last time.

        Args:
            events: All chunks.
            wall: Tells a moment in nanoseconds since the epoch.
            is_over: Whether there will be no more.
        """
        start, stop = self._sent, len(events.chunks) - (not is_over)
        if stop <= start or (events.told_at_the_end and not is_over):
            return
        self._sent = stop  # first: at exit another thread may send the rest while this one is at it
        for chunk in events.merged(MOST_AT_ONCE, start, stop):
            self._logger.emit(
                timestamp=wall(chunk.at),
                context=set_span_in_context(self._span),
                attributes={**self._facts, **chunk.attributes(self._started, content=self._content)},
                event_name=semconv.CHUNK_EVENT,
            )
