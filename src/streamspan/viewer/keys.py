"""The keys that are pressed in the terminal, which is left as it was found."""

import os
import re
import select
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

Wait = Callable[[float], list[str]]
"""Waits so many seconds for keys at the most, and gives the names of those that were pressed."""

_SEQUENCE: Final = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|\x1b|[^\x1b]", re.DOTALL)
_UNFINISHED: Final = re.compile(rb"\x1b[\[O]?[0-9;]*\Z")
_REST_OF_A_KEY: Final = 0.05  # seconds in which what follows an escape character comes, if it is no key of its own
_NAMES: Final = {b"\r": "enter", b"\n": "enter", b"\x1b": "escape", b" ": "space"}
_LETTERS: Final = {"A": "up", "B": "down", "H": "home", "F": "end"}
_NUMBERS: Final = {"1": "home", "4": "end", "5": "page up", "6": "page down", "7": "home", "8": "end"}


@contextmanager
def keys(stopped: threading.Event) -> Generator[Wait]:
    """What waits for keys while the block runs; where there are none, as on Windows or in the background, it only waits."""
    descriptor = _terminal()
    if descriptor is None:
        yield lambda seconds: _none(seconds, stopped)
        return
    with _unbuffered(descriptor):
        yield lambda seconds: _pressed(descriptor, seconds, stopped)


def _none(seconds: float, stopped: threading.Event) -> list[str]:
    stopped.wait(seconds)
    return []


def names(pressed: bytes) -> list[str]:
    """The keys that a terminal tells of with these bytes; those that we have no name for are left out."""
    return [name for sequence in _SEQUENCE.findall(pressed) if (name := _name(sequence))]


def _name(sequence: bytes) -> str:
    if len(sequence) < 3:
        name = _NAMES.get(sequence, sequence.decode("ascii", "ignore"))
        return name if name.isprintable() else ""
    last = chr(sequence[-1])
    return _NUMBERS.get(sequence[2:-1].decode(), "") if last == "~" else _LETTERS.get(last, "")


def _terminal() -> int | None:
    """The terminal that keys come from, if it is there and ours."""
    if sys.platform == "win32" or not sys.stdin or not sys.stdin.isatty():
        return None
    descriptor = sys.stdin.fileno()
    try:
        return descriptor if os.tcgetpgrp(descriptor) == os.getpgrp() else None
    except OSError:
        return None


@contextmanager
def _unbuffered(descriptor: int) -> Generator[None]:
    """Keys come at once and are not shown. Ctrl-C stays a signal; those that would stop us with the screen as it is, do not."""
    if sys.platform == "win32":
        yield
        return
    import termios  # noqa: PLC0415 - not on Windows
    import tty  # noqa: PLC0415 - the same

    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        now = termios.tcgetattr(descriptor)
        for name in (termios.VSUSP, termios.VQUIT):
            now[6][name] = os.fpathconf(descriptor, "PC_VDISABLE").to_bytes(1, "little")
        termios.tcsetattr(descriptor, termios.TCSADRAIN, now)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _pressed(descriptor: int, seconds: float, stopped: threading.Event) -> list[str]:
    pressed = _read(descriptor, seconds, stopped)
    if _UNFINISHED.search(pressed):
        pressed += _read(descriptor, _REST_OF_A_KEY, stopped)
    return names(pressed)


def _read(descriptor: int, seconds: float, stopped: threading.Event) -> bytes:
    if not select.select([descriptor], [], [], seconds)[0]:
        return b""
    try:
        pressed = os.read(descriptor, 1024)
    except OSError:
        pressed = b""
    if not pressed:  # the terminal is gone
        stopped.set()
    return pressed
