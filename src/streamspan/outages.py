"""Telemetry that does not arrive: said once when that begins and once when it is over, with what was dropped in between.

All signals of a process share one `Outages`: they usually go to one receiver, and fail together.
"""

import threading
from collections import Counter
from time import monotonic
from typing import Final

from streamspan.errors import logger

EXIT_PATIENCE: Final = 3.0
"""Seconds that a process which exits gives a receiver that takes nothing, for all signals together."""
_LEAST: Final = 1.0
"""Seconds that each signal has in any case: a receiver may take one of them."""


class Outages:
    """Which signals do not arrive at the moment, why, and what was dropped since."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._failing: dict[str, str] = {}
        self._dropped = Counter[str]()
        self._since = 0.0
        self._leaves_at: float | None = None

    def failing(self, signal: str, reason: str) -> None:
        """A receiver does not take a signal: ``spans``, ``log records`` or ``metrics``."""
        with self._lock:
            is_first = not self._failing
            self._failing.setdefault(signal, reason)
            if not is_first:
                return
            self._since = monotonic()
        if self._leaves_at is None:  # else `close` has more to say
            logger.warning("telemetry does not arrive: %s. Once it does, or at exit, the log says what was dropped", reason)

    def dropped(self, signal: str, count: int, reason: str) -> None:
        """So many of a signal are lost for good."""
        with self._lock:
            self._dropped[signal] += count
        self.failing(signal, reason)

    def arrives(self, signal: str) -> None:
        """All that was there of a signal has been taken."""
        with self._lock:
            if self._failing.pop(signal, None) is None or self._failing:
                return
            lost, self._dropped = _listed(self._dropped), Counter[str]()
        took = monotonic() - self._since
        logger.warning("telemetry arrives again after %.0f s; dropped: %s", took, lost or "nothing")

    def leave(self) -> None:
        """The process exits: from now on there is little time for a receiver that takes nothing."""
        with self._lock:
            if self._leaves_at is None:
                self._leaves_at = monotonic() + EXIT_PATIENCE

    def patience(self, seconds: float) -> float:
        """How many of these seconds a signal has that has not got through yet: few, if the process exits and others fail."""
        with self._lock:
            if self._leaves_at is None or not self._failing:
                return seconds
            return min(seconds, max(_LEAST, self._leaves_at - monotonic()))

    def is_over(self) -> bool:
        """Whether the process exits, and all time for receivers that take nothing has passed."""
        return self._leaves_at is not None and monotonic() > self._leaves_at

    def close(self) -> None:
        """Says what never arrived; nothing if all did."""
        with self._lock:
            lost, reason = _listed(self._dropped), next(iter(self._failing.values()), "")
            if "metrics" in self._failing:
                lost = f"{lost}, the newest metrics".removeprefix(", ")
            self._failing, self._dropped = {}, Counter[str]()
        if lost:
            logger.error("telemetry was dropped: %s (%s)", lost, reason)


def _listed(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {signal.removesuffix('s') if count == 1 else signal}" for signal, count in dropped.items())
