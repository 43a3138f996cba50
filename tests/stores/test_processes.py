"""Many processes at one store, some of which are killed; and stores that go away and come back."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Account, Lease, Ledger, Settlement, StoreError
from streamspan.budgets.stores import open_ledger
from streamspan.errors import BudgetError

from store_servers import Server

CENT = NANO // 100
SPENDERS = Path(__file__).with_name("spenders.py")


def account(name: str, limit: int = 1) -> Account:
    return Budget(f"project:{name}", limit).accounts(datetime.now(UTC), {"project": name})[0]


def test_sixteen_processes_never_spend_more_than_there_is(url: str, ledger: Ledger) -> None:
    """50 calls each against one dollar: what is recorded is what they cost, to the last nano-dollar, and nothing stays held."""
    ran = subprocess.run(
        [sys.executable, SPENDERS, url, "project:proof", "16", "50"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    spent, calls = (sum(map(int, column)) for column in zip(*(line.split() for line in ran.stdout.splitlines()), strict=True))
    [balance] = ledger.balances([account("proof")])
    assert (balance.spent, balance.reserved, balance.calls) == (spent, 0, calls)
    assert NANO - NANO // 40 < spent <= NANO
    assert len(ran.stdout.splitlines()) == 16


HOLD = """
import sys, time
from datetime import UTC, datetime
from streamspan.budgets.budget import Budget
from streamspan.budgets.stores import open_ledger
from streamspan.errors import BudgetError
accounts = Budget("project:killed", 1).accounts(datetime.now(UTC), {"project": "killed"})
print(open_ledger(sys.argv[1], timeout=10).reserve(accounts, 900_000_000, 1.0).amount, flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_held_comes_back(url: str, ledger: Ledger) -> None:
    """When its lease expires, and not before; who waits for it gets it."""
    mine = account("killed")
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "900000000\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while not isinstance(lease := ledger.reserve([mine], 90 * CENT, 60), Lease):
        assert lease.reserved == 90 * CENT
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ledger.settle([Settlement(lease, 0, calls=0)])


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_a_store_may_be_started_anew_while_calls_run(store: str, request: pytest.FixtureRequest) -> None:
    """While it is away there is one clear error; who called hands in again what was not taken, and nothing is lost or counted twice."""
    server: Server = request.getfixturevalue(store)
    mine = account("restarted")
    ledger, other = (open_ledger(server.url, timeout=5) for _ in range(2))
    lease, second = ledger.reserve([mine], 40 * CENT, 60), other.reserve([mine], 30 * CENT, 60)
    assert isinstance(lease, Lease)
    assert isinstance(second, Lease)
    server.stop()
    try:
        for work in (lambda: ledger.reserve([mine], 1, 60), lambda: ledger.settle([Settlement(lease, 20 * CENT)]), ledger.all):
            with pytest.raises(StoreError) as caught:
                work()
            assert "\n" not in str(caught.value)
            assert "s3cr3t" not in str(caught.value)
            assert str(caught.value).startswith(f"the budget store {server.url.partition(':')[0]}://127.0.0.1:")
    finally:
        server.start()
    assert isinstance(ledger.reserve([mine], 1, 60, [Settlement(lease, 20 * CENT)]), Lease)
    other.settle([Settlement(second, 10 * CENT)])
    [balance] = ledger.balances([mine])
    assert (balance.spent, balance.reserved, balance.calls) == (30 * CENT, 1, 2)
    for one in (ledger, other):
        one.close()


def test_a_server_that_forgot_everything_is_told_again(redis: Server) -> None:
    """A flush loses what was spent; what runs is spent, with its limit, as soon as it is settled."""
    ledger, mine = open_ledger(redis.url, timeout=5), account("forgotten")
    lease = ledger.reserve([mine], 40 * CENT, 60)
    assert isinstance(lease, Lease)
    ledger._redis.flushall()  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    ledger._redis.script_flush()  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    ledger.settle([Settlement(lease, 20 * CENT)])
    assert [(balance.key, balance.limit, balance.spent) for balance in ledger.all()] == [("project:forgotten", NANO, 20 * CENT)]
    ledger.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of threads that other tests have left
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_uses_a_connection_of_its_own(ledgers: Callable[[], Ledger]) -> None:
    """Both sides of a fork go on, and the names of their leases differ."""
    ledger, mine = ledgers(), account("forked")
    assert isinstance(ledger.reserve([mine], CENT, 60), Lease)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            for _ in range(20):
                ledger.reserve([mine], CENT, 60)
            ledger.close()
            os._exit(0)
        os._exit(1)
    for _ in range(20):
        assert isinstance(ledger.reserve([mine], CENT, 60), Lease)
    assert os.waitpid(child, 0)[1] == 0
    [balance] = ledger.balances([mine])
    assert balance.reserved == 41 * CENT


def test_a_schema_of_another_version_is_refused(redis: Server, postgres: Server) -> None:
    """Nothing is written to it, and the error says both versions."""
    import psycopg
    from redis import Redis

    client: Redis = Redis.from_url(redis.url)  # pyright: ignore[reportUnknownMemberType]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for server in (redis, postgres):
            ledger = open_ledger(server.url, timeout=5)
            ledger.all()
            ledger.close()
        client.set("{streamspan}:schema", "2")
        connection.execute("UPDATE streamspan.version SET version = 2")
        try:
            for server in (redis, postgres):
                ledger = open_ledger(server.url, timeout=5)
                with pytest.raises(StoreError, match=r"its schema has version 2, and this streamspan knows version 1$"):
                    ledger.reserve([account("version")], 1, 60)
                ledger.close()
        finally:
            client.set("{streamspan}:schema", "1")
            connection.execute("UPDATE streamspan.version SET version = 1")
    client.close()


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_what_keeps_a_server_from_being_used_is_said(store: str, request: pytest.FixtureRequest) -> None:
    """A wrong password, or no server there: one line, without the password."""
    url: str = request.getfixturevalue(store).url.replace("s3cr3t-w0rd", "wr0ng-s3cr3t")
    nobody = url.partition("@")[0] + "@127.0.0.1:1/0"
    for bad in (url, nobody):
        ledger = open_ledger(bad, timeout=5)
        with pytest.raises(StoreError) as caught:
            ledger.reserve([account("wrong")], 1, 60)
        assert "\n" not in str(caught.value)
        assert "s3cr3t" not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
        ledger.close()


@pytest.mark.parametrize(
    "url",
    ["redis://:s3cr3t@host:port", "redis://:s3cr3t@host/0?socket_timeout=s3cr3t", "postgresql://me:s3cr3t@host/db?s3cr3t=1"],
)
def test_what_a_library_cannot_read_is_no_store(url: str) -> None:
    """What the library says of it is not repeated, as it repeats the URL."""
    with pytest.raises(BudgetError) as caught:
        open_ledger(url)
    assert "is no URL that" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__
