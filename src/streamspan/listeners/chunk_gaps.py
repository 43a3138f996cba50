"""When the chunks of a stream came, for the metric of the time between them, when asked for."""

from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

from streamspan.answer import Sink


class ChunkGaps:
    """Stands before a wire format, and notes when each chunk comes: the stream does nothing else for the metric."""

    __slots__ = ("_last", "_note", "_read", "_times")

    def __init__(self, read: Callable[[Any, Sink], None]) -> None:
        self._read = read
        self._times = array("d")
        self._note = self._times.append
        self._last = array("d")
        """The last of those that have been taken, if any has."""

    def read(self, chunk: Any, into: Sink) -> None:
        """Notes the time, and reads one chunk."""
        self._note(perf_counter())
        self._read(chunk, into)

    def take(self) -> Sequence[float]:
        """The seconds between the chunks that have come since the last time; what was taken is not kept."""
        times = self._last + self._times[:]
        del self._times[: len(times) - len(self._last)]  # the stream may have added some meanwhile: they stay
        self._last = times[-1:]
        return array("d", (later - earlier for earlier, later in pairwise(times)))
