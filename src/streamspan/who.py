"""Who and what calls are for: attributes that hold for every call inside of a block.

They travel in OpenTelemetry's context, and so with it: into tasks, `asyncio.to_thread` and copies of the context. A context knows
the blocks that it is in, the outermost first; what they say together is worked out when a call starts.
"""

import inspect
import math
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, Self, TypeVar, cast

from opentelemetry.context import Context, attach, create_key, get_current, set_value

from streamspan import semconv
from streamspan.answer import mend
from streamspan.budgets.scope import Scope, Scopes
from streamspan.errors import logger, once
from streamspan.wire import Attributes

F = TypeVar("F", bound=Callable[..., Any])

Values = Mapping[str, Any]

_KEY = create_key("streamspan-attributes")
_OURS = {semconv.CONVERSATION_ID, semconv.TAGS, semconv.PROJECT}
_RESERVED = (*semconv.RESERVED_PREFIXES, semconv.ERROR_TYPE)
_LARGEST = 2**63
"""OTLP's numbers end here, and one that is larger would cost the whole batch."""


class Layer:
    """A block that somebody is in."""

    __slots__ = ("context", "is_over", "scope", "token", "values")

    def __init__(self, values: Values, around: Context, scope: Scope | None = None) -> None:
        self.values = values
        self.scope = scope
        """What the calls inside are charged to, of the block of a function whose costs are tracked."""
        self.is_over = False
        """Whether it was left in another context than it was entered in, or out of turn: it could come back when something else
        is over, or hold there for ever, so it holds nowhere any more."""
        self.context: Context | None = set_value(_KEY, (*_layers(around), self), around)

    def enter(self) -> None:
        """Goes from the context around it into its own."""
        if self.context is not None:
            self.token = attach(self.context)

    def leave(self) -> None:
        """Takes it out of the context, whatever has become of that since."""
        context = get_current()
        try:
            self.token.var.reset(self.token)  # OpenTelemetry's own `detach` would log what is no error here
            self.is_over = context is not self.context
        except (ValueError, RuntimeError):
            self.is_over = True
        if self.is_over:
            attach(set_value(_KEY, tuple(layer for layer in _layers(context) if layer is not self), context))


def _layers(context: Context) -> tuple[Layer, ...]:
    return cast("tuple[Layer, ...]", context.get(_KEY, ()))


_NOTHING: Values = {}


def in_force() -> Values:
    """The attributes of the blocks around the running code: the inner one wins, and tags add up."""
    layers = _layers(get_current())
    if not layers:
        return _NOTHING
    values: dict[str, Any] = {}
    for layer in layers:
        if not layer.is_over:
            tags = dict.fromkeys((*values.get(semconv.TAGS, ()), *layer.values.get(semconv.TAGS, ())))
            values.update(layer.values)
            if tags:
                values[semconv.TAGS] = tuple(tags)
    return values


def scopes_in_force() -> Scopes:
    """What the running code is charged to, the outermost first; see `streamspan.budgets.scope`."""
    layers = _layers(get_current())
    return tuple(layer.scope for layer in layers if layer.scope is not None and not layer.is_over) if layers else ()


def metric_attributes(values: Values, names: Iterable[str]) -> Attributes:
    """Those of ``values`` that are wanted on metrics; lists are tuples, as metrics need to compare them."""
    return {name: values[name] for name in names if name in values}


# --- what a block says -----------------------------------------------------------------------------------------------


def attributes(
    *,
    user_id: object = None,
    session_id: object = None,
    conversation_id: object = None,
    tags: str | Iterable[object] | None = None,
    project: object = None,
    **others: object,
) -> "Block":
    """Puts attributes on every model call that starts inside of a block.

    Use it in ``with`` or ``async with``, or as a decorator of a function, which may be a coroutine function or a generator.
    Blocks can be nested: an inner value wins, and tags add up. What a request says itself, such as its conversation, wins.

    Args:
        user_id: Who asks: ``user.id``.
        session_id: The visit or the run that the call is a part of: ``session.id``.
        conversation_id: The conversation: ``gen_ai.conversation.id``.
        tags: A list of strings: ``streamspan.tags``; one string is one tag.
        project: What the call is charged to: ``streamspan.project``.
        **others: Any other attribute under its own name, such as ``team="search"`` or ``**{"feature.flag": True}``. Names
            that streamspan writes itself (``gen_ai.*``, ``streamspan.*``, ``server.*``, ``error.type``) are left out, with a
            warning. ``None`` is left out too, and a value that no attribute can hold becomes its ``str``.

    Returns:
        The block. One may be entered often, and by many threads and tasks at a time. It raises nothing of its own.

    Example:
        >>> with streamspan.attributes(user_id="u-1", session_id="s-1", tags=["search"], team="maps"):
        ...     client.responses.create(model="gpt-4.1-mini", input="Where is Lima?")
    """
    known = {
        semconv.USER_ID: user_id,
        semconv.SESSION_ID: session_id,
        semconv.CONVERSATION_ID: conversation_id,
        semconv.PROJECT: project,
    }
    given = {**others, **{name: _text(value) for name, value in known.items() if value is not None}}
    all_tags = [*_list(others.get(semconv.TAGS)), *_list(tags)]
    values = {name: _value(value) for name, value in given.items() if value is not None and _is_free(name)}
    values.pop(semconv.TAGS, None)
    if all_tags:
        values[semconv.TAGS] = tuple(dict.fromkeys(map(_text, all_tags)))
    return Block(values)


