"""Counts as they are reported, and as they are guessed."""

import pytest

from streamspan.estimate import estimate_tokens
from streamspan.usage import Usage


def test_later_reports_replace_earlier_ones() -> None:
    """A running total replaces the one before; what a report does not have stays; 0 is a report."""
    usage = Usage(uncached_input_tokens=10, cache_read_tokens=5, output_tokens=1)
    usage.update(Usage(output_tokens=7))
    usage.update(Usage(output_tokens=12, cache_write_tokens=0))

    assert usage == Usage(uncached_input_tokens=10, cache_read_tokens=5, cache_write_tokens=0, output_tokens=12)
    assert usage.total_input_tokens == 15


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (Usage(), None),
        (Usage(input_tokens=9, cache_read_tokens=4), 9),
        (Usage(uncached_input_tokens=9, cache_read_tokens=4, cache_write_tokens=2), 15),
        (Usage(uncached_input_tokens=0), 0),
    ],
)
def test_total_input(usage: Usage, total: int | None) -> None:
    """The total includes the cache whichever way the provider counts."""
    assert usage.total_input_tokens == total


@pytest.mark.parametrize(
    ("text", "tokens"),
    # counted with o200k
    [
        ("The quick brown fox jumps over the lazy dog, and nobody in the village was surprised.", 18),
        ("def area(radius: float) -> float:\n    return math.pi * radius ** 2\n", 19),
        ("Lima ist die Hauptstadt von Peru und liegt am Pazifik.", 13),
        ("東京は日本の首都であり、世界最大の都市のひとつです。", 19),
        ("Москва является столицей России и крупнейшим городом страны.", 12),
    ],
)
def test_estimates_are_near(text: str, tokens: int) -> None:
    """The estimate of a sentence is within a factor of two of a real tokenizer's count, in any script."""
    assert tokens / 2 <= estimate_tokens(text) <= 2 * tokens


def test_long_texts_are_sampled_evenly() -> None:
    """A long text is estimated from windows all over it, and comes out as the sum of its parts."""
    code, words = "x = {1: 2, 3: 4}\n" * 5000, "東京は日本の首都であり、" * 5000

    whole, parts = estimate_tokens(code + words), estimate_tokens(code[:8500]) * 10 + estimate_tokens(words[:6000]) * 10
    assert 0.9 * parts < whole < 1.1 * parts


def test_estimate_of_nothing_and_of_little() -> None:
    """No text has no tokens, the least text has one."""
    assert (estimate_tokens(""), estimate_tokens("a"), estimate_tokens("\u2603")) == (0, 1, 1)
