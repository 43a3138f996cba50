"""What every store promises, on each of them: the same tests against real servers."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from streamspan.budgets import periods
from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Account, Balance, Denied, Lease, Ledger, Settlement

CENT = NANO // 100
NOW = datetime.now(UTC)
_numbers = count()

Open = Callable[[], Ledger]


def account(limit: Any = 1, period: str = "month", now: datetime = NOW, name: str | None = None, tz: str = "UTC") -> Account:
    """An account that no other test has."""
    name = name or f"p{next(_numbers)}"
    return Budget(f"project:{name}", limit, period, tz).accounts(now, {"project": name})[0]


def held(answer: Lease | Denied) -> Lease:
    assert isinstance(answer, Lease), answer
    return answer


def totals(ledger: Ledger, *accounts: Account) -> list[tuple[int, int, int]]:
    """What is spent, reserved and called."""
    return [(balance.spent, balance.reserved, balance.calls) for balance in ledger.balances(accounts)]


def stored(ledger: Ledger, key: str) -> list[Balance]:
    return [balance for balance in ledger.all() if balance.key == key]


# --- reserve, settle, extend, release -----------------------------------------------------------------------------------


def test_what_is_held_counts_until_it_is_settled(ledger: Ledger) -> None:
    """Then counts what it has cost, and the rest is free again."""
    mine = account()
    lease = held(ledger.reserve([mine], 60 * CENT, 60))
    assert lease == Lease(lease.id, (mine,), 60 * CENT)
    assert ledger.reserve([mine], 60 * CENT, 60) == Denied(mine, 0, 60 * CENT)
    ledger.settle([Settlement(lease, 30 * CENT)])
    assert totals(ledger, mine) == [(30 * CENT, 0, 1)]
    held(ledger.reserve([mine], 70 * CENT, 60))
    assert ledger.reserve([mine], 1, 60) == Denied(mine, 30 * CENT, 70 * CENT)


def test_nothing_asks_only_whether_the_limit_is_reached(ledger: Ledger) -> None:
    """It holds nothing, what is held does not matter, and it is settled like any other."""
    mine = account()
    held(ledger.reserve([mine], 100 * CENT, 60))
    lease = held(ledger.reserve([mine], 0, 60))
    ledger.settle([Settlement(lease, 100 * CENT)])
    assert ledger.reserve([mine], 0, 60) == Denied(mine, 100 * CENT, 100 * CENT)


def test_a_limit_of_nothing_lets_nothing_pass(ledger: Ledger) -> None:
    """Not even what asks for nothing."""
    mine = account(0)
    assert [ledger.reserve([mine], amount, 60) for amount in (0, 1)] == [Denied(mine, 0, 0)] * 2


def test_it_is_held_in_all_accounts_or_in_none(ledger: Ledger) -> None:
    """The first one into which it does not fit is named, and nothing is held in those before it."""
    first, small, smaller = account(1), account("0.50"), account("0.40")
    lease = held(ledger.reserve([first, small, smaller], 30 * CENT, 60))
    assert ledger.reserve([first, small, smaller], 30 * CENT, 60) == Denied(small, 0, 30 * CENT)
    assert totals(ledger, first, small, smaller) == [(0, 30 * CENT, 0)] * 3
    ledger.settle([Settlement(lease, 5 * CENT)])
    assert totals(ledger, first, small, smaller) == [(5 * CENT, 0, 1)] * 3


def test_what_calls_have_cost_counts_in_the_same_reservation(ledger: Ledger) -> None:
    """Settlements come first, and stand also where the reservation is denied."""
    mine, other = account(), account()
    lease, elsewhere = held(ledger.reserve([mine], 90 * CENT, 60)), held(ledger.reserve([other], 90 * CENT, 60))
    second = held(ledger.reserve([mine], 90 * CENT, 60, [Settlement(lease, 10 * CENT), Settlement(elsewhere, 1)]))
    assert ledger.reserve([mine], CENT, 60, [Settlement(second, 95 * CENT)]) == Denied(mine, 105 * CENT, 0)
    assert totals(ledger, mine, other) == [(105 * CENT, 0, 2), (1, 0, 1)]


def test_a_lease_can_be_extended(ledger: Ledger) -> None:
    """If it fits, by as much as is asked; if not, what was held is held on."""
    mine = account()
    lease = held(ledger.reserve([mine], 60 * CENT, 60))
    longer = held(ledger.extend(lease, 20 * CENT, 60))
    assert longer == replace(lease, amount=80 * CENT)
    assert ledger.extend(longer, 21 * CENT, 60) == Denied(mine, 0, 80 * CENT)
    assert ledger.extend(longer, 0, 60) == longer
    ledger.settle([Settlement(longer, 0, calls=0)])
    assert totals(ledger, mine) == [(0, 0, 0)]


def test_a_request_that_was_not_sent_gives_everything_back(ledger: Ledger) -> None:
    """It is no call."""
    mine = account()
    ledger.settle([Settlement(held(ledger.reserve([mine], CENT, 60)), 0, calls=0)])
    assert totals(ledger, mine) == [(0, 0, 0)]


def test_a_paid_call_is_recorded_beyond_the_limit(ledger: Ledger) -> None:
    """That money is gone; the next call is denied."""
    mine = account()
    ledger.settle([Settlement(held(ledger.reserve([mine], CENT, 60)), 300 * CENT)])
    assert totals(ledger, mine) == [(300 * CENT, 0, 1)]
    assert ledger.reserve([mine], 0, 60) == Denied(mine, 300 * CENT, 0)


# --- what is asked twice ------------------------------------------------------------------------------------------------


def test_a_lease_is_settled_once(ledgers: Open) -> None:
    """However often its settlement comes, from whichever process, in whichever call."""
    mine = account()
    ledger, other = ledgers(), ledgers()
    settlement = Settlement(held(ledger.reserve([mine], 50 * CENT, 60)), 20 * CENT)
    ledger.settle([settlement, settlement])
    other.settle([settlement])
    lease = held(other.reserve([mine], CENT, 60, [settlement]))
    assert totals(ledger, mine) == [(20 * CENT, CENT, 1)]
    assert ledger.extend(settlement.lease, CENT, 60) == settlement.lease
    assert totals(ledger, mine) == [(20 * CENT, CENT, 1)]
    ledger.settle([Settlement(lease, 0)])


def test_an_extension_holds_once(ledger: Ledger) -> None:
    """What is asked again because no answer came is not held twice."""
    mine = account()
    lease = held(ledger.reserve([mine], 30 * CENT, 60))
    assert ledger.extend(lease, 20 * CENT, 60) == ledger.extend(lease, 20 * CENT, 60) == replace(lease, amount=50 * CENT)
    assert totals(ledger, mine) == [(0, 50 * CENT, 0)]


def test_a_lease_that_the_store_does_not_know_is_spent(ledger: Ledger) -> None:
    """Such as one from before the store lost what it had, or of a call that went on while it was away."""
    mine = account()
    ledger.settle([Settlement(Lease(f"{2**40:010x}{os.urandom(4).hex()}", (mine,), CENT), 7 * CENT)])
    assert totals(ledger, mine) == [(7 * CENT, 0, 1)]
    assert [balance.limit for balance in stored(ledger, mine.key)] == [NANO]


# --- expiry -------------------------------------------------------------------------------------------------------------


def test_what_expired_comes_back(ledger: Ledger) -> None:
    """Where it is needed, in all of its accounts, and where it is shown."""
    mine, other = account(), account()
    held(ledger.reserve([mine, other], 90 * CENT, 0))
    assert totals(ledger, mine, other) == [(0, 0, 0)] * 2
    held(ledger.reserve([mine, other], 90 * CENT, 0))
    held(ledger.reserve([other], 90 * CENT, 60))
    assert totals(ledger, mine, other) == [(0, 0, 0), (0, 90 * CENT, 0)]


def test_a_call_that_outlived_its_lease_is_spent_all_the_same(ledger: Ledger) -> None:
    """In its own bucket, and what others hold by now stays."""
    mine = account()
    late = held(ledger.reserve([mine], 90 * CENT, 0))
    held(ledger.reserve([mine], 90 * CENT, 60))
    ledger.settle([Settlement(late, 50 * CENT)])
    assert totals(ledger, mine) == [(50 * CENT, 90 * CENT, 1)]


def test_a_lease_that_expired_is_taken_up_again_if_there_is_room(ledger: Ledger) -> None:
    """With everything, as nothing of it was held any more; or it is denied, and holds nothing."""
    mine = account()
    lease = held(ledger.reserve([mine], 40 * CENT, 0))
    assert totals(ledger, mine) == [(0, 0, 0)]
    longer = held(ledger.extend(lease, 10 * CENT, 0))
    assert longer.amount == 50 * CENT
    other = held(ledger.reserve([mine], 60 * CENT, 60))
    assert ledger.extend(longer, 0, 60) == Denied(mine, 0, 60 * CENT)
    ledger.settle([Settlement(other, 0)])
    assert ledger.extend(longer, 0, 60) == longer
    assert totals(ledger, mine) == [(0, 50 * CENT, 1)]


def test_an_extension_comes_in_time_as_long_as_nobody_has_swept(ledger: Ledger) -> None:
    """It is renewed before what expired is given back, so that it does not lose its own money."""
    mine = account()
    lease = held(ledger.reserve([mine], 90 * CENT, 0))
    assert held(ledger.extend(lease, 10 * CENT, 60)).amount == 100 * CENT
    assert totals(ledger, mine) == [(0, 100 * CENT, 0)]


# --- time ---------------------------------------------------------------------------------------------------------------


def test_a_window_begins_with_nothing(ledger: Ledger) -> None:
    """What was reserved in the one before is spent there, also after its end, and extended there."""
    before, after = (account(1, "day", NOW + timedelta(days=days), "boundary") for days in (0, 1))
    lease = held(ledger.reserve([before], 90 * CENT, 60))
    fresh = held(ledger.reserve([after], 95 * CENT, 60))
    lease = held(ledger.extend(lease, 10 * CENT, 60))
    ledger.settle([Settlement(lease, 80 * CENT), Settlement(fresh, 70 * CENT)])
    assert totals(ledger, before, after) == [(80 * CENT, 0, 1), (70 * CENT, 0, 1)]
    assert [(balance.bucket, balance.spent, balance.resets_at) for balance in stored(ledger, before.key)] == [
        (before.bucket, 80 * CENT, before.resets_at),
        (after.bucket, 70 * CENT, after.resets_at),
    ]


@pytest.mark.parametrize(
    "change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)], ids=["on", "back"]
)
def test_a_change_of_the_clock_loses_no_money(ledger: Ledger, change: datetime) -> None:
    """Each hour has a limit of its own, also the two with one name; the day has one, with 23 hours or with 25."""
    moments = [change + timedelta(minutes=minutes) for minutes in (-61, -59, -1, 0, 59, 61)]
    names = (f"h{next(_numbers)}", f"d{next(_numbers)}")
    for moment in moments:
        both = [account(1, "hour", moment, names[0], "Europe/Berlin"), account(9, "day", moment, names[1], "Europe/Berlin")]
        ledger.settle([Settlement(held(ledger.reserve(both, CENT, 60)), CENT)])
    hours, days = (stored(ledger, f"project:{name}") for name in names)
    assert [(hour.bucket - int(change.timestamp()), hour.calls) for hour in hours] == [(-7200, 1), (-3600, 2), (0, 2), (3600, 1)]
    assert [day.calls for day in days] == [6]


def test_a_rolling_window_forgets_slot_by_slot(ledger: Ledger) -> None:
    """All of its length counts; what was spent before does not, and is dropped after as long again."""
    spent = [account(1, "rolling-1h", NOW + timedelta(minutes=minutes), "rolling") for minutes in (0, 30, 59)]
    for one in spent:
        ledger.settle([Settlement(held(ledger.reserve([one], 30 * CENT, 60)), 30 * CENT)])
    assert ledger.reserve([spent[-1]], 20 * CENT, 60) == Denied(spent[-1], 90 * CENT, 0)
    later = account(1, "rolling-1h", NOW + timedelta(minutes=62), "rolling")
    ledger.settle([Settlement(held(ledger.reserve([later], 20 * CENT, 60)), 20 * CENT)])
    assert totals(ledger, later) == [(80 * CENT, 0, 3)]
    held(ledger.reserve([account(1, "rolling-1h", NOW + timedelta(hours=4), "rolling")], 90 * CENT, 60))
    assert [balance.spent for balance in stored(ledger, later.key)] == [0]


def test_a_process_whose_clock_is_off_counts_where_its_clock_says(ledgers: Open) -> None:
    """An hour fast it is in the next window; leases still expire by the store's clock, and nothing is lost."""
    right, fast = (account(1, "hour", NOW + timedelta(hours=hours), "skewed") for hours in (0, 1))
    ledger, other = ledgers(), ledgers()
    leases = [held(ledger.reserve([right], 60 * CENT, 60)), held(other.reserve([fast], 60 * CENT, 60))]
    assert totals(other, right, fast) == [(0, 60 * CENT, 0)] * 2
    other.settle([Settlement(lease, 50 * CENT) for lease in leases])
    assert totals(ledger, right, fast) == [(50 * CENT, 0, 1)] * 2


