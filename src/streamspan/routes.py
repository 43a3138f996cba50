"""The way of each signal to its receiver over HTTP: what becomes of a request is noted here, for `streamspan.delivery` to act on.

OpenTelemetry's exporters by themselves log several lines for each request that fails, and say neither why nor how much is lost.
"""

import os
import socket
import struct
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from streamspan.errors import logger
from streamspan.outages import Outages

_NO_ROUTE: Final = frozenset({404, 405})
_PASSES: Final = frozenset({429, 502, 503, 504})
"""What OTLP says is to be tried again; everything else that is refused is refused for good."""
_TOO_LARGE: Final = frozenset({400, 413})
"""The OpenTelemetry collector says 400, and nothing else, to a request that is too large for it."""
_CONNECT: Final = 3.0
"""Seconds after which a receiver that does not answer a connection is not there."""
_LONGEST_WAIT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not taken."""

    reason: str
    may_pass: bool
    """Whether it is worth sending it again."""
    is_too_large: bool = False
    """Whether a smaller one might be taken: it was called too large, or did not get through in its time."""
    wait: float = 0.0
    """Seconds that the receiver asks for."""


class _Noted(threading.local):
    refusal: Refusal | None = None


_noted = _Noted()


def refusal() -> Refusal | None:
    """Why the last request of this thread was not taken, if it was not; asked once."""
    noted, _noted.refusal = _noted.refusal, None
    return noted


class _Resetting(HTTPAdapter):
    """Closes a connection by resetting it.

    A request that has timed out may stand in the operating system's buffer, which would go on to send it: it would arrive twice.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if os.name == "posix":
            reset = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            kwargs["socket_options"] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), reset]
        super().init_poolmanager(*args, **kwargs)


class Route(requests.Session):
    """What OpenTelemetry's exporter sends a signal through. It is told that all went well, so that it leaves the rest to us."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Resetting())
        if hasattr(os, "register_at_fork"):  # a connection that parent and child both write to carries neither's requests
            close = weakref.WeakMethod(self.close)
            os.register_at_fork(after_in_child=lambda: (leave := close()) and leave())

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: D102 - see the base class
        kwargs["timeout"] = _timeouts(kwargs.get("timeout"))
        where = _without_secrets(url)
        try:
            response = self._answer(method, url, *args, **kwargs)
        except requests.RequestException as error:
            return self._refuse(_failed(where, error))
        if response.ok:
            return self._accept(response)
        return self._no_route(where, response) or self._refuse(_refused(where, response))

    def _answer(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return super().request(*args, **kwargs)
        except requests.ConnectionError as error:
            if _is_slow(error):
                raise
            return super().request(*args, **kwargs)  # the pool had kept a connection that the receiver has closed

    def _accept(self, response: requests.Response) -> requests.Response:
        return response

    def _refuse(self, refused: Refusal) -> requests.Response:
        _noted.refusal = refused
        return _accepted()

    def _no_route(self, where: str, response: requests.Response) -> requests.Response | None:  # noqa: ARG002
        """What the exporter gets to see if the receiver has no such signal at all."""
        return None


class OptionalRoute(Route):
    """The way of what not every backend has: after a 404 or a 405 it says so once, and sends nothing more."""

    _signal: ClassVar[str]
    _loss: ClassVar[str]
    """What is missing without it."""

    _closed = False

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: D102 - see the base class
        return _accepted() if self._closed else super().request(method, url, *args, **kwargs)

    def _no_route(self, where: str, response: requests.Response) -> requests.Response | None:
        if response.status_code not in _NO_ROUTE:
            return None
        self._closed = True
        logger.warning(
            "%s takes no %s (HTTP %d): %s. OTEL_%s_EXPORTER=none sends none from the start",
            *(where, self._signal, response.status_code, self._loss, self._signal.upper()),
        )
        return _accepted()


class LogRoute(OptionalRoute):
    """The way of logs."""

    _signal = "logs"
    _loss = "running streams are not shown, their spans come when they end"


class MetricRoute(OptionalRoute):
    """The way of metrics. Each export has all since the start of the process: what is not taken now is in the next one."""

    _signal = "metrics"
    _loss = "there are none of calls, their spans have the same numbers"

    def __init__(self, outages: Outages) -> None:
        super().__init__()
        self._outages = outages

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: D102 - see the base class
        seconds = kwargs.get("timeout")
        if isinstance(seconds, int | float):
            kwargs["timeout"] = min(seconds, self._outages.patience(seconds))
        return super().request(method, url, *args, **kwargs)

    def _accept(self, response: requests.Response) -> requests.Response:
        self._outages.arrives("metrics")
        return response

    def _refuse(self, refused: Refusal) -> requests.Response:
        self._outages.failing("metrics", refused.reason)
        return _accepted()


def _without_secrets(url: str | bytes) -> str:
    """An address without user, password and query."""
    parts = urlsplit(url.decode() if isinstance(url, bytes) else url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _timeouts(seconds: Any) -> Any:
    """For the connection, and for what comes then."""
    return (min(seconds, _CONNECT), seconds) if isinstance(seconds, int | float) else seconds


def _failed(where: str, error: requests.RequestException) -> Refusal:
    is_slow = _is_slow(error)
    return Refusal(f"{where}: {'no answer in time' if is_slow else _cause(error)}", may_pass=True, is_too_large=is_slow)


def _refused(where: str, response: requests.Response) -> Refusal:
    status = response.status_code
    said = f"{where}: HTTP {status} {response.reason or ''}".rstrip()
    wait = min(_retry_after(response.headers), _LONGEST_WAIT)
    return Refusal(said, may_pass=status in _PASSES, is_too_large=status in _TOO_LARGE, wait=wait)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, however it is written; 0 if it is not."""
    said = headers.get("retry-after", "")
    try:
        return max(0.0, float(said) if said[:1].isdigit() else parsedate_to_datetime(said).timestamp() - time())
    except (TypeError, ValueError):
        return 0.0


def _is_slow(error: BaseException) -> bool:
    """Whether the connection stood, and the request or its answer did not get through in time."""
    if isinstance(error, requests.ConnectTimeout):
        return False
    return isinstance(error, requests.Timeout) or any(isinstance(each, TimeoutError) for each in _causes(error))


def _causes(error: BaseException) -> list[BaseException]:
    """What is wrapped in an error of requests', outermost first: as its arguments, its reason or its cause."""
    wrapped = (getattr(error, "reason", None), *reversed(error.args), error.__cause__)
    inner = next((each for each in wrapped if isinstance(each, BaseException)), None)
    return [error, *_causes(inner)] if inner else [error]


def _cause(error: BaseException) -> str:
    """What went wrong, in the words of the operating system if it has said some."""
    causes = _causes(error)
    said = next((each.strerror for each in reversed(causes) if isinstance(each, OSError) and each.strerror), None)
    return said or type(causes[-1]).__name__


def _accepted() -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = b""
    return response
