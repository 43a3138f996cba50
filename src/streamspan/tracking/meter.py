"""One function under `track_costs`: what its calls are charged to, how they are counted, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from streamspan import live, semconv
from streamspan.budgets.scope import Scope
from streamspan.call import Call
from streamspan.ended import Ended
from streamspan.errors import logger
from streamspan.tracking.costs import CallCost, Costs, Tally, add_to_project, call_cost
from streamspan.tracking.limits import MinuteLimit

Report = Callable[[CallCost], Any]

_lines = logger.getChild("costs")


def log(cost: CallCost) -> None:
    """One line for a call."""
    _lines.info("%s", cost)


@dataclass(slots=True, eq=False)
class Meter:
    """Counts the model calls of one function."""

    name: str
    """Of the function."""
    project: str
    model: str | None = None
    report: Report | None = None
    extract_usage: Callable[[Any], Any] | None = None
    calls_a_minute: MinuteLimit | None = None
    tokens_a_minute: MinuteLimit | None = None
    tally: Tally = field(default_factory=Tally)

    def costs(self) -> Costs:
        """What the function cost so far."""
        return self.tally.read()

    def admit(self) -> None:
        """Lets the function be called.

        Raises:
            RateLimitExceededError: If it was called too often, or used too much, in the last minute.
        """
        if self.tokens_a_minute is not None:
            self.tokens_a_minute.take(0)
        if self.calls_a_minute is not None:
            self.calls_a_minute.take(1)

    # --- what calls tell, see `streamspan.budgets.scope.Meter` ---

    def begun(self, call: Call, scope: Scope) -> None:
        """A model call starts."""
        scope.calls += 1
        scope.streams += call.streamed

    def ended(self, ended: Ended, scope: Scope) -> None:
        """It is over; in whichever thread that is, which is not to wait for anything."""
        scopes, charges = ended.request.scopes, ended.charges
        if charges.omitted == "counted" or scope is not _innermost(self, scopes):
            return
        self.tally.add(charges)
        if scope is scopes[-1]:
            add_to_project(str(ended.request.who.get(semconv.PROJECT, self.project)), charges)
        if self.tokens_a_minute is not None:
            self.tokens_a_minute.add((charges.usage.total_input_tokens or 0) + (charges.usage.output_tokens or 0))
        if self.report is not None:
            live.later(partial(self._tell, self.report, ended))

    def _tell(self, report: Report, ended: Ended) -> None:
        try:
            report(call_cost(ended, self.name, self.project))
        except Exception:  # the application's own code, and nobody there to take it
            logger.warning("the report of track_costs for %s failed", self.name, exc_info=True)


def _innermost(meter: Meter, scopes: tuple[Scope, ...]) -> Scope | None:
    """Of a function that calls itself, the one of its scopes that counts."""
    return next((scope for scope in reversed(scopes) if scope.meter is meter), None)