# --- names, numbers, limits ---------------------------------------------------------------------------------------------

ODD = [
    "a b",
    "a:b:c",
    "*",
    "%s ? ' \" ; --",
    "{streamspan}",
    "\\ \n \t \x1b",
    "ä é 漢 🙂 \u202e",
    "[1]",
    "month@UTC",
    "null",
    "x" * 500,
    "nul \0",
    "\ud800",
]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_a_key_can_have_any_characters(ledger: Ledger, name: str) -> None:
    """It is found under its own name, and resetting one does not touch another."""
    mine, near = (Budget("user:*", 1, "month", "Europe/Berlin").accounts(NOW, {"user": one})[0] for one in (name, f"{name}."))
    for one in (mine, near):
        ledger.settle([Settlement(held(ledger.reserve([one], CENT, 60)), CENT)])
    assert [(balance.key, balance.period, balance.spent) for balance in stored(ledger, mine.key)] == [
        (mine.key, "month@Europe/Berlin", CENT)
    ]
    assert ledger.reset(mine.key) == 1
    assert totals(ledger, mine, near) == [(0, 0, 0), (CENT, 0, 1)]


@pytest.mark.parametrize("limit", [2**53 + 1, 2**60 + 1, 2**62 - 1])
def test_large_amounts_are_exact(ledger: Ledger, limit: int) -> None:
    """To the last nano-dollar, beyond what a double can count."""
    mine = replace(account(), limit=limit)
    lease = held(ledger.reserve([mine], limit - 1, 60))
    second = held(ledger.reserve([mine], 1, 60))
    assert ledger.reserve([mine], 1, 60) == Denied(mine, 0, limit)
    ledger.settle([Settlement(lease, limit - 2), Settlement(second, 1)])
    assert totals(ledger, mine) == [(limit - 1, 0, 2)]
    assert ledger.reserve([mine], 2, 60) == Denied(mine, limit - 1, 0)
    assert held(ledger.reserve([mine], 1, 60))
    assert [(balance.limit, balance.spent, balance.reserved, balance.remaining) for balance in stored(ledger, mine.key)] == [
        (limit, limit - 1, 1, 0)
    ]


