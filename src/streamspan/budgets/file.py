"""Budgets in a TOML file: ``[[budget]]`` tables with what `Budget` takes."""

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

from streamspan.budgets.budget import Budget
from streamspan.errors import BudgetError

_FIELDS: Final = ("key", "limit", "period", "tz", "on_exceed", "when_stopped")
_NEEDED: Final = ("key", "limit")


def load(path: str | PathLike[str]) -> tuple[Budget, ...]:
    """The budgets in a file.

    Raises:
        BudgetError: If it cannot be read, or one of them cannot be, or there are two for one key and period.
    """
    found = [_budget(path, number, table) for number, table in enumerate(_tables(path), 1)]
    slots = [budget.slot for budget in found]
    for number, slot in enumerate(slots, 1):
        if (first := slots.index(slot) + 1) < number:
            raise _bad(path, f"budget {number} is for {slot[0]!r} by {slot[1]!r}, as budget {first} is")
    return tuple(found)


def merged(code: Iterable[Budget], file: Iterable[Budget]) -> tuple[Budget, ...]:
    """All budgets; where both have one for the same key and period, that of the code holds."""
    ours = tuple(code)
    slots = {budget.slot for budget in ours}
    return (*ours, *(budget for budget in file if budget.slot not in slots))


def _tables(path: str | PathLike[str]) -> list[object]:
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise _bad(path, str(error)) from error
    tables = content.pop("budget", [])
    if content:
        raise _bad(path, f"{next(iter(content))!r} is not known; budgets are [[budget]] tables")
    if not isinstance(tables, list):
        raise _bad(path, "write [[budget]], with two brackets: there can be many")
    return cast("list[object]", tables)


def _budget(path: str | PathLike[str], number: int, table: object) -> Budget:
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", table) if isinstance(table, Mapping) else {}
    if unknown := [name for name in fields if name not in _FIELDS]:
        raise _bad(path, f"budget {number}: {unknown[0]!r} is none of {', '.join(_FIELDS)}")
    if lacking := [name for name in _NEEDED if name not in fields]:
        raise _bad(path, f"budget {number} has no {lacking[0]}")
    try:
        return Budget(**fields)
    except BudgetError as error:
        raise _bad(path, f"budget {number}: {error}") from None


def _bad(path: str | PathLike[str], why: str) -> BudgetError:
    return BudgetError(f"budgets in {path}: {why}")
