"""A budget: what it is for, how much may be spent, and how often it begins anew."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, get_args

from streamspan.budgets.ledger import LARGEST, NANO, Account
from streamspan.budgets.periods import Period, Window
from streamspan.errors import BudgetError

OnExceed = Literal["block", "warn", "stop"]
WhenStopped = Literal["end", "raise"]

GLOBAL: Final = "global"
SCOPES: Final = ("project", "user", "tag", "model")
EACH: Final = "*"
"""The name that stands for each one: every project, user, tag or model has an account of its own."""

_LONGEST: Final = 200
"""Characters of a name; a longer one ends in a digest of itself, as no store takes any length."""
_MOST: Final = 1024
"""Accounts that a budget remembers, for as long as their window lasts."""
_NEVER: Final = Window(0, 0, None, float("-inf"))


@dataclass(frozen=True)
class Budget:
    """How much may be spent in a period, for one thing or for each one of a kind.

    A call that does not fit is not sent: it raises `BudgetExceededError`. A call counts against all budgets that are for it.

    Args:
        key: What it is for: ``global``, ``project:NAME``, ``user:NAME``, ``tag:NAME`` or ``model:NAME``. With ``*`` for a name
            each one has as much: ``user:*`` is a budget for every user.
        limit: How much may be spent, in US dollars: finite, and not below 0. Its text counts, so that 0.1 is a tenth.
        period: ``hour``, ``day``, ``week`` (from Monday), ``month``, ``year``, ``total`` (for ever), ``rolling-<N>h`` or
            ``rolling-<N>d`` (the last N hours or days).
        tz: The time zone that hours, days, weeks, months and years begin in, such as ``Europe/Berlin``.
        on_exceed: ``block`` refuses what does not fit; ``warn`` lets it pass and warns; ``stop`` refuses it, and also ends a
            running stream whose cost passes what is left.
        when_stopped: What a caller sees of a stream that was stopped: ``end``, as if the model had ended, or ``raise``,
            `BudgetExceededError`.

    Raises:
        BudgetError: If one of them cannot be; the message says which.

    Example:
        >>> streamspan.instrument(budgets=[streamspan.Budget("project:search", 5, "day"), streamspan.Budget("user:*", "0.50")])
    """

    key: str
    """What it is for."""
    limit: Decimal | float | int | str
    """How much may be spent in the period, in US dollars; a `decimal.Decimal`, whatever was given."""
    period: str = "month"
    """How often it begins anew."""
    tz: str = "UTC"
    """The time zone that its periods begin in."""
    _: KW_ONLY
    on_exceed: OnExceed = "block"
    """What becomes of a call that does not fit."""
    when_stopped: WhenStopped = "end"
    """What a caller sees of a stream that was stopped."""
    _windows: Period = field(init=False, repr=False, compare=False)
    _now: tuple[Window, dict[str, Account]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_choice("on_exceed", self.on_exceed, get_args(OnExceed))
        _check_choice("when_stopped", self.when_stopped, get_args(WhenStopped))
        object.__setattr__(self, "limit", _dollars(self.limit))
        object.__setattr__(self, "_windows", Period(self.period, self.tz))
        object.__setattr__(self, "_now", (_NEVER, {}))

    @property
    def slot(self) -> tuple[str, str]:
        """Its key and its period with the time zone: what there can be one budget of."""
        return self.key, str(self._windows)

    @property
    def nano(self) -> int:
        """The limit as a ledger counts it, rounded down."""
        return int(Decimal(self.limit) * NANO)

    def accounts(self, now: datetime, who: Mapping[str, str | Iterable[str]]) -> list[Account]:
        """The accounts that a call counts against here.

        Args:
            now: When; it knows its time zone.
            who: The call's names by scope, such as ``{"project": "search", "tag": ["beta"]}``.

        Returns:
            None, if the budget is not for it; more than one for ``tag:*``, if it has several tags.
        """
        window, accounts = self._now
        seconds = now.timestamp()
        if not window.bucket <= seconds < window.until:
            window, accounts = self._windows.at(seconds), {}
            object.__setattr__(self, "_now", (window, accounts))
        return [accounts.get(key) or self._open(key, window, accounts) for key in self._keys(who)]

    def _keys(self, who: Mapping[str, str | Iterable[str]]) -> Iterable[str]:
        if self.key == GLOBAL:
            return (GLOBAL,)
        scope, _, wanted = self.key.partition(":")
        given = who.get(scope, ())
        names = (given,) if isinstance(given, str) else given
        if wanted == EACH:
            return dict.fromkeys(f"{scope}:{_plain(name)}" for name in names if name)
        return (f"{scope}:{_plain(wanted)}",) if wanted in names else ()

    def _open(self, key: str, window: Window, accounts: dict[str, Account]) -> Account:
        if len(accounts) >= _MOST:
            accounts.clear()
        account = Account(key, str(self._windows), window.since, window.bucket, window.resets_at, self.nano)
        return accounts.setdefault(key, account)


def accounts(budgets: Iterable[Budget], now: datetime, who: Mapping[str, str | Iterable[str]]) -> dict[Account, Budget]:
    """What a call counts against, and why: of two budgets for one key and period, one that names it wins over one for each.

    Between two that are as good, the first one wins.
    """
    found: dict[tuple[str, str], tuple[Account, Budget]] = {}
    for budget in sorted(budgets, key=lambda budget: budget.key.endswith(f":{EACH}")):
        for account in budget.accounts(now, who):
            found.setdefault((account.key, account.period), (account, budget))
    return dict(found.values())


# --- what a budget can be --------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """``name`` as every store can keep it."""
    text = name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}…{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _check_key(key: object) -> None:
    if isinstance(key, str):
        scope, colon, name = key.partition(":")
        if key == GLOBAL or (colon and scope in SCOPES and name.strip()):
            return
    msg = f"key: {key!r} is neither {GLOBAL!r} nor one of {', '.join(f'{scope}:NAME' for scope in SCOPES)}"
    raise BudgetError(msg)


def _check_choice(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"{field}: {value!r} is none of {', '.join(choices)}"
        raise BudgetError(msg)


def _dollars(limit: object) -> Decimal:
    if isinstance(limit, Decimal | int | float | str) and not isinstance(limit, bool):
        try:
            dollars = Decimal(str(limit) if isinstance(limit, float) else limit)
        except InvalidOperation:
            dollars = Decimal("NaN")
        if dollars.is_finite() and 0 <= dollars <= LARGEST // NANO:
            return abs(dollars)  # there is a -0
    shown = f"{Decimal(limit):.6g}" if isinstance(limit, int) else repr(limit)  # of a very long one Python makes no text
    msg = f"limit: {shown} is not a number of US dollars, from 0 to {LARGEST // NANO}"
    raise BudgetError(msg)
