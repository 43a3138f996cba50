"""Windows begin where the calendar says, also where a clock is put on or back, and where a day has no midnight."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from streamspan.budgets.periods import Period, Window, is_at, parse
from streamspan.errors import BudgetError


def at(text: str, tz: str = "UTC", *, fold: int = 0) -> float:
    """The seconds of a moment, as a clock on the wall shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp()


def window(period: str, now: float) -> tuple[float, float]:
    found = parse(period).at(now)
    assert (found.since, found.until) == (found.bucket, found.resets_at and found.resets_at.timestamp())
    return found.since, found.until


NOW = at("2026-11-21T20:15:30.5")


@pytest.mark.parametrize(
    ("period", "begins", "ends"),
    [
        ("hour", "2026-11-21T20:00", "2026-11-21T21:00"),
        ("day", "2026-11-21", "2026-11-22"),
        ("week", "2026-11-16", "2026-11-23"),
        ("month", "2026-11-01", "2026-12-01"),
        ("year", "2026-01-01", "2027-01-01"),
    ],
)
def test_a_calendar_window_holds_now(period: str, begins: str, ends: str) -> None:
    """From its first second to the last one before the next, which is another window."""
    assert window(period, NOW) == (at(begins), at(ends))
    assert window(period, at(begins)) == window(period, at(ends) - 0.001) == (at(begins), at(ends))
    assert window(period, at(ends))[0] == at(ends)
    assert window(period, at(begins) - 0.001)[1] == at(begins)


@pytest.mark.parametrize(
    ("period", "now", "begins", "ends"),
    [
        ("day@Europe/Berlin", at("2026-03-29T12:00", "Europe/Berlin"), "2026-03-29", "2026-03-30"),  # 23 hours
        ("day@Europe/Berlin", at("2026-10-25T12:00", "Europe/Berlin"), "2026-10-25", "2026-10-26"),  # 25 hours
        ("day@Europe/Berlin", at("2026-10-25T02:30", "Europe/Berlin", fold=1), "2026-10-25", "2026-10-26"),
        ("week@Europe/Berlin", at("2026-03-30T00:00", "Europe/Berlin"), "2026-03-30", "2026-04-06"),
        ("week@Europe/Berlin", at("2026-03-29T23:59", "Europe/Berlin"), "2026-03-23", "2026-03-30"),
        ("month@Europe/Berlin", at("2026-10-31T23:30", "Europe/Berlin"), "2026-10-01", "2026-11-01"),
        ("month@Asia/Tokyo", at("2026-10-31T16:00"), "2026-11-01", "2026-12-01"),
        ("month@America/New_York", at("2026-11-01T02:00"), "2026-10-01", "2026-11-01"),
        ("year@Pacific/Auckland", at("2026-12-31T12:00"), "2027-01-01", "2028-01-01"),
        ("day@America/Havana", at("2026-11-01T00:30", "America/Havana", fold=1), "2026-11-01", "2026-11-02"),  # two midnights
    ],
)
def test_windows_follow_the_clock_of_their_zone(period: str, now: float, begins: str, ends: str) -> None:
    """Days are as long as they are there."""
    zone = period.partition("@")[2]
    assert window(period, now) == (at(begins, zone), at(ends, zone))


def test_a_day_without_midnight_begins_when_the_clock_goes_on() -> None:
    """In Cairo it is 01:00 after 23:59:59; the days before and after meet there."""
    change = at("2026-04-24T01:00", "Africa/Cairo")
    assert datetime.fromtimestamp(change - 1, ZoneInfo("Africa/Cairo")).hour == 23
    assert window("day@Africa/Cairo", change - 1)[1] == window("day@Africa/Cairo", change)[0] == change


@pytest.mark.parametrize("change", [at("2026-03-29T01:00"), at("2026-10-25T01:00")], ids=["on", "back"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_no_hour_is_left_out_or_counted_twice(zone: str, change: float) -> None:
    """Hours follow each other without a gap, also the two with one name, and those that begin half past."""
    first = window(f"hour@{zone}", change - 7200)
    for _ in range(4):
        assert first[1] - first[0] == 3600
        assert window(f"hour@{zone}", first[1] - 1) == first
        first, before = window(f"hour@{zone}", first[1]), first
        assert first[0] == before[1]


def test_hours_of_a_zone_that_changes_by_half_an_hour_do_not_overlap() -> None:
    """On Lord Howe Island a new hour begins with the change, and nothing is kept under the one before any more."""
    zone = "Australia/Lord_Howe"
    change = at("2026-04-04T15:00")
    seen = [window(f"hour@{zone}", change + minute * 60)[0] for minute in range(-90, 91)]
    assert seen == sorted(seen)


def test_for_ever_is_one_window() -> None:
    """It never ends, and no time zone makes a difference."""
    assert parse("total").at(NOW) == Period("total", "Asia/Tokyo").at(0) == Window(0, 0, None, float("inf"))
    assert str(Period("total", "Asia/Tokyo")) == "total"


@pytest.mark.parametrize(
    ("period", "length"), [("rolling-1h", 3600), ("rolling-24h", 86400), ("rolling-30d", 30 * 86400), ("rolling-7h", 7 * 3600)]
)
def test_a_rolling_window_counts_all_of_its_length(period: str, length: int) -> None:
    """What was spent within the length counts, and at most a 60th more; it resets when the last of it is gone."""
    for now in (NOW, NOW + 17, NOW + 3599.9):
        found = parse(period).at(now)
        assert found.bucket <= now < found.until == found.bucket + length / 60
        assert 0 <= now - length - found.since < length / 60
        assert found.resets_at
        reset = found.resets_at.timestamp()
        assert parse(period).at(reset - 0.01).since == found.bucket < parse(period).at(reset).since


@pytest.mark.parametrize(
    ("period", "tz"),
    [
        *((period, "UTC") for period in ("", "Month", "monthly", "rolling-0h", "rolling-1", "rolling-1w", "rolling--1d", "rolling-99999d", None, 3, ["day"])),
        *(("month", tz) for tz in ("", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", None, 3, ["UTC"], "a\0b", "x" * 999)),
    ],
)  # fmt: skip
def test_what_is_no_period_is_refused(period: str, tz: str) -> None:
    """One error names the field and the value."""
    bad, name = (tz, "tz") if period == "month" else (period, "period")
    with pytest.raises(BudgetError) as caught:
        Period(period, tz)
    assert str(caught.value).startswith(f"{name}: {bad!r} ")


def test_a_period_is_known_by_its_name() -> None:
    """With the zone where it makes a difference, and back."""
    names = ["month", "month@Europe/Berlin", "rolling-24h", "total"]
    assert [str(parse(name)) for name in names] == names
    assert [is_at("month@Europe/Berlin", wanted) for wanted in ("month", "month@Europe/Berlin", "month@UTC", "day")] == [
        True,
        True,
        False,
        False,
    ]


def test_resets_at_is_shown_in_the_zone_of_the_period() -> None:
    """Who asks when sees his own clock."""
    resets_at = parse("day@Asia/Kolkata").at(NOW).resets_at
    assert resets_at is not None
    assert (resets_at.isoformat(), resets_at.utcoffset()) == ("2026-11-23T00:00:00+05:30", timedelta(hours=5, minutes=30))
    assert resets_at.astimezone(UTC).hour == 18
