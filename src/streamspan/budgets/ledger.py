"""What a ledger does: it holds money for calls that run, and adds up what calls have cost.

Money is integer nano-USD here, so that nothing is lost to rounding. What is spent is kept per key, period and bucket; a call
counts against several accounts at once, or against none of them.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from typing import Final, Protocol, SupportsInt

from streamspan.errors import logger, once

NANO: Final = 10**9
"""A US dollar."""
LARGEST: Final = 2**62 - 1
"""The largest amount, 4.6 billion US dollars: two of them still fit into what every store can hold."""
REMEMBERED: Final = 6 * 3600
"""Seconds for which a store knows, from when it was reserved, that a lease is settled."""
TIDIED: Final = 60.0
"""Seconds between two times that a process has its store drop what is over: leases that expired, settled ones that are old."""

_MOST_DECLARED: Final = 10_000


class StoreError(Exception):
    """A ledger's store cannot be used: it cannot be reached or written, is full, damaged, or of another version of streamspan.

    The message is one line that names the store, without any password.
    """


@dataclass(frozen=True, slots=True)
class Account:
    """What a call counts against, with the limit that this process enforces."""

    key: str
    """Such as ``project:search`` or ``global``."""
    period: str
    """Such as ``month`` or ``month@Europe/Berlin``."""
    since: int
    """What was spent from this second on counts."""
    bucket: int
    """The second under which is kept what is spent now: `since`, but for a rolling window."""
    resets_at: datetime | None
    """When what is spent now does not count any more."""
    limit: int

    @property
    def oldest(self) -> int:
        """Slots of a rolling window that are older than this are dropped: they have not counted for as long as they ever did."""
        return 2 * self.since - self.bucket

    @property
    def until(self) -> int:
        """The last bucket that counts: a calendar window is one bucket, a rolling one has no end."""
        return self.bucket if self.bucket == self.since else LARGEST


@dataclass(frozen=True, slots=True)
class Lease:
    """What is held for one call."""

    id: str
    accounts: tuple[Account, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A reservation that does not fit into `account`, the first one in which it does not."""

    account: Account
    spent: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call has cost."""

    lease: Lease
    actual: int
    calls: int = 1
    """0 if there was no call after all, such as for a request that was never sent."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How an account stands."""

    key: str
    period: str
    bucket: int
    limit: int
    """The one that was declared last, whichever process did."""
    spent: int
    reserved: int
    """What is held for calls that run."""
    calls: int
    """How many calls were settled."""
    resets_at: datetime | None

    @property
    def remaining(self) -> int:
        """What can still be reserved; never below zero."""
        return max(self.limit - self.spent - self.reserved, 0)


