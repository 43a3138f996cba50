"""Where a call asks whether there is money for it: the budgets of a process, and its ledger."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from streamspan.budgets.budget import EACH, SCOPES, Budget, accounts
from streamspan.budgets.ledger import Account, nano
from streamspan.budgets.stores import open_ledger
from streamspan.enforcement.amounts import Means, Question, has_price, typical, worst_case
from streamspan.enforcement.books import Books, books_of
from streamspan.enforcement.hold import Hold
from streamspan.errors import BudgetUnpricedError
from streamspan.pricing import PriceBook
from streamspan.settings import Settings

Who = Mapping[str, str | Sequence[str]]
"""Whom a call is for: by scope, such as ``{"user": "u1", "tag": ["beta"]}``."""

means = Means()
_MOST_SEEN: Final = 100
"""Of how many projects, users, tags and models each it is remembered that there were calls for them."""


class Gate:
    """The budgets that calls are counted against, and what is done where there is no money, no price or no answer."""

    def __init__(self, settings: Settings, books: Books) -> None:
        self._settings = settings
        self._seen = {scope: dict[str, None]() for scope in SCOPES}
        self.books = books

    def open(self, who: Who, above: Hold | None = None) -> Hold | None:
        """What a call counts against; nothing is held yet. ``None`` if no budget is for it.

        Args:
            who: Whom it is for.
            above: What is held for the program's own span, if the call is one with that.
        """
        found = self._accounts(who)
        self._note(who)
        if above is not None:
            found = above.around(found)
        if not found:
            return None
        hold = Hold(self.books, found, denies=self._settings.budget_store_down == "deny")
        if above is not None:
            above.lend(hold)
        return hold

    def _accounts(self, who: Who) -> Mapping[Account, Budget]:
        """What counts: the budgets of the settings, and those that functions have declared."""
        now = datetime.now(UTC)
        found = accounts(self._settings.budgets, now, who)
        return _tightest(found, accounts(_declared, now, who)) if _declared else found

    def _note(self, who: Who) -> None:
        """Remembers for whom there were calls, for those who want to know how their accounts stand."""
        for scope, names in who.items():
            seen = self._seen[scope]
            for name in (names,) if isinstance(names, str) else names:
                if name not in seen and len(seen) < _MOST_SEEN:
                    seen[name] = None

    def known_accounts(self) -> list[Account]:
        """The accounts of its budgets now: those that are for each one only of those for whom there were calls."""
        who = {scope: list(seen) for scope, seen in self._seen.items()}
        for budget in (*self._settings.budgets, *_declared):
            scope, _, name = budget.key.partition(":")
            if name and name != EACH:
                who[scope].append(name)
        return list(self._accounts(who))

    def admit(self, hold: Hold, prices: PriceBook, question: Question) -> None:
        """Holds what the call may cost.

        Raises:
            BudgetExceededError: If there is no room for it in a budget.
        """
        amount = self._amount(prices, question)
        if amount is None:
            hold.refuse_unpriced(BudgetUnpricedError)
        cap = self._settings.budget_reserve_cap
        hold.reserve(min(amount or 0, nano(Decimal(str(cap)))) if cap else amount or 0)

    def _amount(self, prices: PriceBook, question: Question) -> int | None:
        """``None`` if no price is known and that matters."""
        settings = self._settings
        if settings.budget_reserve == "none":
            amount = None if settings.budget_unknown_price == "deny" and not has_price(prices, question) else 0
        elif settings.budget_reserve == "typical":
            amount = typical(prices, question, means)
        else:
            amount = worst_case(prices, question)
        return 0 if amount is None and settings.budget_unknown_price == "allow" else amount


def _tightest(*found: Mapping[Account, Budget]) -> Mapping[Account, Budget]:
    """All of these, and where there are several for one key and period, that with the lowest limit."""
    all_of_them = sorted((pair for some in found for pair in some.items()), key=lambda pair: -pair[0].limit)
    return dict({(account.key, account.period): (account, budget) for account, budget in all_of_them}.values())


# --- one for each settings ------------------------------------------------------------------------------------------------

_gates = dict[int, Gate]()
_declared: tuple[Budget, ...] = ()


def declare(budget: Budget) -> None:
    """Adds a budget for the whole process, as a decorator does; of two for one key and period the first one holds."""
    global _declared  # noqa: PLW0603
    if budget not in _declared:
        _declared = (*_declared, budget)


def gate_of(settings: Settings) -> Gate | None:
    """The gate for calls with these settings: its budgets, its store and its policies; ``None`` where there are no budgets."""
    if not (settings.budgets or _declared):
        return None
    if (gate := _gates.get(id(settings))) is None:  # which the gate keeps alive
        store, timeout = settings.budget_store, settings.budget_store_timeout
        books = books_of(store, timeout, lambda: open_ledger(store, timeout))
        gate = _gates.setdefault(id(settings), Gate(settings, books))
    return gate


def gates() -> tuple[Gate, ...]:
    """Those that there are."""
    return tuple(_gates.values())


def forget() -> None:
    """Forgets the gates that there are, and lets go of their ledgers: instrumentation ends."""
    for gate in gates():
        gate.books.close()
    _gates.clear()
