"""Putting wrappers on an SDK's functions, now or when the application imports it, and taking them off again."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

import wrapt

from streamspan.errors import guard
from streamspan.sdks.deferred import find_who
from streamspan.telemetry import Telemetry

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""What wrapt calls: the wrapped function, the object it is bound to, and its arguments."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an SDK is patched: one module of it."""

    package: str
    """What its calls are counted as, and what has to be importable for the SDK to be there."""
    module: str
    wrappers: Mapping[str, Wrapper]
    """By path in the module, such as ``Client.request``; what a version of the SDK lacks is left out."""
    prepare: Callable[[], None] | None = None
    """Called when the module is patched, before the SDK sends anything."""


_active: dict[str, Telemetry] = {}
"""By package: what its calls report to, while it is instrumented."""
_tracking: Callable[[], Telemetry] | None = None
"""Tells what the calls report to that are charged to a function, where nobody else observes them; ``None`` if there are none."""
_hooked: set[str] = set()
"""Modules whose import we have asked to be told of: that cannot be taken back, so it is asked once."""


_own = WeakKeyDictionary[Any, Telemetry]()
"""Clients that are observed for themselves, and the parts of clients that send: what their calls report to."""
_beneath: ContextVar[Any] = ContextVar("streamspan-client", default=None)
"""The client whose own wrapper is sending: what is around the functions of its class has nothing to do."""


def active(package: str, owner: Any) -> Telemetry | None:
    """Where the calls of this client report to; ``None`` if nobody observes it here.

    Args:
        package: Its SDK.
        owner: The client, or the part of it that sends.
    """
    if _own and (telemetry := _own_telemetry(owner)) is not None:
        return None if _beneath.get() is owner else telemetry
    return _active.get(package) or (_tracking() if _tracking is not None and find_who()[1] else None)


def track(targets: Iterable[Target], telemetry: Callable[[], Telemetry]) -> None:
    """Has those calls of these SDKs observed that are charged to a function, and no others, until `track_no_more`.

    Args:
        targets: The SDKs.
        telemetry: Tells what such a call reports to, if its SDK is not instrumented.
    """
    global _tracking  # noqa: PLW0603
    _tracking = telemetry
    for target in targets:
        patch_for_own(target)


def is_tracking() -> bool:
    """Whether `track` is in force."""
    return _tracking is not None


def track_no_more() -> None:
    """Takes `track` back; the SDKs' own functions are put back by `unpatch`."""
    global _tracking  # noqa: PLW0603
    _tracking = None


def any_active() -> Telemetry | None:
    """Where the calls of the first SDK report to that is instrumented, if any is."""
    return next(iter(tuple(_active.values())), None)


def _own_telemetry(owner: Any) -> Telemetry | None:
    # Of their client Google's interactions have nothing but what it sends with.
    configuration = getattr(owner, "sdk_configuration", None)
    for known in (owner, getattr(configuration, "client", None), getattr(configuration, "async_client", None)):
        with suppress(TypeError):  # some objects take no weak references: they are nobody's client
            if (telemetry := _own.get(known)) is not None:
                return telemetry
    return None


def is_instrumented(package: str) -> bool:
    """Whether all clients of this package are observed."""
    return package in _active


def own(client: Any, telemetry: Telemetry) -> None:
    """From now on this client, or part of one, reports there, whatever its SDK's calls report to."""
    _own[client] = telemetry


def disown(client: Any) -> None:
    """Ends that."""
    _own.pop(client, None)


def strip(function: Any, wrapper: Wrapper) -> Any:
    """A function of a class without the wrapper that `patch` put on it, if that is the outermost one."""
    return function.__wrapped__ if _is_by(wrapper, function) else function


def beneath(client: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, so called that a wrapper of the class, under somebody else's, knows that the client has one of its own."""
    if inspect.iscoroutinefunction(function):

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            token = _beneath.set(client)
            try:
                return await function(*args, **kwargs)
            finally:
                _beneath.reset(token)

        return call_async

    def call(*args: Any, **kwargs: Any) -> Any:
        token = _beneath.set(client)
        try:
            return function(*args, **kwargs)
        finally:
            _beneath.reset(token)

    return call


def patch(target: Target, telemetry: Telemetry) -> None:
    """Instruments the SDK, now or as soon as it is imported; we never import it ourselves."""
    _active[target.package] = telemetry
    patch_for_own(target)


def patch_for_own(target: Target) -> None:
    """Puts the wrappers in place for clients that are observed for themselves: calls of all others pass through."""
    if target.module in sys.modules:
        _wrap(target)
    elif target.module not in _hooked:
        _hooked.add(target.module)
        wrapt.register_post_import_hook(lambda _: _wrap_on_import(target), target.module)


def unpatch(target: Target) -> None:
    """Puts the SDK's own functions back; streams that run are still observed to their end."""
    _active.pop(target.package, None)
    if _own or _tracking is not None:
        return  # some of them may be needed still; the calls of all others pass through
    if module := sys.modules.get(target.module):
        for path, wrapper in target.wrappers.items():
            owner, name = _resolve(module, path)
            if _is_by(wrapper, owner.__dict__.get(name)):  # under somebody else's it stays, and passes every call on
                setattr(owner, name, owner.__dict__[name].__wrapped__)


@guard("instrumenting an SDK")
def _wrap_on_import(target: Target) -> None:
    if target.package in _active or _own or _tracking is not None:
        _wrap(target)


def _wrap(target: Target) -> None:
    if target.prepare is not None:
        target.prepare()
    module: Any = sys.modules[target.module]
    for path, wrapper in target.wrappers.items():
        owner, name = _resolve(module, path)
        if (function := owner.__dict__.get(name)) and not any(_is_by(wrapper, layer) for layer in _layers(function)):
            wrapt.wrap_function_wrapper(module, path, wrapper)
            _slip_under_others(owner, name, function, wrapper)


def _is_by(wrapper: Wrapper, function: Any) -> bool:
    return getattr(function, "_self_wrapper", None) is wrapper


def _layers(function: Any) -> Iterator[Any]:
    """The wrappers around a function, others' among them, from the outermost on; bound ones, as others leave behind, too."""
    while hasattr(function, "_self_wrapper"):
        yield function
        function = function.__wrapped__


def _slip_under_others(owner: Any, name: str, function: Any, wrapper: Wrapper) -> None:
    """Has the wrappers that others put on subclasses call ours: they were made over the function as it was without us."""
    for subclass in owner.__subclasses__() if isinstance(owner, type) else ():
        layers = list(_layers(subclass.__dict__.get(name)))
        innermost = layers[-1] if layers else None
        if innermost is not None and innermost.__wrapped__ is function and not _is_by(wrapper, innermost):
            innermost.__wrapped__ = owner.__dict__[name]
        _slip_under_others(subclass, name, function, wrapper)


def _resolve(module: Any, path: str) -> tuple[Any, str]:
    """The class, or the module, that holds the function at ``path``, and the function's name there."""
    holder, _, name = path.rpartition(".")
    return attrgetter(holder)(module) if holder else module, name
