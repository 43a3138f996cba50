"""One call of a function under `track_costs`."""

from time import perf_counter, time_ns

from streamspan.budgets.scope import Scope
from streamspan.semconv import PROJECT
from streamspan.tracking import observing
from streamspan.tracking.meter import Meter
from streamspan.who import Block


class Activation(Scope):
    """What the model calls are charged to that start while the function runs, this time."""

    __slots__ = ("block", "function", "since", "since_ns")

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter.project, meter, meter.model)
        self.function = meter
        self.block = Block({PROJECT: meter.project}, self)
        """Entered while the function's own code runs, and while a request is sent that it has left to others to send."""
        self.since, self.since_ns = perf_counter(), time_ns()


def activate(meter: Meter) -> Activation:
    """The function is called.

    Raises:
        RateLimitExceededError: If it must not be, by now.
    """
    meter.admit()
    observing.ensure()
    return Activation(meter)
