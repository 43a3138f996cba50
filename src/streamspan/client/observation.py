"""What our own instrumentation knows of the calls that a client makes: the one seam between the two."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamspan.client.results import TokenUsage


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a call, at its end or so far."""

    usage: TokenUsage
    cost: float | None = None
    outcome: str | None = None
    """``None`` while it runs."""


class Observation(Protocol):
    """What is known of one call."""

    trace_id: str
    span_id: str

    def facts(self) -> Facts:
        """What is known of it now."""
        ...

    def abort(self) -> None:
        """Closes its connection and ends it; from any thread, and also while another one reads."""
        ...

    def abandon(self) -> None:
        """Ends it, as nobody has its stream any more."""
        ...

    def when_over(self, tell: Callable[[], None]) -> None:
        """Calls ``tell`` once it has ended, whoever ended it."""
        ...
