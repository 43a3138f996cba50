"""The viewer as an ASGI application: receivers, page and data behind one guard."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from streamspan.viewer.api import Api
from streamspan.viewer.database import StoreError
from streamspan.viewer.guard import Access, Guard
from streamspan.viewer.inbox import Inbox
from streamspan.viewer.receiver import OnRequest, UnavailableError, routes

Request = TypeVar("Request")


class Viewer:
    """An ASGI application.

    Args:
        inbox: where what is received goes, and what is shown comes from.
        access: who may come in.
        about: what `/api/about` says beside name and version.
        on_request: is called with every well-formed request of OTLP as it came.
    """

    def __init__(
        self, inbox: Inbox, access: Access, about: Mapping[str, Any] | None = None, on_request: OnRequest | None = None
    ) -> None:
        self.inbox = inbox
        self._api = Api(inbox, about or {})
        received = routes(retried(inbox.traces), retried(inbox.logs), on_request=on_request)
        self._app: ASGIApp = Guard(Starlette(routes=[*received, *self._api.routes()]), access)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Have those who watch hang up, so that the server can end."""
        self._api.close()


def retried(sink: Callable[[Request], None]) -> Callable[[Request], None]:
    """``sink``, whose sender is told to try again where the store cannot take it now."""

    def keep(request: Request) -> None:
        try:
            sink(request)
        except StoreError as error:
            raise UnavailableError(str(error)) from error

    return keep
