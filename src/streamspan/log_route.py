"""The way of log events to a backend that may have none: Jaeger, Tempo and Phoenix take traces only."""

from typing import Any

import requests

from streamspan.errors import logger

_NO_ROUTE = frozenset({404, 405})


class LogRoute(requests.Session):
    """What OpenTelemetry's exporter sends logs through: after a 404 or a 405 it says so once, and sends nothing more.

    The exporter by itself would log an error for every batch, several times a second while a stream runs.
    """

    _closed = False

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: D102 - see the base class
        if self._closed:
            return _accepted()
        response = super().request(method, url, *args, **kwargs)
        if response.status_code not in _NO_ROUTE:
            return response
        self._closed = True
        logger.warning(
            "%s takes no logs (HTTP %d): running streams are not shown, their spans come when they end. "
            "OTEL_LOGS_EXPORTER=none sends none from the start",
            url.decode() if isinstance(url, bytes) else url,
            response.status_code,
        )
        return _accepted()


def _accepted() -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = b""
    return response
