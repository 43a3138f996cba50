"""A real viewer, a real application and a real browser; without the browser its tests are skipped, which CI does not allow."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import pytest

from loopback import DONE, Loopback, Piece, Reply, Request, openai_chunk, openai_usage, sse

from browser import stored

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install --group browser")
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request as Asked, sync_playwright  # noqa: E402

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
BIN: Final = Path(sys.executable).parent
STORED: Final = 5000
TIMEOUT: Final = 15_000


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
    answers: dict[str, Sequence[Piece]] = field(default_factory=dict[str, Sequence[Piece]])

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
        first = process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, first
        reading = threading.Thread(target=process.stdout.read)
        reading.start()
        try:
            yield Viewer(found[0].rstrip("/"), process)
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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; one for all tests."""
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: apt-get install chromium, or the page is not tested")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def viewer(chromium: Browser) -> Iterator[Viewer]:
    """The viewer that most tests share."""
    with viewing() as started:
        yield started


@pytest.fixture(scope="session")
def app(viewer: Viewer) -> Iterator[App]:
    """The application that most tests share."""
    with running(viewer) as started:
        yield started


@pytest.fixture(scope="session")
def week(viewer: Viewer) -> Viewer:
    """The viewer with 5,000 calls of the last seven days."""
    stored.store(viewer.url, STORED)
    return viewer


@dataclass
class Watched:
    """What a page must not do: complain, and ask for anything elsewhere."""

    origin: str
    errors: list[str] = field(default_factory=list[str])
    allowed: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        """From now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in self.allowed):
            self.errors.append(message.text)

    def _asked(self, request: Asked) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.errors.append(f"asked for {request.url}")


Opener = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Opener]:
    """Opens pages, each as a visitor of its own; at the end none of them may have complained."""
    watched: list[Watched] = []
    with ExitStack() as stack:

        def open_one(url: str, *, width: int = 1360, height: int = 860, scheme: str = "light", allowed: tuple[str, ...] = ()) -> Page:
            context: BrowserContext = chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # pyright: ignore[reportArgumentType]
                reduced_motion="reduce",
                permissions=["clipboard-read", "clipboard-write"],
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(TIMEOUT)
            watched.append(Watched("/".join(url.split("/")[:3]), allowed=allowed))
            watched[-1].watch(page)
            page.goto(url)
            return page

        yield open_one
    assert [each.errors for each in watched] == [[] for _ in watched]
