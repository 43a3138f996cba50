"""The panel below the live table: one call, with its numbers, its error and the end of its conversation; or the keys."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamspan.viewer import export, screen
from streamspan.viewer.board import Summary
from streamspan.viewer.live_rows import elapsed, lasted, state
from streamspan.viewer.summary import call_of

KEYS: Final = (
    ("↑ ↓ or k j", "the call above, the one below"),
    ("page up, page down", "ten calls further"),
    ("home, end", "the first call, the last"),
    ("esc", "select none: the newest call is shown"),
    ("enter", "open the panel, close it"),
    ("p or space", "pause, and go on: the selection stays"),
    ("?", "these keys"),
    ("q or Ctrl-C", "quit"),
)
_FRAME: Final = 4  # cells that its border and padding take
_LINES_OF_AN_ERROR: Final = 3


def call_panel(
    console: Console, found: Summary, detail: Mapping[str, Any] | None, address: str, *, width: int, height: int
) -> Panel:
    """One call, in so many lines."""
    room = width - _FRAME
    told = _wrapped(console, _numbers(found), room) + _wrapped(console, _names(found), room, "dim")
    told += _wrapped(console, screen.line(found["error"] or ""), room, "red")[:_LINES_OF_AN_ERROR]
    told = told[: height - 3]
    rest = max(height - 2 - len(told), 0)
    said = list(islice(_said(console, found, detail, room), rest))[::-1]
    title = Text.assemble(" ", (screen.line(found["model"]), "bold"), "  ", _state(found), " ")
    link = Text(f" {address}/calls/{found['trace_id']}/{found['span_id']} ", style="dim")
    shown = link if link.cell_len <= room else None
    body = Group(*told, *said)
    return Panel(body, title=title, title_align="left", subtitle=shown, subtitle_align="right", border_style="dim", height=height)


def keys_panel(height: int) -> Panel:
    """What the keys do."""
    drawn = Table.grid(padding=(0, 3))
    for names, what in KEYS:
        drawn.add_row(Text(names, style="bold"), Text(what))
    return Panel(drawn, title=Text(" keys "), title_align="left", border_style="dim", height=height)


def _state(found: Summary) -> Text:
    return state(found) if found["outcome"] == "running" else screen.outcome(call_of(found))


def _numbers(found: Summary) -> str:
    call = call_of(found)
    further = (
        found["chunks"] and f"{found['chunks']:,} chunks",
        found["longest_gap_ms"] and f"longest gap {lasted(found['longest_gap_ms'])}",
    )
    return " · ".join((lasted(elapsed(found)), screen.numbers(call), *filter(None, further)))


def _names(found: Summary) -> str:
    named = [
        f"{name} {screen.line(str(found[field]))}"
        for name, field in (("service", "service"), ("user", "user_id"), ("session", "session_id"), ("project", "project"))
        if found[field]
    ]
    tags = [f"tags {screen.line(', '.join(found['tags']))}"] if found["tags"] else []
    return " · ".join([*named, *tags, f"trace {found['trace_id']}"])


def _said(console: Console, found: Summary, detail: Mapping[str, Any] | None, width: int) -> Iterator[Text]:
    """The lines of the conversation, the last one first: as many as are asked for, however long it is."""
    messages = [*detail["input"], *detail["output"]] if detail else []
    if not messages:
        messages = [{"role": "assistant", "parts": [{"type": "text", "content": found["preview"] or ""}]}]
    for message in reversed(messages):
        role, text = export.spoken(message)
        shown = _wrapped(console, screen.plain(text[-_LOOKED_AT:]).strip("\n"), width)
        yield from reversed(shown)
        if shown:
            yield Text(f"{screen.line(role)}:", style="bold cyan")


_LOOKED_AT: Final = 20_000  # characters of a message, which is more than a terminal shows


def _wrapped(console: Console, text: str, width: int, style: str = "") -> list[Text]:
    """Lines that fit, none if there is nothing to say; a word that is too long is divided."""
    return list(Text(text, style=style).wrap(console, width, overflow="fold", tab_size=4)) if text else []
