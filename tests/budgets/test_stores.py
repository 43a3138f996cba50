"""Which store a URL means, and what is shown of it."""

from pathlib import Path

import pytest

from streamspan.budgets import stores
from streamspan.budgets.ledger import StoreError
from streamspan.budgets.stores import hidden, open_ledger, sqlite_path
from streamspan.errors import BudgetError


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/b.db", "/var/lib/b.db"),
        ("sqlite:////var/lib/b.db", "/var/lib/b.db"),
        ("sqlite:/var/lib/b.db", "/var/lib/b.db"),
        ("sqlite:b.db", "b.db"),
        ("sqlite:///a%20b/c?d.db", "/a b/c?d.db"),
        ("sqlite:///~/b.db", str(Path.home() / "b.db")),
        ("redis://localhost", None),
    ],
)
def test_a_url_names_a_file(url: str, path: str | None) -> None:
    """With three slashes and an absolute path; four, as others write it, are the same."""
    assert sqlite_path(url) == (path and Path(path))


def test_without_a_url_it_is_a_file_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the state folder; a relative one is ignored, as the specification of XDG wants it."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert sqlite_path(None) == tmp_path / "streamspan" / "budgets.sqlite3"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert sqlite_path("") == tmp_path / "home" / ".local" / "state" / "streamspan" / "budgets.sqlite3"
    monkeypatch.setattr("sys.platform", "darwin")
    assert sqlite_path(None) == tmp_path / "home" / "Library" / "Application Support" / "streamspan" / "budgets.sqlite3"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert sqlite_path(None) == tmp_path / "local" / "streamspan" / "budgets.sqlite3"


def test_without_a_home_a_place_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in some containers."""

    def no_home() -> Path:
        msg = "Could not determine home directory."
        raise RuntimeError(msg)

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(StoreError, match="name a place in STREAMSPAN_BUDGET_STORE"):
        open_ledger()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cr3t@host/db", "s3cr3t", "me:s3cr3t@host", "://s3cr3t", "redis:host", "postgresql", "sqlite://s3cr3t.db", "sqlite:", "sqlite:///",
        "sqlite:///a\0b", "postgresql://me:s3/cr3t@host:a/db",
    ],
)  # fmt: skip
def test_what_is_no_store_is_refused(url: str) -> None:
    """One line, in which there is no password."""
    with pytest.raises(BudgetError) as caught:
        open_ledger(url)
    assert str(caught.value).startswith("budget store: ")
    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value) or url == "sqlite://s3cr3t.db"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:s3cr3t@localhost/0", "redis://localhost/0"),
        ("postgresql://me:s3@cr/3t@db.example/x?password=s3cr3t", "postgresql://db.example/x"),
        ("postgresql://me:s3?cr3t@db.example/x", "postgresql://..."),
        ("unix:///run/redis.sock?password=s3cr3t", "unix:///run/redis.sock"),
        ("s3cr3t", "..."),
    ],
)
def test_a_store_is_shown_without_secrets(url: str, shown: str) -> None:
    """Neither user, nor password, nor options; nothing at all where it is not clear what is which."""
    assert hidden(url) == shown


@pytest.mark.parametrize(
    ("url", "extra"), [("redis://localhost", "redis"), ("unix:///run/redis.sock", "redis"), ("postgres://localhost", "postgres")]
)
def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, url: str, extra: str) -> None:
    """It is looked for only when its store is asked for."""

    def missing(name: str) -> None:
        assert name in ("redis", "psycopg")

    monkeypatch.setattr(stores, "find_spec", missing)
    with pytest.raises(BudgetError, match=rf"pip install 'streamspan\[{extra}\]'"):
        open_ledger(url)
    open_ledger("sqlite:///nowhere/b.db").close()
