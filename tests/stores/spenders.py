"""A program of many processes that spend from one budget at a time: ``spenders.py URL KEY PROCESSES CALLS``.

It opens the ledger, uses it, and forks, as servers do. Each process prints what its calls have cost, in nano-USD.
"""

import os
import random
import sys
from datetime import UTC, datetime

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Denied, Settlement
from streamspan.budgets.stores import open_ledger

WORST = NANO // 40


def main(url: str, key: str, processes: int, calls: int) -> None:
    accounts = [
        account
        for budget in (Budget(key, 1), Budget(key, 100, "day"))
        for account in budget.accounts(datetime.now(UTC), {"project": key[8:]})
    ]
    ledger = open_ledger(url, timeout=20)
    ledger.balances(accounts)
    begin, go = os.pipe()
    children: list[int] = []
    for number in range(processes):
        if child := os.fork():
            children.append(child)
            continue
        os.close(go)
        os.read(begin, 1)  # all at once: this ends when the parent closes its side
        chance, spent = random.Random(number), list[int]()  # noqa: S311
        unsettled: list[Settlement] = []
        for _ in range(calls):
            lease = ledger.reserve(accounts, WORST, 60, unsettled)
            unsettled = []
            if not isinstance(lease, Denied):
                spent.append(chance.randrange(WORST // 3, WORST + 1))
                unsettled = [Settlement(lease, spent[-1])]
        ledger.settle(unsettled)
        os.write(1, f"{sum(spent)} {len(spent)}\n".encode())
        os._exit(0)
    os.close(go)
    failures = [status for child in children if (status := os.waitpid(child, 0)[1])]
    ledger.close()
    sys.exit(len(failures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