@pytest.mark.parametrize("amount", [-1, 2**62])
def test_what_is_no_amount_is_refused(ledger: Ledger, amount: int) -> None:
    """Before anything is changed."""
    mine = account()
    lease = held(ledger.reserve([mine], CENT, 60))
    for wrong in (
        lambda: ledger.reserve([mine], amount, 60),
        lambda: ledger.extend(lease, amount, 60),
        lambda: ledger.settle([Settlement(lease, CENT), Settlement(replace(lease, id="0"), amount)]),
    ):
        with pytest.raises(ValueError, match="an amount is between 0 and"):
            wrong()
    assert totals(ledger, mine) == [(0, CENT, 0)]


def test_each_process_enforces_its_own_limit(ledgers: Open, caplog: pytest.LogCaptureFixture) -> None:
    """The one that was declared last is shown, and who finds another one says so, once."""
    mine = account(1)
    yours = replace(mine, limit=2 * NANO)
    ledger, other = ledgers(), ledgers()
    with caplog.at_level(logging.WARNING, "streamspan"):
        held(ledger.reserve([mine], 90 * CENT, 60))
        for _ in range(2):
            held(other.reserve([yours], 20 * CENT, 60))
        assert ledger.reserve([mine], 20 * CENT, 60) == Denied(mine, 0, 130 * CENT)
    assert [balance.limit for balance in stored(ledger, mine.key)] == [2 * NANO]
    assert [record.getMessage() for record in caplog.records] == [
        f"the budget {mine.key} (month) has a limit of 2 US dollars here, another process had declared 1; each enforces its own"
    ]


