"""`streamspan demo` as it is typed: its page stays in a terminal, until Ctrl-C, and elsewhere it ends by itself."""

import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from streamspan import cli
from streamspan.demo import tour

from pseudo_terminal import terminal
from viewing import read

SHORT = """
import functools, pathlib, sys
from streamspan import cli
from streamspan.demo import tour
tour.PROGRAMS = (sys.argv[1],)
tour.tour = functools.partial(tour.tour, pace=0)
if not (pathlib.Path(sys.argv[1]).parent == pathlib.Path()):
    tour.program = pathlib.Path
sys.exit(cli.main(["demo"]))
"""
DEMO = [sys.executable, "-c", SHORT, "own_spans.py"]


@pytest.mark.timeout(120)
def test_stays_in_a_terminal() -> None:
    """The page that was announced at the beginning is there at the end, with the calls; Ctrl-C ends all with 0."""
    with terminal(DEMO, columns=120) as shown:
        shown.shows(lambda _: "The page stays until Ctrl-C" in shown.written)
        [live, stays] = re.findall(r"(?:live|Ctrl-C): (http://\S+)", shown.written)
        assert live == stays
        assert read(live, "/api/calls")["total"] > 1
        shown.type("\x03")
        assert shown.ended() == 0


@pytest.mark.timeout(120)
def test_ctrl_c_under_way(tmp_path: Path) -> None:
    """While a program runs, Ctrl-C ends it and the demonstration, with 130."""
    (tmp_path / "slow.py").write_text("import time; print('here', flush=True); time.sleep(60)")
    with terminal([*DEMO[:-1], str(tmp_path / "slow.py")], columns=120) as shown:
        shown.shows(lambda _: "┊ here" in shown.written)
        shown.type("\x03")
        assert shown.ended() == 130


def test_ends_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it does not stay."""
    told: list[bool] = []

    def toured(_: Console, *, live: bool, stay: bool) -> int:
        told.append(stay)
        return 3

    monkeypatch.setattr(tour, "tour", toured)
    assert (cli.main(["demo"]), told) == (3, [False])
