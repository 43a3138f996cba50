"""The instruments of our metrics, as each generation of the conventions names them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from opentelemetry.metrics import (
    CallbackOptions,
    Histogram,
    Meter,
    MeterProvider,
    NoOpCounter,
    Observation,
    get_meter,
    get_meter_provider,
)

from streamspan import live, semconv
from streamspan.budgets.ledger import Balance, usd
from streamspan.conventions import Conventions
from streamspan.enforcement.standing import balances
from streamspan.version import __version__

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The bounds of histograms of time, by the conventions."""
TOKENS: Final = tuple(4**power for power in range(14))
"""Those of histograms of tokens."""

_INFERENCE: Final = {semconv.CHAT, semconv.GENERATE_CONTENT, semconv.TEXT_COMPLETION}
"""What 1.42-dev has metrics of its own for; it leaves the others, such as embeddings, those of 1.41."""
_MOST_SERIES: Final = 1000
"""Of how many kinds of streams it is remembered that there are none now."""


@dataclass(frozen=True, slots=True)
class Timings:
    """The histograms of time of one generation."""

    duration: Histogram
    first_chunk: Histogram
    output_chunk: Histogram


@runtime_checkable
class Streaming(Protocol):
    """What runs and may be a stream."""

    def stream_of(self, instruments: object) -> Mapping[str, Any] | None:
        """What kind of stream it is; ``None`` if it is none, or none of those that are counted with these instruments."""


class Instruments:
    """The instruments of one meter. What is never recorded is never sent."""

    def __init__(self, meter: Meter, conventions: Conventions) -> None:
        self._conventions = conventions
        self._older = Timings(
            _seconds(meter, semconv.OPERATION_DURATION),
            _seconds(meter, semconv.OPERATION_TIME_TO_FIRST_CHUNK),
            _seconds(meter, semconv.OPERATION_TIME_PER_OUTPUT_CHUNK),
        )
        self._newer = Timings(
            _seconds(meter, semconv.INFERENCE_DURATION),
            _seconds(meter, semconv.INFERENCE_TIME_TO_FIRST_CHUNK),
            _seconds(meter, semconv.INFERENCE_TIME_PER_OUTPUT_CHUNK),
        )
        self.token_usage = _tokens(meter, semconv.TOKEN_USAGE)
        self.token_counts = {name: meter.create_counter(name, "{token}") for name in _TOKEN_COUNTS}
        self.token_sizes = {name: _tokens(meter, name) for name in _TOKEN_SIZES}
        self.cost = meter.create_counter(semconv.COST_METRIC, "{USD}")
        self.outcomes = meter.create_counter(semconv.OUTCOMES_METRIC, "{call}")
        self.exceeded_calls = meter.create_counter(semconv.BUDGET_CALLS_METRIC, "{call}")
        for name, tell in _BUDGETS.items():
            meter.create_observable_gauge(name, [partial(_observe_budgets, tell)], "{USD}")
        self._known = dict[tuple[tuple[str, Any], ...], int]()
        """The kinds of streams that there were, so that there can be said to be none of them."""
        meter.create_observable_up_down_counter(semconv.ACTIVE_STREAMS_METRIC, [self._count_streams], "{stream}")

    @property
    def are_taken(self) -> bool:
        """Whether somebody reads them: not without a meter provider, nor where it is switched off or has no reader."""
        instrument: Any = self.outcomes
        real = getattr(instrument, "_real_instrument", instrument)  # none yet, until there is a provider
        if real is None or isinstance(real, NoOpCounter):
            return False
        is_enabled = getattr(real, "_is_enabled", None)  # opentelemetry-sdk 1.43 has none
        consumer = getattr(real, "_measurement_consumer", None)
        return bool(getattr(consumer, "_reader_storages", True)) and (is_enabled is None or is_enabled())

    def tells_older(self, operation: str) -> bool:
        """Whether the metrics of 1.41 are recorded of this operation."""
        return self._conventions.writes_older or operation not in _INFERENCE

    def tells_newer(self, operation: str) -> bool:
        """Whether those of 1.42-dev are."""
        return self._conventions.writes_newer and operation in _INFERENCE

    def timings(self, operation: str) -> list[Timings]:
        """Where the times of this operation are recorded."""
        older = [self._older] if self.tells_older(operation) else []
        return [*older, self._newer] if self.tells_newer(operation) else older

    def _count_streams(self, _: CallbackOptions) -> Iterator[Observation]:
        # Readers ask this before they read what was recorded: so a call that has ended is in what they read.
        live.settle()
        counts = dict.fromkeys(self._known, 0)
        for call in live.running():
            if isinstance(call, Streaming) and (kind := call.stream_of(self)) is not None:
                key = tuple(kind.items())
                counts[key] = counts.get(key, 0) + 1
        self._known = dict(tuple(counts.items())[:_MOST_SERIES])
        for key, count in counts.items():
            yield Observation(count, dict(key))


_BUDGETS: Final[dict[str, Callable[[Balance], int]]] = {
    semconv.BUDGET_SPENT_METRIC: lambda balance: balance.spent,
    semconv.BUDGET_REMAINING_METRIC: lambda balance: balance.remaining,
    semconv.BUDGET_LIMIT_METRIC: lambda balance: balance.limit,
}


def _observe_budgets(tell: Callable[[Balance], int], _: CallbackOptions) -> Iterator[Observation]:
    for balance in balances():
        known = {semconv.BUDGET_KEY: balance.key, semconv.BUDGET_PERIOD: balance.period}
        yield Observation(float(usd(tell(balance))), known)


_TOKEN_COUNTS: Final = (
    semconv.INFERENCE_INPUT_TOKENS,
    semconv.INFERENCE_OUTPUT_TOKENS,
    semconv.INFERENCE_CACHE_READ_TOKENS,
    semconv.INFERENCE_CACHE_WRITE_TOKENS,
    semconv.INFERENCE_REASONING_TOKENS,
)
_TOKEN_SIZES: Final = (semconv.INFERENCE_CALL_INPUT_TOKENS, semconv.INFERENCE_CALL_OUTPUT_TOKENS)


def _seconds(meter: Meter, name: str) -> Histogram:
    return meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=SECONDS)


def _tokens(meter: Meter, name: str) -> Histogram:
    return meter.create_histogram(name, "{token}", explicit_bucket_boundaries_advisory=TOKENS)


_made = WeakKeyDictionary[MeterProvider, dict[Conventions, Instruments]]()
_global = dict[Conventions, Instruments]()
"""Those of the global provider, whether it is set by now or later."""


def instruments_of(provider: MeterProvider | None, conventions: Conventions) -> Instruments:
    """The instruments of a provider, the global one if none is given: one set for all SDKs, as running streams are counted once.

    Args:
        provider: Where the metrics go.
        conventions: Whose names they have.
    """
    is_global = provider is None or provider is get_meter_provider()
    made = _global if is_global or provider is None else _made.setdefault(provider, {})
    if conventions not in made:
        meter = get_meter("streamspan", __version__, None if is_global else provider, conventions.schema_url)
        made[conventions] = Instruments(meter, conventions)
    return made[conventions]
