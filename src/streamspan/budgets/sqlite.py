"""A ledger in one SQLite file, for all processes of one machine.

The file is in WAL mode, so that who writes waits for no reader. Every change is one transaction that begins with the write lock.
It has to lie on a disk of this machine: over NFS and the like SQLite's locks do not hold.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from streamspan.budgets import ledger
from streamspan.budgets.ledger import Account, Balance, Denied, Lease, Settlement, StoreError
from streamspan.budgets.periods import is_at, parse

VERSION: Final = 1
_OURS: Final = 0x73706E24
"""The application id in the file's header, by which we know it for ours."""

_SCHEMA: Final = (
    """CREATE TABLE spend (
        key TEXT NOT NULL, period TEXT NOT NULL, bucket INTEGER NOT NULL,
        spent INTEGER NOT NULL, reserved INTEGER NOT NULL, calls INTEGER NOT NULL,
        PRIMARY KEY (key, period, bucket)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE budget (key TEXT NOT NULL, period TEXT NOT NULL, "limit" INTEGER NOT NULL,
        PRIMARY KEY (key, period)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE lease (id TEXT PRIMARY KEY, amount INTEGER NOT NULL, expires REAL NOT NULL, accounts TEXT NOT NULL)
        STRICT, WITHOUT ROWID""",
    "CREATE TABLE settled (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {VERSION}",
)
_SUM: Final = """SELECT coalesce(sum(spent), 0), coalesce(sum(reserved), 0), coalesce(sum(calls), 0) FROM spend
    WHERE key = ? AND period = ? AND bucket BETWEEN ? AND ?"""
_ADD: Final = """INSERT INTO spend VALUES (?1, ?2, ?3, ?4, max(?5, 0), ?6) ON CONFLICT DO UPDATE SET
    spent = min(spent + ?4, 4611686018427387903), reserved = max(reserved + ?5, 0), calls = calls + ?6"""
_PRUNE: Final = "DELETE FROM spend WHERE key = ? AND period = ? AND bucket < ?"
_HOLD: Final = """INSERT INTO lease VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET amount = amount + excluded.amount, expires = excluded.expires"""
_SETTLED: Final = "INSERT OR IGNORE INTO settled VALUES (?)"
_SUCCEED: Final = "UPDATE lease SET id = ?, amount = ?, expires = ? WHERE id = ? AND amount = ?"
_ALL: Final = """SELECT key, period, bucket, "limit", spent, reserved, calls FROM spend JOIN budget USING (key, period)
    ORDER BY key, period, bucket"""


