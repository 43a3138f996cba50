"""The way of log events and of metrics to a backend that may have none for them: Jaeger and Tempo take traces only."""

from typing import Any, ClassVar

import requests

from streamspan.errors import logger

_NO_ROUTE = frozenset({404, 405})


class Route(requests.Session):
    """What OpenTelemetry's exporter sends a signal through: after a 404 or a 405 it says so once, and sends nothing more.

    The exporter by itself would log an error for every batch: of logs, several times a second while a stream runs.
    """

    _signal: ClassVar[str]
    _loss: ClassVar[str]
    """What is missing without it."""

    _closed = False

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: D102 - see the base class
        if self._closed:
            return _accepted()
        response = super().request(method, url, *args, **kwargs)
        if response.status_code not in _NO_ROUTE:
            return response
        self._closed = True
        logger.warning(
            "%s takes no %s (HTTP %d): %s. OTEL_%s_EXPORTER=none sends none from the start",
            url.decode() if isinstance(url, bytes) else url,
            self._signal,
            response.status_code,
            self._loss,
            self._signal.upper(),
        )
        return _accepted()


class LogRoute(Route):
    """The way of logs."""

    _signal = "logs"
    _loss = "running streams are not shown, their spans come when they end"


class MetricRoute(Route):
    """The way of metrics."""

    _signal = "metrics"
    _loss = "there are none of calls, their spans have the same numbers"


def _accepted() -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = b""
    return response
