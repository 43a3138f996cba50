"""`streamspan run`: somebody's program as a child of the viewer, which leaves its output, its signals and its exit code alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from streamspan.viewer.server import is_free
from streamspan.viewer.terminal import Options, say, stop_signal, viewing

PORT: Final = 4318
_LOOPBACK: Final = "127.0.0.1"
# What the command opentelemetry-instrument runs, found without its script: where that lies depends on how pip was used.
_INSTRUMENT: Final = (sys.executable, "-P", "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OVERRIDDEN: Final = ("OTEL_SDK_DISABLED", "OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
_NOT_FOUND: Final = 127
_PASSED_ON: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_OF_THE_TERMINAL: Final = frozenset({"SIGINT", "SIGQUIT", "SIGHUP"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says.

    Args:
        program: a Python file, or ``-m`` and a module, or a command; and its arguments.
        database: where calls are kept.
        port: where to receive; None for the usual port, or any other where that is taken.
        forward: who else gets what is received; None for whoever would get it without us.
        token: of a viewer that runs already, and of ours.
        end: whether to end with the program, in a terminal too.
    """

    program: Sequence[str]
    database: str
    port: int | None = None
    forward: str | None = None
    token: str = ""
    end: bool = False


def run(wishes: Wishes) -> int:
    """Run the program; returns its exit code, or dies of the signal that it died of.

    Raises:
        CannotListenError: the port that was asked for is in use.
        StoreError: the database cannot be used.
    """
    command = command_of(wishes.program)
    if command is None:
        say(f"there is no program {wishes.program[0]!r}")
        return _NOT_FOUND
    with _viewer(wishes) as (address, page, is_ours):
        say(f"your calls: {page}")
        code = _ran(command, environment(os.environ, address, wishes.token, _name(wishes.program)))
        if is_ours and not wishes.end and code >= 0 and sys.stdin.isatty() and sys.stderr.isatty():
            say(f"the program has ended with exit code {code}; the page stays until Ctrl-C: {page}")
            with stop_signal() as stopped:
                stopped.wait()
    return code if code >= 0 else _die(-code)


# --- the program -----------------------------------------------------------------------------------------------------


def command_of(program: Sequence[str]) -> list[str] | None:
    """What is run: Python files and modules by our Python, other commands as they are found; None if there is no such command."""
    if program[0] == "-m" or program[0].endswith(".py") or Path(program[0]).is_dir():
        return [sys.executable, *program]
    found = shutil.which(program[0])
    return None if found is None else [found, *program[1:]]


def _name(program: Sequence[str]) -> str:
    """What the service is called, where nobody says another name."""
    return program[1].partition(".")[0] if program[0] == "-m" else Path(program[0]).stem


def environment(inherited: Mapping[str, str], address: str, token: str, name: str) -> dict[str, str]:
    """The environment of the program: all three signals go to the viewer; what else the user has set stays."""
    kept = {variable: value for variable, value in inherited.items() if not _leads_elsewhere(variable)}
    kept = {"OTEL_SERVICE_NAME": name, "OTEL_BSP_SCHEDULE_DELAY": "200", **kept}  # milliseconds
    if token:
        kept["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{token}"
    return kept | {
        _ENDPOINT: address,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_DISTRO": "streamspan",
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        "NO_PROXY": ",".join(filter(None, (_LOOPBACK, kept.get("NO_PROXY") or kept.get("no_proxy")))),
    }


def _leads_elsewhere(variable: str) -> bool:
    """Whether a setting would have the viewer get nothing."""
    of_a_signal = variable.startswith("OTEL_EXPORTER_OTLP_") and variable.endswith(("_ENDPOINT", "_PROTOCOL", "_CERTIFICATE"))
    return of_a_signal or variable in _OVERRIDDEN


def _ran(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """The exit code; what we are told to do, the program is told."""
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: FrameType | None) -> None:
        if process is not None and not _came_from_the_terminal(number):
            with suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    ignored = {number for number in numbers if signal.getsignal(number) is signal.SIG_IGN}
    before = {number: signal.signal(number, pass_on) for number in numbers if number not in ignored}
    try:
        process = subprocess.Popen([*_INSTRUMENT, *command], env=variables)  # noqa: S603 - the command that the user typed
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _came_from_the_terminal(number: int) -> bool:
    """Whether the program, which is in our process group, has got the signal as well: that is where a terminal sends it."""
    if signal.Signals(number).name not in _OF_THE_TERMINAL:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _die(number: int) -> int:
    """End as the program did, for who looks at how we ended."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its core already
    with suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    sys.stdout.flush()
    os.kill(os.getpid(), number)
    return 128 + number


# --- the viewer ------------------------------------------------------------------------------------------------------


@contextmanager
def _viewer(wishes: Wishes) -> Generator[tuple[str, str, bool]]:
    """The address to send to, the page, and whether they are ours: the usual port may have a viewer already."""
    usual = f"http://{_LOOPBACK}:{PORT}"
    if wishes.port in (None, PORT) and (found := about(usual, wishes.token)) is not None:
        say(f"a viewer runs on port {PORT} already ({found.get('database')}): the calls go there")
        yield usual, usual, False
        return
    forward = _elsewhere(os.environ) if wishes.forward is None else wishes.forward
    options = Options(port=_port(wishes.port), database=wishes.database, token=wishes.token, forward=forward)
    with viewing(options, lambda _: None, say) as served:
        if forward:
            say(f"everything goes on to {forward}")
        yield served.address, served.page, True


def _port(wished: int | None) -> int:
    """The port that was asked for; else the usual one, or any where that is taken by something that is no viewer."""
    if wished is not None:
        return wished
    if is_free(_LOOPBACK, PORT):
        return PORT
    say(f"port {PORT} is taken by another program: the viewer takes a free one")
    return 0


def _elsewhere(variables: Mapping[str, str]) -> str:
    """Where the program would send to without us, if that is known and over HTTP."""
    named = variables.get(_ENDPOINT, "")
    is_over_http = variables.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").startswith("http")
    return named if is_over_http and named.startswith(("http://", "https://")) else ""


def about(address: str, token: str) -> dict[str, Any] | None:
    """What the viewer at this address says of itself; None if there is none."""
    opener = build_opener(ProxyHandler({}))
    opener.addheaders = [("authorization", f"Bearer {token}")] if token else []
    try:
        with opener.open(f"{address}/api/about", timeout=2) as answer:
            found: Any = json.loads(answer.read(10_000))
    except (URLError, OSError, ValueError):
        return None
    told = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return told if told.get("name") == "streamspan" else None
