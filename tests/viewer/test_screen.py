import io
from collections.abc import Iterable

import pytest
from rich.console import Console, RenderableType

from streamspan.viewer import screen
from streamspan.viewer.calls import Call, Row

FULL = Call(
    operation="chat",
    model="claude-sonnet-4-6",
    outcome="aborted",
    first_content_ms=412,
    tokens_per_second=48.51,
    input_tokens=5161,
    output_tokens=34,
    cached_tokens=4929,
    reasoning_tokens=8,
    estimated=frozenset({"output_tokens"}),
    cost=0.00277,
    preview="A first line.\n\nA second, which is so long that it has to be wrapped when the terminal is eighty wide.\nA third.",
)


def row(call: Call | None, name: str = "chat", span_id: str = "1", parent_id: str = "", start: int = 0) -> Row:
    """A span of the one trace here."""
    return Row("0af7651916cd43dd8448eb211c80319c", span_id, parent_id, name, "shop", start, start + 1_500_000_000, False, call)


def drawn(renderable: RenderableType, width: int = 80) -> list[str]:
    """The lines as a file gets them."""
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False, emoji=False, legacy_windows=False).print(renderable)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def card(call: Call, width: int = 80) -> list[str]:
    """The lines of its card."""
    return drawn(screen.card(row(call), call, width), width)


def test_card() -> None:
    """A call is its ending, its numbers and its last lines; what is estimated has a tilde."""
    assert card(FULL) == [
        "● claude-sonnet-4-6  aborted  1.50 s  shop  0af76519",
        "  first content 0.41 s · 49 tok/s · in 5,161 · out ~34 · cached 4,929 ·",
        "  reasoning 8 · $0.002770",
        "  │ A second, which is so long that it has to be wrapped when the terminal is",
        "  │ eighty wide.",
        "  │ A third.",
        "",
    ]


def test_card_of_a_failure() -> None:
    """A failed call shows its error, and no number it does not have."""
    failed = Call("chat", "gpt-4.1", "failed", error="rate_limit_exceeded: slow\ndown", unpriced=True)
    assert card(failed) == [
        "● gpt-4.1  failed  1.50 s  shop  0af76519",
        "  unpriced",
        "  rate_limit_exceeded: slow down",
        "",
    ]


def test_card_without_numbers() -> None:
    """A call of which nothing is known says so."""
    assert card(Call("chat", "m", "abandoned")) == ["● m  abandoned  1.50 s  shop  0af76519", "  no numbers", ""]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[H\x1b[?1049hgone", "gone"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\rest", "rest"),
        ("\x1bcreset", "reset"),
        ("bell\x07 back\x08 return\r nul\x00 del\x7f", "bell back return nul del"),
        ("\u202eright to left\u2066\u200b", "right to left"),
        ("unfinished \x1b[", "unfinished "),
        ("[bold]markup[/bold] :smile:", "[bold]markup[/bold] :smile:"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("ñ 你好 👍", "ñ 你好 👍"),
    ],
)
def test_plain(hostile: str, shown: str) -> None:
    """No escape sequence and no control character reaches the terminal; markup is text."""
    assert screen.plain(hostile) == shown


def test_hostile_call() -> None:
    """Whatever field the bad characters are in, only ours are printed."""
    bad = "\x1b[31m[red]x\x07"
    call = Call(bad, bad, bad, error=bad, preview=bad)
    hostile = Row("0af7651916cd43dd8448eb211c80319c", "1", "2", bad, bad, 0, 0, True, call)
    assert drawn(screen.card(hostile, call)) == [
        "● [red]x  [red]x  0.00 s  [red]x  0af76519",
        "  no numbers",
        "  [red]x",
        "  │ [red]x",
        "",
    ]
    assert drawn(screen.tree([hostile])) == [
        "trace 0af7651916cd43dd8448eb211c80319c",
        "└── [red]x  [red]x  0.00 s  (its parent has not arrived)",
        "",
    ]
    assert drawn(screen.aside(bad)) == ["┊ [red]x"]
    assert drawn(screen.table([call]))[1] == "[red]x   [red]x"


def test_long_preview() -> None:
    """Only the end of a long answer is shown."""
    long = Call(
        "chat", "m", "completed", preview="start " * 10_000 + "one two three four five six seven eight nine ten eleven twelve"
    )
    assert card(long, width=40)[1:] == [
        "  no numbers",
        "  │ start start start start start start",
        "  │ start one two three four five six",
        "  │ seven eight nine ten eleven twelve",
        "",
    ]


def test_endless_name() -> None:
    """A name of a megabyte, all of it unfinished escape sequences, is cut before it is looked through."""
    assert drawn(screen.aside("\x1b]" * 500_000 + "x")) == ["┊"]


def test_tree() -> None:
    """Spans stand under their parents, oldest first, in whatever order they came."""
    trace = [
        row(Call("chat", "m", "completed"), "chat m", "c", "root", start=2),
        row(None, "POST", "http", "b", start=1),
        row(Call("chat", "m", "failed"), "chat m", "b", "root", start=1),
        row(None, "checkout", "root"),
    ]
    assert drawn(screen.tree(trace)) == [
        "trace 0af7651916cd43dd8448eb211c80319c",
        "└── checkout  1.50 s",
        "    ├── chat m  failed  1.50 s",
        "    │   └── POST  1.50 s",
        "    └── chat m  completed  1.50 s",
        "",
    ]


def test_tree_with_a_missing_parent() -> None:
    """A span whose parent has not arrived is shown beside the roots."""
    trace = [row(None, "root", "root"), row(Call("chat", "m", "completed"), "chat m", "a", "lost")]
    assert drawn(screen.tree(trace)) == [
        "trace 0af7651916cd43dd8448eb211c80319c",
        "├── root  1.50 s",
        "└── chat m  completed  1.50 s  (its parent has not arrived)",
        "",
    ]


def chain(length: int) -> Iterable[Row]:
    """A span in a span in a span."""
    return (row(None, "step", str(number), str(number - 1) if number else "") for number in range(length))


@pytest.mark.parametrize(
    "trace", [list(chain(2000)), [row(None, "a", "a", "b"), row(None, "b", "b", "a")], [row(None, "a", "a", "a")]]
)
def test_tree_of_any_shape(trace: list[Row]) -> None:
    """A trace as deep as it may be, and one whose spans are each other's parents, are drawn without harm."""
    assert drawn(screen.tree(trace))[0] == "trace 0af7651916cd43dd8448eb211c80319c"


def test_table() -> None:
    """One line for each call and the sums; an unknown number is blank, an unknown price is said."""
    calls = [FULL, Call("chat", "my-own-model", "completed", input_tokens=10, output_tokens=0, unpriced=True)]
    assert drawn(screen.table(calls)) == [
        "model              outcome     first  tok/s     in  out  cached       cost",
        "claude-sonnet-4-6  aborted    0.41 s     49  5,161  ~34   4,929  $0.002770",
        "my-own-model       completed                    10    0           unpriced",
        "2 calls                                      5,171   34   4,929  $0.002770",
    ]


def test_money() -> None:
    """Small amounts keep six places, large ones two."""
    calls = [Call("chat", "m", "completed", cost=1234.5), Call("chat", "m", "completed", cost=0.000001)]
    assert [line.split()[-1] for line in drawn(screen.table(calls))[1:]] == ["$1,234.50", "$0.000001", "$1,234.50"]
