"""``streamspan budget``: how budgets stand, what was spent under them, and forgetting it."""

import argparse
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamspan.budgets.ledger import Balance, Ledger


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    budget = commands.add_parser("budget", help="show how budgets stand, export what was spent, or reset it")
    actions = budget.add_subparsers(title="actions", required=True, metavar="{list,show,reset,export}")

    _action(actions, "list", "every budget, as it stands now", _list)

    show = _action(actions, "show", "one budget, with what was spent in each of its periods", _show)
    show.add_argument("key", help="such as project:search, user:u-1 or global")

    reset = _action(actions, "reset", "forget what was spent under a key, in all of its periods", _reset)
    reset.add_argument("key", help="such as project:search, user:u-1 or global")
    reset.add_argument("--period", type=_period, help="only this one, such as month, or month@Europe/Berlin (default: all)")
    reset.add_argument("--yes", action="store_true", help="do not ask")

    export = _action(actions, "export", "all that was spent, by budget and period", _export)
    export.add_argument("--format", choices=("csv", "json"), default="csv", help="default: %(default)s")
    export.add_argument("--output", metavar="FILE", help="where to write it (default: here)")


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    run: Callable[["Ledger", argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.add_argument(
        "--store",
        metavar="URL",
        help="sqlite:///path, redis://, rediss://, unix:// or postgresql:// (default: STREAMSPAN_BUDGET_STORE, or your own file)",
    )
    parser.set_defaults(run=partial(_with_ledger, run))
    return parser


def _period(text: str) -> str:
    from streamspan.budgets.periods import parse
    from streamspan.errors import BudgetError

    try:
        parse(text)
    except BudgetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


# --- the store ---


def _with_ledger(run: "Callable[[Ledger, argparse.Namespace], int]", arguments: argparse.Namespace) -> int:
    from streamspan.budgets.ledger import StoreError
    from streamspan.errors import BudgetError

    try:
        with _ledger(arguments.store) as ledger:
            return run(ledger, arguments)
    except (BudgetError, StoreError) as error:
        return _fail(str(error))
    except BrokenPipeError:  # whoever reads us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextmanager
def _ledger(given: str | None) -> "Generator[Ledger]":
    from streamspan.budgets.stores import STORE, open_ledger, sqlite_path
    from streamspan.errors import BudgetError

    url = given or os.environ.get(STORE)
    if (path := sqlite_path(url)) and not path.exists():
        msg = f"there is no budget store {path} yet"
        raise BudgetError(msg)
    ledger = open_ledger(url, timeout=10)
    try:
        yield ledger
    finally:
        ledger.close()


def _fail(message: str) -> int:
    print(f"streamspan budget: {message}", file=sys.stderr)
    return 1


# --- the actions ---


def _list(ledger: "Ledger", _: argparse.Namespace) -> int:
    from streamspan.budgets.overview import standing

    balances = standing(ledger.all(), _now())
    if not balances:
        print("No budget has been used yet.")
        return 0
    _print_table(balances)
    return 0


def _show(ledger: "Ledger", arguments: argparse.Namespace) -> int:
    from streamspan.budgets.overview import standing

    balances = [balance for balance in ledger.all() if balance.key == arguments.key]
    if not balances:
        return _fail(f"nothing is recorded for {_plain(arguments.key)}")
    _print_table(standing(balances, _now()))
    print()
    rows = [(*_window(one), _dollars(one.spent), _dollars(one.reserved), str(one.calls)) for one in balances]
    for line in _columns([("PERIOD", "FROM", "UNTIL", "SPENT", "RESERVED", "CALLS"), *rows], right={3, 4, 5}):
        print(line)
    return 0


def _reset(ledger: "Ledger", arguments: argparse.Namespace) -> int:
    from streamspan.budgets.periods import is_at

    key, wanted = arguments.key, arguments.period
    found = [one for one in ledger.all() if one.key == key and (wanted is None or is_at(one.period, wanted))]
    if not found:
        return _fail(f"nothing is recorded for {_plain(key)}{f' by {wanted}' if wanted else ''}")
    periods = ", ".join(dict.fromkeys(one.period for one in found))
    if not arguments.yes and not _confirmed(f"Forget what was spent under {_plain(key)} ({periods})?"):
        return _fail("nothing was reset")
    count = ledger.reset(key, wanted)
    print(f"Reset {_plain(key)} ({periods}): forgot {count} period{'' if count == 1 else 's'}.")
    return 0


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        print(f"{question} Say --yes.", file=sys.stderr)
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _export(ledger: "Ledger", arguments: argparse.Namespace) -> int:
    from streamspan.budgets import export

    text = {"csv": export.csv, "json": export.json}[arguments.format](ledger.all())
    if not arguments.output:
        sys.stdout.write(text)
        return 0
    try:
        with open(arguments.output, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        return _fail(f"cannot write {arguments.output}: {error.strerror}")
    return 0


# --- what is shown ---

_HEADER = ("BUDGET", "PERIOD", "", "SPENT", "RESERVED", "REMAINING", "LIMIT", "RESETS AT")
_RIGHT = {3, 4, 5, 6}
_WIDTH = 20


def _print_table(balances: "list[Balance]") -> None:
    rows = [_row(balance) for balance in balances]
    lines = list(_columns([_HEADER, *rows], _RIGHT))
    show = (sys.stdout.isatty() and _rich()) or _print_plain
    show(lines[0], "", "bold")
    for line, row, balance in zip(lines[1:], rows, balances, strict=True):
        show(line, row[2], _colour(balance))


def _print_plain(line: str, _bar: str, _style: str) -> None:
    print(line)


def _row(balance: "Balance") -> tuple[str, ...]:
    amounts = (balance.spent, balance.reserved, balance.remaining, balance.limit)
    resets_at = f"{balance.resets_at:%Y-%m-%d %H:%M %Z}" if balance.resets_at else "never"
    return _plain(balance.key), balance.period, _bar(balance), *map(_dollars, amounts), resets_at


def _bar(balance: "Balance") -> str:
    """What is spent, held and left, in a line; in plain characters, where the terminal knows no others."""
    full, half, empty = "█▒░" if (sys.stdout.encoding or "").lower().startswith("utf") else "#=."
    # From the left, so that it is full when nothing is left; a limit of nothing is reached at once.
    marks = [min(round(_WIDTH * amount / balance.limit), _WIDTH) if balance.limit else _WIDTH for amount in _steps(balance)]
    return full * marks[0] + half * (marks[1] - marks[0]) + empty * (_WIDTH - marks[1])


def _steps(balance: "Balance") -> tuple[int, int]:
    return balance.spent, balance.spent + balance.reserved


def _colour(balance: "Balance") -> str:
    used = sum((balance.spent, balance.reserved))
    return "red" if used >= balance.limit else "yellow" if used * 5 >= balance.limit * 4 else "green"


def _rich() -> "Callable[[str, str, str], None] | None":
    """How to print a line with a part of it in a style, or all of it; ``None`` if rich is not installed."""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return None
    console = Console(highlight=False)

    def show(line: str, part: str, style: str) -> None:
        text = Text(line)
        begin = line.rfind(part) if part else 0
        text.stylize(style, begin, begin + len(part or line))
        console.print(text, soft_wrap=True)  # a column that is cut would show another amount

    return show


def _columns(rows: list[tuple[str, ...]], right: set[int]) -> Iterator[str]:
    """The rows with their columns in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _window(balance: "Balance") -> tuple[str, str, str]:
    zone = balance.resets_at.tzinfo if balance.resets_at else UTC
    begins = f"{datetime.fromtimestamp(balance.bucket, zone):%Y-%m-%d %H:%M}" if balance.bucket else "ever"
    return balance.period, begins, f"{balance.resets_at:%Y-%m-%d %H:%M %Z}" if balance.resets_at else "for ever"


def _dollars(amount: int) -> str:
    """Cents, or as many decimals as make a difference."""
    from streamspan.budgets.ledger import NANO

    dollars, rest = divmod(amount, NANO)
    decimals = f"{rest:09d}"
    return f"${dollars:,}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _plain(text: str) -> str:
    """``text`` without what would change the terminal: users can be called anything."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def _now() -> float:
    return datetime.now(UTC).timestamp()
