"""What has arrived is printed in a thread of its own: nobody waits for a terminal that stands still, as it does after Ctrl-S."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from streamspan.viewer.calls import Row

MOST: Final = 5000
"""Rows that wait."""
_BEAT: Final = 0.25  # seconds
_AT_THE_END: Final = 2.0  # seconds


class Printer:
    """A queue, and a thread that shows what is in it; when it is full, the oldest goes.

    Args:
        show: is called with what is new, four times in a second at the most.
        left_out: is called with the number of rows that nobody was shown.
    """

    def __init__(self, show: Callable[[Sequence[Row]], None], left_out: Callable[[int], None]) -> None:
        self._show = show
        self._left_out = left_out
        self._waiting: deque[Row] = deque()
        self._lost = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamspan-printer", daemon=True)
        self._thread.start()

    def put(self, rows: Sequence[Row]) -> None:
        """Show these, some time; returns at once."""
        with self._changed:
            is_first = not self._waiting
            self._waiting.extend(row.brief() for row in rows)
            while len(self._waiting) > MOST:
                self._waiting.popleft()
                self._lost += 1
            if is_first:
                self._changed.notify()

    def close(self) -> None:
        """Show what waits, if that can be done."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(_AT_THE_END)

    def _run(self) -> None:
        while (taken := self._taken()) is not None:
            rows, lost = taken
            if lost:
                self._left_out(lost)
            self._show(rows)
            self._closing.wait(_BEAT)

    def _taken(self) -> tuple[Sequence[Row], int] | None:
        """All that waits, once there is something; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            if not self._waiting:
                return None
            rows, lost = list(self._waiting), self._lost
            self._waiting.clear()
            self._lost = 0
            return rows, lost
