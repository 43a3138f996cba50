"""Which answers are paid for already: one that is made in the background is seen by several requests, and charged once."""

from contextlib import suppress
from time import perf_counter


class Counted:
    """The ids of the newest answers whose usage is on a span; takes no lock, so that no fork can leave one locked."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._claims: dict[str | None, object] = {}

    def claim(self, response_id: str | None) -> bool:
        """Whether the caller is the first to count this answer."""
        mine = object()
        first = self._claims.setdefault(response_id, mine) is mine
        if len(self._claims) > self._limit:
            with suppress(RuntimeError):  # another thread has just added one; it forgets the oldest itself
                self._claims.pop(next(iter(self._claims)), None)
        return first


_MOST_ENDED = 1000
_ended: dict[str, float] = {}
"""When the newest answers ended that we observed, by their ids."""


def note_end(response_id: str | None) -> None:
    """An answer that is observed where it was asked for has ended: whoever hands it on does not count it again."""
    if response_id:
        _ended[response_id] = perf_counter()
        if len(_ended) > _MOST_ENDED:
            with suppress(RuntimeError, StopIteration):
                _ended.pop(next(iter(_ended)), None)


def ended_since(response_id: str, moment: float) -> bool:
    """Whether an answer that is observed has ended after this `time.perf_counter`."""
    return _ended.get(response_id, 0.0) > moment