def _is_free(name: str) -> bool:
    if name in _OURS or (name and not name.startswith(_RESERVED)):
        return True
    if once("reserved attribute", name):
        logger.warning("streamspan.attributes: %r is a name that streamspan writes itself; it is left out", name)
    return False


def _list(tags: Any) -> Iterable[object]:
    if tags is None:
        return ()
    return tags if isinstance(tags, Iterable) and not isinstance(tags, str) else (tags,)  # pyright: ignore[reportUnknownVariableType]


def _value(value: Any) -> Any:
    """``value`` as an attribute can hold it, for good: a list that the application changes later stays what it was."""
    if _is_plain(value):
        return mend(value) if isinstance(value, str) else value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        items = list(cast("Sequence[Any]", value))
        kinds: set[type] = {type(item) for item in items}
        if len(kinds) <= 1 and all(map(_is_plain, items)):
            return tuple(map(_value, items))
    return _text(cast("object", value))


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return -_LARGEST <= value < _LARGEST
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def _text(value: object) -> str:
    try:
        return mend(str(value))
    except Exception:  # the application's own code, which must not fail because of us
        return object.__repr__(value)


# --- the block -------------------------------------------------------------------------------------------------------


class Block:
    """What `attributes` returns. One may be entered often, and by many threads and tasks at a time."""

    __slots__ = ("_entered", "_scope", "values")

    def __init__(self, values: Values, scope: Scope | None = None) -> None:
        self.values: Values = values
        self._scope = scope
        self._entered: list[Layer] = []

    def __enter__(self) -> Self:
        layer = Layer(self.values, get_current(), self._scope)
        self._entered.append(layer)
        layer.enter()
        return self

    def __exit__(self, *_: object) -> None:
        here = reversed(_layers(get_current()))
        # In a context that is not in the block, such as that of a generator's finalizer, it is the one entered last.
        layer = next((layer for layer in here if layer in self._entered), self._entered[-1])
        self._entered.remove(layer)
        layer.leave()
        layer.context = None  # which knows the layer

    def steps(self) -> "Steps":
        """The same block for the steps of one generator."""
        return Steps(self.values, self._scope)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)

    def __call__(self, function: F) -> F:
        """Has the attributes hold while the body of ``function`` runs: also that of a generator, and there only."""
        if inspect.isasyncgenfunction(function):
            return cast("F", self._around_async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast("F", self._around_generator(function))
        if inspect.iscoroutinefunction(function):
            return cast("F", self._around_coroutine(function))
        return cast("F", self._around(function))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return inside

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            body: Generator[Any, Any, Any] = function(*args, **kwargs)
            step: Callable[[Any], Any] = body.send
            given: Any = None
            steps = self.steps()
            while True:
                try:
                    with steps:  # for one step: what is yielded to is not inside
                        item = step(given)
                except StopIteration as stop:
                    return stop.value
                finally:
                    given = None  # an exception that is kept here would keep what it came through
                try:
                    step, given = body.send, (yield item)
                except BaseException as error:
                    step, given = body.throw, error

        return inside

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def inside(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            body: AsyncGenerator[Any, Any] = function(*args, **kwargs)
            step: Callable[[Any], Any] = body.asend
            given: Any = None
            steps = self.steps()
            while True:
                try:
                    with steps:
                        item = await step(given)
                except StopAsyncIteration:
                    return
                finally:
                    given = None
                try:
                    step, given = body.asend, (yield item)
                except BaseException as error:
                    step, given = body.athrow, error

        return inside


class Steps:
    """A block that is entered for each step of a generator: what is made for one serves the next in the same context."""

    __slots__ = ("_around", "_layer", "_scope", "_values")

    def __init__(self, values: Values, scope: Scope | None) -> None:
        self._values, self._scope = values, scope
        self._around: Context | None = None
        self._layer: Layer | None = None

    def __enter__(self) -> None:
        around, layer = get_current(), self._layer
        if layer is None or layer.is_over or around is not self._around:
            self.__del__()
            layer = self._layer = Layer(self._values, around, self._scope)
            self._around = around
        layer.enter()

    def __exit__(self, *_: object) -> None:
        if self._layer is not None:
            self._layer.leave()

    def __del__(self) -> None:
        if self._layer is not None:
            self._layer.context = None  # which knows the layer
