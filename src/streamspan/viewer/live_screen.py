"""`streamspan view --terminal`: calls as a live table while they run and after, or a line for each where there is no terminal."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamspan.viewer import screen
from streamspan.viewer.calls import Call, Row

_FINISHED: Final = 200
_RUNNING_LINES: Final = 8
_LEAST_HEIGHT: Final = 10


class LiveScreen:
    """The table of a terminal.

    Args:
        console: the terminal.
        running: the summaries of the calls that run.
        page: the page's URL.
    """

    def __init__(self, console: Console, running: Callable[[], Sequence[dict[str, Any]]], page: str) -> None:
        self._console = console
        self._running = running
        self._page = page
        self._finished: deque[Call] = deque(maxlen=_FINISHED)

    def ended(self, call: Call) -> None:
        """One more call has ended."""
        self._finished.append(call)

    def run(self, stopped: threading.Event) -> None:
        """Draw until told to stop."""
        with Live(get_renderable=self.drawn, console=self._console, refresh_per_second=4, screen=True):
            stopped.wait()

    def drawn(self) -> RenderableType:
        """What there is to see now."""
        running = self._running()
        shown = running[-_RUNNING_LINES:]
        height = max(self._console.height, _LEAST_HEIGHT)
        room = max(height - len(shown) - 12, 3)
        title = Text(f"{len(running)} running", style="bold")
        parts: list[RenderableType] = [Text(f"streamspan view · {self._page}", style="dim"), title, _running_table(shown)]
        if running:
            parts.append(_text(running[-1], self._console.width))
        parts.append(screen.table(list(self._finished)[-room:], "finished"))
        return Group(*parts)


def _running_table(calls: Sequence[dict[str, Any]]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "state", "elapsed", "first", "out", "cost", "text"):
        drawn.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1 if name == "text" else None)
    for found in calls:
        drawn.add_row(*_cells(found))
    return drawn


def _cells(found: dict[str, Any]) -> list[Text]:
    stalled = found["stalled_ms"]
    state = Text(f"stalled {stalled / 1e3:.0f} s", style="yellow") if stalled else Text(screen.line(str(found.get("state", ""))))
    first = found["time_to_first_content_ms"]
    return [
        Text(screen.line(found["model"]), style="bold"),
        state,
        Text(f"{found['duration_ms'] / 1e3:.1f} s"),
        Text("" if first is None else f"{first / 1e3:.2f} s"),
        Text("" if found["output_tokens"] is None else f"~{found['output_tokens']}"),
        Text("" if found["cost"] is None else f"~${found['cost']:.6f}"),
        Text(screen.line((found["preview"] or "")[-200:]), style="dim"),
    ]


def _text(found: dict[str, Any], width: int) -> RenderableType:
    """The text of the call that began last, as it grows."""
    lines = screen.wrapped(found["preview"] or "", width - 4)[-5:]
    return Panel(Text("\n".join(lines)), title=Text(screen.line(found["model"])), title_align="left", border_style="dim")


def told(row: Row, call: Call) -> str:
    """A finished call in one plain line."""
    said = " ".join(screen.wrapped(call.preview[-screen.PREVIEW_CHARS :], 10_000))
    parts = (call.model, call.outcome, f"{row.seconds:.2f} s", screen.numbers(call), row.trace_id[:8], call.error, said[-200:])
    return " | ".join(screen.line(part) for part in parts if part)
