"""OTLP over gRPC, from the SDK's own exporter."""

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from streamspan.viewer.grpc_receiver import serving_grpc
from streamspan.viewer.guard import Access
from streamspan.viewer.inbox import Inbox
from streamspan.viewer.receiver import UnavailableError
from streamspan.viewer.server import CannotListenError, listen
from streamspan.viewer.store import Store

from arriving import ours, progress, span

grpc: Any = pytest.importorskip("grpc")


def test_exporter() -> None:
    """A call that is sent over gRPC is there."""
    inbox = Inbox(Store(":memory:"))
    forwarded: list[str] = []

    def forward(path: str, _: object, __: bytes) -> None:
        forwarded.append(path)

    sinks = {"traces": inbox.traces, "logs": inbox.logs}
    with serving_grpc("127.0.0.1", 0, Access(), sinks, forward) as port:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"127.0.0.1:{port}", insecure=True)))
        with provider.get_tracer("t").start_as_current_span("chat m", attributes=ours()) as made:
            made.set_status(StatusCode.OK)
        provider.shutdown()
        send(port, "logs.v1.LogsService", progress("x", 1, 1))
        send(port, "metrics.v1.MetricsService", b"")
    assert inbox.store.select("SELECT model, outcome FROM calls") == [("gpt-4.1", "completed")]
    assert len(inbox.running()) == 1
    assert forwarded == ["/v1/traces", "/v1/logs", "/v1/metrics"]
    inbox.store.close()


def send(port: int, service: str, message: Any, *metadata: tuple[str, str]) -> bytes:
    """One request, in bytes."""
    body = message if isinstance(message, bytes) else message.SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")(body, timeout=20, metadata=metadata)


def test_token_and_refusals() -> None:
    """The token is asked for; what cannot be taken now is to be sent again; a port in use is one clear message."""

    def full(_: object) -> None:
        raise UnavailableError("no room")

    with serving_grpc("127.0.0.1", 0, Access("hush"), {"traces": full, "logs": full}) as port:
        service = "trace.v1.TraceService"
        for metadata, code in [((), "UNAUTHENTICATED"), ((("authorization", "Bearer hush"),), "UNAVAILABLE")]:
            with pytest.raises(grpc.RpcError) as raised:
                send(port, service, span(ours()), *metadata)
            assert raised.value.code().name == code
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(CannotListenError, match="--grpc-port"),
        serving_grpc("127.0.0.1", taken.getsockname()[1], Access(), {"traces": full, "logs": full}),
    ):
        pass
