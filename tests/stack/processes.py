"""Programs that run for a test, on loopback, with their data and their log in a folder that goes with them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 60.0
"""Seconds for a program to answer, and for it to end."""
_HARMLESS: Final = ("PATH", "HOME", "TMPDIR", "LANG")
_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports(count: int) -> list[int]:
    """That many free ports of loopback, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def read(url: str, seconds: float = 10.0) -> bytes:
    """What is at that address; it may take that long.

    Raises:
        OSError: there is no answer, or one that is no success.
    """
    with _without_proxy.open(url, timeout=seconds) as answer:
        return answer.read()


class Program:
    """One program; it can be killed or stopped, and started again with the data that it had.

    Args:
        command: the program and its arguments.
        environment: its variables, beside a few harmless ones of this process.
        ready: an address that answers once it is ready.
        folder: where it runs, and where its log is.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], ready: str, folder: Path) -> None:
        self._command = command
        self._environment = {name: os.environ[name] for name in _HARMLESS if name in os.environ} | dict(environment)
        self._ready = ready
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> str:
        """All that it has said, on both streams, since its first start."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Returns once it is ready.

        Raises:
            RuntimeError: it has ended, or does not answer; with the end of its log.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it; it is not ready yet."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait(self) -> None:
        """Returns once it is ready; raises as `start` does."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command[0]} is not ready:\n{self.log[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Returns once it has ended, as it was asked to."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            finally:
                self.kill()

    def kill(self) -> None:
        """Returns once it is gone, without a chance to write anything."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            read(self._ready, 1.0)
        except OSError:
            return False
        return True


@contextmanager
def launched(command: list[str], environment: Mapping[str, str], ready: str) -> Generator[Program]:
    """The program, started but perhaps not ready, while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="streamspan-"))
    program = Program(command, environment, ready, folder)
    try:
        program.launch()
        yield program
    finally:
        program.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: list[str], environment: Mapping[str, str], ready: str) -> Generator[Program]:
    """The program, ready, while the block runs."""
    with launched(command, environment, ready) as program:
        program.wait()
        yield program
