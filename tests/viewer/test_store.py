"""The store's file: bounds, restarts, and everything that can be wrong with it."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streamspan.viewer import database, queries
from streamspan.viewer.calls import Row, rows
from streamspan.viewer.database import StoreError, default_path
from streamspan.viewer.queries import Query
from streamspan.viewer.store import Bounds, Store

from arriving import SPAN, START, TRACE, ours, span

DAY = 86400 * 10**9


def row(number: int = 1, start: int = START, size: int = 0) -> Row:
    """A finished call."""
    return next(rows(span(ours(text="x" * size), span_id=f"{number:016x}", trace_id=f"{number:032x}", start=start)))


def stored(store: Store) -> list[int]:
    """The numbers of the calls that are there, latest first."""
    return [int(found["span_id"], 16) for found in queries.calls(store, Query.of({}))["calls"]]


def test_restart(tmp_path: Path) -> None:
    """What was kept is there again, and only this user can read it."""
    path = tmp_path / "new" / "view.db"
    first = Store(str(path))
    first.add([row(1)])
    first.close()
    again = Store(str(path))
    assert stored(again) == [1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again.close()


def test_two_viewers_on_one_file(tmp_path: Path) -> None:
    """Both write, both see all."""
    one, other = Store(str(tmp_path / "view.db")), Store(str(tmp_path / "view.db"))
    one.add([row(1)])
    other.add([row(2)])
    assert stored(one) == stored(other) == [2, 1]
    one.close()
    other.close()


def test_bounds() -> None:
    """The oldest go: over the number, over the age; and with them what belongs to them."""
    store = Store(":memory:", Bounds(calls=3, days=2))
    store.add([row(9, START - 3 * DAY), *(row(number, START + number) for number in range(5))])
    store.prune()
    assert stored(store) == [4, 3, 2]
    assert store.select("SELECT count(*) FROM contents") == [(3,)]
    store.close()


def test_size_is_bounded(tmp_path: Path) -> None:
    """Over the size, the oldest calls go, and the file shrinks."""
    store = Store(str(tmp_path / "view.db"), Bounds(bytes=400_000))
    noise = [next(rows(span({"a": 1}, name="GET", span_id=f"{number + 1:016x}"))) for number in range(500)]
    random = os.urandom(20_000).hex()
    for number in range(1, 41):
        store.add(
            [next(rows(span(ours(text=random[number:]), span_id=f"{number:016x}", trace_id="11" * 16, start=START + number)))]
        )
    store.add(noise)
    store.prune()
    assert store.size() <= 400_000
    left = stored(store)
    assert left == list(range(40, 40 - len(left), -1))
    assert 3 < len(left) < 40
    assert store.select("SELECT count(*) FROM spans WHERE NOT is_call") == [(0,)]  # what is near no call went first
    store.close()
    assert (tmp_path / "view.db").stat().st_size <= 600_000


@pytest.mark.parametrize("damage", [b"this is no database, and never was" * 100, None])
def test_damaged_file(tmp_path: Path, damage: bytes | None) -> None:
    """A file that is no database, or a broken one, is moved aside and said so; nothing is deleted."""
    path = tmp_path / "view.db"
    if damage is None:
        store = Store(str(path))
        store.add([row(number, size=3000) for number in range(100)])
        store.close()
        whole = path.read_bytes()
        damage = whole[:8192] + os.urandom(len(whole) - 8192)
    path.write_bytes(damage)
    said: list[str] = []
    store = Store(str(path), say=said.append)
    store.add([row(1)])
    assert stored(store) == [1]
    store.close()
    [aside] = [each for each in tmp_path.glob("view.db.damaged-*") if not each.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == damage
    assert said == [f"{path} is damaged; it was moved to {aside}, and a new file begins"]


def test_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another program holds is one clear message, at the start and later; afterwards it goes on."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    path = str(tmp_path / "view.db")
    said: list[str] = []
    store = Store(path, say=said.append)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for _ in range(2):
        with pytest.raises(StoreError, match="is locked by another program"):
            store.add([row(1)])
    assert said == [f"{path} is locked by another program: end it, or take another file with --db"]
    holder.execute("COMMIT")
    holder.close()
    store.add([row(1)])
    assert stored(store) == [1]
    store.close()


def test_file_of_a_later_version(tmp_path: Path) -> None:
    """It is left alone."""
    path = tmp_path / "view.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=f"{path} was made by a later version of streamspan"):
        Store(str(path))


@pytest.mark.parametrize("path", ["/proc/streamspan/view.db", "/dev/null/view.db"])
def test_place_that_cannot_be_written(path: str) -> None:
    """It is one clear message with the way out."""
    with pytest.raises(StoreError, match=r"cannot be written .* take another file with --db"):
        Store(path)


FULL = """
import resource, sys
from arriving import *
from streamspan.viewer.store import Store
from streamspan.viewer.database import StoreError
from streamspan.viewer.calls import rows
said = []
store = Store(sys.argv[1], say=said.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
kept = refused = 0
for number in range(1, 60):
    try:
        kept += len(store.add([next(rows(span(ours(text=__import__("os").urandom(8000).hex()), span_id=f"{number:016x}")))]))
    except StoreError:
        refused += 1
print(kept, refused, said)
"""


def test_disk_that_is_full(tmp_path: Path) -> None:
    """What no longer fits is refused, once said; what was kept is all there, and later there is room again."""
    path = str(tmp_path / "view.db")
    folder = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True, timeout=50, cwd=folder)
    kept, refused, said = done.stdout.split(" ", 2)
    assert int(kept) > 3
    assert int(refused) > 3
    assert said.count("cannot grow, is the disk full?") == 1, said
    store = Store(path)
    assert len(stored(store)) == int(kept)
    store.add([row(99)])
    assert stored(store).count(99) == 1
    store.close()


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file is in the user's state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == str(tmp_path / "streamspan" / "view.db")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert Path(default_path()).is_absolute()


def test_known_call(tmp_path: Path) -> None:
    """A call can be found by its ids."""
    store = Store(":memory:")
    store.add([next(rows(span(ours())))])
    assert (store.knows(TRACE, SPAN), store.knows(TRACE, "0" * 16), store.find("x", "y")) == (True, False, None)
    store.close()
