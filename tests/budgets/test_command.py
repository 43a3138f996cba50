"""``streamspan budget``, as a user calls it."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamspan import cli
from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import NANO, Lease, Settlement
from streamspan.budgets.sqlite import SqliteLedger

EVIL = "=cmd()\x1b[31m"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One in which two budgets have been used: a quarter is spent, and as much is held."""
    path = tmp_path / "budgets.sqlite3"
    ledger = SqliteLedger(path)
    for key, period in (("project:search", "total"), (f"user:{EVIL}", "month")):
        accounts = Budget(key, 2, period).accounts(datetime.now(UTC), {"project": "search", "user": EVIL})
        first, _ = (ledger.reserve(accounts, NANO // 2, 600) for _ in range(2))
        assert isinstance(first, Lease)
        ledger.settle([Settlement(first, NANO // 2)])
    monkeypatch.setenv("STREAMSPAN_BUDGET_STORE", f"sqlite://{path}")
    yield path
    ledger.close()


def test_budgets_are_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a plain table where there is no terminal, without anything that would change one."""
    assert cli.main(["budget", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["BUDGET", "PERIOD", "SPENT", "RESERVED", "REMAINING", "LIMIT", "RESETS", "AT"]
    assert lines[1].split() == ["project:search", "total", "█████▒▒▒▒▒░░░░░░░░░░", "$0.50", "$0.50", "$1.00", "$2.00", "never"]
    assert lines[2].startswith(r"user:=cmd()\x1b[31m  month")
    assert len(lines) == 3


def test_a_narrow_terminal_shows_whole_amounts(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar has a colour, and no column is cut."""
    pytest.importorskip("rich")
    for name, value in (("COLUMNS", "40"), ("TERM", "xterm"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.main(["budget", "list"])
    plain = capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.main(["budget", "list"])
    shown = capsys.readouterr().out
    assert "\x1b[32m█████▒▒▒▒▒" in shown
    assert re.sub(r"\x1b\[\d*m", "", shown) == plain


def test_one_budget_is_shown_with_its_periods(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And an unknown one is an error."""
    assert cli.main(["budget", "show", "project:search"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "ever", "for", "ever", "$0.50", "$0.50", "1"]
    assert cli.main(["budget", "show", "project:other"]) == 1
    assert capsys.readouterr().err == "streamspan budget: nothing is recorded for project:other\n"


def test_a_budget_is_reset_only_when_that_is_meant(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nobody can be asked, so ``--yes`` it has to be."""
    assert cli.main(["budget", "reset", "project:search"]) == 1
    assert "Say --yes." in capsys.readouterr().err
    assert cli.main(["budget", "reset", "project:search", "--period", "month", "--yes"]) == 1
    assert cli.main(["budget", "reset", "project:search", "--yes"]) == 0
    assert capsys.readouterr().out == "Reset project:search (total): forgot 1 period.\n"
    cli.main(["budget", "show", "project:search"])
    assert "$0.00     $0.50" in capsys.readouterr().out


def test_everything_is_exported(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As CSV and JSON, here or into a file, with exact amounts."""
    output = tmp_path / "out.json"
    assert cli.main(["budget", "export"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert cli.main(["budget", "export", "--format", "json", "--output", str(output)]) == 0
    listed = json.loads(output.read_text())
    assert [(row["key"], row["spent_usd"], row["reserved_usd"], row["limit_usd"]) for row in table] == [
        ("project:search", "0.5", "0.5", "2"),
        (f"user:{EVIL}", "0.5", "0.5", "2"),
    ]
    assert [{name: str(value or "") for name, value in row.items()} for row in listed] == table
    assert cli.main(["budget", "export", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"streamspan budget: cannot write {tmp_path}: Is a directory\n"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://me:s3cr3t@host/x", "budget store: 'mysql://host/x' is none of sqlite:///path"),
        ("sqlite:///no/such/file", "there is no budget store /no/such/file yet"),
    ],
)
def test_a_store_that_is_none_is_one_line(url: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With an exit code, and without a password; nothing is made."""
    assert cli.main(["budget", "list", "--store", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"streamspan budget: {says}")
    assert error.count("\n") == 1
    assert "s3cr3t" not in error
