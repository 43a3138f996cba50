"""How a stream's text grew: a few marks on the span, drawn by backends as ticks on its bar."""

from dataclasses import dataclass

from streamspan import semconv
from streamspan.answer import Answer
from streamspan.wire import Attributes

MOST = 32
"""Marks that a span gets at the most."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a stream had come at one moment."""

    at: float
    characters: int
    chunks: int

    def attributes(self, started: float) -> Attributes:
        """As a span event; ``offset`` is in seconds since the call's start."""
        return {
            semconv.PROGRESS_OFFSET: round(self.at - started, 3),
            semconv.PROGRESS_CHARACTERS: self.characters,
            semconv.PROGRESS_CHUNKS: self.chunks,
        }


class Progress:
    """The marks of one stream. When there are too many, every second goes and the interval doubles."""

    __slots__ = ("_interval", "_next", "marks")

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._interval = 0.0
        self._next = 0.0

    def note(self, now: float, answer: Answer, chunks: int) -> None:
        """Marks how far ``answer`` has come, unless it stands where it stood or the last mark is too young."""
        if now < self._next or (self.marks and self.marks[-1].chunks == chunks) or not chunks:
            return
        self.marks.append(Mark(now, answer.characters, chunks))
        if len(self.marks) >= MOST:
            self._interval = 2 * (self.marks[-1].at - self.marks[0].at) / (MOST - 1)
            del self.marks[1::2]
        self._next = now + self._interval * 0.99  # the thread's beat is not exact: a hair early is not too early
