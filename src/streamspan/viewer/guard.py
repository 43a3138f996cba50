"""Who may speak to the viewer: programs of this machine, and the page itself, not the web pages that a browser has open.

A page from elsewhere can send requests to loopback, and by DNS rebinding even read the answers: so on every route the name
in ``Host`` must be one of ours, and an ``Origin`` must be our own. Where the viewer listens for other machines, a token is asked.
"""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
_COOKIE: Final = "streamspan_token"
_NAVIGATION: Final = "navigate"
_FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), clipboard-write=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in.

    Args:
        token: what everybody has to show; empty where nobody has to.
        hosts: names beside those of this machine that may stand in ``Host``.
        any_address: whether an IP address may stand there that is not loopback's.
    """

    token: str = ""
    hosts: frozenset[str] = field(default_factory=frozenset[str])
    any_address: bool = False

    @classmethod
    def to(cls, host: str, token: str = "", hosts: Collection[str] = ()) -> "Access":
        """The access to a viewer that listens on ``host``: on loopback without a token, unless one is given."""
        names = frozenset(name.lower() for name in hosts)
        if is_loopback(host):
            return cls(token, names)
        own = {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        return cls(token or secrets.token_urlsafe(24), names | own, any_address=True)

    def knows_host(self, host: str) -> bool:
        """Whether a request with this ``Host`` is meant for us."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self.hosts:
            return True
        return _is_address(name) and (self.any_address or ipaddress.ip_address(name).is_loopback)

    def is_shown(self, shown: str) -> bool:
        """Whether what was shown is the token."""
        return hmac.compare_digest(shown.encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on ``host``."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Lets through what may come in, and gives every answer the headers that keep a browser safe."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        http = HTTPConnection(scope)
        host = http.headers.get("host", "")
        if not self._access.knows_host(host):
            return _no(f"this viewer does not go by the name {host[:100]!r}; --allow-host has it listen to another name", 421)
        if reason := _foreign(http.headers, scope):
            return _no(reason)
        return self._without_token(http) if self._access.token else None

    def _without_token(self, http: HTTPConnection) -> Response | None:
        """What to say to who does not show the token; who brings it in the URL gets it as a cookie."""
        if (brought := http.query_params.get(TOKEN)) is not None and self._access.is_shown(brought):
            return self._with_cookie(http)
        scheme, _, credentials = http.headers.get("authorization", "").partition(" ")
        shown = credentials.strip() if scheme.lower() == "bearer" else http.cookies.get(self._cookie(http), "")
        return (
            None if self._access.is_shown(shown) else _no("the token is missing: open the URL that streamspan view printed", 401)
        )

    def _with_cookie(self, http: HTTPConnection) -> Response:
        rest = urlencode([pair for pair in parse_qsl(http.url.query, keep_blank_values=True) if pair[0] != TOKEN])
        answer = RedirectResponse(f"{_path(http)}?{rest}" if rest else _path(http), 303)
        answer.set_cookie(self._cookie(http), self._access.token, httponly=True, samesite="strict", path="/")
        return answer

    def _cookie(self, http: HTTPConnection) -> str:
        return f"{_COOKIE}_{http.url.port or 80}"  # cookies do not know ports, and there can be several viewers


def _path(http: HTTPConnection) -> str:
    """The path, which cannot lead to another site."""
    return "/" + http.url.path.lstrip("/\\")


def _foreign(headers: Headers, scope: Scope) -> str:
    """Why the request must be another web page's; empty if it need not be."""
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"{scope['scheme']}://{headers.get('host', '')}".lower():
        return f"requests of {origin[:100]!r} are not answered"
    if headers.get("sec-fetch-site") in _FOREIGN_SITES and headers.get("sec-fetch-mode") != _NAVIGATION:
        return "requests of other sites are not answered"
    return ""


def _no(reason: str, status: int = 403) -> Response:
    return PlainTextResponse(f"{reason}\n", status)
