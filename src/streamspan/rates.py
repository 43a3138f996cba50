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

from streamspan import price_table
from streamspan.model_prices import ModelPrice as Override
from streamspan.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

Amounts = tuple[Decimal, Decimal, Decimal]
"""US dollars: total, input, output. What is neither, such as a search of the web, is in the total alone."""
Counts = dict[str, int | float]

COUNTS: dict[str, tuple[str, ...]] = {
    "total_input_tokens": ("input_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_write_tokens",),
    "cache_write_1h_tokens": ("cache_write_1h_tokens",),
    "input_audio_tokens": ("input_audio_tokens",),
    "cached_audio_tokens": ("cache_audio_read_tokens",),
    "input_image_tokens": ("input_image_tokens",),
    "input_video_tokens": ("input_video_tokens",),
    "output_tokens": ("output_tokens",),
    "reasoning_tokens": ("output_reasoning_tokens",),
    "output_audio_tokens": ("output_audio_tokens",),
    "output_image_tokens": ("output_image_tokens",),
    "output_video_tokens": ("output_video_tokens",),
    "web_searches": ("web_searches",),
    "input_characters": ("input_characters",),
    "audio_seconds": ("audio_seconds", "input_audio_seconds"),
}
"""Our names for counts, and those of genai-prices."""

