"""How often a function may be called, and how many tokens it may use, in a minute: in this process."""

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from streamspan.errors import RateLimitExceededError

_MINUTE = 60.0


class MinuteLimit:
    """So much in any minute. What is asked for is taken at once, so that calls side by side do not pass it together."""

    def __init__(self, name: str, limit: int, clock: Callable[[], float] = monotonic) -> None:
        self._name = name
        self._limit = limit
        self._clock = clock
        self._lock = threading.RLock()  # a call may end in a finalizer, also while this very thread holds it
        self._taken = deque[tuple[float, int]]()
        self._sum = 0

    def take(self, amount: int) -> None:
        """Takes so much now, or, with 0, asks whether anything is left.

        Raises:
            RateLimitExceededError: If there is no room for it.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            if self._sum + max(amount, 1) > self._limit:
                raise RateLimitExceededError(self._name, self._limit, self._taken[0][0] + _MINUTE - now)
            self._note(now, amount)

    def add(self, amount: int) -> None:
        """Adds what was used in the end, whether there is room for it or not."""
        with self._lock:
            self._note(self._clock(), amount)

    def _note(self, now: float, amount: int) -> None:
        if amount:
            self._taken.append((now, amount))
            self._sum += amount

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now - _MINUTE:
            self._sum -= self._taken.popleft()[1]
