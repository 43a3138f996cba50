"""What genai-prices says a usage costs, asked once per model and kind of usage instead of once per call.

Its calculation takes 70-100 us, more than all the rest that happens at the end of a call. But below a model's first tier a price
is linear in the counts: so it is asked for the price of one token more of each kind, and what it said is multiplied.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from streamspan.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice

Amounts = tuple[Decimal, Decimal, Decimal]
"""US dollars: total, input, output."""

_COUNTS = {
    "total_input_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "input_image_tokens": "input_image_tokens",
    "output_tokens": "output_tokens",
    "output_audio_tokens": "output_audio_tokens",
}
"""Our names for counts, and those of genai-prices."""


@cache
def load() -> "tuple[DataSnapshot, str]":
    """The table of prices that genai-prices brings, and its name and version.

    Imported late: it takes tens of milliseconds, and only a program that calls a model needs it. The snapshot is our own, as the
    package's global one may be swapped by the application.
    """
    import genai_prices  # noqa: PLC0415
    from genai_prices.data import providers  # noqa: PLC0415
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415

    return DataSnapshot(providers=providers, from_auto_update=False), f"genai-prices {genai_prices.__version__}"


def knows(provider: str, model: str) -> bool:
    """Whether the table has an entry for a model, under this very name or a pattern of its own."""
    try:
        load()[0].find_provider_model(model, None, provider or None, None)
    except LookupError:
        return False
    return True


def calculate(provider: str, model: str, usage: Usage) -> Amounts:
    """The cost of ``usage`` now.

    Raises:
        LookupError: If no price is known for the model.
        ValueError: If the counts contradict each other.
    """
    counts = {name: count for name in _COUNTS if (count := getattr(usage, name))}  # a 0 says nothing about price
    if not _fits(counts):
        return ask(provider, model, counts)
    rates = _rates(provider, model, id(_price_now(provider, model)), tuple(counts))
    if counts.get("total_input_tokens", 0) > rates.limit:
        return ask(provider, model, counts)
    return rates.apply(counts)


def ask(provider: str, model: str, counts: Mapping[str, int]) -> Amounts:
    """What genai-prices calculates; raises as `calculate` does."""
    from genai_prices import Usage as Counts  # noqa: PLC0415

    price = load()[0].calc(
        Counts(**{_COUNTS[name]: count for name, count in counts.items()}), model, provider or None, None, None
    )
    return price.total_price, price.input_price, price.output_price


def _price_now(provider: str, model: str) -> "ModelPrice":
    """The entry of the table that holds at this time: prices change by date, and some by time of day."""
    return load()[0].find_provider_model(model, None, provider or None, None)[1].get_prices(datetime.now(tz=UTC))


def _fits(counts: Mapping[str, int]) -> bool:
    """Whether the parts fit into their wholes: else genai-prices has to say what is wrong with them."""
    get = counts.get
    parts = sum(get(name, 0) for name in ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens"))
    hour_fits = get("cache_write_1h_tokens", 0) <= get("cache_write_tokens", 0)
    output_fits = get("output_audio_tokens", 0) <= get("output_tokens", 0)
    return hour_fits and output_fits and parts <= get("total_input_tokens", 0) and min(counts.values(), default=0) >= 0


@dataclass(frozen=True, slots=True)
class _Rates:
    """What one token of each kind adds to a price."""

    fixed: Amounts
    per_token: tuple[tuple[str, Amounts], ...]
    limit: float
    """The input tokens up to which this holds."""

    def apply(self, counts: Mapping[str, int]) -> Amounts:
        total, of_input, of_output = self.fixed
        for name, (all_, into, out) in self.per_token:
            count = counts[name]
            total, of_input, of_output = total + all_ * count, of_input + into * count, of_output + out * count
        return total, of_input, of_output


_PROBE = {"total_input_tokens": 64, "cache_write_tokens": 16, "output_tokens": 64}
"""A usage whose parts fit into their wholes also with one more of any; what is not named here is 8."""


@lru_cache(1024)
def _rates(provider: str, model: str, entry: int, names: tuple[str, ...]) -> _Rates:  # noqa: ARG001 - another entry, other rates
    probe = {name: _PROBE.get(name, 8) for name in names}
    fixed = base = ask(provider, model, probe)
    steps: list[tuple[str, Amounts]] = []
    for name, count in probe.items():
        step = _minus(ask(provider, model, {**probe, name: count + 1}), base)
        steps.append((name, step))
        fixed = _minus(fixed, (step[0] * count, step[1] * count, step[2] * count))
    return _Rates(fixed, tuple(steps), _first_tier(_price_now(provider, model)))


def _first_tier(price: "ModelPrice") -> float:
    return min((tier.start for part in vars(price).values() for tier in getattr(part, "tiers", ())), default=math.inf)


def _minus(left: Amounts, right: Amounts) -> Amounts:
    return left[0] - right[0], left[1] - right[1], left[2] - right[2]
