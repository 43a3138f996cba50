"""An OTLP/HTTP receiver on loopback, to test what really leaves the process."""

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, TypedDict

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

_TICK: Final = 0.01
HTTP_LIMIT: Final = 20 * 1024 * 1024
"""How large a request the OpenTelemetry collector takes over HTTP, if its configuration says nothing else."""


class Event(TypedDict):
    """One event of a span; the time is in nanoseconds since 1970."""

    name: str
    attributes: dict[str, Any]
    time: int


class SpanRecord(TypedDict):
    """One span in plain Python: ids in hex ("" where there is no parent), times in nanoseconds, lists as tuples."""

    name: str
    kind: str
    status: str
    status_message: str
    attributes: dict[str, Any]
    events: list[Event]
    trace_id: str
    span_id: str
    parent_span_id: str
    start: int
    end: int
    scope: str
    scope_version: str
    schema_url: str
    """Whose names the scope's attributes have."""
    resource: dict[str, Any]


class LogEvent(TypedDict):
    """One log record with a name; the time is in nanoseconds since 1970."""

    name: str
    severity: str
    body: Any
    attributes: dict[str, Any]
    time: int
    trace_id: str
    span_id: str
    scope: str
    schema_url: str


class Point(TypedDict):
    """One data point of a metric."""

    metric: str
    kind: str
    """``histogram``, ``counter``, ``updowncounter``."""
    unit: str
    attributes: dict[str, Any]
    value: float
    """Of a histogram, the sum."""
    count: int
    """Of a histogram, how many were recorded; else 1."""
    bounds: tuple[float, ...]
    exemplars: list[tuple[str, str]]
    """The trace and the span that each links to."""
    scope: str
    schema_url: str


