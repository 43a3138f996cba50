"""A ledger in PostgreSQL, for processes of many machines.

Every change is one statement, a call of a function in ``postgres.sql``, by the server's clock. What is there is made
with the first use, in a schema of its own: ``streamspan``.
"""

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from time import monotonic, time
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from streamspan import budgets
from streamspan.budgets import ledger
from streamspan.budgets.ledger import Account, Balance, Denied, Lease, Settlement, StoreError
from streamspan.budgets.periods import is_at, parse
from streamspan.errors import BudgetError

R = TypeVar("R")

VERSION: Final = 1
_CONNECTIONS: Final = 4
"""How many connections a process has at the most: threads wait for one."""
_LOCK: Final = 0x73706E24
"""The advisory lock under which the schema is made."""
_BALANCES: Final = """SELECT t.* FROM jsonb_array_elements(%s) WITH ORDINALITY AS a(account, index),
    LATERAL streamspan.total(a.account) AS t ORDER BY a.index"""
_ALL: Final = """SELECT s.key, s.period, s.bucket, b."limit", s.spent, s.reserved, s.calls
    FROM streamspan.spend AS s JOIN streamspan.budget AS b USING (key, period)
    ORDER BY s.key COLLATE "C", s.period COLLATE "C", s.bucket"""

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresLedger:
    """A ledger in the database at a URL.

    Args:
        url: ``postgresql://``, as libpq reads it.
        name: What to call it in messages, without a password.
        timeout: Seconds that a statement may take, and that a connection may.

    Raises:
        BudgetError: If the URL is none.
    """

    def __init__(self, url: str, name: str, timeout: float = 1.0) -> None:
        self._url = url
        self._name = name
        self._timeout = timeout
        self._secret = _password(url, name)
        self._names = ledger.LeaseNames()
        self._declared: dict[tuple[str, str], int] = {}
        self._tidy_at = 0.0
        self._begin()

    def _begin(self) -> None:
        """As in a process that has not connected yet."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._idle: list[Connection] = []

    # --- the protocol: see there ---

    def reserve(  # noqa: D102
        self, accounts: Sequence[Account], amount: int, ttl: float, settlements: Sequence[Settlement] = ()
    ) -> Lease | Denied:
        lease = Lease(self._names.give(time()), tuple(accounts), ledger.amount_of(amount))
        self._declare([*accounts, *(account for settlement in settlements for account in settlement.lease.accounts)])
        wanted = (lease.id, _json(map(_account, accounts)), amount, float(ttl), _json(map(_settled, settlements)))
        return self._unless_denied("SELECT * FROM streamspan.reserve(%s, %s, %s, %s, %s)", wanted, lease)

    def extend(self, lease: Lease, more: int, ttl: float) -> Lease | Denied:  # noqa: D102
        extended = replace(lease, amount=lease.amount + ledger.amount_of(more))
        wanted = (lease.id, _json(map(_account, lease.accounts)), extended.amount, float(ttl))
        return self._unless_denied("SELECT * FROM streamspan.extend(%s, %s, %s, %s)", wanted, extended, lease)

    def settle(self, settlements: Sequence[Settlement]) -> None:  # noqa: D102
        if settlements:
            self._declare([account for settlement in settlements for account in settlement.lease.accounts])
            self._ask("SELECT streamspan.settle(%s)", _json(map(_settled, settlements)))

    def balances(self, accounts: Sequence[Account]) -> list[Balance]:  # noqa: D102
        self._sweep()
        found = self._ask(_BALANCES, _json(map(_account, accounts)))
        return [ledger.balance(account, *totals) for account, totals in zip(accounts, found, strict=True)]

    def all(self) -> list[Balance]:  # noqa: D102
        self._sweep()
        return [_balance(*row) for row in self._ask(_ALL)]

    def reset(self, key: str, period: str | None = None) -> int:  # noqa: D102
        self._sweep()
        periods = [name for (name,) in self._ask("SELECT DISTINCT period FROM streamspan.spend WHERE key = %s", key)]
        wanted = [name for name in periods if period is None or is_at(name, period)]
        return self._ask("SELECT streamspan.reset(%s, %s)", key, wanted)[0][0]

    def close(self) -> None:  # noqa: D102
        if self._process == os.getpid():
            with self._lock:
                idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()

    # --- what is asked ---

    def _unless_denied(self, query: str, wanted: Sequence[object], lease: Lease, settled: Lease | None = None) -> Lease | Denied:
        if monotonic() >= self._tidy_at:
            self._sweep()
        found = self._ask(query, *wanted)
        if found and found[0][0] >= 0 and self._sweep():
            found = self._ask(query, *wanted)
        if not found:
            return lease
        [(index, spent, reserved)] = found
        return Denied(lease.accounts[int(index)], int(spent), int(reserved)) if index >= 0 or settled is None else settled

    def _sweep(self) -> bool:
        """Gives back what expired leases held; returns whether there were any."""
        self._tidy_at = monotonic() + ledger.TIDIED
        return bool(self._ask("SELECT streamspan.sweep(%s)", ledger.since(time() - ledger.REMEMBERED))[0][0])

    def _declare(self, accounts: Sequence[Account]) -> None:
        """Says once what this process's limits are, for those who list them."""
        new: dict[tuple[str, str], Account] = {
            (one.key, one.period): one for one in accounts if self._declared.get((one.key, one.period)) != one.limit
        }
        if new:
            before = self._ask("SELECT before FROM streamspan.declare(%s)", _json(map(_account, new.values())))
            for (which, account), (other,) in zip(new.items(), before, strict=True):
                ledger.warn_of_limits(self._name, account, int(other))
                ledger.remember(self._declared, which, account.limit)

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._with_connection(lambda connection: connection.execute(query.encode(), values).fetchall())

    # --- connections: a few, made when there is none that is idle ---

    def _with_connection(self, work: Callable[[Connection], R]) -> R:
        if self._process != os.getpid():
            _inherited.extend(self._idle)
            self._begin()
        if not self._places.acquire(timeout=self._timeout):
            msg = f"{self._cannot}: all {_CONNECTIONS} connections of this process have been busy for {self._timeout:g} seconds"
            raise StoreError(msg)
        try:
            return self._first_that_works(work)
        except (psycopg.Error, OSError) as error:
            raise StoreError(f"{self._cannot}: {self._says(error)}") from None  # what libpq says can hold a part of the URL
        finally:
            self._places.release()

    def _first_that_works(self, work: Callable[[Connection], R]) -> R:
        while connection := self._take():
            try:
                return self._with(connection, work)
            except psycopg.OperationalError:
                if not connection.broken:
                    raise
                # It had been closed while nobody used it. What is asked twice is done once, so the next one is asked, too.
        return self._with(self._connect(), work)

    def _take(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _with(self, connection: Connection, work: Callable[[Connection], R]) -> R:
        try:
            found = work(connection)
        except BaseException:
            if not connection.broken:
                connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return found

    def _connect(self) -> Connection:
        options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
        }  # which poolers between us and the server may not know
        connection = psycopg.connect(self._url, connect_timeout=max(math.ceil(self._timeout), 1), **options)
        try:
            connection.execute("SET default_transaction_isolation = 'read committed'")
            connection.execute(f"SET statement_timeout = {math.ceil(self._timeout * 1000)}".encode())
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        """Makes the schema, if it is not there; one process does, and the others wait for it."""
        if not _is_there(connection):
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                if not _is_there(connection):
                    connection.execute("CREATE SCHEMA IF NOT EXISTS streamspan")
                    connection.execute(files(budgets).joinpath("postgres.sql").read_bytes())
                    connection.execute("INSERT INTO streamspan.version VALUES (%s)", (VERSION,))
            self._declared.clear()
        [(version,)] = connection.execute("SELECT version FROM streamspan.version").fetchall()
        if version != VERSION:
            msg = f"{self._cannot}: its schema has version {version}, and this streamspan knows version {VERSION}"
            raise StoreError(msg)

    @property
    def _cannot(self) -> str:
        return f"the budget store {self._name} cannot be used"

    def _says(self, error: Exception) -> str:
        if isinstance(error, psycopg.errors.QueryCanceled):
            return f"it has not answered for {self._timeout:g} seconds"
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self._secret, "***") if self._secret else text


