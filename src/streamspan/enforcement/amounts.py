"""How much is held for a call that is about to be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamspan.budgets.ledger import nano
from streamspan.pricing import PriceBook
from streamspan.usage import Usage

UNLIMITED_OUTPUT: Final = 4096
"""The output tokens of a request that does not say how many it may have, in the worst case that is reckoned with."""
TYPICAL_OUTPUT: Final = 500
"""Those of a model that has not been called yet."""
_MARGIN: Final = 5, 4
"""What the input may be more than its estimate: the estimate of a text is a few percent off in most languages, 20 in some."""
_MOST: Final = 1000
"""Models that are remembered."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a request may cost depends on this."""

    provider: str
    model: str | None
    max_tokens: int | None
    """How many output tokens it may have, if it says so."""
    choices: int
    """How many answers it wants; 0 where the model says nothing."""
    estimate_input: Callable[[], int]


class Means:
    """What calls of each model have cost on average, in this process."""

    def __init__(self) -> None:
        self._known = dict[tuple[str, str | None], tuple[int, int]]()

    def note(self, provider: str, model: str | None, cost: int) -> None:
        """Takes the cost of one more call. Of two at the same moment one may be lost: that is no harm to a mean."""
        count, total = self._known.get((provider, model), (0, 0))
        if count or len(self._known) < _MOST:
            self._known[provider, model] = count + 1, total + cost

    def of(self, provider: str, model: str | None) -> int | None:
        """The mean, once there is one."""
        count, total = self._known.get((provider, model), (0, 0))
        return -(-total // count) if count else None


def worst_case(prices: PriceBook, question: Question) -> int | None:
    """What it costs if the answer is as long as it may be; ``None`` if no price is known. In nano-USD, as everywhere here."""
    limit = UNLIMITED_OUTPUT if question.max_tokens is None else question.max_tokens
    return _price(prices, question, question.estimate_input() * _MARGIN[0] // _MARGIN[1], limit)


def typical(prices: PriceBook, question: Question, means: Means) -> int | None:
    """What such calls have cost until now; of the first one, what it costs with an answer of some length."""
    if (mean := means.of(question.provider, question.model)) is not None:
        return mean
    limit = TYPICAL_OUTPUT if question.max_tokens is None else min(question.max_tokens, TYPICAL_OUTPUT)
    return _price(prices, question, question.estimate_input(), limit)


def has_price(prices: PriceBook, question: Question) -> bool:
    """Whether a price is known."""
    return _price(prices, question, 1, 1) is not None


def _price(prices: PriceBook, question: Question, tokens: int, output: int) -> int | None:
    usage = Usage(input_tokens=tokens, output_tokens=output * question.choices)
    price = prices.price(question.provider, (question.model,), usage)
    return None if price is None else nano(price.total)
