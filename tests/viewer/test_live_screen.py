"""The terminal's live table and panel: what they show, what the keys do, and that nothing is left behind."""

import json
import os
import re
import signal
import sys
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from streamspan import semconv
from streamspan.viewer.board import Board, Calls
from streamspan.viewer.keys import names
from streamspan.viewer.live_screen import LiveScreen

from arriving import START, ours, progress, span
from pseudo_terminal import PseudoTerminal, terminal
from viewing import Running, posted

BAD = "\x1b[2J\x1b]0;owned\x07\x9b31m[red]Lima\u202e\u200f"
LONG = "ünïcode 你好 👩‍👩‍👧 مرحبا " * 2000 + "x" * 100_000
VIEW = ["view", "--terminal", "--port", "0", "--db", ":memory:"]


def call(number: int, outcome: str = "completed", **more: Any) -> Any:
    """A finished call, later by its number."""
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": f"Answer {number}."}]}])
    asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"Question {number}?"}]}])
    found = ours(outcome, **{semconv.INPUT_MESSAGES: asked, semconv.OUTPUT_MESSAGES: said, **more})
    return span(found, span_id=f"{number:016x}", start=START + number * 1_000_000_000, failed=outcome == "failed")


def lines(screen: LiveScreen) -> list[str]:
    """What is drawn."""
    return ["".join(segment.text for segment in line).rstrip() for line in screen.frame().lines]


def selected(screen: LiveScreen) -> str:
    """The line that is marked."""
    [line] = [line for line in lines(screen) if line.startswith("▸")]
    return line


@pytest.fixture
def screen(viewer: Running) -> LiveScreen:
    """A screen that is not drawn anywhere."""
    return LiveScreen(Console(width=80, height=24, file=sys.stderr), Board(viewer.inbox), viewer.page)


def sized(screen: LiveScreen, width: int, height: int) -> LiveScreen:
    """The same in another window."""
    screen._console.size = (width, height)  # pyright: ignore[reportAttributeAccessIssue]
    screen._board.update()
    return screen


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10), (20, 4)])
def test_fits(viewer: Running, screen: LiveScreen, width: int, height: int) -> None:
    """Whatever the texts and however many calls, the lines are as many as the window has, and as wide at the most."""
    for number in range(1, 30):
        viewer.send(call(number, model=LONG[:2000], **{semconv.USER_ID: LONG[:900], semconv.ERROR_TYPE: LONG[:900]}))
    for number in range(30):
        viewer.send(progress(LONG, 1000, 2, "stalled", span_id=f"f{number:015x}"))
    sized(screen, width, height)
    for key in ("", "down", "page down", "end", "?", "?", "enter"):
        screen.press(key)
        drawn = lines(screen)
        assert len(drawn) <= height
        assert max(map(cell_len, drawn)) <= width
    assert height < 10 or "30 running" in drawn


def test_what_it_shows(viewer: Running, screen: LiveScreen) -> None:
    """Running calls with their text and how long they have stalled, finished ones below, the newest first; one in the panel."""
    viewer.send(progress("In Peru", 1000, 2))
    viewer.send(progress(BAD, 2000, 2, "stalled", span_id="c" * 16))
    priced = {semconv.COST_TOTAL: 0.5, semconv.USAGE_OUTPUT_TOKENS: 7, semconv.TAGS: ["eu"], semconv.USER_ID: "ann"}
    viewer.send(call(1, "failed", **priced, **{semconv.ERROR_TYPE: f"overloaded {BAD}"}))
    viewer.send(call(2, model="gpt-5"))
    drawn = lines(sized(screen, 160, 40))
    assert "2 running" in drawn
    assert "2 finished · in 0 · out 7 · $0.500000" in drawn
    text = "\n".join(drawn)
    for shown in (viewer.page, "In Peru", "[red]Lima", "stalled 3 s", "overloaded [red]Lima"):
        assert shown in text, text
    assert text.index("gpt-5") < text.index("overloaded")
    assert not set(BAD) - set("[]2J0;owned31mredLima") & set(text)
    screen.press("end")
    panel = "\n".join(lines(screen)).partition("╭")[2]
    for shown in ("failed", "out 7 · $0.500000", "user ann · tags eu", "Question 1?", "Answer 1.", "overloaded", f"/{1:016x}"):
        assert shown in panel, panel