CONTEXTS: dict[str, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
"""What genai-prices calls the ways of being served that have prices of their own; OpenAI's and Anthropic's ``fast`` are two."""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The prices of one model, in all tiers and at all times."""

    provider: "Provider"
    model: "ModelInfo"
    is_own: bool
    """Whether the provider has prices of its own for it, without which there are no tiers of service; else it has another's."""

    def now(self, tier: str) -> "tuple[ModelPrice, tuple[object, ...]]":
        """The prices that hold at this time, and what tells them from those of another: they change by date and time of day."""
        time = datetime.now(tz=UTC)
        if not tier:
            price = self.model.get_prices(time)
            return price, (id(price),)
        variants = self.model.price_variants or ()
        active = tuple(variant.constraint is None or variant.constraint.active(time) for variant in variants)
        return self.model.get_prices(time, CONTEXTS[tier]), (id(self.model.get_prices(time)), active)

    def tier(self, wished: str | None) -> str:
        """``wished``, if the model has prices for being served like that, else nothing."""
        if not wished or wished not in CONTEXTS or not self.is_own:
            return ""
        context = CONTEXTS[wished].items()
        return wished if any(variant.when.items() <= context for variant in self.model.price_variants or ()) else ""


@cache
def _sheet(provider: int, model: int) -> Sheet:
    table = price_table.load().snapshot
    its = next(one for one in table.providers if id(one) == provider)
    found = next(one for other in table.providers for one in other.models if id(one) == model)
    return Sheet(its, found, any(one is found for one in its.models))


def find(provider: str, model: str) -> Sheet | None:
    """What the table has about a model, under this very name or a pattern of its own."""
    try:
        found = price_table.load().snapshot.find_provider_model(model, None, provider or None, None)
    except LookupError:
        return None
    return _sheet(*map(id, found))


def counts_of(usage: Usage) -> Counts:
    """What there is to pay for. A 0 says nothing about a price, but of audio in the cache: there it is as good as any number."""
    counts: Counts = {name: count for name in COUNTS if (count := getattr(usage, name))}
    if usage.cached_audio_tokens == 0 and "cache_read_tokens" in counts and "input_audio_tokens" in counts:
        counts["cached_audio_tokens"] = 0
    return counts


def calculate(sheet: Sheet, counts: Counts, tier: str = "") -> Amounts:
    """What it costs now.

    Args:
        sheet: The prices of the model.
        counts: What was used.
        tier: One that the model has prices for, see `Sheet.tier`.

    Raises:
        LookupError: If the model is not paid by what was counted.
        ValueError: If the counts contradict each other.
    """
    price, version = sheet.now(tier)
    if "audio_seconds" in counts or not _fits(counts):  # a second more is not always paid
        return ask(sheet, price, counts)
    rates = _rates(sheet, tier, version, tuple(counts))
    if counts.get("total_input_tokens", 0) > rates.limit:
        return ask(sheet, price, counts)
    return rates.apply(counts)


def ask(sheet: Sheet, price: "ModelPrice", counts: Mapping[str, int | float]) -> Amounts:
    """What genai-prices calculates; raises as `calculate` does."""
    from genai_prices import Usage as Reported  # noqa: PLC0415
    from genai_prices.types import ModelInfo  # noqa: PLC0415

    _check_units(price, counts)
    reported = Reported(**{name: _exact(count) for ours, count in counts.items() for name in COUNTS[ours]})
    model = ModelInfo(sheet.model.id, sheet.model.match, prices=price)
    calculated = model.calc_price(reported, sheet.provider)
    return calculated.total_price, calculated.input_price, calculated.output_price


def _exact(count: float) -> int | Decimal:
    return count if isinstance(count, int) else Decimal(str(count))


def _check_units(price: "ModelPrice", counts: Mapping[str, int | float]) -> None:
    """A model that is paid by the hour says nothing about tokens: its calculation would be that they cost nothing."""
    priced = {key for key, value in vars(price).items() if value is not None}
    counted = [keys for count, keys in _PAID_BY.items() if counts.get(count)]
    if priced and counted and not any(priced & keys for keys in counted):
        raise LookupError(counts)


_PAID_BY = {
    "total_input_tokens": {"input_mtok"},
    "audio_seconds": {"audio_hours", "input_audio_hours"},
    "input_characters": {"input_mchars"},
}


def _fits(counts: Mapping[str, int | float]) -> bool:
    """Whether the parts fit into their wholes: else genai-prices has to say what is wrong with them."""
    get = counts.get
    read, audio, written = get("cache_read_tokens", 0), get("input_audio_tokens", 0), get("cache_write_tokens", 0)
    cached_audio = get("cached_audio_tokens", 0)
    seen = get("input_image_tokens", 0) + get("input_video_tokens", 0)
    said = get("reasoning_tokens", 0) + get("output_audio_tokens", 0)
    shown = get("output_image_tokens", 0) + get("output_video_tokens", 0)
    return (
        read + written + audio + seen <= get("total_input_tokens", 0)
        and said + shown <= get("output_tokens", 0)
        and get("cache_write_1h_tokens", 0) <= written
        and cached_audio <= read
        and cached_audio <= audio
        and (not counts or min(counts.values()) >= 0)
    )


@dataclass(frozen=True, slots=True)
class Rates:
    """What one token of each kind adds to a price."""

    fixed: Amounts
    per_token: tuple[tuple[str, Amounts], ...]
    """Of a part, such as what is cached, what it costs more or less than the rest of its whole."""
    limit: float = math.inf
    """The input tokens up to which this holds."""

    def apply(self, counts: Mapping[str, int | float]) -> Amounts:
        """What so many cost, which must fit together."""
        total, of_input, of_output = self.fixed
        for name, (all_, into, out) in self.per_token:
            if count := counts.get(name):
                number = _exact(count)
                total, of_input, of_output = total + all_ * number, of_input + into * number, of_output + out * number
        return total, of_input, of_output


_PROBE = {
    "total_input_tokens": 96,
    "cache_read_tokens": 16,
    "cache_write_tokens": 16,
    "input_audio_tokens": 16,
    "output_tokens": 64,
}
"""A usage whose parts fit into their wholes also with one more of any; what is not named here is 8."""
_MOST_PROBED = 96 + 1


@lru_cache(1024)
def _rates(sheet: Sheet, tier: str, version: tuple[object, ...], names: tuple[str, ...]) -> Rates:  # noqa: ARG001 - another version, other rates
    price = sheet.now(tier)[0]
    probe: Counts = {name: _PROBE.get(name, 8) for name in names}
    fixed = base = ask(sheet, price, probe)
    steps: list[tuple[str, Amounts]] = []
    for name, count in probe.items():
        step = _minus(ask(sheet, price, {**probe, name: count + 1}), base)
        if any(step):
            steps.append((name, step))
        fixed = _minus(fixed, (step[0] * _exact(count), step[1] * _exact(count), step[2] * _exact(count)))
    return Rates(fixed, tuple(steps), _first_tier(price))


def _first_tier(price: "ModelPrice") -> float:
    first = min((tier.start for part in vars(price).values() for tier in getattr(part, "tiers", ())), default=math.inf)
    return first if first >= _MOST_PROBED else -1


def _minus(left: Amounts, right: Amounts) -> Amounts:
    return left[0] - right[0], left[1] - right[1], left[2] - right[2]


# --- what a user says ------------------------------------------------------------------------------------------------

_MILLION = 1_000_000
_INPUT_RATES = {
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
}
_OUTPUT_RATES = {"reasoning_tokens": "reasoning", "output_audio_tokens": "output_audio", "output_image_tokens": "output_image"}


def overridden(price: Override, counts: Counts) -> Amounts:
    """What it costs by a price that a user gave; raises as `calculate` does."""
    if not _fits(counts):
        raise ValueError(counts)
    if counts.get("output_tokens") and "output" not in price.amounts:
        raise LookupError("output")
    if counts.get("audio_seconds") or counts.get("input_characters"):
        raise LookupError(counts)
    return _rates_of(price).apply(counts)


@lru_cache(256)
def _rates_of(price: Override) -> Rates:
    amounts, zero = price.amounts, Decimal(0)
    into, out = amounts["input"], amounts.get("output", zero)
    written = amounts.get("cache_write", into)
    inputs = {"total_input_tokens": into} | {
        count: amounts[name] - into for count, name in _INPUT_RATES.items() if name in amounts
    }
    inputs["cache_write_1h_tokens"] = amounts.get("cache_write_1h", written) - written
    inputs["cached_audio_tokens"] = into - amounts.get("input_audio", into)  # it is both, and costs what the cache does
    outputs = {"output_tokens": out} | {count: amounts[name] - out for count, name in _OUTPUT_RATES.items() if name in amounts}
    steps = [(name, (rate / _MILLION, rate / _MILLION, zero)) for name, rate in inputs.items() if rate]
    steps += [(name, (rate / _MILLION, zero, rate / _MILLION)) for name, rate in outputs.items() if rate]
    steps += [("web_searches", (amounts["web_search"], zero, zero))] if amounts.get("web_search") else []
    return Rates((amounts.get("request", zero), zero, zero), tuple(steps))
