"""The collector of `collector.py` over gRPC, with gRPC's own limit of 4 MiB for what it receives."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import grpc  # pyright: ignore[reportMissingTypeStubs]
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from collector import Collector


@contextmanager
def over_grpc(collector: Collector) -> Generator[str]:
    """The same collector over gRPC; gives the value for OTEL_EXPORTER_OTLP_ENDPOINT."""
    server = cast("Any", grpc).server(ThreadPoolExecutor(2))
    cast("Any", trace_service_pb2_grpc).add_TraceServiceServicer_to_server(_Service(collector, collector.take), server)
    cast("Any", logs_service_pb2_grpc).add_LogsServiceServicer_to_server(_Service(collector, collector.take_logs), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


class _Service:
    """A service of OTLP over gRPC: each has this one method."""

    def __init__(self, collector: Collector, take: Callable[[Any], Message]) -> None:
        self._collector = collector
        self._take = take

    def Export(self, request: Message, context: object) -> Message:  # noqa: N802 - OTLP names it so
        self._collector.sizes.append(request.ByteSize())
        return self._take(request)
