"""What waits to be sent."""

from streamspan.waiting import Waiting


def waiting(most: int = 9, most_bytes: int = 99) -> Waiting[str]:
    """For texts."""
    return Waiting(most, most_bytes)


def put(queue: Waiting[str], *texts: str) -> None:
    """Each text has as many bytes as characters."""
    for text in texts:
        queue.put(text, len(text))


def test_the_oldest_are_taken_first() -> None:
    """As many as are asked for, or as there is room for; the first in any case."""
    queue = waiting()
    put(queue, "aaaa", "b", "cc", "d")

    assert queue.take(9, 2) == ["aaaa"]
    assert queue.take(9, 3) == ["b", "cc"]
    assert (len(queue), queue.size) == (1, 1)
    assert queue.take(0, 9) == []
    assert queue.take(1, 9) == ["d"]
    assert (len(queue), queue.size, queue.dropped()) == (0, 0, 0)


def test_the_oldest_go_where_there_are_too_many() -> None:
    """They are counted, and told once."""
    queue = waiting(most=2)
    put(queue, *"abcde")

    assert (queue.dropped(), queue.dropped()) == (3, 0)
    assert queue.take(9, 9) == ["d", "e"]


def test_the_oldest_go_where_there_are_too_many_bytes() -> None:
    """One stays, however large it is."""
    queue = waiting(most_bytes=5)
    put(queue, "aa", "bb", "cc")
    assert (queue.size, queue.dropped()) == (4, 1)

    put(queue, "d" * 9)
    assert (queue.take(9, 99), queue.dropped()) == (["d" * 9], 2)


def test_what_is_put_back_is_the_oldest() -> None:
    """It is the first to be taken, and the first to go."""
    queue = waiting(most=3)
    put(queue, *"abc")
    taken = queue.take(2, 9)
    put(queue, "d")
    queue.put_back([(text, len(text)) for text in taken])

    assert queue.dropped() == 1
    assert queue.take(9, 9) == ["b", "c", "d"]
    assert queue.size == 0
