"""The calls that run now, as their progress events tell it: they are shown before there is a span."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamspan import semconv
from streamspan.outcome import ABANDONED, ABORTED, CANCELLED, COMPLETED, FAILED, TRUNCATED
from streamspan.viewer.calls import RUNNING, Call, Detail, Event, Row, call, number, service, whole
from streamspan.viewer.logs import LogEvent
from streamspan.viewer.summary import detail, summary

MOST: Final = 1000
LOST_AFTER: Final = 180.0
"""Seconds without a word: a stream that stands still is heard of every minute."""
_MARKS: Final = 120
_MARKED: Final = 200  # characters of text that a mark has
_ENDS: Final = frozenset({COMPLETED, TRUNCATED, ABORTED, ABANDONED, CANCELLED, FAILED})


@dataclass(slots=True)
class Running:
    """One call that has not ended, as far as is known."""

    trace_id: str
    span_id: str
    service: str
    started_ns: int
    resource: Mapping[str, Any]
    heard: float
    """When the last event came, on the monotonic clock of the viewer."""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    at_ns: int = 0
    sequence: int = 0
    first_content_ms: int | None = None
    marks: list[Event] = field(default_factory=list[Event])
    version: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Its ids."""
        return self.trace_id, self.span_id

    @property
    def text(self) -> str:
        """The end of what the model has said so far."""
        return str(self.attributes.get(semconv.PREVIEW, ""))

    @property
    def is_over(self) -> bool:
        """Whether an event has told how it ended."""
        return self.attributes.get(semconv.PROGRESS_STATE) in _ENDS

    def hear(self, event: LogEvent) -> None:
        """Take in an event; one that was overtaken by a later one is a mark, and no more."""
        self.heard = time.monotonic()
        self._mark(event)
        sequence = whole(event.attributes.get(semconv.PROGRESS_SEQUENCE)) or 0
        if sequence < self.sequence:
            return
        elapsed = whole(event.attributes.get(semconv.ELAPSED_MS)) or 0
        self.attributes |= event.attributes
        self.sequence, self.at_ns = sequence, event.at_ns
        self.started_ns = event.at_ns - 1_000_000 * elapsed
        if self.first_content_ms is None and whole(event.attributes.get(semconv.CHARACTERS)):
            self.first_content_ms = elapsed

    def _mark(self, event: LogEvent) -> None:
        said = {name: event.attributes[name] for name in (semconv.CHARACTERS, semconv.CHUNKS) if name in event.attributes}
        if text := str(event.attributes.get(semconv.PREVIEW, "")):
            said[semconv.PREVIEW] = text[-_MARKED:]
        self.marks.append(Event(event.name, event.at_ns, said))
        if len(self.marks) > _MARKS:
            del self.marks[1:-1:2]

    def row(self, outcome: str) -> Row:
        """As a row, with this outcome, which its span will replace."""
        found = self.attributes
        known = call({semconv.OUTCOME: outcome, **found}, failed=outcome == FAILED) or Call("", "", outcome)
        shown = replace(known, outcome=outcome, first_content_ms=self.first_content_ms, tokens_per_second=self._rate())
        end = max(self.at_ns, self.started_ns)
        kept = Detail(self._said(), self.resource, tuple(self.marks))
        name = f"{known.operation} {known.model}"
        failed = outcome in {FAILED, TRUNCATED}
        return Row(*self.key, "", name, self.service, self.started_ns, end, failed, shown, kept, is_final=False)

    def _said(self) -> Mapping[str, Any]:
        """Its attributes, with the text as an output message."""
        told = {name: value for name, value in self.attributes.items() if name not in _STANDING}
        if not self.text:
            return told
        return {**told, semconv.OUTPUT_MESSAGES: [{"role": "assistant", "parts": [{"type": "text", "content": self.text}]}]}

    def _rate(self) -> float | None:
        tokens = number(self.attributes.get(semconv.USAGE_OUTPUT_TOKENS))
        elapsed = number(self.attributes.get(semconv.ELAPSED_MS))
        if tokens is None or elapsed is None or self.first_content_ms is None or elapsed <= self.first_content_ms:
            return None
        return 1e3 * tokens / (elapsed - self.first_content_ms)

    def summary(self) -> dict[str, Any]:
        """As the page gets it."""
        row = self.row(RUNNING)
        assert row.call  # noqa: S101 - a row of a running call has one
        stalled = whole(self.attributes.get(semconv.STALLED_MS)) if self._stands_still else None
        return summary(row, row.call) | {
            "stalled_ms": stalled,
            "state": self.attributes.get(semconv.PROGRESS_STATE, "waiting"),
            "characters": whole(self.attributes.get(semconv.CHARACTERS)),
            "at_ms": self.at_ns / 1e6,
            "heard_ms_ago": round(1e3 * (time.monotonic() - self.heard)),
        }

    @property
    def _stands_still(self) -> bool:
        return self.attributes.get(semconv.PROGRESS_STATE) not in (RUNNING, None)

    def detail(self) -> dict[str, Any]:
        """As its own page gets it."""
        return detail(self.summary(), self.row(RUNNING).detail, self.started_ns)


