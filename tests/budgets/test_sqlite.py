"""What is special about the ledger in a file: the file, its mode, and what can be wrong with it."""

import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Denied, Lease, Settlement
from streamspan.budgets.sqlite import SqliteLedger

ACCOUNT = Budget("project:a", 1).accounts(datetime.now(UTC), {"project": "a"})[0]
CENT = NANO // 100


def test_a_call_is_reserved_and_settled(tmp_path: Path) -> None:
    """What is held counts until it is settled, and then what it has cost."""
    ledger = SqliteLedger(tmp_path / "deep" / "budgets.sqlite3")
    lease = ledger.reserve([ACCOUNT], 60 * CENT, 60)
    assert isinstance(lease, Lease)
    assert ledger.reserve([ACCOUNT], 60 * CENT, 60) == Denied(ACCOUNT, 0, 60 * CENT)
    second = ledger.reserve([ACCOUNT], 60 * CENT, 60, [Settlement(lease, 30 * CENT)])
    assert isinstance(second, Lease)
    [balance] = ledger.balances([ACCOUNT])
    assert (balance.spent, balance.reserved, balance.calls, balance.remaining) == (30 * CENT, 60 * CENT, 1, 10 * CENT)
    assert ledger.extend(second, 10 * CENT, 60) == replace(second, amount=70 * CENT)
    ledger.settle([Settlement(second, 0, calls=0)])
    assert ledger.all() == ledger.balances([ACCOUNT]) == [replace(balance, reserved=0)]
    ledger.close()


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Names of projects and users are in the file, in its folder, and in what SQLite puts beside it."""
    ledger = SqliteLedger(tmp_path / "deep" / "budgets.sqlite3")
    ledger.reserve([ACCOUNT], 1, 60)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "deep", *(tmp_path / "deep").iterdir()]}
    assert modes == {"deep": 0o700, "budgets.sqlite3": 0o600, "budgets.sqlite3-wal": 0o600, "budgets.sqlite3-shm": 0o600}
    ledger.close()
