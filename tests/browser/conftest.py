"""A real viewer, a real application and a real browser; without the browser its tests are skipped, which CI does not allow."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from browser import stored
from browser.processes import App, Viewer, running, viewing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
STORED: Final = 5000
TIMEOUT: Final = 15_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, one for all tests of a file: while it is there, an event loop of its own runs in the thread of the tests."""
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: apt-get install chromium, or the page is not tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def viewer(chromium: Browser) -> Iterator[Viewer]:
    """The viewer that most tests share."""
    with viewing() as started:
        yield started


@pytest.fixture(scope="module")
def app(viewer: Viewer) -> Iterator[App]:
    """The application that most tests share."""
    with running(viewer) as started:
        yield started


@pytest.fixture(scope="module")
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

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.errors.append(f"asked for {request.url}")


Opener: TypeAlias = "Callable[..., Page]"


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Opener]:
    """Opens pages, each as a visitor of its own; at the end none of them may have complained."""
    watched: list[Watched] = []
    with ExitStack() as stack:

        def open_one(
            url: str, *, width: int = 1360, height: int = 860, scheme: str = "light", allowed: tuple[str, ...] = ()
        ) -> Page:
            context = chromium.new_context(
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