_STANDING: Final = frozenset(
    {semconv.PROGRESS_STATE, semconv.PROGRESS_SEQUENCE, semconv.ELAPSED_MS, semconv.STALLED_MS, semconv.CHARACTERS}
)


class RunningCalls:
    """All of them; not safe for several threads, which is the inbox's matter."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], Running] = {}
        self._version = 0

    def hear(self, event: LogEvent) -> Running:
        """Take in a progress event, the first of its call or another one."""
        running = self._get(event.key, event.at_ns, event.resource)
        running.hear(event)
        return self._touch(running)

    def announce(self, row: Row) -> Running:
        """A span that is sent when a call starts, as its child."""
        running = self._get((row.trace_id, row.parent_id), row.start_ns, row.detail.resource)
        if not running.sequence:
            operation, _, model = str(row.detail.attributes.get(semconv.PENDING_NAME, "")).partition(" ")
            told = {semconv.OPERATION_NAME: operation, **({semconv.REQUEST_MODEL: model} if model else {})}
            running.attributes = {**row.detail.attributes, **told}
            running.at_ns = row.start_ns
        return self._touch(running)

    def get(self, key: tuple[str, str]) -> Running | None:
        """The call, if it runs."""
        return self._calls.get(key)

    def end(self, key: tuple[str, str]) -> Running | None:
        """It runs no more."""
        return self._calls.pop(key, None)

    def all(self) -> list[Running]:
        """Those that run, oldest first."""
        return sorted(self._calls.values(), key=lambda running: running.started_ns)

    def lost(self, now: float) -> list[Running]:
        """Those of which nothing has been heard for too long, and the oldest of too many."""
        silent = [running for running in self._calls.values() if now - running.heard > LOST_AFTER]
        over = len(self._calls) - len(silent) - MOST
        return silent + (sorted(self._calls.values(), key=lambda running: running.heard)[:over] if over > 0 else [])

    def clear(self) -> None:
        """Forget them."""
        self._calls.clear()

    def since(self, version: int) -> tuple[int, list[Running]]:
        """Those that have changed since, and the version to ask with next time."""
        return self._version, [running for running in self._calls.values() if running.version > version]

    def _get(self, key: tuple[str, str], at_ns: int, resource: Mapping[str, Any]) -> Running:
        known = self._calls.get(key)
        if known is None:
            known = self._calls[key] = Running(*key, service(resource), at_ns, resource, time.monotonic())
        return known

    def _touch(self, running: Running) -> Running:
        self._version += 1
        running.version = self._version
        return running


def with_marks(row: Row, marks: Iterable[Event]) -> Row:
    """The row with what was seen while its call ran, which has the text that the span's own marks do not have."""
    return replace(row, detail=replace(row.detail, events=(*row.detail.events, *marks)))