class Collector:
    """The receiver; it listens while its ``with`` block runs. Other signals than it takes are answered 404, as Jaeger does.

    What is too large is answered 413, as by OpenTelemetry's own.

    Args:
        takes_logs: Whether it takes logs, besides traces.
        takes_metrics: Whether it takes metrics.
    """

    def __init__(self, *, takes_logs: bool = False, takes_metrics: bool = False) -> None:
        self._arrived = threading.Condition()
        self._spans: list[SpanRecord] = []
        self._events: list[LogEvent] = []
        self._exports: list[list[Point]] = []
        self.bodies: list[bytes] = []
        """The raw requests, of every kind, as they were before compression."""
        self.refused: list[str] = []
        """The paths that were answered 404 or 413."""
        self.sizes: list[int] = []
        """The sizes of all requests, without compression."""
        routes: dict[str, Callable[[bytes], Message]] = {"/v1/traces": self.receive}
        if takes_logs:
            routes["/v1/logs"] = self.receive_logs
        if takes_metrics:
            routes["/v1/metrics"] = self.receive_metrics
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, routes, self))
        self._server.daemon_threads = False  # server_close() joins them
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_TICK,), name="collector", daemon=True)

    @property
    def endpoint(self) -> str:
        """The value for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def traces_endpoint(self) -> str:
        """The value for an exporter's ``endpoint`` argument."""
        return f"{self.endpoint}/v1/traces"

    def spans(self) -> list[SpanRecord]:
        """The spans received so far, in their order of arrival."""
        with self._arrived:
            return list(self._spans)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[SpanRecord]:
        """The spans once there are at least ``count``; raises TimeoutError when they do not come."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while len(self._spans) < count:
                if not self._arrived.wait(deadline - time.monotonic()):
                    message = f"{len(self._spans)} spans arrived within {timeout} s, not {count}"
                    raise TimeoutError(message)
            return list(self._spans)

    def events(self) -> list[LogEvent]:
        """The log events received so far, in their order of arrival."""
        with self._arrived:
            return list(self._events)

    def wait_for_event(self, is_it: Callable[[LogEvent], bool], timeout: float = 10.0) -> LogEvent:
        """The first log event of that kind, now or when it comes; raises TimeoutError when it does not."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while not (found := [event for event in self._events if is_it(event)]):
                if not self._arrived.wait(deadline - time.monotonic()):
                    message = f"no such log event within {timeout} s; there are {self._events}"
                    raise TimeoutError(message)
            return found[0]

    def metrics(self) -> list[list[Point]]:
        """The points of each export of metrics so far."""
        with self._arrived:
            return list(self._exports)

    def receive_metrics(self, body: bytes) -> Message:
        """Takes in one export request for metrics."""
        received = decode_metrics(ExportMetricsServiceRequest.FromString(body))
        with self._arrived:
            self._exports.append(received)
            self._arrived.notify_all()
        return ExportMetricsServiceResponse()

    def receive(self, body: bytes) -> Message:
        """Takes in one export request for traces."""
        return self.take(ExportTraceServiceRequest.FromString(body))

    def take(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        """Takes in one export request for traces, however it came."""
        received = decode(request)
        with self._arrived:
            self._spans.extend(received)
            self._arrived.notify_all()
        return ExportTraceServiceResponse()

    def receive_logs(self, body: bytes) -> Message:
        """Takes in one export request for logs."""
        return self.take_logs(ExportLogsServiceRequest.FromString(body))

    def take_logs(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        """Takes in one export request for logs, however it came."""
        received = decode_logs(request)
        with self._arrived:
            self._events.extend(received)
            self._arrived.notify_all()
        return ExportLogsServiceResponse()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0), so that no handler waits for a next one when the server closes."""

    def __init__(self, routes: Mapping[str, Callable[[bytes], Message]], collector: Collector, *arguments: Any) -> None:
        self._routes = routes
        self._collector = collector
        super().__init__(*arguments)  # answers the request

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self._collector.bodies.append(body)
        self._collector.sizes.append(len(body))
        receive = self._routes.get(self.path)
        if receive is None or len(body) > HTTP_LIMIT:
            self._collector.refused.append(self.path)
            self._reply(413 if receive else 404, b"")
            return
        self._reply(200, receive(body).SerializeToString())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing: the test's output is the test's."""

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def decode(request: ExportTraceServiceRequest) -> list[SpanRecord]:
    """Every span of an export request."""
    return [
        _record(span, scoped, traced.resource)
        for traced in request.resource_spans
        for scoped in traced.scope_spans
        for span in scoped.spans
    ]


def decode_logs(request: ExportLogsServiceRequest) -> list[LogEvent]:
    """Every log record of an export request."""
    return [
        {
            "name": record.event_name,
            "severity": record.severity_text,
            "body": _value(record.body),
            "attributes": _attributes(record.attributes),
            "time": record.time_unix_nano,
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
            "scope": scoped.scope.name,
            "schema_url": scoped.schema_url,
        }
        for logged in request.resource_logs
        for scoped in logged.scope_logs
        for record in scoped.log_records
    ]


def decode_metrics(request: ExportMetricsServiceRequest) -> list[Point]:
    """Every data point of an export request."""
    return [
        _point(metric, point, scoped)
        for measured in request.resource_metrics
        for scoped in measured.scope_metrics
        for metric in scoped.metrics
        for point in (metric.histogram.data_points or metric.sum.data_points)
    ]


def _point(metric: Metric, point: HistogramDataPoint | NumberDataPoint, scoped: ScopeMetrics) -> Point:
    is_histogram = isinstance(point, HistogramDataPoint)
    return {
        "metric": metric.name,
        "kind": "histogram" if is_histogram else "counter" if metric.sum.is_monotonic else "updowncounter",
        "unit": metric.unit,
        "attributes": _attributes(point.attributes),
        "value": point.sum if is_histogram else point.as_double or point.as_int,
        "count": point.count if is_histogram else 1,
        "bounds": tuple(point.explicit_bounds) if is_histogram else (),
        "exemplars": [(exemplar.trace_id.hex(), exemplar.span_id.hex()) for exemplar in point.exemplars],
        "scope": scoped.scope.name,
        "schema_url": scoped.schema_url,
    }


def _record(span: Span, scoped: ScopeSpans, resource: Resource) -> SpanRecord:
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        "status_message": span.status.message,
        "attributes": _attributes(span.attributes),
        "events": [{"name": e.name, "attributes": _attributes(e.attributes), "time": e.time_unix_nano} for e in span.events],
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "scope": scoped.scope.name,
        "scope_version": scoped.scope.version,
        "schema_url": scoped.schema_url,
        "resource": _attributes(resource.attributes),
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
