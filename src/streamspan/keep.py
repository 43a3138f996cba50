"""Which calls are worth keeping whole: rules that mark a span, for a sampler that decides when a trace has ended."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from streamspan.knobs import OutOfRangeError
from streamspan.outcome import ABANDONED, ABORTED, CANCELLED, FAILED, TRUNCATED


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rules ask of a call that has ended."""

    outcome: str
    seconds: float
    """From its start to its end."""
    cost: float | None
    """US dollars, where they are known."""
    longest_gap: float
    """Seconds between two chunks."""


_OUTCOMES = {"errors": {FAILED, TRUNCATED}, "aborted": {ABORTED, ABANDONED, CANCELLED}}
_MEASURES: dict[str, Callable[[Measured], float | None]] = {
    "expensive": lambda call: call.cost,
    "slow": lambda call: call.seconds,
    "stalled": lambda call: call.longest_gap,
}
_SPELLED = "errors, aborted, expensive:DOLLARS, slow:SECONDS, stalled:SECONDS"


def marks(rules: str, call: Measured) -> str:
    """The names of the rules that hold for a call, with commas between them; empty if none does."""
    return ",".join(name for name, limit in read(rules).items() if _holds(name, limit, call))


def _holds(name: str, limit: float, call: Measured) -> bool:
    if name in _OUTCOMES:
        return call.outcome in _OUTCOMES[name]
    measured = _MEASURES[name](call)
    return measured is not None and measured >= limit


@lru_cache(maxsize=16)
def read(rules: str) -> dict[str, float]:
    """The rules by name, with the number from which on each holds.

    Args:
        rules: Such as ``errors,slow:10``.

    Raises:
        OutOfRangeError: If there is no such rule, or a rule has a number that it cannot take.
    """
    parts = [part.strip() for part in rules.split(",") if part.strip()]
    read = dict(map(_read, parts))
    if len(read) < len(parts):
        msg = f"has a rule twice: {rules!r}"
        raise OutOfRangeError(msg)
    return read


def _read(rule: str) -> tuple[str, float]:
    name, colon, number = (part.strip() for part in rule.partition(":"))
    if name in _OUTCOMES and not colon:
        return name, 0.0
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if name not in _MEASURES or not 0 <= limit < math.inf:
        msg = f"has no rule {rule!r}; the rules are {_SPELLED}"
        raise OutOfRangeError(msg)
    return name, limit


@dataclass(frozen=True, slots=True)
class Rules:
    """The kind of the setting; it is kept as it was written."""

    says: str = "a list of rules, with commas between them"

    def take(self, value: object) -> str:  # noqa: D102 - see `knobs.Knob`
        if not isinstance(value, str):
            raise ValueError
        read(value)
        return value.strip()

    def parse(self, text: str) -> object:  # noqa: D102
        return text
