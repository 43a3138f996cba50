"""Where everything that is received goes: spans to the store, progress to the running calls, and the news to who watches."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streamspan import semconv
from streamspan.viewer import foreign
from streamspan.viewer.calls import LOST, Detail, Row, call, rows
from streamspan.viewer.database import StoreError
from streamspan.viewer.logs import LogEvent, events
from streamspan.viewer.running import Running, RunningCalls, with_marks
from streamspan.viewer.store import Store
from streamspan.viewer.summary import detail, summary

Key = tuple[str, str]
"""The ids of a call: of its trace, and of its span."""

_NEWS_KEPT: Final = 2000
_CONTENTS_WAITING: Final = 500
_SECONDS_BETWEEN_CHECKS: Final = 1.0


@dataclass(frozen=True, slots=True)
class News:
    """What has happened since a moment."""

    mark: tuple[int, int]
    """What to ask with next time."""
    running: Sequence[dict[str, Any]]
    ended: Sequence[dict[str, Any]]
    cleared: bool
    """Whether everything was forgotten, or too much has happened to tell: who watches asks again for all."""


class Inbox:
    """What the receivers hand over and the page asks; safe for several threads.

    Args:
        store: where calls are kept.
        on_rows: is called with the rows that are new, in the order of their arrival, one call at a time.
    """

    def __init__(self, store: Store, on_rows: Callable[[Sequence[Row]], None] | None = None) -> None:
        self.store = store
        self._on_rows = on_rows
        self._lock = threading.RLock()
        self._running = RunningCalls()
        self._ended: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_NEWS_KEPT)
        self._count = 0
        self._cleared_at = 0
        self._contents: OrderedDict[Key, dict[str, Any]] = OrderedDict()
        self._checked = time.monotonic()

    # --- what arrives ---

    def traces(self, request: ExportTraceServiceRequest) -> None:
        """Spans.

        Raises:
            StoreError: they could not be kept; who sent them may send them again.
        """
        received = [row for row in rows(request) if row.trace_id and row.span_id]
        with self._lock:
            for row in received:
                if row.name == semconv.PENDING_SPAN:
                    self._announce(row)
            self._keep([self._whole(row) for row in received if row.name != semconv.PENDING_SPAN])
            self._check()

    def logs(self, request: ExportLogsServiceRequest) -> None:
        """Log records, of which those that tell of a call are taken.

        Raises:
            StoreError: what they say could not be kept.
        """
        with self._lock:
            for event in events(request):
                if event.name == semconv.PROGRESS_EVENT:
                    self._progress(event)
                elif found := foreign.content(event.name, event.attributes, event.body):
                    self._content(event.key, found)
            self._check()

    def _announce(self, row: Row) -> None:
        if not self.store.knows(row.trace_id, row.parent_id):
            self._running.announce(row)

    def _progress(self, event: LogEvent) -> None:
        if self._running.get(event.key) is None and self.store.knows(*event.key):
            return  # its span was faster
        running = self._running.hear(event)
        if running.is_over:  # its span is on its way; until it is here, and if it never comes, this is what is known
            self._end(running, str(running.attributes[semconv.PROGRESS_STATE]))

    def _content(self, key: Key, found: dict[str, Any]) -> None:
        """What was asked and said, as a log event: of a call whose span is here, or is yet to come."""
        if row := self.store.row(*key):
            told = _with(row, found)
            self.store.replace(told)
            self._tell([told])
            return
        waiting = self._contents.setdefault(key, {})
        foreign.join(waiting, found)
        while len(self._contents) > _CONTENTS_WAITING:
            self._contents.popitem(last=False)

    def _whole(self, row: Row) -> Row:
        """The row with what was heard of its call before."""
        if row.call is None:
            return row
        if content := self._contents.get(row.key):
            row = _with(row, content)
        running = self._running.get(row.key)
        return with_marks(row, running.marks if running else self.store.seen(*row.key))

    # --- what is known ---

    def _keep(self, received: Sequence[Row]) -> None:
        news = self.store.add(received)
        for row in received:
            self._running.end(row.key)
            self._contents.pop(row.key, None)
        self._tell(news)
        if self._on_rows and received:
            self._on_rows(received)

    def _end(self, running: Running, outcome: str) -> None:
        self._running.end(running.key)
        self._tell(self.store.add([running.row(outcome)]))

    def _tell(self, ended: Sequence[Row]) -> None:
        for row in ended:
            if row.call:
                self._count += 1
                self._ended.append((self._count, summary(row, row.call)))

    def _check(self) -> None:
        """Now and then: what has become of those calls that nobody speaks of?"""
        now = time.monotonic()
        if now - self._checked < _SECONDS_BETWEEN_CHECKS:
            return
        self._checked = now
        for running in self._running.lost(now):
            self._end(running, LOST)

    # --- what is asked ---

    def running(self) -> list[dict[str, Any]]:
        """The summaries of the calls that run."""
        with self._lock:
            with suppress(StoreError):
                self._check()
            return [running.summary() for running in self._running.all()]

    def detail(self, key: Key) -> dict[str, Any] | None:
        """All that is known of a call, running or finished; None if there is no such call.

        Raises:
            StoreError: it cannot be read.
        """
        with self._lock:
            if running := self._running.get(key):
                return running.detail()
        found = self.store.find(*key)
        return detail(found[0], found[1], round(1e6 * found[0]["started_ms"])) if found else None

    def mark(self) -> tuple[int, int]:
        """Now, for `since`."""
        with self._lock:
            return self._running.since(0)[0], self._count

    def since(self, mark: tuple[int, int]) -> News:
        """What has happened since ``mark``."""
        heard, told = mark
        with self._lock:
            with suppress(StoreError):
                self._check()
            version, changed = self._running.since(heard)
            ended = [found for count, found in self._ended if count > told]
            missed = self._count - told > len(ended) or self._cleared_at > told
            running = [{"summary": running.summary(), "text": running.text} for running in changed]
            return News((version, self._count), running, ended, missed)

    def clear(self) -> None:
        """Forget everything; calls that run are heard of again with their next word."""
        with self._lock:
            self.store.clear()
            self._running.clear()
            self._ended.clear()
            self._count += 1
            self._cleared_at = self._count

    def close(self) -> None:
        """The viewer ends: what runs is kept as lost, until its span, or a later viewer, knows better."""
        with self._lock, suppress(StoreError):
            for running in self._running.all():
                self._end(running, LOST)


def _with(row: Row, content: Mapping[str, Any]) -> Row:
    """The row with what a log event says beside its span."""
    attributes = dict(row.detail.attributes)
    foreign.join(attributes, content)
    known = call(attributes, failed=row.failed)
    error = row.call.error if row.call else ""
    kept: Detail = replace(row.detail, attributes=attributes)
    return replace(row, detail=kept, call=replace(known, error=error) if known else None)
