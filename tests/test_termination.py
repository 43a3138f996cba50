"""SIGTERM: what runs is ended and sent, and the process dies of it as it would have. Real processes, decoded OTLP."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector import Collector
from loopback import Loopback, Piece, Reply, openai_chunks

READING = """
    import openai, sys
    stream = openai.OpenAI(max_retries=0).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
"""
IN_THE_MAIN_THREAD = (
    READING
    + """
    for chunk in stream:
        print(chunk.choices[0].delta.content, flush=True)
"""
)
IN_A_THREAD = (
    READING
    + """
    import threading, time
    def read():
        for chunk in stream:
            print(chunk.choices[0].delta.content, flush=True)
    threading.Thread(target=read, daemon=True).start()
    time.sleep(60)
"""
)
WITH_A_HANDLER = (
    """
    import os, signal, sys
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"mine\\n"), sys.exit(7)))
"""
    + IN_THE_MAIN_THREAD
)
WITH_A_HANDLER_BEFORE_US = (
    """
    import os, signal, sys
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"mine\\n"), sys.exit(7)))
    import streamspan
    streamspan.instrument()
    assert signal.getsignal(signal.SIGTERM).__module__ == "__main__"
"""
    + IN_THE_MAIN_THREAD
)


def terminate(
    program: str, collector: Collector, *, once: Callable[[], object] = lambda: None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program until it has printed two chunks of a stream that then stalls, and sends it SIGTERM, ``once`` that returns."""
    gate = threading.Event()
    chunks = openai_chunks(["Hel", "lo", " you"])
    pieces: list[Piece] = [*chunks[:3], gate, *chunks[3:]]
    with Loopback(Reply(body=pieces)) as server:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST"))}
        environment = {
            **inherited,
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "60000",  # nothing comes of its own accord
            **env,
        }
        launch = str(Path(sys.executable).with_name("opentelemetry-instrument"))
        command = [launch, sys.executable, "-c", textwrap.dedent(program)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environment, **pipes) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            once()
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=30)
        gate.set()
        return subprocess.CompletedProcess(command, process.returncode, "".join(lines) + output, errors)


def wait_until_refused(collector: Collector) -> None:
    """Returns some batches after the first was refused."""
    deadline = time.monotonic() + 10
    while not collector.refused and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)


@pytest.mark.parametrize("program", [IN_THE_MAIN_THREAD, IN_A_THREAD], ids=["main thread", "other thread"])
def test_running_streams_are_sent_before_the_process_dies(program: str) -> None:
    """The process dies of SIGTERM as it would without us, and its streams have arrived as abandoned, with what was said."""
    with Collector(takes_logs=True) as collector:
        ended = terminate(program, collector, once=lambda: collector.wait_for_event(lambda event: True))

    (span,) = collector.spans()
    assert ended.returncode == -signal.SIGTERM
    assert "Traceback" not in ended.stderr
    assert (span["attributes"]["streamspan.outcome"], span["attributes"]["streamspan.preview"]) == ("abandoned", "Hello")
    assert collector.events()[-1]["attributes"]["streamspan.state"] == "abandoned"


def test_metrics_of_running_streams_are_sent_before_the_process_dies() -> None:
    """What is known of them in numbers arrives too."""
    with Collector(takes_logs=True, takes_metrics=True) as collector:
        seen = partial(collector.wait_for_event, lambda event: True)
        ended = terminate(IN_THE_MAIN_THREAD, collector, once=seen, OTEL_METRICS_EXPORTER="otlp")

    outcomes = [point for point in collector.metrics()[-1] if point["metric"] == "streamspan.client.outcomes"]
    assert ended.returncode == -signal.SIGTERM
    assert [(point["value"], point["attributes"]["streamspan.outcome"]) for point in outcomes] == [(1, "abandoned")]


def test_switched_off() -> None:
    """Without ``flush_on_sigterm`` SIGTERM is not ours: the process dies at once, and nothing comes."""
    with Collector() as collector:
        ended = terminate(IN_THE_MAIN_THREAD, collector, STREAMSPAN_FLUSH_ON_SIGTERM="false")

    assert ended.returncode == -signal.SIGTERM
    assert collector.spans() == []


@pytest.mark.parametrize("program", [WITH_A_HANDLER, WITH_A_HANDLER_BEFORE_US], ids=["after us", "before us"])
def test_a_handler_of_the_program_is_left_alone(program: str) -> None:
    """A program that handles SIGTERM does so with us, too; its way out is an ordinary exit, and the stream arrives then."""
    with Collector() as collector:
        ended = terminate(program, collector)

    assert ended.stdout.endswith("mine\n")
    assert ended.returncode != -signal.SIGTERM  # CPython 3.13.0 crashes here by itself, as in test_distro
    assert [span["attributes"]["streamspan.preview"] for span in collector.spans()] == ["Hello"]


def test_backend_without_logs() -> None:
    """A backend that answers logs with 404 is asked once, and one line in the log says so; the span arrives all the same."""
    with Collector() as collector:
        interval = {"STREAMSPAN_PROGRESS_INTERVAL": "0.05", "OTEL_BLRP_SCHEDULE_DELAY": "10"}
        ended = terminate(IN_THE_MAIN_THREAD, collector, once=lambda: wait_until_refused(collector), **interval)

    assert collector.refused == ["/v1/logs"]
    assert ended.stderr.count("takes no logs (HTTP 404)") == 1
    assert "Failed to export" not in ended.stderr
    assert len(collector.spans()) == 1
