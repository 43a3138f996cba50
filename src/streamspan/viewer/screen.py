"""How rows look in a terminal. Every string of a span is hostile here: it reaches the terminal only through `plain`."""

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from streamspan import semconv
from streamspan.viewer.calls import Call, Row

PREVIEW_LINES: Final = 3
PREVIEW_CHARS: Final = 1000

_LONGEST: Final = 10_000  # characters looked at, of names that can be as long as a request

_COLOURS: Final = {
    "completed": "green",
    "truncated": "yellow",
    "aborted": "cyan",
    "abandoned": "magenta",
    "cancelled": "blue",
    "failed": "red",
}
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f]).*?(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
# The other control characters, and those that turn the direction of the text or hide it.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def plain(text: str) -> str:
    """The text without escape sequences and control characters; lines and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def card(row: Row, call: Call, width: int = 80) -> RenderableType:
    """One finished call: how it ended, its numbers, its last lines."""
    lines = [_headline(row, call)]
    lines.extend(Text(f"  {part}") for part in wrapped(numbers(call), width - 2))
    lines.extend(Text(f"  {part}", style="red") for part in wrapped(line(call.error), width - 2))
    lines.extend(
        Text.assemble(("  │ ", "dim"), part) for part in wrapped(call.preview[-PREVIEW_CHARS:], width - 4)[-PREVIEW_LINES:]
    )
    return Group(*lines, "")


def aside(said: str, width: int = 80) -> RenderableType:
    """A line that another program printed, set apart from ours."""
    return Text("\n".join(f"┊ {part}" for part in wrapped(said[:_LONGEST], width - 2)) or "┊", style="dim")


def tree(trace: Sequence[Row]) -> RenderableType:
    """The spans of one trace under their parents, oldest first; spans whose parent is not there stand beside the roots."""
    known = {row.span_id: row for row in trace}
    children: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(trace, key=lambda row: row.start_ns):
        children[row.parent_id if row.parent_id in known else ""].append(row)
    drawn = Tree(Text(f"trace {trace[0].trace_id}", style="dim"), guide_style="dim")
    waiting = [(drawn, row) for row in reversed(children[""])]
    while waiting:
        above, row = waiting.pop()
        branch = above.add(_span_line(row, orphan=bool(row.parent_id) and row.parent_id not in known))
        waiting.extend((branch, child) for child in reversed(children[row.span_id]))
    return Group(drawn, "")


def table(calls: Iterable[Call], title: str = "") -> RenderableType:
    """All calls, one line each, and what they cost together."""
    calls = list(calls)
    drawn = Table(title=title or None, title_justify="left", show_footer=True, box=None, pad_edge=False, header_style="bold")
    drawn.add_column("model", footer=f"{len(calls)} calls", overflow="ellipsis")
    drawn.add_column("outcome", no_wrap=True)
    for name, footer in _columns(calls):
        drawn.add_column(name, footer=footer, justify="right", no_wrap=True)
    for call in calls:
        numbers = (_seconds(call), rate(call), input_tokens(call), output_tokens(call), _count(call.cached_tokens), cost(call))
        drawn.add_row(line(call.model), outcome(call), *numbers)
    return drawn


def _columns(calls: Sequence[Call]) -> list[tuple[str, str]]:
    return [
        ("first", ""),
        ("tok/s", ""),
        ("in", _count(sum(call.input_tokens or 0 for call in calls))),
        ("out", _count(sum(call.output_tokens or 0 for call in calls))),
        ("cached", _count(sum(call.cached_tokens or 0 for call in calls))),
        ("cost", _money(sum(call.cost or 0 for call in calls))),
    ]


# --- pieces ----------------------------------------------------------------------------------------------------------


def line(text: str) -> str:
    """Hostile text for a place that has one line."""
    return " ".join(plain(text[:_LONGEST]).split())[:200]


def outcome(call: Call) -> Text:
    """How it ended, in its colour."""
    return Text(line(call.outcome), style=_COLOURS.get(call.outcome, "white"))


def _headline(row: Row, call: Call) -> Text:
    colour = _COLOURS.get(call.outcome, "white")
    what = Text.assemble(("● ", colour), (line(call.model), "bold"), "  ", outcome(call))
    where = "  ".join(filter(None, (f"{row.seconds:.2f} s", line(row.service), row.trace_id[:8])))
    return what.append(f"  {where}", style="dim")


def numbers(call: Call) -> str:
    """What can be counted of a call, in a line."""
    facts = (
        call.first_content_ms is not None and f"first content {_seconds(call)}",
        call.tokens_per_second is not None and f"{rate(call)} tok/s",
        call.input_tokens is not None and f"in {input_tokens(call)}",
        call.output_tokens is not None and f"out {output_tokens(call)}",
        call.cached_tokens and f"cached {_count(call.cached_tokens)}",
        call.reasoning_tokens and f"reasoning {_count(call.reasoning_tokens)}",
        cost(call),
    )
    return " · ".join(fact for fact in facts if fact) or "no numbers"


def sums(calls: Sequence[Call]) -> str:
    """What calls have used and cost together, in a line."""
    used = (("in", sum(call.input_tokens or 0 for call in calls)), ("out", sum(call.output_tokens or 0 for call in calls)))
    return " · ".join([*(f"{name} {_count(count)}" for name, count in used), _money(sum(call.cost or 0 for call in calls))])


def wrapped(text: str, width: int) -> list[str]:
    """Hostile text as lines that fit; empty ones are left out."""
    return [part for each in plain(text).expandtabs(4).split("\n") for part in textwrap.wrap(each, max(width, 20))]


def _span_line(row: Row, *, orphan: bool) -> Text:
    drawn = Text(line(row.name), style="red" if row.failed else "")
    if row.call:
        drawn.append("  ").append_text(outcome(row.call))
    drawn.append(f"  {row.seconds:.2f} s", style="dim")
    return drawn.append("  (its parent has not arrived)", style="dim") if orphan else drawn


def _seconds(call: Call) -> str:
    return "" if call.first_content_ms is None else f"{call.first_content_ms / 1000:.2f} s"


def rate(call: Call) -> str:
    """Tokens per second; empty if they are not known."""
    return "" if call.tokens_per_second is None else f"{call.tokens_per_second:.0f}"


def input_tokens(call: Call) -> str:
    """Empty if they are not known."""
    return _estimated(call, call.input_tokens, semconv.USAGE_INPUT_TOKENS)


def output_tokens(call: Call) -> str:
    """Empty if they are not known."""
    return _estimated(call, call.output_tokens, semconv.USAGE_OUTPUT_TOKENS)


def _estimated(call: Call, count: int | None, attribute: str) -> str:
    """The count, with a tilde if it is our estimate and not the provider's word."""
    field = attribute.rpartition(".")[2]
    return f"~{_count(count)}" if count is not None and field in call.estimated else _count(count)


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def cost(call: Call) -> str:
    """Dollars; that there is no price; empty if nothing is known."""
    return "unpriced" if call.unpriced else "" if call.cost is None else _money(call.cost)


def _money(dollars: float) -> str:
    return f"${dollars:.6f}" if dollars < 1 else f"${dollars:,.2f}"