_inherited: list[Connection] = []
"""Connections of a parent that must not be closed here, not even by the garbage collector: the parent uses them."""


def _is_there(connection: Connection) -> bool:
    # From the catalogue itself: `to_regclass` may say what was known before it waited for the one that made the schema.
    tables = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'streamspan' AND tablename = 'version'"
    return connection.execute(f"SELECT EXISTS ({tables})".encode()).fetchall() == [(True,)]


def _password(url: str, name: str) -> str | None:
    try:
        return str(conninfo_to_dict(url).get("password") or "") or None
    except psycopg.Error:
        msg = f"budget store: {name!r} is no URL that libpq can read"
        raise BudgetError(msg) from None  # which would repeat a part of it


def _json(rows: Any) -> Jsonb:
    return Jsonb([*rows])


def _account(account: Account) -> Mapping[str, object]:
    names = ("key", "period", "since", "until", "bucket", "limit", "oldest")
    return {name: getattr(account, name) for name in names}


def _settled(settlement: Settlement) -> Mapping[str, object]:
    accounts = [_account(account) for account in settlement.lease.accounts]
    return {
        "id": settlement.lease.id,
        "actual": ledger.amount_of(settlement.actual),
        "calls": settlement.calls,
        "accounts": accounts,
    }


def _balance(key: str, period: str, bucket: int, limit: Any, spent: Any, reserved: Any, calls: int) -> Balance:
    return Balance(key, period, bucket, int(limit), int(spent), int(reserved), calls, parse(period).at(bucket).resets_at)
