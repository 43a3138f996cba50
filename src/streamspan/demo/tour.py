"""`streamspan demo`: the example programs under ``opentelemetry-instrument``, and what the viewer received of them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from streamspan.demo import replay
from streamspan.viewer import screen
from streamspan.viewer.server import listen, serving
from streamspan.viewer.terminal import Options, Terminal, say, stop_signal, viewing

PROGRAMS: Final = ("chat.py", "own_spans.py", "endings.py")
KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")

# What the command opentelemetry-instrument runs, found without its script: where that lies depends on how pip was used.
_INSTRUMENT: Final = (sys.executable, "-P", "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")
_LOOPBACK: Final = "127.0.0.1"
NEXT: Final = "Now yours: `streamspan view` in one terminal, `opentelemetry-instrument python your_app.py` in another."
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def tour(console: Console, *, live: bool = False, pace: float = 1.0, stay: bool = False) -> int:
    """Run the programs, print each call as it arrives and a table at the end; returns the exit code.

    Args:
        console: where everything is printed.
        live: ask the real services instead of the replay server.
        pace: factor on the waiting times of the replay server.
        stay: keep the page until Ctrl-C.
    """
    if live and not any(map(os.environ.get, KEYS)):
        console.print(f"streamspan demo --live needs {' or '.join(KEYS)} in the environment.")
        return 2
    terminal = Terminal(console)
    with ExitStack() as servers:
        served = servers.enter_context(viewing(Options(port=0), terminal.show, say))
        console.print(Text(f"The same in a browser, live: {served.page}"), soft_wrap=True)
        services = None if live else servers.enter_context(serving(replay.app(pace), listen(_LOOPBACK, 0)))
        failures = [
            failure for name in PROGRAMS if (failure := _run(name, environment(os.environ, served.address, services), console))
        ]
        code = _sum_up(terminal, failures)
        if not code and stay:
            _stay(served.page, console)
    return code


def _stay(page: str, console: Console) -> None:
    with stop_signal() as stopped:  # first, as it may come as soon as that can be read
        console.print(Text(f"The page stays until Ctrl-C: {page}"), soft_wrap=True)
        stopped.wait()


def program(name: str) -> Path:
    """An example program: beside this file in a wheel, in the examples folder of a checkout."""
    beside = Path(__file__).with_name(name)
    return beside if beside.exists() else Path(__file__).parents[3] / "examples" / name


def environment(inherited: Mapping[str, str], collector: str, services: str | None) -> dict[str, str]:
    """The environment of an example program.

    Whatever OpenTelemetry settings the user has are left out, so that the spans arrive here and nowhere else. With a
    replay server (``services``) so are proxies and the settings of the SDKs; without one, both stay as they are.
    """
    dropped = ("OTEL_",) if services is None else ("OTEL_", "OPENAI_", "ANTHROPIC_")
    kept = {name: value for name, value in inherited.items() if not name.startswith(dropped)}
    if services is not None:
        kept = {name: value for name, value in kept.items() if name.lower() not in _PROXIES}
        kept |= {"OPENAI_BASE_URL": f"{services}/v1", "ANTHROPIC_BASE_URL": services}
        kept |= dict.fromkeys(KEYS, "no-key-needed-here")
    return kept | {
        "NO_PROXY": ",".join(filter(None, (_LOOPBACK, "localhost", kept.get("NO_PROXY") or kept.get("no_proxy")))),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_SERVICE_NAME": "streamspan-demo",
        "OTEL_PYTHON_DISTRO": "streamspan",
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        "OTEL_BSP_SCHEDULE_DELAY": "50",  # milliseconds; each call shows up as soon as it ends
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _run(name: str, variables: Mapping[str, str], console: Console) -> str:
    """Run one program and show what it prints; says what went wrong, if anything did."""
    console.print(Rule(Text(f"opentelemetry-instrument python examples/{name}", style="bold"), align="left", style="dim"))
    script = program(name)
    command = [*_INSTRUMENT, sys.executable, str(script)]
    with subprocess.Popen(  # noqa: S603 - our own example under our own interpreter
        command,
        cwd=script.parent,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                console.print(screen.aside(line, console.width))
        except KeyboardInterrupt:
            process.terminate()
            raise
    return f"{name} ended with exit code {process.returncode}" if process.returncode else ""


def _sum_up(terminal: Terminal, failures: list[str]) -> int:
    terminal.show_unfinished()
    if terminal.calls:
        terminal.console.print(Rule(style="dim"), screen.table(terminal.calls))
    else:
        failures.append("no span arrived: is streamspan installed in this Python, with its SDKs?")
    for failure in failures:
        terminal.console.print(Text(f"The demonstration failed: {failure}", style="red"))
    if not failures:
        terminal.console.print(f"\n{NEXT}")
    return 1 if failures else 0
