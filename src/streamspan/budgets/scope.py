"""What calls are charged to beside the budgets of the settings: the functions under `streamspan.track_costs` that they start in.

A scope is one call of such a function. It rides on the block of attributes that names the function's project, so that it holds
just where these hold: in tasks, threads that carry the context, each step of a generator, and nowhere else. `who.scopes_in_force`
tells those around the running code, and `Request.scopes` those of a call.
"""

from dataclasses import dataclass
from typing import Any, Protocol


class Meter(Protocol):
    """What counts the calls of a scope."""

    def begun(self, call: Any, scope: "Scope") -> None:
        """A model call starts."""

    def ended(self, ended: Any, scope: "Scope") -> None:
        """It is over: ``ended`` is the `streamspan.ended.Ended` of it. Called once, in whichever thread ends it."""


@dataclass(slots=True, eq=False)
class Scope:
    """One call of a function under `streamspan.track_costs`."""

    project: str
    meter: Meter
    model: str | None = None
    """The model that calls are priced by which name none that has a price."""
    calls: int = 0
    """The model calls that have started in it."""
    streams: int = 0
    """Those of them that are streamed."""


Scopes = tuple[Scope, ...]
"""Functions that call each other, the outermost first: a call in the inner one is charged to all."""
