"""Leaves alone, for a while, what keeps failing."""

import time
from collections.abc import Callable


class Breaker:
    """Says whether to try something again. Takes no lock: at worst two callers try where one would do."""

    def __init__(self, tries: int = 3, rest: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """It is closed at first.

        Args:
            tries: How many failures in a row open it.
            rest: Seconds that it stays open; then one caller may try.
            clock: Tells seconds.
        """
        self._tries = tries
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self.works = True
        """Whether the last try went well."""

    def allows(self) -> bool:
        """Whether to try now."""
        if self._failures < self._tries:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + self._rest  # the others wait for what comes of this one
        return True

    def note(self, *, works: bool) -> bool:
        """Takes what has come of a try; returns whether that is a change."""
        changed, self.works = works != self.works, works
        self._failures = 0 if works else self._failures + 1
        if not works:
            self._until = self._clock() + self._rest
        return changed
