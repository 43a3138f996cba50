"""The files of the page, as they are installed: all there, nothing from elsewhere, and no way for a text to become HTML."""

import re
from importlib.resources import files
from typing import Final

import pytest

from streamspan.viewer.api import PAGE

OWN: Final = {path.name: path.read_text() for path in sorted(PAGE.iterdir()) if path.suffix in (".html", ".css", ".js", ".svg")}
SCRIPTS: Final = [name for name in OWN if name.endswith(".js")]
PARSES_TEXT: Final = r"\binnerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|document\.write|DOMParser|srcdoc|\beval\(|new Function|javascript:"
INLINE: Final = r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+="
ELSEWHERE: Final = r"(?:https?:)?//(?!www\.w3\.org/)[\w-]+\.\w+"


def test_all_there() -> None:
    """The package has the page, each of its modules, and the library that draws its charts with its licence."""
    page = files("streamspan.viewer") / "page"
    vendor = {path.name for path in (page / "vendor").iterdir()}
    assert {path.name for path in page.iterdir() if path.is_file()} == set(OWN)
    assert vendor == {"README.md", "uPlot.LICENSE", "uPlot.esm.js", "uPlot.min.css"}
    assert "MIT License" in (page / "vendor" / "uPlot.LICENSE").read_text()
    assert {"index.html", "app.css", "app.js"} <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_nothing_from_elsewhere(name: str) -> None:
    """Every file that one asks for is one of the package."""
    asked = re.findall(r"""(?:from|import\() ?"([^"]+)"|(?:href|src)="(/static/[^"]+)""", OWN[name])
    for found in map("".join, asked):
        assert (PAGE / found.removeprefix("/static/").removeprefix("./")).is_file(), found
    assert re.findall(ELSEWHERE, OWN[name]) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_stays_text(name: str) -> None:
    """Nothing in a script takes text for HTML or for a program."""
    assert re.findall(PARSES_TEXT, OWN[name]) == []


def test_nothing_inline() -> None:
    """No script and no style stands in the page itself, so that its policy can forbid all of them."""
    assert re.findall(INLINE, OWN["index.html"]) == []
