"""How the budgets of this process stand, for who collects metrics."""

from time import perf_counter
from typing import Final

from streamspan.budgets.ledger import Balance, StoreError
from streamspan.enforcement.gate import gates

_FRESH: Final = 0.5
"""Seconds for which an answer is good: there are several metrics of the same balances."""
_last: tuple[float, int, list[Balance]] = (0.0, 0, [])


def balances() -> list[Balance]:
    """`balances_now`, or what it said half a second ago at the most."""
    global _last  # noqa: PLW0603
    known = gates()
    at, of, found = _last
    if not known or (perf_counter() - at < _FRESH and of == id(known[0])):
        return found if known else []
    found = balances_now()
    _last = perf_counter(), id(known[0]), found
    return found


def balances_now() -> list[Balance]:
    """The balances of all accounts that calls of this process count against; none of a ledger that does not answer.

    It asks the ledgers, and waits for them: not for a thread of the application's.
    """
    asked = {
        (id(gate.books), account.key, account.period): (gate.books, account)
        for gate in gates()
        for account in gate.known_accounts()
    }
    found = list[Balance]()
    for books in {id(books): books for books, _ in asked.values()}.values():
        try:
            found += books.balances([account for of, account in asked.values() if of is books])
        except StoreError:
            continue  # it was said
    return found
