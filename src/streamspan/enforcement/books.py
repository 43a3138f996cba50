"""The ledger as this process uses it: asked without ever waiting long, and told later what calls have cost."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from streamspan import live
from streamspan.budgets.ledger import Account, Balance, Denied, Lease, Ledger, Settlement, StoreError
from streamspan.enforcement.breaker import Breaker
from streamspan.errors import logger, once

T = TypeVar("T")

MOST_KEPT: Final = 10_000
"""How many finished calls are kept while the store is down; then the oldest are lost."""
_BATCH: Final = 500
"""How many of them are written in one transaction."""


class Books:
    """The ledger of a store, for all calls of this process.

    A call that ends is only put into a queue. The thread that looks after calls writes what is in it, and so does the next
    reservation: within a process each call that has ended counts in the next check. What cannot be written is kept.
    """

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        self._open = open_ledger
        self._opened: Ledger | None = None
        self._breaker = Breaker()
        self._finished = deque[Settlement]()
        self._lost = 0
        self.forget()

    def forget(self) -> None:
        """What a fork must not bring along: the calls that have ended in the parent are the parent's to write."""
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        """Held while what has finished is written: a reservation after that is to count it."""
        self._finished.clear()
        self._is_awaited = False
        """Whether `look` will be called before long, and `abandon` at exit."""

    # --- asking it ---

    def reserve(self, accounts: Sequence[Account], amount: int, ttl: float) -> Lease | Denied:
        """Writes what has finished, and holds ``amount`` in all accounts, or in none.

        Raises:
            StoreError: If the store does not answer.
        """
        with self._writing:
            finished = self._take()
        try:
            return self._ask(lambda ledger: ledger.reserve(accounts, amount, ttl, finished))
        except StoreError:
            self._put_back(finished)
            raise

    def extend(self, lease: Lease, more: int, ttl: float) -> Lease | Denied:
        """Renews a lease, and holds ``more`` on top of it.

        Raises:
            StoreError: If the store does not answer.
        """
        return self._ask(lambda ledger: ledger.extend(lease, more, ttl))

    def balances(self, accounts: Sequence[Account]) -> list[Balance]:
        """How accounts stand, with all that has finished here.

        Raises:
            StoreError: If the store does not answer.
        """
        self.write()
        return self._ask(lambda ledger: ledger.balances(accounts))

    def _ask(self, question: Callable[[Ledger], T]) -> T:
        """Asks the ledger, unless that has failed too often lately."""
        if not self._breaker.allows():
            raise StoreError("the budget ledger does not answer, and is left alone for a while")
        try:
            with suppress_instrumentation():  # a database's span under that of the call would tell nobody anything
                answer = question(self._ledger())
        except StoreError as error:
            self._note(error)
            raise
        self._note(None)
        return answer

    def _ledger(self) -> Ledger:
        if self._opened is None:
            with self._opening:
                self._opened = self._opened or self._open()
        return self._opened

    def _note(self, error: StoreError | None) -> None:
        if self._breaker.note(works=error is None):
            if error is None:
                logger.warning("the budget ledger answers again")
            else:
                logger.warning("the budget ledger does not answer; it will be tried again: %s", error)

    # --- what it is told later ---

    def settle(self, *finished: Settlement) -> None:
        """Takes what a call that has ended has cost. Never waits."""
        self._put_back(finished)
        if not self._is_awaited:
            self._is_awaited = True
            live.add(self)
            live.watch()

    def write(self) -> bool:
        """Writes what has finished; whether nothing is left."""
        with self._writing:
            while finished := self._take():
                try:
                    self._ask(partial(_settle, finished))
                except StoreError:
                    self._put_back(finished)
                    return False
        return True

    def close(self) -> None:
        """Writes what has finished, and lets go of the store; whoever still has a call opens it again."""
        self.write()
        if self._opened is not None:
            self._opened.close()

    def look(self, now: float) -> None:  # noqa: ARG002 - as of `Running`
        """Writes what has finished: the thread that looks after calls has come by."""
        live.claim(self)
        self._is_awaited = False  # first, as another call may end meanwhile
        if not self.write():
            self.settle()

    def abandon(self, at: float) -> None:  # noqa: ARG002
        """The same when the process ends: after this there may be no more."""
        live.claim(self)
        self._is_awaited = False
        if not self.write() and (left := len(self._finished)):
            logger.warning("the budget ledger does not answer; what %d calls have cost may be lost", left)

    def _take(self) -> list[Settlement]:
        taken = list[Settlement]()
        try:
            while len(taken) < _BATCH:
                taken.append(self._finished.popleft())
        except IndexError:  # another thread has the rest
            pass
        return taken

    def _put_back(self, finished: Sequence[Settlement]) -> None:
        self._finished.extend(finished)
        while len(self._finished) > MOST_KEPT:
            self._finished.popleft()
            self._lost += 1
            if once("lost settlements"):
                logger.error("the budget ledger does not answer; what calls have cost is lost from now on, the oldest first")


def _settle(finished: list[Settlement], ledger: Ledger) -> None:
    ledger.settle(finished)


_books = dict[object, Books]()


def books_of(url: str | None, timeout: float, open_ledger: Callable[[], Ledger]) -> Books:
    """The books of a store: one for the whole process.

    Args:
        url: Which store.
        timeout: Seconds that anybody waits for it.
        open_ledger: Opens its ledger, once something is asked of it.
    """
    if (books := _books.get((url, timeout))) is None:
        books = _books.setdefault((url, timeout), Books(open_ledger))
    return books


def _after_fork() -> None:
    for books in _books.values():
        books.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
