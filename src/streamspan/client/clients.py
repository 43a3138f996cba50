"""The SDK clients behind a `streamspan.Client`: one for each provider and key, made when it is first needed."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from streamspan.client.routing import PROVIDERS, Provider
from streamspan.client.transports import Access, Transport

_Made: TypeAlias = OrderedDict[tuple[Provider, Access], Any]

MOST: Final = 64
"""How many SDK clients are kept, those last used, where callers bring keys of their own. One that is forgotten lives on with the
streams that are read from it, and is closed by its SDK's finalizer."""


class Clients:
    """Makes SDK clients, keeps them, and closes those that it made. Any number of threads and loops may ask."""

    def __init__(
        self,
        given: Mapping[str, Any] | None,
        given_async: Mapping[str, Any] | None,
        observe: Callable[[str, Any], None],
    ) -> None:
        self._given = by_provider("clients", given)
        self._given_async = by_provider("async_clients", given_async)
        self._observe = observe
        """Has our instrumentation observe a client, given which SDK it is of."""
        self._lock = threading.Lock()
        self._made: _Made = OrderedDict()
        # Connections belong to the loop that they were opened in: a program that runs several has a client for each.
        self._made_in: WeakKeyDictionary[asyncio.AbstractEventLoop, _Made] = WeakKeyDictionary()
        self._is_closed = False

    def get(self, transport: Transport, access: Access, *, is_async: bool) -> Any:
        """The client to use.

        Raises:
            RuntimeError: If all of this is closed.
            ValueError: If a client was given, and more is said than it can be told.
        """
        client = self._find(transport, access, is_async=is_async)
        self._observe(transport.wire.sdk, client)
        return client

    def _find(self, transport: Transport, access: Access, *, is_async: bool) -> Any:
        with self._lock:  # making one takes long, and nobody shall make it twice
            if self._is_closed:
                raise RuntimeError("this streamspan.Client is closed")
            given = (self._given_async if is_async and transport.has_async else self._given).get(transport.provider)
            if given is not None:
                _refuse(transport, access)
                return given
            is_bound = is_async and transport.is_bound
            made = self._made_in.setdefault(asyncio.get_running_loop(), OrderedDict()) if is_bound else self._made
            key = transport.provider, access
            if key not in made:
                made[key] = transport.make(access, is_async=is_async)
            made.move_to_end(key)
            if len(made) > MOST:
                made.popitem(last=False)
            return made[key]

    def close(self) -> None:
        """Closes what can be closed without waiting; asynchronous clients are left to `aclose`, or to the end of their loop."""
        for client in self._drain():
            with suppress(Exception):
                client.close()

    async def aclose(self) -> None:
        """Closes all of them."""
        await self.release()
        self.close()

    async def release(self) -> None:
        """Closes those that belong to the running loop; if they are needed again, they are made again."""
        with self._lock:
            here = self._made_in.pop(asyncio.get_running_loop(), _Made())
        for client in here.values():
            inner = getattr(client, "aio", client)  # Google's client is two
            close = getattr(inner, "aclose", None) or inner.close
            with suppress(Exception):
                await close()

    def _drain(self) -> Iterator[Any]:
        with self._lock:
            self._is_closed = True
            made = list(self._made.values())
            self._made.clear()
            self._made_in.clear()
        yield from made


def _refuse(transport: Transport, access: Access) -> None:
    if access.key is not None or access.timeout is not None:
        option = "provider_api_key" if access.key is not None else "timeout"
        message = f"{option} cannot be used with the client that was given for {transport.provider}, which has its own"
        raise ValueError(message)


def by_provider(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was given for each provider.

    Raises:
        ValueError: If there is no such provider.
    """
    for provider in given or ():
        if provider not in PROVIDERS:
            message = f"{name} names the provider {provider!r}, which is none of {', '.join(PROVIDERS)}"
            raise ValueError(message)
    return dict(given or {})
