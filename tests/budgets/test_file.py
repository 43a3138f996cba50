"""Budgets that stand in a file."""

from decimal import Decimal
from pathlib import Path

import pytest

from streamspan.budgets.budget import Budget
from streamspan.budgets.file import load, merged
from streamspan.errors import BudgetError

GOOD = """
[[budget]]
key = "project:search"
limit = 0.1
period = "day"
tz = "Europe/Berlin"
on_exceed = "stop"
when_stopped = "raise"

[[budget]]
key = "user:*"
limit = "2.50"
"""


def test_a_file_has_budgets(tmp_path: Path) -> None:
    """With all that a budget can be; a number is what its text says."""
    (tmp_path / "budgets.toml").write_text(GOOD)
    assert load(tmp_path / "budgets.toml") == (
        Budget("project:search", Decimal("0.1"), "day", "Europe/Berlin", on_exceed="stop", when_stopped="raise"),
        Budget("user:*", Decimal("2.5")),
    )


def test_a_file_may_have_none(tmp_path: Path) -> None:
    """It is no error to have nothing to say."""
    (tmp_path / "budgets.toml").write_text("# later\n")
    assert load(tmp_path / "budgets.toml") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[budget]\n", "Expected ']]'"),
        ('[budget]\nkey = "global"', "write [[budget]], with two brackets: there can be many"),
        ("budget = [3]", "budget 1 has no key"),
        ("[[budgets]]", "'budgets' is not known; budgets are [[budget]] tables"),
        (f"{GOOD}[[budget]]\nkey = 'global'", "budget 3 has no limit"),
        (
            "[[budget]]\nkey = 'global'\nlimit = 1\nmonth = true",
            "budget 1: 'month' is none of key, limit, period, tz, on_exceed, when_stopped",
        ),
        ("[[budget]]\nkey = 'global'\nlimit = nan", "budget 1: limit: Decimal('NaN') is not a number of US dollars"),
        ("[[budget]]\nkey = 'global'\nlimit = 1\nperiod = 'fortnight'", "budget 1: period: 'fortnight' is none of"),
        (f"{GOOD}{GOOD}", "budget 3 is for 'project:search' by 'day@Europe/Berlin', as budget 1 is"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    """One line with the file, the budget and the field."""
    (tmp_path / "budgets.toml").write_text(text)
    with pytest.raises(BudgetError) as caught:
        load(tmp_path / "budgets.toml")
    assert str(caught.value).startswith(f"budgets in {tmp_path / 'budgets.toml'}: {says}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for name, says in (("missing", "No such file"), (".", "Is a directory"), ("binary", "'utf-8' codec can't decode")):
        with pytest.raises(BudgetError, match=says):
            load(tmp_path / name)


def test_the_code_has_the_last_word() -> None:
    """Of two budgets for one key and period that of the code holds; another period or time zone is another budget."""
    code = [Budget("global", 1), Budget("user:*", 2, "day")]
    others = (Budget("user:*", 3), Budget("user:*", 4, "day", "Asia/Tokyo"))
    assert merged(code, [Budget("global", 5), *others]) == (*code, *others)