# --- listing and resetting ----------------------------------------------------------------------------------------------


def test_everything_is_listed(ledger: Ledger) -> None:
    """One per key, period and bucket, sorted, with what it was and when it resets."""
    name = f"listed{next(_numbers)}"
    accounts = [account(2, period, NOW, name) for period in ("total", "rolling-30d", "month", "hour")]
    ledger.settle([Settlement(held(ledger.reserve(accounts, CENT, 60)), 1)])
    held(ledger.reserve(accounts, CENT, 60))
    expected = [Balance(one.key, one.period, one.bucket, one.limit, 1, CENT, 1, one.resets_at) for one in accounts]
    assert stored(ledger, accounts[0].key) == sorted(expected, key=lambda balance: balance.period)
    assert ledger.balances(accounts) == expected
    everything = [(balance.key, balance.period, balance.bucket) for balance in ledger.all()]
    assert everything == sorted(everything)


def test_an_account_that_nobody_has_used_is_empty(ledger: Ledger) -> None:
    """And is not listed."""
    mine = account()
    assert totals(ledger, mine) == [(0, 0, 0)]
    assert stored(ledger, mine.key) == []
    assert (ledger.balances([]), ledger.settle([]), ledger.reset(mine.key)) == ([], None, 0)


def test_a_reset_forgets_what_was_spent(ledger: Ledger) -> None:
    """Of one period, or of all; what is held for calls that run stays, and what they cost counts anew."""
    name = f"reset{next(_numbers)}"
    monthly, daily = account(1, "month", NOW, name, "Asia/Tokyo"), account(1, "day", NOW, name)
    lease = held(ledger.reserve([monthly, daily], 40 * CENT, 60))
    ledger.settle([Settlement(held(ledger.reserve([monthly, daily], 10 * CENT, 60)), 10 * CENT)])
    assert (ledger.reset(monthly.key, "month"), ledger.reset(monthly.key, "week")) == (1, 0)
    assert totals(ledger, monthly, daily) == [(0, 40 * CENT, 0), (10 * CENT, 40 * CENT, 1)]
    assert ledger.reset(monthly.key) == 2
    ledger.settle([Settlement(lease, 30 * CENT)])
    assert totals(ledger, monthly, daily) == [(30 * CENT, 0, 1)] * 2
    assert ledger.reset(monthly.key) == 2
    assert stored(ledger, monthly.key) == []


# --- threads ------------------------------------------------------------------------------------------------------------


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    """As many calls get through as fit, and what they have cost adds up."""
    mine, done = account(), list[int]()

    def work() -> None:
        for _ in range(10):
            lease = ledger.reserve([mine], 2 * CENT, 60)
            if isinstance(lease, Lease):
                ledger.settle([Settlement(lease, CENT)])
                done.append(CENT)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals(ledger, mine) == [(sum(done), 0, len(done))]
    assert 0 < sum(done) <= NANO


def test_the_name_of_a_period_is_enough_to_read_it_again(ledger: Ledger) -> None:
    """What a store lists has windows that `periods` finds from the name alone."""
    mine = account(1, "week", NOW, tz="America/New_York")
    held(ledger.reserve([mine], CENT, 60))
    [balance] = stored(ledger, mine.key)
    assert periods.parse(balance.period).at(balance.bucket)[:3] == (mine.since, mine.bucket, mine.resets_at)
