"""What a budget can be, and which accounts a call counts against."""

import copy
import pickle
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from streamspan.budgets.budget import Budget, accounts
from streamspan.budgets.ledger import NANO, Account, nano, usd
from streamspan.errors import BudgetError, BudgetExceededError

NOW = datetime(2026, 11, 21, 20, 15, tzinfo=UTC)
NOVEMBER = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def test_a_budget_opens_an_account() -> None:
    """With all that a ledger needs to know."""
    assert Budget("project:a", "1.50").accounts(NOW, {"project": "a"}) == [
        Account("project:a", "month", NOVEMBER, NOVEMBER, DECEMBER, 1_500_000_000)
    ]


@pytest.mark.parametrize(
    ("key", "who", "keys"),
    [
        ("global", {}, ["global"]),
        ("project:a", {"project": "a"}, ["project:a"]),
        ("project:a", {"project": ["b", "a"]}, ["project:a"]),
        ("project:a", {"project": "ab"}, []),
        ("project:a", {"user": "a"}, []),
        ("project:a", {}, []),
        ("tag:*", {"tag": ["x", "y", "x", ""]}, ["tag:x", "tag:y"]),
        ("user:*", {"user": "a:b*"}, ["user:a:b*"]),
        ("user:*", {"user": ()}, []),
        ("user:a:b", {"user": "a:b"}, ["user:a:b"]),
        ("user:*", {"user": "nul\0 and \ud800"}, ["user:nul\ufffd and ?"]),
        ("model:*", {"model": ("gpt-5", "gpt-5-2026")}, ["model:gpt-5", "model:gpt-5-2026"]),
    ],
)
def test_a_call_counts_where_its_names_are(key: str, who: Mapping[str, Any], keys: list[str]) -> None:
    """Each one of a kind has an account of its own under ``*``; odd names are made such as every store can keep."""
    assert [account.key for account in Budget(key, 1).accounts(NOW, who)] == keys


def test_long_names_stay_different() -> None:
    """What no store could index is cut, and ends in a digest of all of it."""
    first, second = (Budget("user:*", 1).accounts(NOW, {"user": "x" * 5000 + end})[0].key for end in "ab")
    assert first != second
    assert len(first) == len(second) < 230


def test_the_next_window_is_another_account() -> None:
    """Also of a budget that has been asked before; and back, for a clock that was put back."""
    budget = Budget("global", 1, "day")
    days = [budget.accounts(NOW + timedelta(days=day), {})[0] for day in (0, 1, 1, 0)]
    assert [account.since for account in days] == [days[0].since + day * 86400 for day in (0, 1, 1, 0)]
    assert days[1] is days[2]


def test_a_crowd_does_not_fill_the_memory() -> None:
    """A budget for each user remembers some thousand accounts, not all."""
    budget = Budget("user:*", 1)
    for number in range(3000):
        assert budget.accounts(NOW, {"user": str(number)})[0].key == f"user:{number}"
    assert len(budget._now[1]) <= 1024


@pytest.mark.parametrize("limit", [0.1, "0.1", Decimal("0.1"), " 0.1 "])
def test_a_limit_is_what_its_text_says(limit: Any) -> None:
    """A tenth is a tenth, however it is written."""
    assert Budget("global", limit).limit == Decimal("0.1")
    assert Budget("global", limit).nano == NANO // 10
    assert Budget("global", limit) == Budget("global", "0.1")


BAD: list[tuple[dict[str, Any], str]] = [
    *(({"limit": value}, "limit: ") for value in (-1, "-0.01", float("nan"), float("inf"), "NaN", "sNaN", "five", "", None, True, [1], 10**5000, "1e999999", 4_611_686_019)),
    *(({"key": value}, "key: ") for value in ("", "project", "project:", "project: ", "team:a", "GLOBAL", "global:a", None, 3)),
    *(({"period": value}, "period: ") for value in ("fortnight", "rolling-0h", None)),
    *(({"tz": value}, "tz: ") for value in ("Mars/Olympus", "", None)),
    *(({"on_exceed": value}, "on_exceed: ") for value in ("explode", None, ["block"])),
    *(({"when_stopped": value}, "when_stopped: ") for value in ("explode", None)),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "says"), BAD)
def test_what_cannot_be_is_refused(bad: dict[str, Any], says: str) -> None:
    """One clear error names the field and the value, whatever it is."""
    with pytest.raises(BudgetError) as caught:
        Budget(**cast("dict[str, Any]", {"key": "global", "limit": 1, **bad}))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_limit_of_nothing_is_one() -> None:
    """It blocks everything; minus zero is zero."""
    assert Budget("global", 0).nano == Budget("global", -0.0).nano == 0


def test_who_is_named_has_the_limit_that_names_him() -> None:
    """Of two budgets for one key and period the one with the name wins, and else the first; other periods count beside it."""
    named, each, again = Budget("user:a", 5), Budget("user:*", 1), Budget("user:a", 9)
    daily = Budget("user:*", "0.5", "day")
    found = accounts([each, named, again, daily], NOW, {"user": "a"})
    assert {(account.period, account.limit // 10**8): budget for account, budget in found.items()} == {
        ("month", 50): named,
        ("day", 5): daily,
    }
    assert list(accounts([each, named], NOW, {"user": "b"}).values()) == [each]


def test_a_budget_is_a_value() -> None:
    """It compares, can be a key, be copied, changed and pickled, also after it was used."""
    budget = Budget("user:*", 1, "day", "Europe/Berlin", on_exceed="stop")
    budget.accounts(NOW, {"user": "a"})
    copies = [copy.deepcopy(budget), pickle.loads(pickle.dumps(budget)), replace(budget, limit=1)]  # noqa: S301
    assert {budget, *copies} == {budget}
    assert replace(budget, limit=2) != budget
    assert repr(budget) == (
        "Budget(key='user:*', limit=Decimal('1'), period='day', tz='Europe/Berlin', on_exceed='stop', when_stopped='end')"
    )


@pytest.mark.parametrize(
    ("dollars", "amount"), [("0.00345", 3_450_000), ("0.0000000375", 38), ("0.0000000365", 36), ("5e20", 2**62 - 1), ("0", 0)]
)
def test_money_is_whole_nano_dollars(dollars: str, amount: int) -> None:
    """Rounded to the nearest, half to even."""
    assert nano(Decimal(dollars)) == amount


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0"), (1, "1E-9"), (10 * NANO, "10"), (2**53 + 1, "9007199.254740993"), (1_500_000_000, "1.5")]
)
def test_amounts_are_shown_in_dollars(amount: int, text: str) -> None:
    """Exactly, and without zeros at the end."""
    assert str(usd(amount)) == text


def test_an_exceeded_budget_says_all() -> None:
    """The error knows which budget, how it stands and until when, also after it went through a pickle."""
    error = BudgetExceededError("project:a", Decimal(5), Decimal("4.5"), Decimal("0.4"), DECEMBER)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.key, again.limit, again.spent, again.reserved, again.resets_at) == (
        "project:a",
        5,
        Decimal("4.5"),
        Decimal("0.4"),
        DECEMBER,
    )
    assert str(again) == "the budget project:a is used up, until 2026-12-01 00:00 UTC: 4.5 spent and 0.4 reserved of 5 US dollars"
