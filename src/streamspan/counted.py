"""Which answers are paid for already: one that is made in the background is seen by several requests, and charged once."""

from contextlib import suppress


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
