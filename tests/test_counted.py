"""Which answers are paid for already."""

from concurrent.futures import ThreadPoolExecutor

from streamspan.counted import Counted


def test_one_claim_per_answer() -> None:
    """The first who claims an answer has it, and the newest answers are remembered; of the oldest nothing is kept."""
    counted = Counted(limit=3)

    assert [counted.claim(name) for name in "aabcb"] == [True, False, True, True, False]
    assert counted.claim("d")  # and "a" is forgotten
    assert [counted.claim(name) for name in "bcd"] == [False] * 3
    assert counted.claim("a")


def test_claims_from_many_threads() -> None:
    """However many threads claim an answer, one has it."""
    counted = Counted()
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(counted.claim, [str(number // 8) for number in range(800)]))

    assert sum(claims) == 100
