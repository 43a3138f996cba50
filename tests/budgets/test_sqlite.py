"""What is special about the ledger in a file: the file, its mode, and what can be wrong with it."""

import os
import sqlite3
import stat
import time
import traceback
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Denied, Lease, Settlement, StoreError
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


# --- what can be wrong ---------------------------------------------------------------------------------------------------


def fails(path: Path, timeout: float = 1.0) -> str:
    """What the error says of a store at ``path``, in one line."""
    ledger = SqliteLedger(path, timeout)
    with pytest.raises(StoreError) as caught:
        ledger.reserve([ACCOUNT], CENT, 60)
    ledger.close()
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"the budget store {path} cannot be used: ")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """Nor is there one under a file."""
    (tmp_path / "file").write_text("x")
    assert fails(tmp_path) == "it is a folder, not a file"
    assert fails(tmp_path / "file" / "budgets.sqlite3") in ("Not a directory", "File exists")


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Text, a database of another program, and a newer one of ours: nothing is written to them."""
    text, other, newer = (tmp_path / name for name in ("text", "other", "newer"))
    text.write_text("This is not a database, and longer than the header of one. " * 9)
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE things (name)")
    SqliteLedger(newer).all()
    with closing(sqlite3.connect(newer)) as db:
        db.execute("PRAGMA user_version = 2")
    before = [path.read_bytes() for path in (text, other)]
    assert fails(text) == "it is no SQLite database, or damaged"
    assert fails(other) == "it is a database of another program"
    assert fails(newer) == "its schema has version 2, and this streamspan knows version 1"
    assert [path.read_bytes() for path in (text, other)] == before


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Where SQLite finds out only while it reads."""
    path = tmp_path / "budgets.sqlite3"
    ledger = SqliteLedger(path)
    ledger.reserve([ACCOUNT], CENT, 60)
    ledger.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert fails(path) == "it is damaged"


def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path) -> None:
    """What did not fit has not happened, and who called can hand it in again."""
    ledger = SqliteLedger(tmp_path / "budgets.sqlite3")
    held = ledger.reserve([ACCOUNT], 60 * CENT, 60)
    assert isinstance(held, Lease)
    assert ledger._db is not None
    pages: int = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    many = [replace(ACCOUNT, key=f"project:{'x' * 190}{number}") for number in range(200)]
    settlements = [Settlement(held, CENT), Settlement(Lease("0" * 30, tuple(many), 0), CENT)]
    with pytest.raises(StoreError, match="the disk is full"):
        ledger.settle(settlements)
    assert [(one.spent, one.reserved) for one in ledger.balances([ACCOUNT])] == [(0, 60 * CENT)]
    ledger.settle(settlements)
    assert [(one.spent, one.reserved) for one in ledger.balances([ACCOUNT, many[-1]])] == [(CENT, 0), (CENT, 0)]
    ledger.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of threads that other tests have left
@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_a_file_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    """Also for root, whom a mode does not stop: then somebody else tries."""
    path = tmp_path / "budgets.sqlite3"
    ledger = SqliteLedger(path)
    ledger.all()
    ledger.close()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        if child := os.fork():
            assert os.waitpid(child, 0)[1] == 0
            return
        try:
            if os.geteuid() == 0:
                os.chdir(tmp_path)
                os.setuid(65534)
                path = Path("budgets.sqlite3")
            read_only = SqliteLedger(path)
            with pytest.raises(StoreError, match=r"it is read-only|it cannot be opened|Permission denied"):
                read_only.reserve([ACCOUNT], CENT, 60)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    finally:
        tmp_path.chmod(0o755)


def test_another_process_is_waited_for_only_so_long(tmp_path: Path) -> None:
    """Then the call goes on without the store."""
    path = tmp_path / "budgets.sqlite3"
    SqliteLedger(path).all()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert fails(path, timeout=0.05) == "another process has been writing to it for 0.05 seconds"


def test_a_file_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """What is written goes where others see it, and not into the file that is gone."""
    ledger, other = (SqliteLedger(tmp_path / "budgets.sqlite3") for _ in range(2))
    lease = ledger.reserve([ACCOUNT], 60 * CENT, 60)
    assert isinstance(lease, Lease)
    for path in tmp_path.iterdir():
        path.unlink()
    ledger.settle([Settlement(lease, CENT)])
    assert [(one.key, one.limit, one.spent, one.reserved) for one in other.all()] == [(ACCOUNT.key, NANO, CENT, 0)]
    ledger.close()
    other.close()


def test_a_clock_that_is_off_costs_no_money(tmp_path: Path) -> None:
    """An hour fast it gives back early what others hold; what they have cost is spent all the same."""
    now = [time.time()]
    right = SqliteLedger(tmp_path / "budgets.sqlite3", clock=lambda: now[0])
    fast = SqliteLedger(tmp_path / "budgets.sqlite3", clock=lambda: now[0] + 3600)
    lease = right.reserve([ACCOUNT], 60 * CENT, 60)
    other = fast.reserve([ACCOUNT], 60 * CENT, 60)
    assert isinstance(lease, Lease)
    assert isinstance(other, Lease)
    fast.settle([Settlement(other, 60 * CENT)])
    right.settle([Settlement(lease, 50 * CENT)])
    [balance] = right.balances([ACCOUNT])
    assert (balance.spent, balance.reserved) == (110 * CENT, 0)
    right.close()
    fast.close()
