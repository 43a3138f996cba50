"""What calls cost: one of them, and all of a function or of a project."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streamspan import live, semconv
from streamspan.charges import Charges
from streamspan.ended import Ended
from streamspan.result import TokenUsage, usage_of


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one model call cost: what the ``report`` of `track_costs` is called with. Its ``str`` is one line.

    Example:
        >>> @streamspan.track_costs(project="my_app", report=print)
        ... def answer(question):
        ...     return client.responses.create(model="gpt-4.1-mini", input=question)
    """

    function: str
    """The function that is tracked."""
    project: str
    """What the call is charged to: of functions inside of each other, the project of the inner one."""
    provider: str | None
    """Who was asked, as ``gen_ai.provider.name`` has it."""
    model: str | None
    """The model that answered; the one that was asked for, where the answer does not say."""
    usage: TokenUsage
    """The tokens, and which of these numbers are our estimate."""
    cost: Decimal | None
    """US dollars, exactly; ``None`` where no price is known, and where nothing is to be paid, as for a call that was refused."""
    is_unpriced: bool
    """Whether there is something to pay, and nobody knows how much."""
    outcome: str
    """``completed``, ``truncated``, ``aborted``, ``abandoned``, ``cancelled`` or ``failed``."""
    duration: float
    """Seconds from the request to the end."""
    trace_id: str
    """32 hexadecimal digits; all 0 where OpenTelemetry is not set up."""
    span_id: str
    """16 hexadecimal digits; likewise."""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Who and what else it was for, as `attributes` says: such as ``user.id``, ``streamspan.tags``."""

    @property
    def estimated(self) -> bool:
        """Whether the cost rests, at least in part, on tokens that are our estimate."""
        return bool(self.usage.estimated)

    def __str__(self) -> str:
        return f"{self.project}: {self.function}, {self.model or 'no model'}, {self._tokens}, {self._dollars}, {self.outcome}"

    @property
    def _tokens(self) -> str:
        used = f"{_number(self.usage.input_tokens)} + {_number(self.usage.output_tokens)} tokens"
        return f"{used} (estimated)" if self.estimated else used

    @property
    def _dollars(self) -> str:
        if self.cost is not None:
            return f"${self.cost.normalize():f}"
        return "no price known" if self.is_unpriced else "nothing to pay"


def _number(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def call_cost(ended: Ended, function: str, project: str) -> CallCost:
    """What a call cost that has ended.

    Args:
        ended: The call.
        function: The function that it is told of.
        project: The project of that, if the call knows none.
    """
    charges, request, context = ended.charges, ended.request, ended.span.get_span_context()
    purpose = request.purpose(ended.opening)
    return CallCost(
        function=function,
        project=str(purpose.pop(semconv.PROJECT, project)),
        provider=request.provider or None,
        model=model if isinstance(model := ended.response.get(semconv.RESPONSE_MODEL), str) else request.model,
        usage=usage_of(charges),
        cost=None if charges.price is None else charges.price.total,
        is_unpriced=charges.is_unpriced,
        outcome=ended.outcome,
        duration=ended.duration,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        attributes=purpose,
    )


@dataclass(frozen=True, slots=True)
class Costs:
    """What the model calls of a function, or of a project, cost so far in this process: a moment of it, which does not change.

    Example:
        >>> streamspan.costs().calls
        12
    """

    calls: int = 0
    """The calls that have ended, however they did."""
    input_tokens: int = 0
    """The tokens of their input, cached ones included."""
    output_tokens: int = 0
    """The tokens of their output, reasoning included."""
    total: Decimal = Decimal(0)
    """US dollars, exactly; without the calls that are ``unpriced``."""
    estimated: Decimal = Decimal(0)
    """The part of ``total`` that is of calls whose tokens are, at least in part, our estimate."""
    unpriced: int = 0
    """The calls for which something is to be paid, and nobody knows how much."""

    @property
    def estimated_share(self) -> float:
        """The part of ``total`` that rests on estimates, as a ratio: of the US dollars, from 0 to 1."""
        return float(self.estimated / self.total) if self.total else 0.0


class Tally:
    """Adds calls up. To add one takes no lock, as calls may end in a finalizer, which can run anywhere."""

    def __init__(self) -> None:
        self._new = deque[Charges]()
        self._lock = threading.Lock()
        self._sum = Costs()

    def add(self, charges: Charges) -> None:
        """Adds a call that has ended."""
        self._new.append(charges)
        if len(self._new) == _MANY:
            live.later(self._fold_now)

    def read(self) -> Costs:
        """What it is now: with every call that has ended by now."""
        live.settle()  # a stream that was dropped is ended by the thread that looks after calls
        return self._fold()

    def _fold_now(self) -> None:
        self._fold()

    def _fold(self) -> Costs:
        with self._lock:
            while self._new:
                self._sum = _plus(self._sum, self._new.popleft())
            return self._sum


_MANY = 1000


def _plus(so_far: Costs, charges: Charges) -> Costs:
    cost = Decimal(0) if charges.price is None else charges.price.total
    return Costs(
        calls=so_far.calls + 1,
        input_tokens=so_far.input_tokens + (charges.usage.total_input_tokens or 0),
        output_tokens=so_far.output_tokens + (charges.usage.output_tokens or 0),
        total=so_far.total + cost,
        estimated=so_far.estimated + cost if charges.estimated else so_far.estimated,
        unpriced=so_far.unpriced + charges.is_unpriced,
    )


_all = Tally()
_by_project: dict[str, Tally] = {}


def add_to_project(project: str, charges: Charges) -> None:
    """Adds a call to what its project costs."""
    _all.add(charges)
    _by_project.setdefault(project, Tally()).add(charges)


def costs(of: str | Callable[..., Any] | None = None) -> Costs:
    """What the model calls inside of functions under `track_costs` cost so far, in this process.

    Args:
        of: A project that calls are charged to, or a function under `track_costs`, also a method; everything unless given. A
            call counts for each function that it starts in, and for one project.

    Returns:
        Calls, tokens and US dollars up to now.

    Raises:
        TypeError: If it is a function whose costs are not tracked.

    Example:
        >>> streamspan.costs("my_app").total
        Decimal('0.0000345')
    """
    if of is None:
        return _all.read()
    if isinstance(of, str):
        return (_by_project.get(of) or Tally()).read()
    read: Callable[[], Costs] | None = getattr(of, "costs", None)
    if read is None:
        message = f"the costs of {of!r} are not tracked"
        raise TypeError(message)
    return read()
