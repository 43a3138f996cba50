"""What is said of telemetry that does not arrive."""

import logging
from collections.abc import Callable

import pytest

from streamspan import outages
from streamspan.outages import Outages

REFUSED = "http://127.0.0.1:4318/v1/traces: Connection refused"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """What it holds: level and text."""
    caplog.set_level(logging.DEBUG)
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


BEGINS = ("WARNING", f"telemetry does not arrive: {REFUSED}. Once it does, or at exit, the log says what was dropped")


def test_nothing_fails(log: Callable[[], list[tuple[str, str]]]) -> None:
    """Then nothing is said."""
    said = Outages()
    said.arrives("spans")
    said.leave()
    said.close()

    assert log() == []


def test_an_outage(log: Callable[[], list[tuple[str, str]]]) -> None:
    """However many attempts of however many signals fail: one line when it begins, and one when all of them get through."""
    said = Outages()
    for _ in range(5):
        said.failing("spans", REFUSED)
        said.failing("log records", "another reason")
    said.dropped("spans", 3, "the queue is full")
    said.dropped("spans", 2, "the queue is full")
    said.arrives("log records")
    assert log() == [BEGINS]
    said.arrives("spans")
    said.arrives("spans")
    said.close()

    assert log() == [BEGINS, ("WARNING", "telemetry arrives again after 0 s; dropped: 5 spans")]


def test_an_outage_that_never_ends(log: Callable[[], list[tuple[str, str]]]) -> None:
    """The exit says what was dropped, and why; the reason is the first there was."""
    said = Outages()
    said.failing("spans", REFUSED)
    said.failing("metrics", "another reason")
    said.leave()
    said.dropped("spans", 3, "the process exits")
    said.dropped("log records", 20, "the process exits")
    said.close()
    said.close()

    assert log() == [BEGINS, ("ERROR", f"telemetry was dropped: 3 spans, 20 log records, the newest metrics ({REFUSED})")]


def test_an_outage_that_begins_at_exit(log: Callable[[], list[tuple[str, str]]]) -> None:
    """There is one line."""
    said = Outages()
    said.leave()
    said.dropped("spans", 3, REFUSED)
    said.close()

    assert log() == [("ERROR", f"telemetry was dropped: 3 spans ({REFUSED})")]


def test_the_next_outage(log: Callable[[], list[tuple[str, str]]]) -> None:
    """It is told like the first, with what was dropped in it alone."""
    said = Outages()
    for count in (3, 1):
        said.dropped("spans", count, REFUSED)
        said.arrives("spans")

    assert [text.rpartition(" dropped: ")[2] for _, text in log() if "again" in text] == ["3 spans", "1 span"]


def test_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever exits waits as long as there is something to wait for."""
    monkeypatch.setattr(outages, "EXIT_PATIENCE", 0.0)
    said = Outages()
    said.failing("spans", REFUSED)
    assert (said.patience(30), said.is_over()) == (30, False)
    said.leave()
    assert (said.patience(30), said.patience(0.5)) == (1.0, 0.5)
    assert said.is_over()
    said.arrives("spans")
    assert said.patience(30) == 30
