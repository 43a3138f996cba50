"""What a person sees of a backend: its pages in a headless browser, and pictures of them where somebody asks for them."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS: Final = os.environ.get("SCREENSHOTS")
PATIENCE: Final = 60_000
"""Milliseconds; pages of several megabytes on a busy machine."""


@contextmanager
def browser_page() -> Generator["Page"]:
    """An empty page, light as those of the other pictures; without a browser the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: apt-get install chromium, or the pages are not tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def picture(page: "Page", name: str) -> None:
    """Kept in the folder named by SCREENSHOTS."""
    if SCREENSHOTS:
        page.wait_for_timeout(2000)  # until what slides in has stopped
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
