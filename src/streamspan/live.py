"""The calls that are running in this process, and the one thread that looks after them.

A call is in the registry from its beginning to its end, and taking it out is what entitles somebody to end it: so a call ends
once, whichever thread, finalizer or exit comes first. After a fork the child's registry is empty: the calls belong to the parent.
"""

import atexit
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter, thread_time
from typing import Protocol

from streamspan import upload
from streamspan.errors import report

_SHORTEST = 0.05
interval = 0.5
"""Seconds between two looks at the running calls."""
_LINGER = 20  # looks without a running call before the thread ends: a thread start per call would cost more than the thread


class Running(Protocol):
    """What the registry needs of a call."""

    def abandon(self, at: float) -> None:
        """Ends it as abandoned; ``at`` is the `time.perf_counter` of that."""
        ...

    def look(self, now: float) -> None:
        """Notes how far it has come."""
        ...


_calls: set[Running] = set()
_waiting = SimpleQueue[Callable[[], None] | None]()
"""What the thread has to do: dropped calls to end, last words to send; ``None`` stops it."""
_thread: threading.Thread | None = None
_lock = threading.RLock()
_is_ending = False
"""Whether `end_all` is at it, which leaves nothing for a thread to do."""
_REST = 20
"""How many times as long as a look took the thread rests at the least: the streams need the interpreter, too."""
_PATIENCE = 2.0
"""Seconds that anybody waits for the thread: it may itself wait for a lock that they hold."""
_at_exit = False


def add(call: Running) -> None:
    """Registers a call that begins."""
    global _at_exit  # noqa: PLW0603
    _calls.add(call)
    if not _at_exit:
        # With the first call, not on import: handlers run last in, first out, and the tracer provider's must run after ours.
        _at_exit = True
        atexit.register(end_all)


def claim(call: Running) -> bool:
    """Takes a call out; true for exactly one caller, who has to end it."""
    try:
        _calls.remove(call)
    except KeyError:
        return False
    return True


def drop(call: Running) -> None:
    """Has the thread end a call whose stream was dropped.

    For ``__del__``: a finalizer can run anywhere, also where this very thread holds a lock of the exporter's, so it must not end
    the span itself. `SimpleQueue.put` is made for this.
    """
    if call in _calls:
        _waiting.put(partial(call.abandon, perf_counter()))


def watch() -> bool:
    """Sees to it that the thread runs: from the first stream on, or the first thing that is left to it.

    Returns:
        Whether it does: not where the interpreter shuts down.
    """
    global _thread  # noqa: PLW0603
    with _lock:
        if _thread is None:
            thread = threading.Thread(target=_run, name="streamspan", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            _thread = thread
    return True


def is_running(call: Running) -> bool:
    """Whether nobody has claimed the call yet."""
    return call in _calls


def running() -> tuple[Running, ...]:
    """The calls that run now."""
    return tuple(_calls)


def later(work: Callable[[], None]) -> None:
    """Has the thread do something that the application's own threads shall not wait for; without a thread, it is done now."""
    with _lock:  # so that the thread does not retire in between
        _waiting.put(work)
        is_left_to_another = _is_ending or watch()
    if not is_left_to_another:
        settle()


def look_every(seconds: float) -> None:
    """Sees to it that running calls are looked at this often, or more often."""
    global interval  # noqa: PLW0603
    interval = min(interval, max(seconds, _SHORTEST))


def settle() -> None:
    """Returns once all is done that waited for the thread, such as ending dropped calls."""
    thread = _thread
    if thread is not None and thread is not threading.current_thread():
        # It may be in the midst of something, and what comes first is to be done first.
        done = threading.Event()
        _waiting.put(done.set)
        done.wait(_PATIENCE)
    while True:
        try:
            _do(_waiting.get_nowait())
        except Empty:
            return


def end_all() -> None:
    """Ends every running call as abandoned: at exit, and before providers are shut down."""
    global _is_ending  # noqa: PLW0603
    _is_ending = True
    try:
        _stop()
        settle()
        for _ in range(2):  # the calls, and then what they leave to be written
            for call in running():
                call.abandon(perf_counter())
    finally:
        _is_ending = False
    settle()
    upload.flush()


def _run() -> None:
    idle, due = 0, perf_counter() + interval
    while idle < _LINGER or not _retire():
        if (left := due - perf_counter()) <= 0:  # however much there is to do
            begun = thread_time()
            idle = 0 if _look() else idle + 1
            due = perf_counter() + max(interval, _REST * (thread_time() - begun))
            continue
        try:
            work = _waiting.get(timeout=left)
        except Empty:
            continue
        if work is None:
            return
        _do(work)


def _retire() -> bool:
    """Lets the thread end if nothing runs; under the lock, so that `watch` sees either a working thread or none."""
    global _thread  # noqa: PLW0603
    with _lock:
        if _calls or not _waiting.empty():
            return False
        _thread = None
        return True


def _stop() -> None:
    global _thread
    with _lock:
        thread, _thread = _thread, None
    if thread is not None:
        _waiting.put(None)
        thread.join(_PATIENCE)


def _look() -> int:
    now, calls = perf_counter(), running()
    for call in calls:
        try:
            call.look(now)
        except Exception as error:
            report(error, "looking at a running call")
    return len(calls)


def _do(work: Callable[[], None] | None) -> None:
    if work is not None:
        try:
            work()
        except Exception as error:
            report(error, "looking after calls")


def _after_fork() -> None:
    global _waiting, _thread, _lock, _is_ending  # noqa: PLW0603
    _calls.clear()
    _waiting = SimpleQueue[Callable[[], None] | None]()
    _thread, _lock, _is_ending = None, threading.RLock(), False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
