"""The lines of the live table: one for each call, as wide as the terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from streamspan.viewer import screen
from streamspan.viewer.board import Summary
from streamspan.viewer.summary import call_of

STALLED_MS: Final = 2000
_WIDE: Final = 110  # cells; with fewer, a terminal is narrow
_LEAST_TEXT: Final = 10
_TEXT_LOOKED_AT: Final = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the widths are in cells."""

    name: str
    width: int
    cell: Callable[[Summary], Text]
    narrow: int | None = None
    """The width in a terminal that is narrow."""
    is_right: bool = False
    is_extra: bool = False
    """Whether it is left out where the terminal is narrow."""


def table(columns: Sequence[Column], calls: Sequence[Summary], selected: Summary | None, width: int, rows: int) -> Iterator[Text]:
    """The heading, and at most so many rows, among them the selected one."""
    columns = [column for column in columns if width >= _WIDE or not column.is_extra]
    yield _heading(columns, width)
    place = next((place for place, found in enumerate(calls) if found is selected), 0)
    first = max(0, place - rows + 1)
    for found in calls[first : first + rows]:
        yield _row(columns, found, width, is_selected=found is selected)


def _heading(columns: Sequence[Column], width: int) -> Text:
    cells = (Text(column.name) for column in columns)
    drawn = _joined("  ", columns, cells, width)
    drawn.stylize("bold dim")
    return drawn


def _row(columns: Sequence[Column], found: Summary, width: int, *, is_selected: bool) -> Text:
    drawn = _joined("▸ " if is_selected else "  ", columns, (column.cell(found) for column in columns), width)
    if is_selected:
        drawn.stylize("reverse")
    return drawn


def _joined(mark: str, columns: Sequence[Column], cells: Iterator[Text], width: int) -> Text:
    """The cells beside each other; the last column takes what is left."""
    drawn = Text(mark, no_wrap=True, overflow="crop")
    gap = " " if width < _WIDE else "  "
    for column, cell in zip(columns[:-1], cells, strict=False):
        drawn.append_text(_fitted(column, cell, _width(column, width))).append(gap)
    room = width - drawn.cell_len
    if room >= _LEAST_TEXT:
        drawn.append_text(_fitted(columns[-1], next(cells), room))
    drawn.truncate(width, overflow="crop", pad=True)
    return drawn


def _width(column: Column, width: int) -> int:
    return column.width if width >= _WIDE or column.narrow is None else column.narrow


def _fitted(column: Column, cell: Text, width: int) -> Text:
    if cell.justify == "right" and cell.cell_len > width:  # its end is what counts
        cell.plain = f"…{_last(cell.plain, width - 1)}"
    cell.truncate(width, overflow="ellipsis")
    cell.align("right" if column.is_right else "left", width)
    return cell


def _last(text: str, width: int) -> str:
    """The end of the text that fits; a character may take two cells."""
    kept = text[-width:]
    while cell_len(kept) > width:
        kept = kept[1:]
    return kept


# --- cells -----------------------------------------------------------------------------------------------------------


def state(found: Summary) -> Text:
    """What a running call does: waits for its first chunk, speaks, or has stalled, and for how long."""
    silent = (found["stalled_ms"] or 0) + found["heard_ms_ago"]
    if found["state"] == "waiting":
        return Text("waiting", style="dim")
    if silent < STALLED_MS:
        return Text("running", style="green")
    return Text(f"stalled {silent / 1e3:.0f} s", style="yellow")


def lasted(milliseconds: float | None) -> str:
    """A time as it is read; empty if it is not known."""
    if milliseconds is None:
        return ""
    seconds = milliseconds / 1e3
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} m {int(seconds) % 60:02} s"


def elapsed(found: Summary) -> float:
    """Milliseconds that a call has taken, up to now if it runs."""
    return found["duration_ms"] + found.get("heard_ms_ago", 0)


def end(text: str) -> Text:
    """The end of what is said, in one line."""
    return Text(" ".join(screen.plain(text[-_TEXT_LOOKED_AT:]).split()), style="dim", justify="right")


def _model(found: Summary) -> Text:
    return Text(screen.line(found["model"]), style="bold")


def _outcome(found: Summary) -> Text:
    return screen.outcome(call_of(found))


def _elapsed(found: Summary) -> Text:
    return Text(lasted(elapsed(found)))


def _first(found: Summary) -> Text:
    return Text(lasted(found["time_to_first_content_ms"]))


def _rate(found: Summary) -> Text:
    return Text(screen.rate(call_of(found)))


def _input(found: Summary) -> Text:
    return Text(screen.input_tokens(call_of(found)))


def _output(found: Summary) -> Text:
    return Text(screen.output_tokens(call_of(found)))


def _cost(found: Summary) -> Text:
    return Text(screen.cost(call_of(found)))


def _service(found: Summary) -> Text:
    return Text(screen.line(found["service"] or ""))


def _time(found: Summary) -> Text:
    return Text(time.strftime("%H:%M:%S", time.localtime(found["started_ms"] / 1e3)), style="dim")


def _growing(found: Summary) -> Text:
    return end(found["preview"] or "")


def _said(found: Summary) -> Text:
    return Text(screen.line(found["error"]), style="red") if found["error"] else end(found["preview"] or "")


_TIME: Final = Column("time", 8, _time)
_MODEL: Final = Column("model", 26, _model, narrow=16)
_SERVICE: Final = Column("service", 14, _service, is_extra=True)
_FIRST: Final = Column("first", 7, _first, narrow=6, is_right=True)
_RATE: Final = Column("tok/s", 5, _rate, is_right=True)
_IN: Final = Column("in", 8, _input, is_right=True, is_extra=True)
_OUT: Final = Column("out", 7, _output, is_right=True, is_extra=True)
_COST: Final = Column("cost", 10, _cost, narrow=9, is_right=True)

RUNNING: Final = (
    _MODEL,
    Column("state", 14, state, narrow=13),
    _SERVICE,
    Column("elapsed", 8, _elapsed, narrow=7, is_right=True),
    _FIRST,
    _RATE,
    _OUT,
    _COST,
    Column("text", 0, _growing),
)
FINISHED: Final = (
    _TIME,
    _MODEL,
    Column("outcome", 9, _outcome),
    _SERVICE,
    Column("took", 8, _elapsed, narrow=7, is_right=True),
    _FIRST,
    _RATE,
    _IN,
    _OUT,
    _COST,
    Column("text", 0, _said),
)