class SqliteLedger:
    """A ledger in that file.

    Args:
        path: The file; it and the folders above it are made if they are not there, for nobody but this user.
        timeout: Seconds to wait for another process that writes.
        clock: Seconds since the epoch, which leases expire by.
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self._path = Path(path).absolute()
        self._timeout = timeout
        self._clock = clock
        self._begin()
        _ledgers.add(self)

    def _begin(self) -> None:
        """As in a process that has not opened the file yet."""
        self._lock = threading.RLock()
        self._names = ledger.LeaseNames()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = os.getpid()
        self._declared: dict[tuple[str, str], int] = {}
        self._tidy_at = 0.0

    # --- the protocol: see there ---

    def reserve(  # noqa: D102
        self, accounts: Sequence[Account], amount: int, ttl: float, settlements: Sequence[Settlement] = ()
    ) -> Lease | Denied:
        lease = Lease(self._names.give(self._clock()), tuple(accounts), ledger.amount_of(amount))
        with self._writing() as db:
            if len(settlements) == 1 and self._succeed(db, settlements[0], lease, ttl):
                return lease
            self._settle(db, settlements)
            denied = self._shortfall(db, accounts, amount)
            if not denied and amount:
                self._hold(db, lease, amount, ttl)
        return denied or lease

    def extend(self, lease: Lease, more: int, ttl: float) -> Lease | Denied:  # noqa: D102
        extended = replace(lease, amount=lease.amount + ledger.amount_of(more))
        with self._writing() as db:
            if _has(db, "SELECT 1 FROM settled WHERE id = ?", lease.id):
                return lease
            # First of all, so that it is not swept while room is made.
            renew = "UPDATE lease SET expires = ? WHERE id = ? RETURNING amount"
            held = db.execute(renew, (self._clock() + ttl, lease.id)).fetchone()
            if (lacking := extended.amount - (held[0] if held else 0)) > 0:
                if denied := self._shortfall(db, lease.accounts, lacking):
                    return denied
                self._hold(db, lease, lacking, ttl)
        return extended

    def settle(self, settlements: Sequence[Settlement]) -> None:  # noqa: D102
        if settlements:
            with self._writing() as db:
                self._settle(db, settlements)

    def balances(self, accounts: Sequence[Account]) -> list[Balance]:  # noqa: D102
        with self._writing() as db:
            self._sweep(db)
            return [ledger.balance(account, *_sum(db, account)) for account in accounts]

    def all(self) -> list[Balance]:  # noqa: D102
        with self._writing() as db:
            self._sweep(db)
            rows: list[tuple[str, str, int, int, int, int, int]] = db.execute(_ALL).fetchall()
        return [Balance(*row, parse(row[1]).at(row[2]).resets_at) for row in rows]

    def reset(self, key: str, period: str | None = None) -> int:  # noqa: D102
        with self._writing() as db:
            self._sweep(db)
            found = db.execute("SELECT DISTINCT period FROM spend WHERE key = ?", (key,)).fetchall()
            wanted = [(key, name) for (name,) in found if period is None or is_at(name, period)]
            return sum(_reset(db, *which) for which in wanted)

    def close(self) -> None:  # noqa: D102
        with self._lock:
            db, self._db = self._db, None
            if db is not None and self._process == os.getpid():
                db.close()

    def __del__(self) -> None:
        try:  # noqa: SIM105 - where the interpreter ends, there may be no `suppress` any more
            self.close()
        except Exception:  # noqa: S110 - nor what closing needs
            pass

    # --- inside of a transaction ---

    def _succeed(self, db: sqlite3.Connection, settlement: Settlement, lease: Lease, ttl: float) -> bool:
        """Lets a lease take the place of the one that is settled: what most calls of a process ask for, in few statements.

        Returns whether that could be done; if not, nothing has been.
        """
        ended, now = settlement.lease, self._clock()
        more = ledger.amount_of(settlement.actual) - ended.amount + lease.amount
        if ended.accounts != lease.accounts or not lease.amount or now >= self._tidy_at:
            return False
        for account in lease.accounts:
            spent, reserved, _ = _sum(db, account)
            if reserved < ended.amount or spent + reserved + more > account.limit:
                return False
        if not db.execute(_SUCCEED, (lease.id, lease.amount, now + ttl, ended.id, ended.amount)).rowcount:
            return False  # it holds nothing, or something else
        db.execute(_SETTLED, (ended.id,))
        for account in lease.accounts:
            self._add(db, account, settlement.actual, lease.amount - ended.amount, settlement.calls)
        return True

    def _settle(self, db: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            lease, actual = settlement.lease, ledger.amount_of(settlement.actual)
            if not db.execute(_SETTLED, (lease.id,)).rowcount:
                continue  # it is handed in again
            held = db.execute("DELETE FROM lease WHERE id = ? RETURNING amount", (lease.id,)).fetchone()
            for account in lease.accounts:
                self._add(db, account, actual, -held[0] if held else 0, settlement.calls)

    def _shortfall(self, db: sqlite3.Connection, accounts: Sequence[Account], amount: int) -> Denied | None:
        denied = ledger.shortfall(((account, *_sum(db, account)[:2]) for account in accounts), amount)
        if (denied or self._clock() >= self._tidy_at) and self._sweep(db) and denied:
            return ledger.shortfall(((account, *_sum(db, account)[:2]) for account in accounts), amount)
        return denied

    def _hold(self, db: sqlite3.Connection, lease: Lease, amount: int, ttl: float) -> None:
        for account in lease.accounts:
            self._add(db, account, 0, amount, 0)
            if account.bucket != account.since:
                db.execute(_PRUNE, (account.key, account.period, account.oldest))
        buckets = json.dumps([(account.key, account.period, account.bucket) for account in lease.accounts])
        db.execute(_HOLD, (lease.id, amount, self._clock() + ttl, buckets))

    def _add(self, db: sqlite3.Connection, account: Account, spent: int, reserved: int, calls: int) -> None:
        if self._declared.get((account.key, account.period)) != account.limit:
            self._declare(db, account)
        db.execute(_ADD, (account.key, account.period, account.bucket, spent, reserved, calls))

    def _declare(self, db: sqlite3.Connection, account: Account) -> None:
        """Says once what this process's limit is, for those who list it."""
        which = (account.key, account.period)
        if other := db.execute('SELECT "limit" FROM budget WHERE key = ? AND period = ?', which).fetchone():
            ledger.warn_of_limits(str(self._path), account, other[0])
        db.execute(
            'INSERT INTO budget VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "limit" = excluded."limit"', (*which, account.limit)
        )
        ledger.remember(self._declared, which, account.limit)

    def _sweep(self, db: sqlite3.Connection) -> bool:
        """Gives back what expired leases held; returns whether there were any."""
        now = self._clock()
        expired = db.execute("DELETE FROM lease WHERE expires <= ? RETURNING amount, accounts", (now,)).fetchall()
        for amount, accounts in expired:
            for key, period, bucket in json.loads(accounts):
                db.execute(_ADD, (key, period, bucket, 0, -amount, 0))
        db.execute("DELETE FROM settled WHERE id < ?", (ledger.since(now - ledger.REMEMBERED),))
        self._tidy_at = now + ledger.TIDIED
        return bool(expired)

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """A transaction that nobody else writes in; what fails in it has not happened."""
        if self._process != os.getpid():  # a fork that Python was not told of
            _inherited.append(self._db)
            self._begin()
        with self._lock:
            try:
                db = self._connection()
                db.execute("BEGIN IMMEDIATE")
                with _committed_or_not(db):
                    yield db
            except sqlite3.Error as error:
                self.close()
                raise StoreError(self._says(error)) from error

    # --- the file ---

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None:
            if self._file == _identity(self._path):
                return self._db
            self.close()  # it was deleted, or another one put in its place, and nobody else sees what is written to this one
        self._create()
        self._db = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        self._prepare(self._db)
        self._file = _identity(self._path)
        self._declared.clear()
        return self._db

    def _create(self) -> None:
        # A file that is there is not touched: to close it would give up the locks of whoever has it open in this process.
        try:
            if self._path.is_dir():
                msg = f"{self._name}: it is a folder, not a file"
                raise StoreError(msg)
            if not self._path.exists():
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            msg = f"{self._name}: {error.strerror}"
            raise StoreError(msg) from error

    def _prepare(self, db: sqlite3.Connection) -> None:
        if not self._is_ready(db):
            db.execute("PRAGMA page_size = 1024")  # of a page that is written, a call changes one row
            self._with_patience(lambda: db.execute("PRAGMA journal_mode = WAL"))
            db.execute("BEGIN IMMEDIATE")
            with _committed_or_not(db):
                if not self._is_ready(db):
                    for statement in _SCHEMA:
                        db.execute(statement)
        db.execute("PRAGMA synchronous = NORMAL")  # a crash of the machine can lose the last calls, and never the file

    def _is_ready(self, db: sqlite3.Connection) -> bool:
        """Whether the file has our tables; if not, it is empty."""
        whose, version = _one(db, "PRAGMA application_id"), _one(db, "PRAGMA user_version")
        if whose == _OURS and version == VERSION:
            return True
        if whose == _OURS:
            msg = f"{self._name}: its schema has version {version}, and this streamspan knows version {VERSION}"
            raise StoreError(msg)
        if version or _one(db, "SELECT count(*) FROM sqlite_master"):
            msg = f"{self._name}: it is a database of another program"
            raise StoreError(msg)
        return False

    def _with_patience(self, work: Callable[[], object]) -> None:
        """Does what SQLite itself does not wait for: to change the journal while another process looks at the file."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return

    @property
    def _name(self) -> str:
        return f"the budget store {self._path} cannot be used"

    def _says(self, error: sqlite3.Error) -> str:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return f"{self._name}: {_REASONS.get(code, str(error)).format(seconds=self._timeout)}"


_REASONS: Final = {
    sqlite3.SQLITE_BUSY: "another process has been writing to it for {seconds:g} seconds",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database, or damaged",
    sqlite3.SQLITE_READONLY: "it is read-only",
}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _committed_or_not(db: sqlite3.Connection) -> Generator[None]:
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _one(db: sqlite3.Connection, query: str) -> Any:
    return db.execute(query).fetchone()[0]


def _has(db: sqlite3.Connection, query: str, *values: object) -> bool:
    return db.execute(query, values).fetchone() is not None


def _sum(db: sqlite3.Connection, account: Account) -> tuple[int, int, int]:
    """What is spent, reserved and called in a window."""
    return db.execute(_SUM, (account.key, account.period, account.since, account.until)).fetchone()


def _reset(db: sqlite3.Connection, key: str, period: str) -> int:
    count = db.execute("UPDATE spend SET spent = 0, calls = 0 WHERE key = ? AND period = ?", (key, period)).rowcount
    db.execute("DELETE FROM spend WHERE key = ? AND period = ? AND reserved = 0", (key, period))
    return count


# --- forks -----------------------------------------------------------------------------------------------------------
# SQLite keeps in the process which locks a file has. A child would take those of its parent for its own, even with a connection
# that it opens itself, so there must be none while a process forks; both open the file again when they need it.

_ledgers: WeakSet[SqliteLedger] = WeakSet()
_forking: list[SqliteLedger] = []
_inherited: list[sqlite3.Connection | None] = []
"""Connections of a parent that must not be closed here, not even by the garbage collector."""


def _before_fork() -> None:
    for one in list(_ledgers):
        one._lock.acquire()
        _forking.append(one)
        one.close()


def _in_parent() -> None:
    while _forking:
        _forking.pop()._lock.release()


def _in_child() -> None:
    while _forking:
        _forking.pop()._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