def test_selection_and_pause(viewer: Running, screen: LiveScreen) -> None:
    """A call stays selected while others come, and while it ends; paused, nothing moves, what comes is counted; escape follows again."""
    for number in (1, 2, 3):
        viewer.send(call(number, model=f"m{number}"))
    assert "m3" in selected(sized(screen, 80, 24))
    for keys, wanted in (("j", "m2"), ("jjj", "m1"), ("kkkk", "m3"), ("k", "m3"), ("j", "m2")):
        for key in keys:
            screen.press(key)
        assert wanted in selected(screen)
    screen.press("p")
    viewer.send(call(4, model="m4"))
    before = lines(screen)
    screen._board.update()
    assert (lines(screen)[1:], "paused, 1 new" in lines(screen)[0]) == (before[1:], True)
    screen.press("p")
    assert "m2" in selected(screen)
    assert any("m4" in line for line in lines(screen))
    screen.press("escape")
    assert "m4" in selected(screen)
    viewer.send(progress("Still at it", 1000, 2))
    screen._board.update()
    assert "Still at it" in selected(screen)
    screen.press("p")
    viewer.send(span(ours(model="ended")))
    screen._board.update()
    assert "Still at it" in selected(screen)
    screen.press("p")
    assert "ended" in selected(screen)
    viewer.request("DELETE", "/api/calls", x_streamspan="1")
    screen._board.update()
    assert screen._board.calls == Calls([], [])
    screen.press("j")
    assert not any(line.startswith("▸") for line in lines(screen))


def test_calls_of_before_are_there(viewer: Running) -> None:
    """What is stored is shown from the beginning; a call that was lost is what its span says, once that comes."""
    viewer.send(call(1, model="before"))
    board = Board(viewer.inbox)
    assert [found["model"] for found in board.calls.finished] == ["before"]
    viewer.send(progress("", 0, 1, "aborted", span_id=f"{1:015x}f"))
    viewer.send(span(ours("completed"), span_id=f"{1:015x}f"))
    board.update()
    assert [found["outcome"] for found in board.calls.finished] == ["completed", "completed"]


def test_panel_opens_and_closes(viewer: Running, screen: LiveScreen) -> None:
    """Enter closes the panel and opens it; ? shows the keys in its place; what the user should know is in the last line."""
    viewer.send(call(1))
    sized(screen, 80, 24)
    told = [("enter", False, False), ("enter", True, False), ("?", True, True), ("enter", True, False), ("?", True, True)]
    for key, is_open, explains in [*told, ("escape", True, False), ("x", True, False)]:
        screen.press(key)
        drawn = "\n".join(lines(screen))
        assert ("╭" in drawn, "these keys" in drawn) == (is_open, explains), key
    screen._told = [f"forwarding: {BAD}"]
    assert lines(screen)[-1] == "forwarding: [red]Lima"


@pytest.mark.parametrize(
    ("pressed", "wanted"),
    [
        (b"jk\x1b[A\x1bOB\r\n", ["j", "k", "up", "down", "enter", "enter"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~ ", ["page up", "page down", "home", "end", "space"]),
        (b"\x1b[1;5C\x1b[200~\xc3\xa4\x00\x01?", ["?"]),
    ],
)
def test_keys(pressed: bytes, wanted: list[str]) -> None:
    """Keys have names, in whichever of its ways a terminal tells of them; what is unknown is nothing."""
    assert names(pressed) == wanted


# --- in a terminal ---------------------------------------------------------------------------------------------------


def page(shown: PseudoTerminal) -> str:
    """The page's address, once the table is there."""
    return re.findall(r"http://[\d.]+:\d+", shown.shows(lambda screen: "0 finished" in screen))[0]


def test_in_a_terminal() -> None:
    """Texts grow, keys select and pause, the window changes its size, q ends it: and the terminal is as it was."""
    with terminal([sys.executable, "-m", "streamspan.cli", *VIEW]) as shown:
        address = page(shown)
        posted(address, progress("In Peru", 1000, 2))
        shown.shows(lambda screen: "1 running" in screen and "In Peru" in screen)
        posted(address, progress(f"In Peru {BAD}", 1500, 3))
        posted(address, call(1, model="older"))
        posted(address, call(2, model="newer"))
        shown.shows(lambda screen: "[red]Lima" in screen and "2 finished" in screen)
        shown.type("j\x1b[B")
        assert "Answer 1." in shown.shows(lambda screen: re.search("^▸.*older", screen, re.MULTILINE))
        shown.type("p")
        shown.shows(lambda screen: "paused" in screen)
        shown.resize(200, 40)
        wide = shown.shows(lambda screen: max(map(cell_len, screen.splitlines())) == 200 and "q quit" in screen)
        assert {cell_len(line) for line in wide.splitlines() if line.startswith(("╭", "│", "╰"))} == {200}
        assert re.search("^▸.*older", wide, re.MULTILINE)
        assert not re.search("\x1b\\]|\x07|\x9b|\u202e|\x1b\\[2J", shown.written)
        shown.type("q")
        assert shown.ended() == 0
        assert shown.rest == ""


RAISES = """
import sys
from streamspan import cli
from streamspan.viewer.board import Board
Board.move = lambda *_: 1 / 0
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("ending", "code"), [("\x03", 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0), ("j", 1)])
def test_endings(ending: str | signal.Signals, code: int) -> None:
    """Ctrl-C, SIGTERM, SIGHUP, an exception: the terminal is as it was, and only the exception is told."""
    with terminal([sys.executable, "-c", RAISES, *VIEW]) as shown:
        page(shown)
        if isinstance(ending, str):
            shown.type(ending)
        else:
            os.kill(shown.process.pid, ending)
        assert shown.ended() == code
        assert ("ZeroDivisionError" in shown.rest) == bool(code), shown.rest
