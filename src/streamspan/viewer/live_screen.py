"""`streamspan view --terminal`: calls as a live table while they run and after, and one of them in a panel."""

import io
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from streamspan.viewer import live_rows, screen
from streamspan.viewer.board import Board, Calls
from streamspan.viewer.call_panel import KEYS, call_panel, keys_panel
from streamspan.viewer.calls import Call, Row
from streamspan.viewer.database import StoreError
from streamspan.viewer.keys import keys
from streamspan.viewer.summary import call_of

BEAT: Final = 0.25
"""Seconds."""
_PAGE: Final = 10
_LEAST_PANEL: Final = 7
_LEAST_TABLE: Final = 12  # lines: with fewer, there is no room for a panel
_LINES_AROUND: Final = 6  # the titles and headings of the tables, the top and the foot


class LiveScreen:
    """The table of a terminal.

    Args:
        console: the terminal.
        board: what is shown.
        page: the page's URL.
        address: the same, without a token.
        told: what the user should know, the latest last.
    """

    def __init__(self, console: Console, board: Board, page: str, address: str = "", told: Sequence[str] = ()) -> None:
        self._console = console
        self._board = board
        self._page = page
        self._address = address or page
        self._told = told
        self._is_open = True
        self._is_explaining = False
        self._quits = False
        self._actions: dict[str, Callable[[], None]] = {
            **dict.fromkeys(("up", "k"), lambda: board.move(-1)),
            **dict.fromkeys(("down", "j"), lambda: board.move(1)),
            "page up": lambda: board.move(-_PAGE),
            "page down": lambda: board.move(_PAGE),
            **dict.fromkeys(("home", "g"), lambda: board.move(-len(board.calls.all))),
            **dict.fromkeys(("end", "G"), lambda: board.move(len(board.calls.all))),
            **dict.fromkeys(("p", "space"), board.pause),
            "enter": self._open,
            "escape": self._escape,
            "?": self._explain,
            "q": self._quit,
        }

    def run(self, stopped: threading.Event) -> None:
        """Draw until told to stop, or until `q` is pressed."""
        with _kept_apart(), keys(stopped) as wait, Live(console=self._console, auto_refresh=False, screen=True) as live:
            drawn: _Frame | None = None
            updated = 0.0
            while not (stopped.is_set() or self._quits):
                if time.monotonic() - updated >= BEAT:
                    self._board.update()
                    updated = time.monotonic()
                frame = self.frame()
                if drawn is None or frame.lines != drawn.lines:  # what has not changed is not written
                    live.update(frame, refresh=True)
                    drawn = frame
                for name in wait(BEAT):
                    self.press(name)

    def press(self, name: str) -> None:
        """A key: one that means nothing does nothing."""
        if action := self._actions.get(name):
            action()

    def frame(self) -> "_Frame":
        """What there is to see now, as lines of this terminal."""
        width, height = self._console.size
        options = self._console.options.update_dimensions(width, height)
        return _Frame(self._console.render_lines(Group(*self._parts(width, height)), options)[:height])

    # --- keys ---

    def _open(self) -> None:
        self._is_open = self._is_explaining or not self._is_open
        self._is_explaining = False

    def _escape(self) -> None:
        if not self._is_explaining:
            self._board.follow()
        self._is_explaining = False

    def _explain(self) -> None:
        self._is_explaining = not self._is_explaining

    def _quit(self) -> None:
        self._quits = True

    # --- what is drawn ---

    def _parts(self, width: int, height: int) -> Generator[RenderableType]:
        shown = self._board.calls
        panel = self._panel(width, height)
        rows = max(height - _LINES_AROUND - ((panel.height or 0) if panel else 0), 2)
        above = min(len(shown.running), max(rows // 2, rows - len(shown.finished)))
        selected = self._board.selected
        yield self._top(width)
        yield _title(f"{len(shown.running)} running")
        yield from live_rows.table(live_rows.RUNNING, shown.running, selected, width, above)
        yield _title(_finished(shown))
        yield from live_rows.table(live_rows.FINISHED, shown.finished, selected, width, rows - above)
        yield from [Text("")] * (rows - above - len(shown.finished))
        if panel:
            yield panel
        yield self._foot(width)

    def _top(self, width: int) -> Text:
        drawn = Text.assemble(("streamspan view", "bold"), (f" · {self._page}", "dim"), no_wrap=True)
        if self._board.is_paused:
            state = Text(f" paused, {self._board.unseen} new ", style="reverse yellow")
            drawn.truncate(width - state.cell_len, overflow="ellipsis", pad=True)
            return drawn.append_text(state)
        drawn.truncate(width, overflow="ellipsis")
        return drawn

    def _panel(self, width: int, height: int) -> Panel | None:
        """What is below the tables, if anything is."""
        room = height - _LEAST_TABLE
        if self._is_explaining:
            return keys_panel(min(len(KEYS) + 2, max(room, _LEAST_PANEL)))
        selected = self._board.selected
        if not self._is_open or selected is None or room < _LEAST_PANEL:
            return None
        try:
            detail = self._board.detail(selected)
        except StoreError:  # which is told of already
            detail = None
        lines = min(max(2 * height // 5, _LEAST_PANEL), room)
        return call_panel(self._console, selected, detail, self._address, width=width, height=lines)

    def _foot(self, width: int) -> Text:
        """The last thing that the user should know; else the keys."""
        keys_shown = "↑↓ select   enter panel   p pause   ? keys   q quit"
        drawn = Text(screen.line(self._told[-1]), style="yellow") if self._told else Text(keys_shown, style="dim")
        drawn.truncate(width, overflow="ellipsis")
        return drawn


class _Frame:
    """Lines that are ready to be written."""

    def __init__(self, lines: list[list[Segment]]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for place, line in enumerate(self.lines):
            if place:
                yield Segment.line()
            yield from line


def _title(text: str) -> Text:
    return Text(text, style="bold", no_wrap=True, overflow="ellipsis")


def _finished(shown: Calls) -> str:
    return f"{len(shown.finished)} finished · {screen.sums([call_of(found) for found in shown.finished])}"


@contextmanager
def _kept_apart() -> Generator[None]:
    """What others write to stderr meanwhile, which would be drawn over, and draw over us, is written when we have gone."""
    kept = io.StringIO()
    try:
        with redirect_stderr(kept):
            yield
    finally:
        sys.stderr.write(kept.getvalue())


def told(row: Row, call: Call) -> str:
    """A finished call in one plain line."""
    said = " ".join(screen.wrapped(call.preview[-screen.PREVIEW_CHARS :], 10_000))
    parts = (call.model, call.outcome, f"{row.seconds:.2f} s", screen.numbers(call), row.trace_id[:8], call.error, said[-200:])
    return " | ".join(screen.line(part) for part in parts if part)
