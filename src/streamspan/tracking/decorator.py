"""`track_costs`, the decorator."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, overload

from streamspan.budgets.budget import Budget, OnExceed
from streamspan.enforcement import gate
from streamspan.errors import BudgetError
from streamspan.tracking.costs import CallCost
from streamspan.tracking.functions import track
from streamspan.tracking.limits import MinuteLimit
from streamspan.tracking.meter import Meter, Report, log

F = TypeVar("F", bound=Callable[..., Any])


@overload
def track_costs(function: F, /) -> F: ...
@overload
def track_costs(
    *,
    project: str = "default",
    model: str | None = None,
    max_budget: Decimal | float | str | None = None,
    period: str = "month",
    tz: str = "UTC",
    on_exceed: OnExceed = "block",
    report: bool | Report | None = None,
    extract_usage: Callable[[Any], Any] | None = None,
    rate_limit: int | None = None,
    tpm_limit: int | None = None,
) -> Callable[[F], F]: ...


def track_costs(
    function: Any = None,
    /,
    *,
    project: str = "default",
    model: str | None = None,
    max_budget: Decimal | float | str | None = None,
    period: str = "month",
    tz: str = "UTC",
    on_exceed: OnExceed = "block",
    report: bool | Callable[[CallCost], Any] | None = None,
    extract_usage: Callable[[Any], Any] | None = None,
    rate_limit: int | None = None,
    tpm_limit: int | None = None,
) -> Any:
    """Tracks what the model calls of a function cost, and holds them to a budget.

    Every call of an SDK that streamspan knows is counted that starts while the function's own code runs, also in tasks and
    threads that carry its context, and so is what the function returns or yields unsent: the stream that it returns is the
    SDK's own. It needs no `instrument`. The function may be a coroutine function, a generator or an asynchronous generator, a
    method, a class method or a static method.

    Args:
        function: The function, where the decorator is used without parentheses.
        project: What the calls are charged to: ``streamspan.project`` on their spans. Of functions that call each other the
            inner one says it.
        model: The model that calls are priced by which name none that has a price, such as a deployment's; and of text that
            the function yields from elsewhere.
        max_budget: US dollars that the project may spend in a period, as of `streamspan.Budget`: a call that does not fit is not
            sent. Of functions that call each other all budgets count.
        period: ``hour``, ``day``, ``week``, ``month``, ``year``, ``total``, ``rolling-<N>h`` or ``rolling-<N>d``.
        tz: The time zone that periods begin in.
        on_exceed: ``block`` raises `BudgetExceededError` before anything is sent; ``warn`` only warns; ``stop`` blocks, and also
            ends a running stream.
        report: Called with a `CallCost` after each call, in a thread of streamspan's own, which shall not have to wait for
            it; ``True`` writes it to the log, as one line of the logger ``streamspan.costs`` at ``INFO``. ``print`` prints it.
        extract_usage: Called with what the function returned (of a generator, with the last item), where no call was seen in
            it, to say what it used: ``(model, input_tokens, output_tokens)``, a mapping such as ``{"model": "gpt-4o",
            "input_tokens": 512, "output_tokens": 128}``, or ``None``.
        rate_limit: How often the function may be called in a minute, in this process.
        tpm_limit: How many tokens its calls may have used in the last minute before it is called again.

    Returns:
        The function, of the same kind and signature; `costs` says what it cost so far.

    Raises:
        TypeError: If what is decorated is no function, or an argument is not what it should be.
        BudgetError: If there cannot be such a budget.
        BudgetExceededError: Where a call inside does not fit into the budget: out of that call.
        RateLimitExceededError: Where the function is called too often: out of its own call.

    Example:
        >>> @streamspan.track_costs(project="my_app", max_budget=5.00, period="day")
        ... def answer(question):
        ...     return client.responses.create(model="gpt-4.1-mini", input=question, stream=True)
    """
    _check("project", project, str)
    _check("model", model, str | None)
    _check("extract_usage", extract_usage, Callable | None)
    if (budget := _budget(project, max_budget, period, tz, on_exceed)) is not None:
        gate.declare(budget)
    told = _report(report)
    calls, tokens = _minute("rate_limit", rate_limit), _minute("tpm_limit", tpm_limit)

    def decorate(target: Any) -> Any:
        if isinstance(target, staticmethod | classmethod):
            return _decorate_inside(target, decorate)  # pyright: ignore[reportUnknownArgumentType]
        if not callable(target):
            message = f"track_costs decorates a function, not {target!r}"
            raise TypeError(message)
        name = str(getattr(target, "__qualname__", type(target).__qualname__))
        meter = Meter(name, project, model, told, extract_usage, calls, tokens)
        tracked: Any = track(target, meter)
        tracked.costs = meter.costs
        return tracked

    return decorate if function is None else decorate(function)


def _decorate_inside(method: Any, decorate: Callable[[Any], Any]) -> Any:
    """A static method or a class method, where the decorator stands above that of Python."""
    return type(method)(decorate(method.__func__))


def _check(name: str, value: object, kind: Any) -> None:
    if not isinstance(value, kind) or value == "":
        what = {str: "a text", str | None: "the name of a model"}.get(kind, "a function")
        message = f"{name} must be {what}, not {value!r}"
        raise TypeError(message)


def _report(report: Any) -> Report | None:
    if report is True:
        return log
    if report is None or report is False:
        return None
    _check("report", report, Callable)
    return report


def _minute(name: str, limit: Any) -> MinuteLimit | None:
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        message = f"{name} must be a whole number above 0, not {limit!r}"
        raise TypeError(message)
    return MinuteLimit(name, limit)


def _budget(project: str, limit: Any, period: str, tz: str, on_exceed: OnExceed) -> Budget | None:
    """The budget; what is said of one is checked also where there is none."""
    try:
        budget = Budget(f"project:{project}", 0 if limit is None else limit, period, tz, on_exceed=on_exceed)
    except BudgetError as error:
        raise BudgetError(str(error).replace("limit:", "max_budget:", 1)) from None
    return None if limit is None else budget
