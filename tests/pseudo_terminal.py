"""A program in a terminal of its own: what it shows, and what is typed."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

_HOME = "\x1b[H"
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LEAVES = "\x1b[?1049l"


class PseudoTerminal:
    """A terminal, and the program in it."""

    def __init__(self, command: Sequence[str], *, columns: int = 80, lines: int = 24, **options: Any) -> None:
        self.ours, self._theirs = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self._theirs)
        streams: dict[str, Any] = {"stdin": self._theirs, "stdout": self._theirs, "stderr": self._theirs, "env": _environment()}
        streams |= options
        self.process = subprocess.Popen(command, **streams, start_new_session=True, preexec_fn=_own)
        self._written = b""

    @property
    def written(self) -> str:
        """All that was written so far."""
        while select.select([self.ours], [], [], 0)[0]:
            self._written += os.read(self.ours, 65536)
        return self._written.decode(errors="replace").replace("\r\n", "\n")

    @property
    def screen(self) -> str:
        """What a program that draws whole screens has drawn last."""
        return _ESCAPES.sub("", self.written.rpartition(_HOME)[2])

    @property
    def rest(self) -> str:
        """What was written after the screen was what it had been."""
        return _ESCAPES.sub("", self.written.rpartition(_LEAVES)[2])

    def shows(self, is_there: Callable[[str], Any], seconds: float = 50) -> str:
        """The screen, once it is as it is expected."""
        until = time.monotonic() + seconds
        while not is_there(shown := self.screen):
            assert time.monotonic() < until, f"not shown:\n{shown}"
            assert self.process.poll() is None, f"ended:\n{self.written}"
            select.select([self.ours], [], [], 0.1)
        return shown

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Another size of the window."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def ended(self, seconds: float = 50) -> int:
        """The exit code, once it is there; the terminal is as it was."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"runs on:\n{self.written}"
            assert self.written is not None  # which nobody else reads: a program waits while nobody does
            time.sleep(0.01)
        assert termios.tcgetattr(self._theirs) == self.modes
        written = self.written
        assert written.count("\x1b[?1049h") == written.count(_LEAVES)
        assert written.count("\x1b[?25l") <= written.count("\x1b[?25h")
        return self.process.returncode


@contextmanager
def terminal(command: Sequence[str], **options: Any) -> Generator[PseudoTerminal]:
    """The program runs as long as the block, at the most."""
    made = PseudoTerminal(command, **options)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.ours)
        os.close(made._theirs)


def _environment() -> dict[str, str]:
    """Ours, but for the size of the window, which pytest sets."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | {"TERM": "xterm-256color"}


def _own() -> None:
    """The terminal is the one of the session, so that keys become signals."""
    for number in (signal.SIGINT, signal.SIGQUIT):  # which a shell has its background jobs ignore
        signal.signal(number, signal.SIG_DFL)
    for descriptor in (0, 1, 2):
        if os.isatty(descriptor):
            fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
            return