class Ledger(Protocol):
    """What every store can do. All of it may be called by many threads, and after a fork by the child, too.

    Every method raises `StoreError` if the store cannot be used, and then nothing of what was asked has been lost or half done:
    **who called keeps the settlements and hands them in again**, with the next `reserve` or `settle`, for as long as it takes.
    Handing them in twice is safe: a lease is settled once, however often its settlement comes, for `REMEMBERED` seconds.
    So a store may be away, and come back, while calls run; what a process had not handed in when it was killed is lost.

    A ledger enforces the limits in the accounts it is given. Processes may have different limits for one key: each enforces its
    own, the one that was declared last is shown, and a process that finds another one warns once.
    """

    def reserve(
        self, accounts: Sequence[Account], amount: int, ttl: float, settlements: Sequence[Settlement] = ()
    ) -> Lease | Denied:
        """Holds an amount in all accounts, or in none of them.

        It is one transaction: first the settlements, which stand even if the rest is denied.

        Args:
            accounts: Where; each pair of key and period once.
            amount: How much. 0 holds nothing, and asks only whether the limits are reached.
            ttl: Seconds after which what is held comes back, if nobody has settled it or extended it.
            settlements: What other calls have cost, to count already here.

        Returns:
            What is held; or the first account for which ``spent + reserved + amount > limit`` (``spent >= limit`` for 0).
        """
        ...

    def extend(self, lease: Lease, more: int, ttl: float) -> Lease | Denied:
        """Holds a lease for ``ttl`` seconds from now, and ``more`` on top of its amount if that fits into all of its accounts.

        It is safe to ask for the same twice: what counts is the amount that is to be held in the end. Of a lease that has
        expired everything is reserved again. One that is settled stays so. If it is denied, what was held is held on.
        """
        ...

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Spends what calls have cost, each in the buckets of its own lease, and gives back what was held.

        It spends also for a lease that has expired, or that the store has never heard of, and beyond a limit: that money is gone.
        """
        ...

    def balances(self, accounts: Sequence[Account]) -> list[Balance]:
        """How these accounts stand, against the limits that they have here."""
        ...

    def all(self) -> list[Balance]:
        """Everything there is, one per key, period and bucket, sorted by them."""
        ...

    def reset(self, key: str, period: str | None = None) -> int:
        """Forgets what was spent under a key, in all buckets; what is held for calls that run stays held.

        Args:
            key: Such as ``project:search``.
            period: Only this one; ``month`` is every month, in whatever time zone.

        Returns:
            How many buckets there were.
        """
        ...

    def close(self) -> None:
        """Lets go of connections. A ledger that is used again opens new ones."""
        ...


# --- money and names -------------------------------------------------------------------------------------------------


def nano(dollars: Decimal) -> int:
    """US dollars as a ledger counts them, rounded to the nearest."""
    return min(int((dollars * NANO).to_integral_value(ROUND_HALF_EVEN)), LARGEST)


def usd(amount: int) -> Decimal:
    """An amount of a ledger in US dollars, without zeros at its end."""
    dollars = Decimal(amount).scaleb(-9)
    return dollars.quantize(Decimal(1)) if dollars == dollars.to_integral_value() else dollars.normalize()


class LeaseNames:
    """Names for leases that no other process gives, and that sort by the time they were given."""

    def __init__(self) -> None:
        self._count = count()
        self._begin()

    def _begin(self) -> None:
        self._origin, self._process = os.urandom(8).hex(), os.getpid()

    def give(self, now: float) -> str:
        """The next one; it begins with what `since` returns for ``now``, the seconds since the epoch."""
        if self._process != os.getpid():
            self._begin()
        return f"{since(now)}{self._origin}{next(self._count):x}"


def since(now: float) -> str:
    """What the names of leases that are given from now on are not less than."""
    return f"{int(now):010x}"


def amount_of(value: int) -> int:
    """``value`` if it is an amount.

    Raises:
        ValueError: If it is negative, or larger than any that can be.
    """
    if 0 <= value <= LARGEST:
        return value
    msg = f"an amount is between 0 and {LARGEST} nano-USD, not {value}"
    raise ValueError(msg)


def shortfall(accounts: Iterable[tuple[Account, int, int]], amount: int) -> Denied | None:
    """The first of accounts, with what is spent and reserved, that an amount does not fit into."""
    for account, spent, reserved in accounts:
        if spent + reserved + amount > account.limit if amount else spent >= account.limit:
            return Denied(account, spent, reserved)
    return None


def balance(account: Account, spent: SupportsInt, reserved: SupportsInt, calls: SupportsInt) -> Balance:
    """How an account stands, with its own limit."""
    totals = int(spent), int(reserved), int(calls)
    return Balance(account.key, account.period, account.bucket, account.limit, *totals, account.resets_at)


def warn_of_limits(store: str, account: Account, other: int) -> None:
    """Says, once per budget, that another process has declared another limit."""
    if other != account.limit and once("limits", store, account.key, account.period):
        logger.warning(
            "the budget %s (%s) has a limit of %s US dollars here, another process had declared %s; each enforces its own",
            *(account.key, account.period, usd(account.limit), usd(other)),
        )


def remember(declared: dict[tuple[str, str], int], which: tuple[str, str], limit: int) -> None:
    """Notes that a limit is declared, within bounds: there may be a budget for each of a million users."""
    if len(declared) >= _MOST_DECLARED:
        declared.clear()
    declared[which] = limit
