"""Functions of every kind, with their calls tracked: what comes back is a function of the same kind."""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from streamspan.errors import report
from streamspan.tap import _report_exit as report_exit
from streamspan.tracking import late, unseen
from streamspan.tracking.activation import Activation, activate
from streamspan.tracking.iterators import stand_for
from streamspan.tracking.meter import Meter
from streamspan.tracking.unseen import Watch

Function = Callable[..., Any]
Begin = Callable[[], Activation]

_SDKS = ("google.genai.", "openai.", "anthropic.", "botocore.", "aiobotocore.", f"{__name__.partition('.')[0]}.")
"""Whose generators are observed in themselves, or are nobody's answer."""


def track(function: Function, meter: Meter) -> Function:
    """The function, whose calls ``meter`` counts."""
    return wraps(function)(_kind(function)(function, lambda: activate(meter)))


def _kind(function: Function) -> Callable[[Function, Begin], Function]:
    if inspect.isasyncgenfunction(function):
        return _async_generator
    if inspect.isgeneratorfunction(function):
        return _generator
    return _coroutine_function if inspect.iscoroutinefunction(function) else _function


def _function(function: Function, begin: Begin) -> Function:
    def tracked(*args: Any, **kwargs: Any) -> Any:
        here = begin()
        with here.block:
            result = function(*args, **kwargs)
        return _returned(result, here)

    return tracked


def _coroutine_function(function: Function, begin: Begin) -> Function:
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        here = begin()
        with here.block:
            result = await function(*args, **kwargs)
        return _returned(result, here)

    return tracked


def _generator(function: Function, begin: Begin) -> Function:
    def tracked(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        here = begin()
        steps, watch = here.block.steps(), Watch(here)
        body: Generator[Any, Any, Any] = function(*args, **kwargs)
        step: Callable[[Any], Any] = body.send
        given: Any = None
        item: Any = None
        while True:
            try:
                with steps:  # for one step: what is yielded to is not inside
                    item = step(given)
            except StopIteration as stop:
                watch.exhausted()
                unseen.extracted(here, item)
                return stop.value
            except GeneratorExit:
                if watch.call is not None:
                    report_exit(watch.call)
                raise
            except BaseException as error:
                watch.stopped(error)
                raise
            finally:
                given = None  # an exception that is kept here would keep what it came through
            if watch.is_open:
                watch.take(item)
            try:
                step, given = body.send, (yield item)
            except BaseException as error:
                step, given = body.throw, error

    return tracked


def _async_generator(function: Function, begin: Begin) -> Function:
    async def tracked(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        here = begin()
        steps, watch = here.block.steps(), Watch(here)
        body: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        step: Callable[[Any], Any] = body.asend
        given: Any = None
        item: Any = None
        while True:
            try:
                with steps:
                    item = await step(given)
            except StopAsyncIteration:
                watch.exhausted()
                unseen.extracted(here, item)
                return
            except GeneratorExit:
                if watch.call is not None:
                    watch.call.closed()
                raise
            except BaseException as error:
                watch.stopped(error)
                raise
            finally:
                given = None
            if watch.is_open:
                watch.take(item)
            try:
                step, given = body.asend, (yield item)
            except BaseException as error:
                step, given = body.athrow, error

    return tracked


# --- what a function returns -----------------------------------------------------------------------------------------


def _returned(result: Any, here: Activation) -> Any:
    """What the application gets: the same, but for a generator or a coroutine, whose body is yet to run."""
    try:
        if issubclass(type(result), GeneratorType | AsyncGeneratorType):
            return _same_name(_drive(result, here), result)
        if late.is_coroutine(result):
            return _same_name(_finish(result, here), result)
        late.adopt(result, here)
        if (proxy := stand_for(result, here)) is not None:
            return proxy
        if not unseen.answered(here, result):
            unseen.extracted(here, result)
    except Exception as error:
        report(error, "reading what a function returned")
    return result


def _drive(body: Any, here: Activation) -> Any:
    """The generator, with its body in the function's name, wherever it runs."""
    frame = getattr(body, "gi_frame", None) or getattr(body, "ag_frame", None)
    if frame is None or str(frame.f_globals.get("__name__", "")).startswith(_SDKS):
        return body
    kind = _generator if hasattr(body, "gi_frame") else _async_generator
    return kind(lambda: body, lambda: here)()


async def _finish(coroutine: Coroutine[Any, Any, Any], here: Activation) -> Any:
    with here.block:
        result = await coroutine
    return _returned(result, here)


def _same_name(mine: Any, theirs: Any) -> Any:
    if mine is not theirs:
        mine.__name__, mine.__qualname__ = theirs.__name__, theirs.__qualname__
    return mine
