"""Marks of a stream's growth, thinned by doubling the interval."""

from itertools import pairwise

import pytest

from streamspan.answer import Answer
from streamspan.listeners.progress import MOST, Progress


@pytest.mark.parametrize("looks", [1, 31, 32, 33, 1000, 20_000])
def test_marks_stay_few_and_spread(looks: int) -> None:
    """However long a stream runs, it has at most 32 marks, and they cover all of its time evenly."""
    progress, answer = Progress(), Answer()
    for look in range(looks):
        answer.text(0, "x")
        progress.note(look * 0.5, answer, look + 1)

    times = [mark.at for mark in progress.marks]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 1 <= len(times) < MOST
    assert times[0] == 0.0
    assert times[-1] >= 0.9 * 0.5 * (looks - 1) or len(times) > MOST / 2 - 1
    assert not gaps or max(gaps) <= 2.1 * min(gaps)


def test_standing_still_leaves_no_mark() -> None:
    """A stalled stream gets no marks, and one that has not begun has none."""
    progress, answer = Progress(), Answer()
    progress.note(1.0, answer, 0)
    answer.text(0, "abc")
    for look in range(10):
        progress.note(2.0 + look, answer, 1)

    assert [(mark.at, mark.characters, mark.chunks) for mark in progress.marks] == [(2.0, 3, 1)]
