"""What the live table shows: the calls that run, the latest that have ended, which one is selected, whether all stands still."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamspan.viewer.inbox import Inbox, Key
from streamspan.viewer.queries import Query, calls

KEPT: Final = 500
"""Finished calls."""

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calls:
    """What there is to see at one moment."""

    running: Sequence[Summary] = ()
    """Oldest first."""
    finished: Sequence[Summary] = ()
    """Newest first."""

    @property
    def all(self) -> list[Summary]:
        """From top to bottom."""
        return [*self.running, *self.finished]


class Board:
    """The state of the table.

    Args:
        inbox: where calls come from.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._mark = inbox.mark()
        self._finished: dict[Key, Summary] = {}
        self._now = Calls()
        self._paused: Calls | None = None
        self._selected: Key | None = None
        self._read: tuple[Summary, Mapping[str, Any] | None] | None = None
        self.unseen = 0
        """Calls that have ended since the pause began."""
        self._remember()
        self.update()

    @property
    def calls(self) -> Calls:
        """What is shown."""
        return self._now if self._paused is None else self._paused

    @property
    def is_paused(self) -> bool:
        """Whether what is shown stands still."""
        return self._paused is not None

    @property
    def selected(self) -> Summary | None:
        """The call that was chosen; else the one that began last of those that run, or of all."""
        shown = self.calls
        chosen = next((found for found in shown.all if key(found) == self._selected), None)
        return chosen or next(iter([*reversed(shown.running), *shown.finished]), None)

    def update(self) -> None:
        """Take in what has happened."""
        news = self._inbox.since(self._mark)
        self._mark = news.mark
        if news.cleared:
            self._remember()
        self._add(news.ended)
        self.unseen += len(news.ended)
        running = self._inbox.running()
        speaking = {key(found) for found in running}
        finished = (found for ended, found in self._finished.items() if ended not in speaking)
        self._now = Calls(running, sorted(finished, key=_started, reverse=True))

    def move(self, step: int) -> None:
        """Select the call that is so many lines further down."""
        shown = [key(found) for found in self.calls.all]
        if (selected := self.selected) is not None:
            place = shown.index(key(selected)) + step
            self._selected = shown[min(max(place, 0), len(shown) - 1)]

    def follow(self) -> None:
        """Select nothing: the call that began last is the one, whichever it is."""
        self._selected = None

    def pause(self) -> None:
        """Stand still, or go on; the selection stays."""
        if selected := self.selected:
            self._selected = key(selected)
        self._paused = self._now if self._paused is None else None
        self.unseen = 0

    def detail(self, found: Summary) -> Mapping[str, Any] | None:
        """All that is known of a call; None if it is not there any more."""
        if self._read is None or self._read[0] is not found:
            self._read = (found, self._inbox.detail(key(found)))
        return self._read[1]

    def _remember(self) -> None:
        self._finished = {}
        self._add(reversed(calls(self._inbox.store, Query(limit=KEPT))["calls"]))

    def _add(self, ended: Any) -> None:
        self._finished |= {key(found): found for found in ended}
        for oldest in sorted(self._finished, key=lambda each: _started(self._finished[each]))[:-KEPT]:
            del self._finished[oldest]


def key(found: Summary) -> Key:
    """What a call is found by."""
    return found["trace_id"], found["span_id"]


def _started(found: Summary) -> float:
    return found["started_ms"]
