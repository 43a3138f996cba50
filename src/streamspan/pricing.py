"""What a call costs."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from streamspan import model_prices, price_table, rates, semconv
from streamspan.errors import logger, once
from streamspan.model_names import candidates
from streamspan.model_prices import ModelPrice, Overrides
from streamspan.usage import Cost, Usage

_PROVIDERS = {
    semconv.AZURE_OPENAI: "azure",
    semconv.AZURE_INFERENCE: "azure",
    semconv.GCP_GEN_AI: "google",
    semconv.X_AI: "x-ai",
}
"""Where genai-prices calls a provider otherwise than the conventions do, and does not know their name for it."""

OVERRIDE = "override"
REPORTED = "provider"


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of one call in US dollars."""

    total: Decimal
    input: Decimal | None
    """The part of it that is for the input; ``None`` where a provider reports the total alone."""
    output: Decimal | None
    source: str
    """Where the price came from, such as ``genai-prices 0.2.3``, ``provider``, or ``override``."""
    tier: str = ""
    """The tier of service whose prices these are, such as ``flex``; empty for the usual ones."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about the prices of a model."""

    override: ModelPrice | None = None
    """What the user says."""
    sheet: rates.Sheet | None = None
    """What the table says, where the user does not."""
    name: str = ""
    """Under which name the table has it."""
    is_alias: bool = False
    """Whether the user said whose prices these are."""


def reported(cost: Cost) -> Price:
    """What the provider itself says that it charges."""
    return Price(cost.total, cost.input, cost.output, REPORTED)


class PriceBook:
    """Prices: the user's own, or those of the table of genai-prices; never from the network.

    Args:
        overrides: The user's own.
    """

    def __init__(self, overrides: Overrides | None = None) -> None:
        self._overrides = overrides
        self._find = lru_cache(1024)(self._look_up)  # to look in vain for a name takes 80 us, and no new ones come

    def warm_up(self) -> None:
        """Loads the table in the background, so that no call's end has to wait for it (30-70 ms, once per process)."""
        _loader.start()

    def price(
        self,
        provider: str,
        models: tuple[str | None, ...],
        usage: Usage,
        tier: str | None = None,
        charged: Cost | None = None,
    ) -> Price | None:
        """The cost of ``usage``, or ``None`` (and one warning per model) if no price is known.

        Args:
            provider: ``gen_ai.provider.name``.
            models: Names of the model, the most exact first: the one that answered, the one that was asked.
            usage: Its input and output counts must both be there, or what else the model is paid by.
            tier: How it was served, such as ``flex``; ``usage.tier`` unless given.
            charged: What the provider itself says that it charges: only the user knows better.
        """
        found = self._find(provider, models)
        if charged is not None and found.override is None and not found.is_alias:
            return reported(charged)
        with suppress(LookupError, ValueError):
            return _calculate(found, usage, tier or usage.tier)
        _warn(provider, next(filter(None, reversed(models)), "(no model)"))
        return None

    def find(self, provider: str, *models: str | None) -> Found:
        """What is known about the prices of a model, with no prices in it if that is nothing."""
        return self._find(provider, models)

    def _look_up(self, provider: str, models: tuple[str | None, ...]) -> Found:
        first = self._override(provider, models)
        if self._overrides is None or first is None:
            return _known(provider, models)
        *_, (last, whose) = model_prices.follow(self._overrides, first, models[-1] or "", provider)
        if last.alias is None:
            return Found(last, is_alias=last is not first)
        known = _known(whose, (last.alias,))
        return Found(sheet=known.sheet, name=known.name, is_alias=True)

    def _override(self, provider: str, models: tuple[str | None, ...]) -> ModelPrice | None:
        """What the user says about a model: of what was asked for before what answered, as only the first is the user's word."""
        if self._overrides is None:
            return None
        names = dict.fromkeys(name for name in (*reversed(models), *_names(provider, models)) if name)
        return self._overrides.find(provider, tuple(names))


def _calculate(found: Found, usage: Usage, tier: str | None) -> Price:
    counts = rates.counts_of(usage)
    if found.override is not None:
        return Price(*rates.overridden(found.override, counts), OVERRIDE)
    if found.sheet is None:
        raise LookupError
    its = found.sheet.tier(tier)
    source = price_table.load().source
    return Price(*rates.calculate(found.sheet, counts, its), f"{source} (alias)" if found.is_alias else source, its)


def _known(provider: str, models: tuple[str | None, ...]) -> Found:
    """The first name of the model that the table holds."""
    ours = _PROVIDERS.get(provider, provider)
    for name in _names(provider, models):
        if (sheet := rates.find(ours, name)) is not None:
            return Found(sheet=sheet, name=name)
    return Found()


def is_of(table_name: str, provider: str) -> bool:
    """Whether this is what the table calls the provider."""
    return table_name == price_table.provider_id(_PROVIDERS.get(provider, provider))


def _names(provider: str, models: tuple[str | None, ...]) -> Iterator[str]:
    if spelled := tuple(plain for name in models if name for plain in _spellings(provider, name)):
        yield from candidates(provider, spelled)


def _spellings(provider: str, model: str) -> tuple[str, ...]:
    """A model as the provider has it, and where that is a path, such as ``publishers/google/models/...``, its last part."""
    is_path = provider in {semconv.GCP_GEMINI, semconv.GCP_VERTEX_AI, semconv.GCP_GEN_AI} and "/" in model
    return (model, model.rpartition("/")[2]) if is_path else (model,)


class _Loader:
    """Loads the table on a thread of its own, once."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, unless it has."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=price_table.load, name="streamspan-prices", daemon=True)
        self._thread.start()
        if hasattr(os, "register_at_fork"):
            # A child forked in the middle of an import would inherit that module's lock, and nobody to release it.
            os.register_at_fork(before=self._thread.join)


_loader = _Loader()


def _warn(provider: str, model: str) -> None:
    if once("unpriced", provider, model):
        logger.warning(
            "no price is known for model %r of %s; its calls carry %s and no cost (the setting prices gives it one)",
            model,
            provider,
            semconv.COST_UNPRICED,
        )
