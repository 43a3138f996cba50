"""The processes that the tests of the page start: the viewer, an application, and the provider that it asks."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from loopback import DONE, Loopback, Piece, Reply, Request, openai_chunk, openai_usage, sse

BIN: Final = Path(sys.executable).parent


@dataclass
class Viewer:
    """``streamspan view`` as a process."""

    url: str
    process: subprocess.Popen[str]

    def ask(self, path: str) -> Any:
        """What it answers, as JSON."""
        with urlopen(f"{self.url}{path}", timeout=30) as answer:
            return json.load(answer)


@dataclass
class App:
    """An application whose calls go to a provider on loopback, and whose spans and events go to the viewer."""

    process: subprocess.Popen[str]
    answers: dict[str, Sequence[Piece]]

    def ask(self, text: str, pieces: Sequence[Piece], model: str = "gpt-4o-mini", **who: Any) -> None:
        """Have it ask; the provider answers with these pieces."""
        self.answers[text] = pieces
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"text": text, "model": model, "who": who}) + "\n")
        self.process.stdin.flush()


def says(*words: str | threading.Event, usage: bool = True) -> list[Piece]:
    """A streamed answer; an event between two words is a wait for it."""
    pieces: list[Piece] = [sse(None, openai_chunk({"role": "assistant", "content": ""}))]
    pieces += [word if isinstance(word, threading.Event) else sse(None, openai_chunk({"content": word})) for word in words]
    pieces.append(sse(None, openai_chunk({}, finish="stop")))
    return [*pieces, *([sse(None, openai_chunk(None, usage=openai_usage(31, 12, cached=16)))] if usage else []), DONE]


@contextmanager
def viewing(port: int = 0) -> Generator[Viewer]:
    """A viewer, until the block ends."""
    command = [BIN / "streamspan", "view", "--port", str(port), "--db", ":memory:"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        while not (found := re.search(r"http://[\w.:]+", said[-1])):
            assert said[-1], said
            said.append(process.stdout.readline())
        reading = threading.Thread(target=process.stdout.read)
        reading.start()
        try:
            yield Viewer(found[0], process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
            reading.join()


@contextmanager
def running(viewer: Viewer) -> Generator[App]:
    """The application, until the block ends."""
    answers: dict[str, Sequence[Piece]] = {}

    def answer(request: Request) -> Reply:
        return Reply(body=answers[request.json["messages"][-1]["content"]])

    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": viewer.url,
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_PYTHON_DISTRO": "streamspan",
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "STREAMSPAN_PROGRESS_INTERVAL": "0.1",
        "STREAMSPAN_CAPTURE_STREAM_CHUNKS": "true",
    }
    with Loopback(answer) as provider:
        command = [BIN / "opentelemetry-instrument", sys.executable, Path(__file__).with_name("app.py"), f"{provider.url}/v1"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment) as process:
            try:
                yield App(process, answers)
            finally:
                process.kill()
