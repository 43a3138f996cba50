"""Asking whether there is money for a call, before it is sent.

What is raised here goes through to the application, on purpose and nowhere else: a call that does not fit is not sent.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from opentelemetry.context import Context, create_key, get_value, set_value

from streamspan import live, semconv
from streamspan.call import Call
from streamspan.enforcement.amounts import Question
from streamspan.enforcement.gate import Gate, Who, gate_of
from streamspan.enforcement.hold import Hold
from streamspan.errors import BudgetExceededError, report

_AROUND = create_key("streamspan-hold")


def reserve(call: Call) -> None:
    """Holds what a call may cost; at once if there are no budgets for it.

    Raises:
        BudgetExceededError: If it does not fit.
    """
    if (gate := gate_of(call._telemetry.settings)) is not None and (hold := _open(gate, call)) is not None:
        _admit(gate, hold, call)


async def reserve_async(call: Call) -> None:
    """The same in a coroutine, whose loop goes on meanwhile.

    Raises:
        BudgetExceededError: If it does not fit.
    """
    if (gate := gate_of(call._telemetry.settings)) is None or (hold := _open(gate, call)) is None:
        return
    try:
        hold.loop = asyncio.get_running_loop()
    except RuntimeError:  # a loop of another make
        _admit(gate, hold, call)
        return
    try:
        asked = hold.loop.run_in_executor(_threads(), partial(copy_context().run, partial(_admit, gate, hold, call)))
    except RuntimeError:  # the interpreter shuts down
        _admit(gate, hold, call)
    else:
        await asked


def around(call: Call, context: Context) -> Context:
    """``context``, in which a request that is observed is one with this call."""
    return context if call.hold is None else set_value(_AROUND, call.hold, context)


def _open(gate: Gate, call: Call) -> Hold | None:
    try:
        above: Any = get_value(_AROUND)
        call.hold = gate.open(_who(call), above)
        if call.hold is not None:
            live.watch()
    except Exception as error:
        report(error, "looking for budgets")
    return call.hold


def _admit(gate: Gate, hold: Hold, call: Call) -> None:
    if call._request.wire.fetches:
        return  # what it reads is paid for, or spent already
    try:
        gate.admit(hold, call._telemetry.prices, _question(call))
    except BudgetExceededError:
        raise
    except Exception as error:
        report(error, "reserving in a budget")


def _who(call: Call) -> Who:
    who, model = call._request.who, call._request.model
    names = {
        "project": list(
            dict.fromkeys(filter(None, (who.get(semconv.PROJECT), *(scope.project for scope in call._request.scopes))))
        ),
        "user": who.get(semconv.USER_ID),
        "tag": who.get(semconv.TAGS),
        "model": model,
    }
    return {scope: name for scope, name in names.items() if name}


def _question(call: Call) -> Question:
    request = call._request
    most = call._opening.get(semconv.REQUEST_MAX_TOKENS)
    choices = max(request.choices, 1) if request.wire.generates else 0
    limit = most if isinstance(most, int) and most >= 0 else None
    return Question(request.provider, request.model, limit, choices, call._input_tokens)


# --- threads that wait for a ledger in place of a loop ------------------------------------------------------------------
# Not the loop's own: those may all be busy, waiting for the very call that asks here.

_pool: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603
    if _pool is None:
        _pool = ThreadPoolExecutor(4, "streamspan-budgets")
    return _pool


def _after_fork() -> None:
    global _pool  # noqa: PLW0603
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
