"""What is printed beside everything else, and cannot hold it up."""

import io
import threading
from collections.abc import Sequence

from rich.console import Console

from streamspan.viewer.calls import Call, Row
from streamspan.viewer.printer import MOST, Printer
from streamspan.viewer.terminal import Terminal


def row(number: int) -> Row:
    """A call."""
    return Row(f"{number:032x}", f"{number:016x}", "", "chat", "shop", 0, 1, False, Call("chat", f"m{number}", "completed"))


def test_terminal_that_stands_still() -> None:
    """Nobody waits for it; what is too much is counted, and told once it goes on; at the end all is shown that waits."""
    goes_on, stands_still, shown, told = threading.Event(), threading.Event(), list[str](), list[int]()

    def show(rows: Sequence[Row]) -> None:
        stands_still.set()
        goes_on.wait(20)
        shown.extend(row.call.model for row in rows if row.call)

    printer = Printer(show, told.append)
    printer.put([row(0)])
    assert stands_still.wait(20)
    printer.put([row(number) for number in range(1, MOST + 4)])
    assert not shown
    goes_on.set()
    printer.close()
    assert (told, shown) == ([3], ["m0", *(f"m{number}" for number in range(4, MOST + 4))])


def test_many_at_once() -> None:
    """Of many calls that come together some are printed, and how many the others are."""
    file = io.StringIO()
    terminal = Terminal(Console(file=file, width=80), at_once=2)
    terminal.show([row(number) for number in range(1002)])
    assert [line.split("  ")[0] for line in file.getvalue().splitlines() if line[:1] in {"●", "…"}] == [
        "● m0",
        "● m1",
        "… 1,000 more: see the page",
    ]
