"""What it takes to reserve and settle a call, per store: ``python benchmarks/ledgers.py [CALLS]``.

One process, two accounts per call, nobody else at the store; the servers are those of the tests. The settlement goes along with
the next reservation, as it does in a program that makes one call after the other, and then by itself.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import Lease, Ledger, Settlement
from streamspan.budgets.stores import open_ledger

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
store_servers: Any = import_module("store_servers")

CALLS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
ACCOUNTS = [
    account
    for budget in (Budget("project:bench", 1000), Budget("global", 1000, "day"))
    for account in budget.accounts(datetime.now(UTC), {"project": "bench"})
]


def reserve(ledger: Ledger, settlements: list[Settlement]) -> Lease:
    lease = ledger.reserve(ACCOUNTS, 1000, 60, settlements)
    assert isinstance(lease, Lease)
    return lease


def together(ledger: Ledger) -> Callable[[], object]:
    unsettled: list[Settlement] = []

    def call() -> None:
        unsettled[:] = [Settlement(reserve(ledger, [*unsettled]), 900)]

    return call


def apart(ledger: Ledger) -> Callable[[], object]:
    return lambda: ledger.settle([Settlement(reserve(ledger, []), 900)])


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """The median and the 99th percentile, in microseconds."""
    taken: list[float] = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1e6)
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def main() -> None:
    with ExitStack() as stack:
        urls = {"sqlite": f"sqlite://{stack.enter_context(tempfile.TemporaryDirectory())}/budgets.sqlite3"}
        if program := store_servers.redis_server():
            urls["redis"] = stack.enter_context(store_servers.redis(program)).url
        if programs := store_servers.postgres_server():
            urls["postgres"] = stack.enter_context(store_servers.postgres(programs)).url
        print(f"{'store':<10} {'how':<10} {'p50 us':>8} {'p99 us':>8}")
        for store, url in urls.items():
            ledger = open_ledger(url)
            for way in (together, apart):
                call = way(ledger)
                call()
                p50, p99 = timed(call)
                print(f"{store:<10} {way.__name__:<10} {p50:8.0f} {p99:8.0f}")
            ledger.close()


if __name__ == "__main__":
    main()
