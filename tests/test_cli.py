"""The command as a user runs it, in a process of its own."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import set_span_in_context

from streamspan import semconv
from streamspan.cli import main

COMMAND = [sys.executable, "-m", "streamspan.cli"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    environment = os.environ | {"COLUMNS": "200"} | variables
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=50, env=environment)


@contextmanager
def viewing(number: signal.Signals) -> Generator[tuple[str, "subprocess.Popen[str]", list[str]]]:
    """`streamspan view` on a free port: its address, its process, and what it printed once the block has ended it."""
    printed: list[str] = []
    with subprocess.Popen(
        [*COMMAND, "view", "--port", "0", "--db", ":memory:"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        greeting = process.stdout.readline()
        [address] = re.findall(r"http://[\d.]+:\d+", greeting)
        try:
            yield address, process, printed
        finally:
            process.send_signal(number)
            printed += process.stdout.read().splitlines()


def export(address: str, *, whole: bool = True) -> str:
    """An application's own span around two model calls, the calls sent before it, if it is sent at all; its trace id."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(f"{address}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    parent = tracer.start_span("answer a customer", start_time=0)
    for start, preview in ((1, "Yes."), (2, "\x1b[31mNo.\x1b[0m")):
        attributes = {semconv.OUTCOME: "completed", semconv.REQUEST_MODEL: "gpt-4.1", semconv.PREVIEW: preview}
        call = tracer.start_span("chat gpt-4.1", set_span_in_context(parent), attributes=attributes, start_time=start)
        call.end(start + 500_000_000)
    if whole:
        parent.end(2_000_000_000)
    provider.shutdown()
    return f"{parent.get_span_context().trace_id:032x}"


def cards(trace_id: str) -> list[str]:
    """What is printed of the two calls."""
    head = [f"● gpt-4.1  completed  0.50 s  shop  {trace_id[:8]}", "  no numbers"]
    return [*head, "  │ Yes.", "", *head, "  │ No.", ""]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_view(number: signal.Signals) -> None:
    """Calls are printed as they arrive, their trace when it is whole, without escape codes in a file; a signal ends it."""
    with viewing(number) as (address, process, printed):
        trace_id = export(address)
    assert printed == [
        *cards(trace_id),
        f"trace {trace_id}",
        "└── answer a customer  2.00 s",
        "    ├── chat gpt-4.1  completed  0.50 s",
        "    └── chat gpt-4.1  completed  0.50 s",
        "",
    ]
    assert process.returncode == 0


def test_view_of_an_unfinished_trace() -> None:
    """A trace whose root never came is printed at the end."""
    with viewing(signal.SIGTERM) as (address, process, printed):
        trace_id = export(address, whole=False)
    assert printed == [
        *cards(trace_id),
        f"trace {trace_id}",
        "├── chat gpt-4.1  completed  0.50 s  (its parent has not arrived)",
        "└── chat gpt-4.1  completed  0.50 s  (its parent has not arrived)",
        "",
    ]
    assert process.returncode == 0


def test_view_with_the_port_in_use() -> None:
    """A port in use is one line and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("view", "--port", str(port), "--db", ":memory:")
    told = f"streamspan view: port {port} on 127.0.0.1 is in use: stop what listens there or choose another with --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


@pytest.mark.parametrize("port", ["-1", "65536", "http", "4318.5", "²"])
def test_view_with_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no port number is refused by name."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["view", f"--port={port}"])
    assert capsys.readouterr().err.endswith(f"argument --port: {port!r} is not a port: 0 to 65535\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the installed version."""
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"streamspan {version('streamspan')}\n"


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the usage is shown."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main([])
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("view", "streamspan view needs rich, uvicorn: pip install 'streamspan[viewer]'\n"),
        ("run", "streamspan run needs rich, uvicorn: pip install 'streamspan[viewer]'\n"),
        ("demo", "streamspan demo needs rich, uvicorn: pip install 'streamspan[openai,anthropic,viewer]'\n"),
    ],
)
def test_missing_extra(command: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the viewer extra each command is one line that says what to install."""

    def find_spec(name: str) -> object:
        return None if name in ("rich", "uvicorn") else object()

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    assert main([command]) == 1
    assert capsys.readouterr() == ("", told)


def test_light_start() -> None:
    """The command itself needs neither the viewer extra nor an SDK: they are imported by the commands that use them."""
    code = "import sys, streamspan.cli; print({'rich', 'starlette', 'uvicorn', 'openai', 'anthropic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")


def test_live_demo_without_a_key() -> None:
    """The live demonstration says which keys it needs, and exits with 2."""
    done = run("demo", "--live", OPENAI_API_KEY="", ANTHROPIC_API_KEY="")
    told = "streamspan demo --live needs OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, told, "")


def test_demo_interrupted() -> None:
    """Ctrl-C ends the demonstration and the program that it runs, without a traceback."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell starts its background jobs with SIGINT ignored, and that is inherited.
    with subprocess.Popen(
        [*COMMAND, "demo"], **pipes, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    ) as process:
        assert process.stdout
        assert process.stderr
        assert re.search(r"in a browser, live: http://127.0.0.1:\d+\n", process.stdout.readline())
        assert "chat.py" in process.stdout.readline()
        while "Why is the sky blue?" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert (process.wait(timeout=20), process.stderr.read()) == (130, "")
