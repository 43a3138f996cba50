"""The calls that were received, in one SQLite file: bounded, and there again after a restart."""

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from streamspan.viewer import calls, database
from streamspan.viewer.calls import Call, Detail, Event, Row
from streamspan.viewer.database import MEMORY
from streamspan.viewer.summary import searched, summary

_VERSION: Final = 1
_LONGEST_SEARCHED: Final = 100_000
_ROWS_BETWEEN_PRUNINGS: Final = 200
_SPANS_FOR_EACH_CALL: Final = 20

_SCHEMA: Final = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, end_ns INTEGER NOT NULL,
    is_provisional INTEGER NOT NULL, started_ms REAL NOT NULL, duration_ms REAL NOT NULL,
    model TEXT, outcome TEXT, user TEXT, session TEXT, service TEXT,
    project TEXT, cost REAL, input_tokens INTEGER, output_tokens INTEGER, first_content_ms INTEGER, failed INTEGER NOT NULL,
    tags TEXT NOT NULL, UNIQUE (trace_id, span_id));
CREATE INDEX IF NOT EXISTS calls_started ON calls (started_ms);
CREATE TABLE IF NOT EXISTS contents (
    id INTEGER PRIMARY KEY, summary TEXT NOT NULL, searched TEXT NOT NULL, detail BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spans (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, name TEXT, service TEXT, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, failed INTEGER NOT NULL, is_call INTEGER NOT NULL, PRIMARY KEY (trace_id, span_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_started ON spans (start_ns);
"""

_KEEP_SPAN: Final = """
INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id, span_id) DO UPDATE SET
    parent_id = excluded.parent_id, name = excluded.name, service = excluded.service, start_ns = excluded.start_ns,
    end_ns = excluded.end_ns, failed = excluded.failed, is_call = excluded.is_call
WHERE excluded.end_ns > end_ns
"""

_COLUMNS: Final = (
    "trace_id", "span_id", "end_ns", "is_provisional", "started_ms", "duration_ms", "model", "outcome", "user", "session",
    "service", "project", "cost", "input_tokens", "output_tokens", "first_content_ms", "failed", "tags",
)  # fmt: skip
# Of two copies of a call the one that ends later is kept; and a span rather than what was known before it.
_KEEP_CALL: Final = f"""
INSERT INTO calls ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})
ON CONFLICT (trace_id, span_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
WHERE excluded.is_provisional < is_provisional OR (excluded.is_provisional = is_provisional AND excluded.end_ns > end_ns)
RETURNING id
"""
_ALL_TABLES: Final = ("calls", "contents", "spans")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept at the most; the oldest goes first."""

    calls: int = 20_000
    bytes: int = 1 << 30
    days: float = 30.0


class Store:
    """The database; safe to use from several threads.

    Args:
        path: the file, made where it is not there; `MEMORY` for none.
        bounds: how much is kept.
        say: is told, in a line, what the user should know, such as that a damaged file was moved aside.

    Raises:
        StoreError: if the file cannot be opened or written.
    """

    def __init__(self, path: str, bounds: Bounds = Bounds(), say: Callable[[str], None] = print) -> None:
        self.path = path
        self._bounds = bounds
        self._say = say
        self._lock = threading.RLock()
        self._rows_since_pruning = 0
        self._said = ""
        self._connection = self._opened()
        self.prune()

    # --- writing ---

    def add(self, rows: Sequence[Row]) -> list[Row]:
        """Keep the rows, and say which calls among them are new, or say more than what was known."""
        with self._transaction() as connection:
            connection.executemany(_KEEP_SPAN, map(_span, rows))
            news = [row for row in rows if row.call and self._keep(connection, row, row.call)]
        self._rows_since_pruning += len(rows)
        if self._rows_since_pruning >= _ROWS_BETWEEN_PRUNINGS:
            self.prune()
        return news

    def _keep(self, connection: sqlite3.Connection, row: Row, call: Call) -> bool:
        found = summary(row, call)
        kept = connection.execute(_KEEP_CALL, _columns(row, call)).fetchall()
        for (ident,) in kept:
            text = searched(row, call).casefold()[:_LONGEST_SEARCHED].encode("utf-8", "replace").decode()
            content = (ident, json.dumps(found), text, _packed(row.detail))
            connection.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?)", content)
        return bool(kept)

    def replace(self, row: Row) -> None:
        """Keep the row instead of the one that is here of the same span."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM calls WHERE trace_id = ? AND span_id = ?", row.key)
            if row.call:
                self._keep(connection, row, row.call)

    def clear(self) -> None:
        """Forget everything."""
        with self._transaction() as connection:
            for table in _ALL_TABLES:
                connection.execute(f"DELETE FROM {table}")
        self._shrink()

    def prune(self) -> None:
        """Let go what is over the bounds."""
        with self._transaction() as connection:
            self._prune(connection)
        self._shrink()

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    # --- reading ---

    def select(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock, self._explained():
            return self._connection.execute(sql, values).fetchall()

    def knows(self, trace_id: str, span_id: str) -> bool:
        """Whether the call has ended and is here."""
        return bool(
            self.select("SELECT 1 FROM calls WHERE trace_id = ? AND span_id = ? AND NOT is_provisional", (trace_id, span_id))
        )

    def find(self, trace_id: str, span_id: str) -> tuple[dict[str, Any], Detail] | None:
        """The summary of a call and all that its span says; None if it is not here."""
        sql = "SELECT summary, detail FROM calls JOIN contents USING (id) WHERE trace_id = ? AND span_id = ?"
        for found, packed in self.select(sql, (trace_id, span_id)):
            return json.loads(found), _unpacked(packed)
        return None

    def seen(self, trace_id: str, span_id: str) -> tuple[Event, ...]:
        """What was seen of a call while it ran, if its span is not here yet."""
        sql = "SELECT detail FROM calls JOIN contents USING (id) WHERE trace_id = ? AND span_id = ? AND is_provisional"
        return next((_unpacked(packed).events for (packed,) in self.select(sql, (trace_id, span_id))), ())

    def row(self, trace_id: str, span_id: str) -> Row | None:
        """The row of a finished call as it was kept; None if it is not here."""
        found = self.find(trace_id, span_id)
        sql = "SELECT parent_id, name, service, start_ns, end_ns, failed FROM spans WHERE trace_id = ? AND span_id = ?"
        for parent_id, name, service, start_ns, end_ns, failed in self.select(sql, (trace_id, span_id)) if found else ():
            known = calls.call(found[1].attributes, failed=bool(failed)) if found else None
            kept = found[1] if found else Detail()
            return Row(trace_id, span_id, parent_id, name, service, start_ns, end_ns, bool(failed), known, kept)
        return None

    def size(self) -> int:
        """Bytes that are in use."""
        [(pages,)], [(free,)], [(page_size,)] = (
            self.select(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page_size

    # --- bounds ---

    def _prune(self, connection: sqlite3.Connection) -> None:
        self._rows_since_pruning = 0
        oldest = (time.time() - 86400 * self._bounds.days) * 1e3
        connection.execute("DELETE FROM calls WHERE started_ms < ?", (oldest,))
        connection.execute("DELETE FROM spans WHERE start_ns < ?", (int(oldest * 1e6),))
        over = "SELECT id FROM calls ORDER BY started_ms DESC LIMIT -1 OFFSET ?"
        connection.execute(f"DELETE FROM calls WHERE id IN ({over})", (self._bounds.calls,))
        over = "SELECT trace_id, span_id FROM spans ORDER BY start_ns DESC LIMIT -1 OFFSET ?"
        sql = f"DELETE FROM spans WHERE (trace_id, span_id) IN ({over})"
        connection.execute(sql, (_SPANS_FOR_EACH_CALL * self._bounds.calls,))
        while self.size() > self._bounds.bytes and self._drop_some(connection):
            pass
        connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT id FROM calls)")

    def _drop_some(self, connection: sqlite3.Connection) -> bool:
        """Let go the oldest tenth of the spans that no call is near, or else of the calls; false if there are none."""
        lonely = "SELECT trace_id, span_id FROM spans WHERE trace_id NOT IN (SELECT trace_id FROM calls)"
        spans = f"{lonely} ORDER BY start_ns LIMIT 1 + (SELECT count(*) FROM ({lonely})) / 10"
        if connection.execute(f"DELETE FROM spans WHERE (trace_id, span_id) IN ({spans})").rowcount:
            return True
        calls = "SELECT id FROM calls ORDER BY started_ms LIMIT 1 + (SELECT count(*) FROM calls) / 10"
        dropped = connection.execute(f"DELETE FROM calls WHERE id IN ({calls})").rowcount
        connection.execute("DELETE FROM contents WHERE id NOT IN (SELECT id FROM calls)")
        return bool(dropped)

    def _shrink(self) -> None:
        with self._lock, suppress(sqlite3.Error):
            self._connection.executescript(
                "PRAGMA incremental_vacuum"
            )  # which, unlike execute in Python 3.11, goes on to its end

    # --- the file ---

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Generator[None]:
        """What goes wrong is said in full, once until something else happens; a file that turns out damaged is set aside."""
        try:
            yield
        except sqlite3.Error as error:
            told = database.explained(self.path, error)
            if database.is_damaged(error) and self.path != MEMORY:
                self._begin_again()
            elif str(told) != self._said:
                self._say(str(told))
            self._said = str(told)
            raise told from error
        self._said = ""

    def _begin_again(self) -> None:
        self._connection.close()
        database.set_aside(self.path, self._say)
        self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        return database.opened(self.path, _SCHEMA, _VERSION, self._say)


# --- rows ------------------------------------------------------------------------------------------------------------


def _span(row: Row) -> tuple[Any, ...]:
    return (*row.key, row.parent_id, row.name, row.service, row.start_ns, row.end_ns, row.failed, row.call is not None)


def _columns(row: Row, call: Call) -> tuple[Any, ...]:
    return (
        *row.key, row.end_ns, not row.is_final, row.start_ns / 1e6, row.seconds * 1e3, call.model, call.outcome,
        call.user_id or None, call.session_id or None, row.service or None, call.project or None, call.cost, call.input_tokens,
        call.output_tokens, call.first_content_ms, row.failed, json.dumps(call.tags, ensure_ascii=False),
    )  # fmt: skip


def _packed(detail: Detail) -> bytes:
    return zlib.compress(json.dumps(asdict(detail)).encode(), level=1)


def _unpacked(packed: bytes) -> Detail:
    fields = json.loads(zlib.decompress(packed))
    events: Iterable[dict[str, Any]] = fields.pop("events")
    return Detail(**fields, events=tuple(Event(**event) for event in events))
