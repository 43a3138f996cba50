"""The largest that streamspan sends, in the largest requests that a receiver takes, through the stack's own limits."""

import json
import time
from collections.abc import Callable
from functools import partial

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from stack.assembly import Stack
from stack.backends import SpanFound, jaeger_trace, loki_lines, tempo_trace, wait_for
from streamspan.batches import REQUEST_BYTES

CONTENT = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": 'Say "yes". ' * (REQUEST_BYTES // 14)}]}])
"""Nearly 3 MiB, above which streamspan shortens a span."""
SDK_LIMIT = 128
"""Attributes of a log record; Loki adds some, and its default is 128, too."""
TOGETHER = 5
"""As many as fit into the 16 MiB of a request."""

EXPORTERS: dict[str, Callable[[Stack], SpanExporter]] = {
    "http": lambda stack: HttpExporter(f"{stack.otlp}/v1/traces"),
    "grpc": lambda stack: GrpcExporter(stack.otlp_grpc, insecure=True),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", EXPORTERS)
def test_a_trace_of_large_calls_is_whole(protocol: str, stack: Stack) -> None:
    """Five answers of 3 MiB each, in one request of 15, are in Jaeger and in Tempo without a character less."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(EXPORTERS[protocol](stack)))
    with provider.get_tracer("limits").start_as_current_span("conversation") as root:
        for number in range(TOGETHER):
            provider.get_tracer("limits").start_span(f"chat {number}", attributes={"gen_ai.output.messages": CONTENT}).end()
    provider.shutdown()
    trace_id = f"{root.get_span_context().trace_id:032x}"
    for ask in (partial(jaeger_trace, stack.jaeger, trace_id), partial(tempo_trace, stack.tempo, trace_id)):
        found: dict[str, SpanFound] = wait_for(ask, lambda spans: len(spans) > TOGETHER)
        texts = [span["attributes"].get("gen_ai.output.messages") for span in found.values() if span["name"] != "conversation"]
        assert len(texts) == TOGETHER
        assert set(texts) == {CONTENT}


@pytest.mark.timeout(120)
def test_large_log_records_are_whole(stack: Stack) -> None:
    """Five records of 3 MiB each, with all the attributes that the SDK allows, are in Loki without a character less, and under their name."""
    provider = LoggerProvider(Resource({"service.name": "limits"}), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{stack.otlp}/v1/logs")))
    attributes = {f"attribute.{number}": number for number in range(SDK_LIMIT - 1)} | {"gen_ai.output.messages": CONTENT}
    for _ in range(TOGETHER):
        provider.get_logger("limits").emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                body="an answer",
                event_name="gen_ai.client.inference.operation.details",
                attributes=attributes,
            )
        )
    provider.shutdown()
    query = '{service_name="limits"} | event_name="gen_ai.client.inference.operation.details" | attribute_99="99"'
    lines = wait_for(partial(loki_lines, stack.loki, query), lambda lines: len(lines) == TOGETHER)
    assert [labels["gen_ai_output_messages"] == CONTENT for labels, _ in lines] == [True] * TOGETHER
