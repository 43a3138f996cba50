"""What a call costs."""

import os
import threading
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from streamspan import semconv
from streamspan.errors import logger, once
from streamspan.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

_PROVIDERS = {
    semconv.AZURE_OPENAI: "azure",
    semconv.X_AI: "x-ai",
}
"""Where genai-prices calls a provider otherwise than the conventions do, and does not know their name for it."""


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of one call in US dollars."""

    total: Decimal
    input: Decimal
    output: Decimal
    source: str
    """Where the price came from, such as ``genai-prices 0.2.3``."""


class PriceBook:
    """Prices from the table that the genai-prices package brings; never from the network."""

    def __init__(self) -> None:
        self._loader: threading.Thread | None = None

    def warm_up(self) -> None:
        """Loads the table in the background, so that no call's end has to wait for it (30-70 ms, once per process)."""
        if self._loader is None:
            self._loader = threading.Thread(target=_load, name="streamspan-prices", daemon=True)
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
        names = [model for model in dict.fromkeys(models) if model]
        for model in names:
            if price := _calculate(_PROVIDERS.get(provider, provider), model, usage):
                return price
        _warn(provider, names[-1] if names else "(no model)")
        return None


def _warn(provider: str, model: str) -> None:
    if once("unpriced", provider, model):
        logger.warning(
            "no price is known for model %r of %s; its calls carry %s and no cost", model, provider, semconv.COST_UNPRICED
        )


@cache
def _load() -> "tuple[DataSnapshot, str]":
    # Imported late: it takes tens of milliseconds, and only a program that calls a model needs it. The snapshot is our own, as
    # the package's global one may be swapped by the application.
    import genai_prices  # noqa: PLC0415
    from genai_prices.data import providers  # noqa: PLC0415
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415

    return DataSnapshot(providers=providers, from_auto_update=False), f"genai-prices {genai_prices.__version__}"


def _calculate(provider: str, model: str, usage: Usage) -> Price | None:
    from genai_prices import Usage as Counts  # noqa: PLC0415

    snapshot, source = _load()
    counts = {
        "input_tokens": usage.total_input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "output_tokens": usage.output_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
    }
    try:
        # A count of 0 says nothing about price, and costs a lookup each.
        counted = Counts(**{name: count for name, count in counts.items() if count})
        price = snapshot.calc(counted, model, provider, None, None)
    except (LookupError, ValueError):  # no such model; counts that contradict each other
        return None
    return Price(price.total_price, price.input_price, price.output_price, source)
