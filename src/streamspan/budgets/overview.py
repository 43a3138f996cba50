"""How all budgets stand now, out of what a ledger has kept."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from streamspan.budgets.ledger import Balance
from streamspan.budgets.periods import parse


def standing(balances: Iterable[Balance], now: float) -> list[Balance]:
    """One balance per key and period: that of the window that ``now``, in seconds since the epoch, is in."""
    grouped = groupby(balances, key=lambda balance: (balance.key, balance.period))
    return [_now(list(group), now) for _, group in grouped]


def _now(buckets: list[Balance], now: float) -> Balance:
    window = parse(buckets[0].period).at(now)
    is_rolling = window.since != window.bucket
    counting = [one for one in buckets if (one.bucket >= window.since if is_rolling else one.bucket == window.bucket)]
    spent, reserved, calls = (sum(getattr(one, name) for one in counting) for name in ("spent", "reserved", "calls"))
    return replace(buckets[-1], bucket=window.bucket, spent=spent, reserved=reserved, calls=calls, resets_at=window.resets_at)
