"""What waits to be sent: bounded in number and in bytes, and the oldest goes where there is no room."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """A queue; whoever uses it holds a lock, and has reckoned sizes before: an application's thread may wait for that lock.

    Args:
        most: How many may wait.
        most_bytes: How many bytes may wait; one item may, however large it is.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._items = deque[tuple[Item, int]]()
        self._most = most
        self._most_bytes = most_bytes
        self.size = 0
        """Bytes."""
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, size: int) -> None:
        """Appends an item of so many bytes."""
        self._items.append((item, size))
        self.size += size
        self._trim()

    def put_back(self, items: Sequence[tuple[Item, int]]) -> None:
        """Puts what was taken, each with its bytes, back where it was: it is the oldest."""
        self._items.extendleft(reversed(items))
        self.size += sum(size for _, size in items)
        self._trim()

    def take(self, most: int, most_bytes: int) -> list[Item]:
        """The oldest items: one, and more as long as there is room."""
        taken, left = list[Item](), most_bytes
        while self._items and len(taken) < most and (not taken or self._items[0][1] <= left):
            item, size = self._items.popleft()
            taken.append(item)
            left -= size
            self.size -= size
        return taken

    def dropped(self) -> int:
        """How many were dropped since this was asked last."""
        count, self._dropped = self._dropped, 0
        return count

    def _trim(self) -> None:
        while len(self._items) > self._most or (self.size > self._most_bytes and len(self._items) > 1):
            self.size -= self._items.popleft()[1]
            self._dropped += 1
