"""The windows of time that budgets are for.

A window is named by the second at which it begins, so that nothing has to be reset when the next one comes. Calendar windows
begin where the calendar of a time zone says; a rolling window moves on in slots.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streamspan.errors import BudgetError

HOUR: Final = 3600
DAY: Final = 24 * HOUR

_SLOTS: Final = 60
"""How many slots a rolling window has: what was spent counts up to a 60th of the window longer than it should, and never less."""
_LONGEST: Final = 3660 * DAY
_ROLLING: Final = re.compile(r"rolling-([1-9]\d{0,5})([hd])")
_SPELLED: Final = "hour, day, week, month, year, total, rolling-<N>h, rolling-<N>d"


class Window(NamedTuple):
    """Where something counts that is spent now."""

    since: int
    """What was spent from this second on counts, too."""
    bucket: int
    """The second under which it is kept: `since`, but for a rolling window."""
    resets_at: datetime | None
    """When it does not count any more, if that ever comes."""
    until: float
    """When the next window, or the next slot of a rolling one, begins."""


_FOREVER: Final = Window(0, 0, None, float("inf"))


@dataclass(frozen=True)
class Period:
    """How often a budget begins anew, and where.

    Raises:
        BudgetError: If there is no such period or time zone.
    """

    name: str
    """One of hour, day, week (from Monday), month, year, total, rolling-<N>h, rolling-<N>d."""
    tz: str = "UTC"
    """The time zone that hours, days, weeks, months and years begin in."""
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _length: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_length", _length(self.name))
        object.__setattr__(self, "_zone", _zone(self.tz))

    def at(self, now: float) -> Window:
        """The window that a moment is in, given in seconds since the epoch."""
        if self._length:
            return _rolling(self._length, now)
        begins = _CALENDAR.get(self.name)
        return _calendar(begins, self._zone, now) if begins else _FOREVER

    def __str__(self) -> str:
        """Its name for a ledger: with the time zone, where that makes a difference."""
        return f"{self.name}@{self.tz}" if self.name in _CALENDAR and self.tz != "UTC" else self.name


@cache
def parse(text: str) -> Period:
    """The period of that name, as `str` gives it.

    Raises:
        BudgetError: If there is none.
    """
    name, _, tz = text.partition("@")
    return Period(name, tz or "UTC")


def is_at(period: str, wanted: str) -> bool:
    """Whether a period is the one that is wanted: ``month@Europe/Berlin`` is also a ``month``."""
    return wanted in (period, period.partition("@")[0])


# --- where windows begin ---------------------------------------------------------------------------------------------


def _length(name: object) -> int:
    """The seconds of a rolling window; 0 for every other period."""
    if isinstance(name, str):
        if name == "total" or name in _CALENDAR:
            return 0
        if rolling := _ROLLING.fullmatch(name):
            length = int(rolling[1]) * (HOUR if rolling[2] == "h" else DAY)
            if length <= _LONGEST:
                return length
    msg = f"period: {name!r} is none of {_SPELLED} (at most ten years)"
    raise BudgetError(msg)


def _rolling(length: int, now: float) -> Window:
    slot = length // _SLOTS
    bucket = int(now // slot) * slot
    since = int((now - length) // slot) * slot
    return Window(since, bucket, datetime.fromtimestamp(bucket + slot + length, UTC), bucket + slot)


def _calendar(around: "Around", zone: tzinfo, now: float) -> Window:
    begins, ends = (moment.timestamp() for moment in around(datetime.fromtimestamp(now, zone)))
    # Back from the seconds, as what is worked out on the calendar can be a midnight that a clock leaves out.
    return Window(int(begins), int(begins), datetime.fromtimestamp(ends, zone), ends)


def _hour(local: datetime) -> tuple[datetime, datetime]:
    # By what has passed, not by the clock on the wall, which has one hour twice when summer ends.
    begins = local.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return begins, begins + timedelta(hours=1)


def _midnight(local: datetime) -> datetime:
    """When the day of ``local`` begins: at the first midnight, if there are two, and when the clocks go on, if there is none."""
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _day(local: datetime) -> tuple[datetime, datetime]:
    return _midnight(local), _midnight(local + timedelta(days=1))


def _week(local: datetime) -> tuple[datetime, datetime]:
    monday = _midnight(local) - timedelta(days=local.weekday())
    return monday, monday + timedelta(days=7)


def _month(local: datetime) -> tuple[datetime, datetime]:
    first = _midnight(local).replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _year(local: datetime) -> tuple[datetime, datetime]:
    first = _midnight(local).replace(month=1, day=1)
    return first, first.replace(year=first.year + 1)


Around = Callable[[datetime], tuple[datetime, datetime]]
_CALENDAR: Final[dict[str, Around]] = {
    "hour": _hour,
    "day": _day,
    "week": _week,
    "month": _month,
    "year": _year,
}


def _zone(name: object) -> tzinfo:
    if name == "UTC":
        return UTC  # which needs no database of time zones
    try:
        return ZoneInfo(name)  # pyright: ignore[reportArgumentType]
    except (KeyError, ValueError, OSError, TypeError, AttributeError) as error:
        msg = f"tz: {name!r} is no time zone of this machine, such as Europe/Berlin (the package tzdata brings all of them)"
        raise BudgetError(msg) from error
