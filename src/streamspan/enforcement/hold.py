"""What is held for one call, from before it is sent until it has ended."""

import time
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

from streamspan import semconv
from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Account, Denied, Lease, LeaseNames, Settlement, StoreError, usd
from streamspan.enforcement.books import Books
from streamspan.errors import BudgetExceededError, BudgetUnavailableError, logger, once
from streamspan.wire import Attributes

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

TTL: Final = 60.0
"""Seconds after which what a killed process held comes back."""
_RENEWED: Final = TTL / 3
_SMALLEST_STEP: Final = NANO // 1000
"""A tenth of a cent: what is held for a stream that runs grows by no less, where there is room."""


class Stream(Protocol):
    """What a hold needs to know of the call that it is for."""

    def cost_so_far(self) -> int | None:
        """What it has cost until now, in nano-USD, as far as that is known."""
        ...

    def stop(self, error: Exception | None) -> bool:
        """Ends it, if it can be ended: its reader gets the error, or the end of the stream."""
        ...


class Hold:
    """What one call counts against. Nothing in it waits but `reserve` and `look`, which ask the ledger."""

    __slots__ = (
        "_books",
        "_budgets",
        "_denies",
        "_due",
        "_is_settled",
        "_is_spent",
        "_lease",
        "_user",
        "exceeded",
        "loop",
        "may_stop",
        "reserved",
        "verdict",
    )

    def __init__(self, books: Books, budgets: Mapping[Account, Budget], *, denies: bool) -> None:
        """Holds nothing yet.

        Args:
            books: The ledger.
            budgets: The accounts that the call counts against, and why.
            denies: Whether the call is refused where the ledger does not answer.
        """
        self._books = books
        self._budgets = budgets
        self._denies = denies
        self._lease: Lease | None = None
        self._due = 0.0
        self._is_settled = self._is_spent = False
        self._user: Hold | None = None
        self.may_stop = any(budget.on_exceed == "stop" for budget in budgets.values())
        """Whether a stream may be ended for one of its budgets."""
        self.loop: AbstractEventLoop | None = None
        """Where the call was sent from, if it was a coroutine that sent it."""
        self.reserved = 0
        """What was held when the call was sent."""
        self.verdict = ""
        """What became of the call because of a budget, if anything did."""
        self.exceeded = list[Account]()

    # --- before it is sent ---

    def reserve(self, amount: int) -> None:
        """Holds ``amount`` in every account, or in none.

        Raises:
            BudgetExceededError: If it does not fit.
        """
        try:
            self._take(amount)
        except StoreError:
            if self._denies and (account := self._first_that_blocks()) is not None:
                raise self._refuse(account, BudgetUnavailableError) from None
        if self._is_settled and self._lease is not None:  # the caller was cancelled meanwhile
            self._books.settle(Settlement(self._lease, 0, 0))

    def _take(self, amount: int) -> None:
        asked = dict(self._budgets)
        while asked:
            answer = self._books.reserve(tuple(asked), amount, TTL)
            if isinstance(answer, Lease):
                self._lease, self.reserved, self._due = answer, answer.amount, perf_counter() + _RENEWED
                return
            if asked.pop(answer.account).on_exceed != "warn":
                raise self._refuse(answer.account, BudgetExceededError, answer.spent, answer.reserved)
            self._warn(answer)

    def refuse_unpriced(self, kind: type[BudgetExceededError]) -> None:
        """Refuses a call of which nobody knows what it will cost, unless all of its budgets only warn.

        Raises:
            BudgetExceededError: Of that kind.
        """
        if (account := self._first_that_blocks()) is not None:
            raise self._refuse(account, kind)

    def _first_that_blocks(self) -> Account | None:
        return next((account for account, budget in self._budgets.items() if budget.on_exceed != "warn"), None)

    def _refuse(
        self, account: Account, kind: type[BudgetExceededError], spent: int = 0, reserved: int = 0
    ) -> BudgetExceededError:
        self.exceeded.append(account)
        self.verdict, self._is_settled = semconv.REFUSED, True
        return kind(account.key, usd(account.limit), usd(spent), usd(reserved), account.resets_at)

    def _warn(self, denied: Denied) -> None:
        account = denied.account
        self.exceeded.append(account)
        self.verdict = semconv.WARNED
        if once("budget", account.key, account.period, account.since):
            until = f" until {account.resets_at:%Y-%m-%d %H:%M %Z}" if account.resets_at else ""
            logger.warning(
                "the budget %s is used up%s: %s spent and %s reserved of %s US dollars; its calls go on, as it only warns",
                *(account.key, until, usd(denied.spent), usd(denied.reserved), usd(account.limit)),
            )

    # --- while it runs: on the thread that looks after calls ---

    def look(self, now: float, stream: Stream) -> None:
        """Sees to it that what is held stays held, and ends the stream if it costs more than there is."""
        if (lease := self._lease) is None or self._is_settled:
            return
        try:
            if self.may_stop:
                self._compare(lease, stream)
            if now >= self._due:
                self._extend(self._lease or lease, 0)
        except StoreError:
            return  # it was said, and is tried again with the next look

    def _compare(self, lease: Lease, stream: Stream) -> None:
        cost = stream.cost_so_far()
        if cost is None or cost <= lease.amount:
            return
        missing = cost - lease.amount
        denied = self._extend(lease, max(missing, lease.amount // 4, _SMALLEST_STEP))
        if denied is not None and (denied := self._extend(lease, missing)) is not None:
            self._stop(self._binding(denied, missing), stream)

    def _extend(self, lease: Lease, more: int) -> Denied | None:
        answer = self._books.extend(lease, more, TTL)
        self._due = perf_counter() + _RENEWED
        if isinstance(answer, Denied):
            return answer
        self._lease = answer
        return None

    def _binding(self, denied: Denied, missing: int) -> Denied | None:
        """Who has no room for ``missing`` and wants streams stopped for that; others only see to what is sent."""
        if self._budgets[denied.account].on_exceed == "stop":
            return denied
        accounts = [account for account, budget in self._budgets.items() if budget.on_exceed == "stop"]
        for account, balance in zip(accounts, self._books.balances(accounts), strict=True):
            if balance.spent + balance.reserved + missing > account.limit:
                return Denied(account, balance.spent, balance.reserved)
        return None

    def _stop(self, denied: Denied | None, stream: Stream) -> None:
        if denied is None or self._is_settled:
            return
        account = denied.account
        error = BudgetExceededError(account.key, usd(account.limit), usd(denied.spent), usd(denied.reserved), account.resets_at)
        before = self.verdict, list(self.exceeded)
        self.exceeded.append(account)
        self.verdict = semconv.STOPPED  # first, as it is written when the stream ends
        if not stream.stop(error if self._budgets[account].when_stopped == "raise" else None):
            self.verdict, self.exceeded = before
            if once("unstoppable", account.key, account.period, account.since):
                logger.warning("the budget %s is used up, by a call that only the program itself can stop", account.key)

    # --- when it has ended ---

    def settle(self, actual: int, *, is_call: bool) -> None:
        """Spends what the call has cost, and gives back the rest; once.

        Args:
            actual: In nano-USD.
            is_call: Whether there was a call, and not only a request that nobody took.
        """
        if self._is_settled:
            return
        self._is_settled, self._is_spent = True, is_call
        if self._user is not None and (self._user._is_spent or not self._user._is_settled):
            return  # it is charged there
        calls = int(is_call)
        held = () if self._lease is None else self._lease.accounts
        if self._lease is not None:
            self._books.settle(Settlement(self._lease, actual, calls))
        if (actual or calls) and (others := tuple(account for account in self._budgets if account not in held)):
            self._books.settle(Settlement(Lease(_names.give(time.time()), others, 0), actual, calls))

    def lend(self, user: "Hold") -> None:
        """The program's own span turned out to be around a request that is observed: from now on that one holds what is held.

        If it is refused in the end, this call is charged as if it had not been.
        """
        if not self._is_settled:
            if self._lease is not None:
                self._books.settle(Settlement(self._lease, 0, 0))  # which the other reserves anew, in one transaction
            self._lease, self._user = None, user

    def around(self, budgets: Mapping[Account, Budget]) -> Mapping[Account, Budget]:
        """``budgets``, with those that this call counts against besides."""
        return {**self._budgets, **budgets}

    # --- what is told of it ---

    def exceeded_budgets(self) -> list[str]:
        """The budgets that were used up, as they are declared: for metrics, which must not have a series for each user."""
        return list(dict.fromkeys(self._budgets[account].key for account in self.exceeded))

    def attributes(self) -> Attributes:
        """As attributes of the call's span."""
        attributes: Attributes = {semconv.BUDGET_KEYS: list(dict.fromkeys(account.key for account in self._budgets))}
        if self.reserved:
            attributes[semconv.BUDGET_RESERVED] = float(usd(self.reserved))
        if self.verdict:
            attributes[semconv.BUDGET_VERDICT] = self.verdict
            attributes[semconv.BUDGET_EXCEEDED] = list(dict.fromkeys(account.key for account in self.exceeded))
        if self.verdict == semconv.STOPPED:
            attributes[semconv.ABORT_REASON] = semconv.BUDGET
        return attributes


_names = LeaseNames()
