"""The receiver of OTLP over gRPC, where grpcio is installed."""

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, cast

import grpc
from opentelemetry.proto.collector.logs.v1 import (  # pyright: ignore[reportMissingTypeStubs]
    logs_service_pb2,
    logs_service_pb2_grpc,
)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from streamspan.viewer.guard import Access
from streamspan.viewer.receiver import LIMIT, PROTOBUF, OnRequest, UnavailableError
from streamspan.viewer.server import CannotListenError

_THREADS: Final = 4
_grpc: Any = cast("Any", grpc)  # which has no types

Sink = Callable[[Any], None]


@contextmanager
def serving_grpc(
    host: str, port: int, access: Access, sinks: Mapping[str, Sink], on_request: OnRequest | None = None
) -> Generator[int]:
    """Receive while the block runs; yields the port.

    Args:
        host: the address to listen on.
        port: the port there; 0 for any free one.
        access: its token is asked for, if it has one.
        sinks: by ``traces`` and ``logs``: called with every request of that kind.
        on_request: called with every request as one over HTTP.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
    """
    options = [("grpc.max_receive_message_length", LIMIT), ("grpc.so_reuseport", 0)]
    server = _grpc.server(ThreadPoolExecutor(_THREADS, "streamspan-grpc"), options=options, interceptors=_interceptors(access))
    _add(server, sinks, on_request)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError:
        raise CannotListenError(f"port {port} on {host} cannot be had for gRPC: choose another with --grpc-port") from None
    server.start()
    try:
        yield bound
    finally:
        server.stop(grace=1).wait()


def _add(server: Any, sinks: Mapping[str, Sink], on_request: OnRequest | None) -> None:
    def service(base: Any, path: str, response: Any, sink: Sink) -> Any:
        def export(_: Any, request: Any, context: Any) -> Any:
            if on_request:
                on_request(path, {"content-type": PROTOBUF}, request.SerializeToString())
            try:
                sink(request)
            except UnavailableError as error:
                if not on_request:
                    context.abort(_grpc.StatusCode.UNAVAILABLE, str(error))
            return response()

        return type(base.__name__, (base,), {"Export": export})()

    traces = service(
        trace_service_pb2_grpc.TraceServiceServicer, "/v1/traces", trace_service_pb2.ExportTraceServiceResponse, sinks["traces"]
    )
    logs = service(
        logs_service_pb2_grpc.LogsServiceServicer, "/v1/logs", logs_service_pb2.ExportLogsServiceResponse, sinks["logs"]
    )
    metrics = service(
        metrics_service_pb2_grpc.MetricsServiceServicer, "/v1/metrics", metrics_service_pb2.ExportMetricsServiceResponse, _ignore
    )
    cast("Any", trace_service_pb2_grpc).add_TraceServiceServicer_to_server(traces, server)
    cast("Any", logs_service_pb2_grpc).add_LogsServiceServicer_to_server(logs, server)
    cast("Any", metrics_service_pb2_grpc).add_MetricsServiceServicer_to_server(metrics, server)


def _ignore(_: Any) -> None:
    """Metrics are taken and not shown."""


def _interceptors(access: Access) -> list[Any]:
    """No web page speaks gRPC: what there is to check is the token."""
    return [_TokenAsked(access)] if access.token else []


class _TokenAsked(_grpc.ServerInterceptor):
    def __init__(self, access: Access) -> None:
        self._access = access

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        shown = dict(details.invocation_metadata).get("authorization", "")
        scheme, _, credentials = str(shown).partition(" ")
        if scheme.lower() == "bearer" and self._access.is_shown(credentials.strip()):
            return continuation(details)
        return _grpc.unary_unary_rpc_method_handler(_refuse)


def _refuse(_: Any, context: Any) -> None:
    context.abort(_grpc.StatusCode.UNAUTHENTICATED, "the token is missing: authorization: Bearer TOKEN")
