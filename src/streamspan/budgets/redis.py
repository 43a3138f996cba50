"""A ledger in Redis or Valkey, for processes of many machines.

Every change is one script, ``redis.lua``, which the server runs alone and by its own clock. All keys have one hash tag, and so
lie in one slot of a cluster.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from time import time
from typing import Any, Final, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

from streamspan import budgets
from streamspan.budgets import ledger
from streamspan.budgets.ledger import Account, Balance, Denied, Lease, Settlement, StoreError
from streamspan.budgets.periods import is_at, parse
from streamspan.errors import BudgetError

VERSION: Final = "1"
_AT: Final = "{streamspan}:"


class RedisLedger:
    """A ledger in the server at a URL.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py reads them.
        name: What to call it in messages, without a password.
        timeout: Seconds to wait for the server, each time.

    Raises:
        BudgetError: If the URL is none.
    """

    def __init__(self, url: str, name: str, timeout: float = 1.0) -> None:
        self._name = name
        self._names = ledger.LeaseNames()
        self._declared: dict[tuple[str, str], int] = {}
        once = Retry(NoBackoff(), 1)  # a connection may have been closed while nobody used it; what is asked twice is done once
        wait: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": once}
        try:
            connect = cast("Any", Redis.from_url)  # pyright: ignore[reportUnknownMemberType]
            self._redis: Any = connect(url, decode_responses=True, retry_on_error=[Unreachable, TooLate], **wait)
        except (ValueError, TypeError):
            msg = f"budget store: {name!r} is no URL that redis-py can read"
            raise BudgetError(msg) from None  # which would repeat the URL

    # --- the protocol: see there ---

    def reserve(  # noqa: D102
        self, accounts: Sequence[Account], amount: int, ttl: float, settlements: Sequence[Settlement] = ()
    ) -> Lease | Denied:
        lease = Lease(self._names.give(time()), tuple(accounts), ledger.amount_of(amount))
        self._declare(accounts)
        answer = self._run(
            "reserve", **_wanted(lease, amount, ttl), settlements=[*map(_settled, settlements)], remembered=ledger.REMEMBERED
        )
        return _denied(lease, answer) or lease

    def extend(self, lease: Lease, more: int, ttl: float) -> Lease | Denied:  # noqa: D102
        extended = replace(lease, amount=lease.amount + ledger.amount_of(more))
        answer = self._run("extend", **_wanted(lease, extended.amount, ttl))
        return lease if answer[0] == "settled" else _denied(lease, answer) or extended

    def settle(self, settlements: Sequence[Settlement]) -> None:  # noqa: D102
        if settlements:
            self._run("settle", settlements=[*map(_settled, settlements)], remembered=ledger.REMEMBERED)

    def balances(self, accounts: Sequence[Account]) -> list[Balance]:  # noqa: D102
        found = self._run("balances", accounts=[*map(_account, accounts)])
        return [ledger.balance(account, *totals) for account, totals in zip(accounts, found, strict=True)]

    def all(self) -> list[Balance]:  # noqa: D102
        self._run("balances", accounts=[])  # which drops what has expired
        names = sorted(
            (name.partition(":")[::2] for name in self._command("SMEMBERS", f"{_AT}accounts")), key=lambda name: name[::-1]
        )
        found: list[Balance] = []
        for period, key in names:
            hashed: dict[str, str] = self._command("HGETALL", f"{_AT}account:{period}:{key}")
            buckets = map(int, self._command("ZRANGE", f"{_AT}buckets:{period}:{key}", 0, -1))
            found += [_balance(key, period, bucket, hashed) for bucket in buckets]
        return found

    def reset(self, key: str, period: str | None = None) -> int:  # noqa: D102
        names = [name.partition(":") for name in self._command("SMEMBERS", f"{_AT}accounts")]
        wanted = [name for name in names if name[2] == key and (period is None or is_at(name[0], period))]
        return self._run("reset", names=["".join(name) for name in wanted])

    def close(self) -> None:  # noqa: D102
        self._redis.close()

    # --- the server ---

    def _declare(self, accounts: Sequence[Account]) -> None:
        """Says once what this process's limits are, for those who list them."""
        new: list[Account] = [
            account for account in accounts if self._declared.get((account.key, account.period)) != account.limit
        ]
        if new:
            before: list[str] = self._run("declare", accounts=[*map(_account, new)])
            for account, other in zip(new, before, strict=True):
                ledger.warn_of_limits(self._name, account, int(other))
                ledger.remember(self._declared, (account.key, account.period), account.limit)

    def _run(self, function: str, **asked: object) -> Any:
        text, digest = _script(function)
        question = json.dumps({"version": VERSION, **asked})
        try:
            return self._command("EVALSHA", digest, 1, f"{_AT}schema", question)
        except NoScriptError:  # the server has been started anew, or does not know it yet
            return self._command("EVAL", text, 1, f"{_AT}schema", question)

    def _command(self, *command: object) -> Any:
        try:
            return self._redis.execute_command(*command)
        except NoScriptError:
            raise
        except (RedisError, OSError) as error:
            raise StoreError(self._says(str(error))) from error

    def _says(self, why: str) -> str:
        kind, _, version = why.partition(" ")
        if kind == "SCHEMA":
            why = f"its schema has version {version}, and this streamspan knows version {VERSION}"
        return f"the budget store {self._name} cannot be used: {' '.join(why.split())}"


@cache
def _script(function: str) -> tuple[str, str]:
    """The script that calls a function, and what the server knows it by."""
    text = f"{files(budgets).joinpath('redis.lua').read_text()}\nreturn {function}()\n"
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _account(account: Account) -> dict[str, str]:
    is_rolling = account.bucket != account.since
    asked = {
        "name": f"{account.period}:{account.key}",
        "since": str(account.since),
        "last": "+inf" if is_rolling else str(account.bucket),
        "bucket": str(account.bucket),
        "limit": str(account.limit),
    }
    return asked | {"oldest": str(account.oldest)} if is_rolling else asked


def _wanted(lease: Lease, amount: int, ttl: float) -> dict[str, object]:
    return {"id": lease.id, "accounts": [*map(_account, lease.accounts)], "amount": str(amount), "ttl": int(ttl * 1000)}


def _settled(settlement: Settlement) -> dict[str, object]:
    return {
        "id": settlement.lease.id,
        "actual": str(ledger.amount_of(settlement.actual)),
        "calls": str(settlement.calls),
        "accounts": [*map(_account, settlement.lease.accounts)],
    }


def _denied(lease: Lease, answer: Sequence[Any]) -> Denied | None:
    if answer[0] != "denied":
        return None
    return Denied(lease.accounts[int(answer[1])], int(answer[2]), int(answer[3]))


def _balance(key: str, period: str, bucket: int, found: Mapping[str, str]) -> Balance:
    spent, reserved, calls = (int(found.get(f"{kind}{bucket}", 0)) for kind in "src")
    return Balance(key, period, bucket, int(found["limit"]), spent, reserved, calls, parse(period).at(bucket).resets_at)
