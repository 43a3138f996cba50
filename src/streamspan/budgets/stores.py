"""Which store a URL means."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from streamspan.budgets.ledger import Ledger, StoreError
from streamspan.errors import BudgetError
from streamspan.state_home import state_home

STORE = "STREAMSPAN_BUDGET_STORE"
"""Environment variable with the URL of the store."""
_SPELLED = "sqlite:///path, redis://, rediss://, unix://, postgresql://"


def open_ledger(url: str | None = None, timeout: float = 1.0) -> Ledger:
    """The ledger at a URL. Nothing is opened before it is used.

    Args:
        url: ``sqlite:///path``, ``redis://``, ``rediss://``, ``unix://`` or ``postgresql://``; ``None`` is one SQLite file in
            this user's state folder.
        timeout: Seconds that anything may take.

    Raises:
        BudgetError: If there is no such store, or what it needs is not installed.
        StoreError: If there is no state folder.
    """
    if path := sqlite_path(url):
        return _sqlite(path, timeout)
    url = url or ""
    scheme, _, rest = url.partition(":")
    _check(url)
    if scheme in ("redis", "rediss", "unix") and rest.startswith("//"):
        return _redis(url, timeout)
    if scheme in ("postgresql", "postgres") and rest.startswith("//"):
        return _postgres(url, timeout)
    msg = f"budget store: {hidden(url)!r} is none of {_SPELLED}"
    raise BudgetError(msg)


def sqlite_path(url: str | None) -> Path | None:
    """The file that a URL, or none, means; ``None`` if it means a server.

    Raises:
        BudgetError: If it names no file.
        StoreError: If there is no state folder.
    """
    if not url:
        return state_folder() / "budgets.sqlite3"
    scheme, colon, rest = url.partition(":")
    return _path(rest) if colon and scheme == "sqlite" else None


def _sqlite(path: Path, timeout: float) -> Ledger:
    from streamspan.budgets.sqlite import SqliteLedger

    return SqliteLedger(path, timeout)


def _redis(url: str, timeout: float) -> Ledger:
    _need("redis", "redis")
    from streamspan.budgets.redis import RedisLedger

    return RedisLedger(url, hidden(url), timeout)


def _postgres(url: str, timeout: float) -> Ledger:
    _need("psycopg", "postgres")
    from streamspan.budgets.postgres import PostgresLedger

    return PostgresLedger(url, hidden(url), timeout)


def _check(url: str) -> None:
    # What stands before an @ that comes after a slash would be taken for a host and a port, and be told to everybody.
    scheme, _, rest = url.partition("://")
    if scheme != "unix" and "@" in rest.partition("?")[0].partition("/")[2]:
        msg = f"budget store: the user or the password in {hidden(url)!r} has characters that are to be written as %XX"
        raise BudgetError(msg)


def _need(library: str, extra: str) -> None:
    if find_spec(library) is None:
        msg = f"budget store: {library} is not installed: pip install 'streamspan[{extra}]'"
        raise BudgetError(msg)


def _path(rest: str) -> Path:
    """The path after ``sqlite:``: absolute after three slashes, or four, as some write it; from home on with ``/~/``."""
    host, slash, path = rest.removeprefix("//").partition("/") if rest.startswith("//") else ("", "", rest)
    path = unquote(f"/{path.lstrip('/')}" if slash else path)
    if host or not path.strip("/") or "\0" in path:
        msg = f"budget store: 'sqlite:{rest}' names no file; write sqlite:///absolute/path"
        raise BudgetError(msg)
    try:
        return Path(path.removeprefix("/") if path.startswith("/~") else path).expanduser()
    except RuntimeError as error:
        msg = f"budget store: 'sqlite:{rest}': {error}"
        raise BudgetError(msg) from error


def state_folder() -> Path:
    """Where programs of this user keep what they have to remember.

    Raises:
        StoreError: If nobody knows where that is.
    """
    try:
        return state_home() / "streamspan"
    except RuntimeError as error:
        msg = f"there is no home folder to keep budgets in ({error}); name a place in {STORE}"
        raise StoreError(msg) from error


def hidden(url: str) -> str:
    """``url`` as it may be shown: its scheme and where it leads, without user, password and options."""
    scheme, colon, rest = url.partition("://")
    place, _, options = rest.partition("?")
    if not colon or not scheme or "@" in options:  # a password with a question mark, perhaps
        return f"{scheme}://..." if colon and scheme else "..."
    return f"{scheme}://{place.rpartition('@')[2].partition('#')[0]}"
