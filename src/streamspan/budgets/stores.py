"""Which store a URL means."""

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamspan.budgets.ledger import Ledger, StoreError
from streamspan.errors import BudgetError

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
    if not url:
        return _sqlite(state_folder() / "budgets.sqlite3", timeout)
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "sqlite":
        return _sqlite(_path(rest), timeout)
    msg = f"budget store: {hidden(url)!r} is none of {_SPELLED}"
    raise BudgetError(msg)


def _sqlite(path: Path, timeout: float) -> Ledger:
    from streamspan.budgets.sqlite import SqliteLedger

    return SqliteLedger(path, timeout)


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
        return _state_home() / "streamspan"
    except RuntimeError as error:
        msg = f"there is no home folder to keep budgets in ({error}); name a place in {STORE}"
        raise StoreError(msg) from error


def _state_home() -> Path:
    if (given := os.environ.get("XDG_STATE_HOME")) and Path(given).is_absolute():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "state"


def hidden(url: str) -> str:
    """``url`` as it may be shown: without a password, and without options, which can hold one, too."""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        return f"{url.partition(':')[0]}:..." if ":" in url else "..."
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{place}" if parts.netloc else f"{parts.scheme}:{parts.path}"
