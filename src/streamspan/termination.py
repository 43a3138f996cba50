"""What SIGTERM does not leave time for by itself: Python's default is to die without ``atexit``."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from streamspan.errors import guard

LIMIT = 3.0
"""Seconds that the flush may take: who sent SIGTERM is waiting."""

_flush: Callable[[], None] | None = None


@guard("preparing for SIGTERM")
def flush_first(flush: Callable[[], None]) -> None:
    """Has ``flush`` called when SIGTERM comes, and then lets the process die of it as it would have.

    Nothing is done where the program, or its server, handles or ignores SIGTERM itself, nor outside of the main thread, which
    alone may say what a signal does. A handler that the program installs later replaces this one.
    """
    global _flush  # noqa: PLW0603
    if threading.current_thread() is not threading.main_thread():
        return
    if _flush is None and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    if _flush is None:
        signal.signal(signal.SIGTERM, _terminate)
    _flush = flush


def _terminate(signum: int, _: FrameType | None) -> None:
    # In a thread: the main thread may have been interrupted while it held a lock that the flush needs.
    thread = threading.Thread(target=_flush, name="streamspan-flush", daemon=True)
    thread.start()
    thread.join(LIMIT)
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
