"""Requests that a function returns unsent: in an SDK's manager, which sends when it is entered, or in a coroutine."""

from collections.abc import Callable, Generator
from types import CoroutineType
from typing import Any

from streamspan.errors import guard
from streamspan.tracking.activation import Activation

_SDKS = ("openai.", "anthropic.")
_REQUESTS = ("__api_request", "_api_request", "_request_func")
"""How attributes end in which the SDKs' managers keep what sends: a function, or something to be awaited."""


@guard("observing a manager")
def adopt(manager: Any, here: Activation) -> None:
    """Has what an SDK's manager sends charged to the function. It stays the SDK's own object."""
    if not type(manager).__module__.startswith(_SDKS):
        return
    held: dict[str, Any] = getattr(manager, "__dict__", {})
    for name, request in [item for item in held.items() if item[0].endswith(_REQUESTS)]:
        if callable(request):
            held[name] = _Sending(request, here)
        elif hasattr(request, "__await__"):
            held[name] = _Awaiting(request, here)


class _Sending:
    """Stands for a function that sends a request."""

    def __init__(self, send: Callable[..., Any], here: Activation) -> None:
        self._send = send
        self._here = here

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._here.block:
            return self._send(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_send"), name)


class _Awaiting:
    """Stands for a coroutine that sends a request."""

    def __init__(self, request: Any, here: Activation) -> None:
        self._request = request
        self._here = here

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        with self._here.block:
            return await self._request

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_request"), name)


def is_coroutine(result: Any) -> bool:
    """Whether a function that is none itself has returned a coroutine, such as an asynchronous client's."""
    return isinstance(result, CoroutineType)
