"""A SQLite file that is opened with care: for this user only, made where it is not there, moved aside where it is damaged."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from streamspan.state_home import state_home

MEMORY: Final = ":memory:"
BUSY_SECONDS: Final = 5.0
_CHECKED_UP_TO: Final = 64 << 20  # bytes; a larger file would take seconds to look through
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_BESIDE: Final = ("", "-wal", "-shm")


class StoreError(Exception):
    """The store cannot be used; the message says which file, why, and what to do."""


def opened(path: str, schema: str, version: int, say: Callable[[str], None]) -> sqlite3.Connection:
    """The database with its tables.

    Args:
        path: the file, or `MEMORY`.
        schema: what makes the tables where they are not there.
        version: of the schema.
        say: is told when a damaged file was moved aside.

    Raises:
        StoreError: it cannot be opened, is locked, or was made by a later version.
    """
    _make(path)
    try:
        return _prepared(path, schema, version)
    except sqlite3.DatabaseError as error:
        if not is_damaged(error):
            raise explained(path, error) from error
    set_aside(path, say)
    try:
        return _prepared(path, schema, version)
    except sqlite3.Error as error:
        raise explained(path, error) from error


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no database, or no more."""
    return _code(error) in _DAMAGED


def explained(path: str, error: sqlite3.Error) -> StoreError:
    """The error as the user is told of it."""
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"{path} is locked by another program: end it, or take another file with --db")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreError(f"{path} cannot be written ({error}): take another file with --db, or --db :memory:")
        case code if code in _FULL:
            return StoreError(f"{path} cannot grow, is the disk full? ({error}) What is stored stays; senders try again")
        case _:
            return StoreError(f"{path}: {error}")


def set_aside(path: str, say: Callable[[str], None]) -> None:
    """Move a damaged file, and what belongs to it, to another name; nothing is deleted."""
    aside = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    say(f"{path} is damaged; it was moved to {aside}, and a new file begins")


def default_path() -> str:
    """The file where nobody says another: in the folder in which this user's programs keep what they have to remember."""
    return str(state_home() / "streamspan" / "view.db")


def _make(path: str) -> None:
    """The file and its folder, which other users cannot read: it holds what was asked and said."""
    if path == MEMORY:
        return
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{path} cannot be written ({reason}): take another file with --db, or --db :memory:") from None


def _prepared(path: str, schema: str, version: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        [(found,)] = connection.execute("PRAGMA user_version")
        if found > version:
            raise StoreError(f"{path} was made by a later version of streamspan: take another file with --db")
        if path != MEMORY and Path(path).stat().st_size <= _CHECKED_UP_TO:
            _check(connection)
        connection.executescript(schema)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "journal_size_limit = 16777216",
            f"user_version = {version}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    [(result,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if result != "ok":
        error = sqlite3.DatabaseError(result)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
