"""What streamspan raises on purpose, and how it keeps everything else to itself."""

import functools
import logging
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("streamspan")

RAISE_ERRORS = "STREAMSPAN_RAISE_ERRORS"
"""Environment variable: when set, a defect of streamspan is raised into the program instead of logged. For our own tests."""

_said: set[tuple[object, ...]] = set()


class SettingsError(ValueError):
    """A setting that does not exist, or a value that it cannot take; the message names the setting."""


class BudgetError(ValueError):
    """A budget, or a place to keep budgets, that cannot be: the message names the field and the value."""


class BudgetExceededError(Exception):
    """What a call would cost does not fit into a budget any more; nothing was sent.

    Args:
        key: What the budget is for, such as ``project:search``.
        limit: How much may be spent in the period, in US dollars.
        spent: How much is spent, in US dollars.
        reserved: How much is held for calls that are running, in US dollars.
        resets_at: When what is spent now does not count any more; ``None`` if it always will.

    Example:
        >>> try:
        ...     client.responses.create(model="gpt-4.1-mini", input="Where is Lima?")
        ... except streamspan.BudgetExceededError as error:
        ...     print(error.key, error.resets_at)
    """

    key: str
    """What the budget is for, such as ``project:search`` or ``global``."""
    limit: Decimal
    """How much may be spent in the period, in US dollars."""
    spent: Decimal
    """How much was spent, in US dollars."""
    reserved: Decimal
    """How much was held for calls that were running, in US dollars."""
    resets_at: datetime | None
    """When what was spent does not count any more; ``None`` if it always will."""

    def __init__(self, key: str, limit: Decimal, spent: Decimal, reserved: Decimal, resets_at: datetime | None) -> None:
        super().__init__(key, limit, spent, reserved, resets_at)  # so that it can be pickled
        self.key, self.limit, self.spent, self.reserved, self.resets_at = key, limit, spent, reserved, resets_at

    def __str__(self) -> str:
        until = f", until {self.resets_at:%Y-%m-%d %H:%M %Z}" if self.resets_at else ""
        return (
            f"the budget {self.key} is used up{until}: {self.spent} spent and {self.reserved} reserved of {self.limit} US dollars"
        )


class UsageEstimatedWarning(UserWarning):
    """A provider reported no tokens for a call, so streamspan estimates them, and the call's cost.

    It is warned at most once an hour for each model, from a thread of streamspan's: where warnings are errors, it is a line in
    the log ``streamspan`` instead, and raises nowhere. On the span ``streamspan.usage.estimated`` names the counts.

    Example:
        ```python
        import warnings
        import streamspan

        warnings.filterwarnings("ignore", category=streamspan.UsageEstimatedWarning)
        ```
    """


class BudgetUnavailableError(BudgetExceededError):
    """A call was refused as the ledger does not answer, and ``budget_store_down`` is ``deny``; nothing was sent.

    What is spent and reserved is not known: both are 0.

    Example:
        >>> try:
        ...     client.responses.create(model="gpt-4.1-mini", input="Where is Lima?")
        ... except streamspan.BudgetUnavailableError as error:
        ...     print(error.key)
    """

    def __str__(self) -> str:
        return f"the ledger of the budget {self.key} does not answer, and budget_store_down is 'deny'"


class BudgetUnpricedError(BudgetExceededError):
    """A call was refused as no price of its model is known, and ``budget_unknown_price`` is ``deny``; nothing was sent.

    What is spent and reserved was not asked: both are 0.

    Example:
        >>> try:
        ...     client.responses.create(model="our-own-model", input="Where is Lima?")
        ... except streamspan.BudgetUnpricedError as error:
        ...     print(error.key)
    """

    def __str__(self) -> str:
        return f"no price of the model is known that the budget {self.key} is asked for, and budget_unknown_price is 'deny'"


class RateLimitExceededError(Exception):
    """A function under `track_costs` was called too often, or used too many tokens, in the last minute; it was not called now.

    Example:
        >>> try:
        ...     answer(question)
        ... except streamspan.RateLimitExceededError as error:
        ...     time.sleep(error.retry_after)
    """

    def __init__(self, name: str, limit: int, retry_after: float) -> None:
        super().__init__(name, limit, retry_after)  # so that it can be pickled
        self.name = name
        """The limit: ``rate_limit`` or ``tpm_limit``."""
        self.limit = limit
        """How much it allows in a minute."""
        self.retry_after = retry_after
        """Seconds until there is room again."""

    def __str__(self) -> str:
        return f"{self.name} is {self.limit} a minute, which is reached; there is room again in {self.retry_after:.1f} s"


def once(*key: object) -> bool:
    """Whether this is the first time in this process that somebody asks about ``key``: for what the log shall hold once."""
    if key in _said:
        return False
    _said.add(key)
    return True


def report(error: Exception, doing: str) -> None:
    """Logs a defect of ours, once per place and kind, and lets the application go on.

    Args:
        error: What our code raised.
        doing: What it was doing, to complete "streamspan failed while ...".

    Raises:
        Exception: ``error`` itself, if `RAISE_ERRORS` is set.
    """
    if os.environ.get(RAISE_ERRORS):
        raise error
    if once(doing, type(error)):
        logger.error("streamspan failed while %s; your program is not affected, this call's telemetry is", doing, exc_info=error)


def guard(doing: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Decorates an entry from user code: what it raises is reported, and ``None`` is returned in its place."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                report(error, doing)
                return None

        return guarded

    return decorate
