"""What a call costs."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from streamspan import rates, semconv
from streamspan.errors import logger, once
from streamspan.model_names import candidates
from streamspan.usage import Cost, Usage

_PROVIDERS = {
    semconv.AZURE_OPENAI: "azure",
    semconv.X_AI: "x-ai",
}
"""Where genai-prices calls a provider otherwise than the conventions do, and does not know their name for it."""


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of one call in US dollars."""

    total: Decimal
    input: Decimal | None
    """The part of it that is for the input; ``None`` where a provider reports the total alone."""
    output: Decimal | None
    source: str
    """Where the price came from, such as ``genai-prices 0.2.3``, or ``provider``."""


def reported(cost: Cost) -> Price:
    """What the provider itself says that it charges: nobody knows better."""
    return Price(cost.total, cost.input, cost.output, "provider")


class PriceBook:
    """Prices from the table that the genai-prices package brings; never from the network."""

    def __init__(self) -> None:
        self._loader: threading.Thread | None = None

    def warm_up(self) -> None:
        """Loads the table in the background, so that no call's end has to wait for it (30-70 ms, once per process)."""
        if self._loader is None:
            self._loader = threading.Thread(target=rates.load, name="streamspan-prices", daemon=True)
            if hasattr(os, "register_at_fork"):
                # A child forked in the middle of an import would inherit that module's lock, and nobody to release it.
                os.register_at_fork(before=self._loader.join)
            self._loader.start()

    def price(self, provider: str, models: tuple[str | None, ...], usage: Usage) -> Price | None:
        """The cost of ``usage``, or ``None`` (and one warning per model) if no price is known.

        Args:
            provider: ``gen_ai.provider.name``.
            models: Names of the model, the most exact first: the one that answered, the one that was asked.
            usage: Its input and output counts must both be there.
        """
        names = tuple(plain for name in models if name for plain in _spellings(provider, name))
        if (model := _known(provider, names)) is not None:
            with suppress(LookupError, ValueError):
                total, of_input, of_output = rates.calculate(_PROVIDERS.get(provider, provider), model, usage)
                return Price(total, of_input, of_output, rates.load()[1])
        _warn(provider, next(filter(None, reversed(models)), "(no model)"))
        return None


def _spellings(provider: str, model: str) -> tuple[str, ...]:
    """A model as the provider has it, and where that is a path, such as ``publishers/google/models/...``, its last part."""
    is_path = provider in {semconv.GCP_GEMINI, semconv.GCP_VERTEX_AI} and "/" in model
    return (model, model.rpartition("/")[2]) if is_path else (model,)


@lru_cache(1024)
def _known(provider: str, models: tuple[str | None, ...]) -> str | None:
    """The first name of the model that the table holds: to look for one in vain takes 80 us, and no new ones come."""
    ours = _PROVIDERS.get(provider, provider)
    return next((name for name in candidates(provider, models) if rates.knows(ours, name)), None)


def _warn(provider: str, model: str) -> None:
    if once("unpriced", provider, model):
        logger.warning(
            "no price is known for model %r of %s; its calls carry %s and no cost", model, provider, semconv.COST_UNPRICED
        )
