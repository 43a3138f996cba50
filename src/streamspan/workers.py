"""Processes of `multiprocessing` send what they have observed when they end.

A process that is made by `fork` leaves without what its parent registered with `atexit`, as OpenTelemetry's pipeline did: what
waits for the next batch would be lost, which is all that a short task observed. The workers of `ProcessPoolExecutor` are such.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from streamspan.errors import guard

PATIENCE: Final = 2.0
"""Seconds that the end of a process is held up for at the most, as where the receiver is gone."""


def at_the_end_of_workers(flush: Callable[[], object]) -> None:
    """Call ``flush`` in each process that is made by `multiprocessing` from now on, when it ends; elsewhere nothing changes."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_Workers(flush).prepare)


class _Workers:
    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush
        self._is_prepared = False

    def prepare(self) -> None:
        """Before a fork: `multiprocessing` is asked once, and only where the program uses it."""
        if self._is_prepared or "multiprocessing.util" not in sys.modules:
            return
        self._is_prepared = True
        from multiprocessing import util  # noqa: PLC0415 - see above

        util.register_after_fork(self, _Workers.watch)

    def watch(self) -> None:
        """In the new process: the last thing that it does."""
        from multiprocessing import util  # noqa: PLC0415 - it is there

        util.Finalize(None, self.end, exitpriority=-100)

    def end(self) -> None:
        """Flush, but not for ever."""
        flushing = threading.Thread(
            target=guard("sending at the end of a worker")(self._flush), name="streamspan-flush", daemon=True
        )
        flushing.start()
        flushing.join(PATIENCE)
