"""Large content on its way to a receiver with the usual limits: 20 MiB a request over HTTP, 4 MiB over gRPC."""

import json
import logging
import threading
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from streamspan import batches
from streamspan.batches import REQUEST_BYTES, SizedLogRecordExporter, SizedSpanExporter

from collector import Collector
from grpc_collector import over_grpc

OUTPUT = "gen_ai.output.messages"


class Receiver(NamedTuple):
    """A collector, and what sends to it."""

    collector: Collector
    spans: SpanExporter
    logs: LogRecordExporter


@pytest.fixture(params=["http", "grpc"])
def receiver(request: pytest.FixtureRequest) -> Generator[Receiver]:
    """A collector with its usual limit."""
    with Collector(takes_logs=True) as collector:
        if request.param == "http":
            yield Receiver(
                collector, OTLPSpanExporter(collector.traces_endpoint), OTLPLogExporter(f"{collector.endpoint}/v1/logs")
            )
        else:
            with over_grpc(collector) as endpoint:
                yield Receiver(collector, GrpcSpanExporter(endpoint), GrpcLogExporter(endpoint))


def answer(text: str) -> str:
    """The JSON of an answer."""
    return json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)


def send(exporter: SpanExporter, *outputs: str) -> None:
    """Ends a span per output in one burst, and shuts the pipeline down, as a program does that exits."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for number, output in enumerate(outputs):
        provider.get_tracer("streamspan").start_span(f"chat {number}", attributes={OUTPUT: output}).end()
    provider.shutdown()


def test_a_burst_of_large_spans_arrives_whole(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """512 spans of 200 KB, a hundred megabytes, arrive whole, in requests of no more than 3 MiB; nothing is said about it."""
    outputs = [answer(f"{number} " + "é漢y" * 33_000) for number in range(512)]
    send(SizedSpanExporter(receiver.spans), *outputs)

    arrived = {span["name"]: span["attributes"] for span in receiver.collector.spans()}
    assert len(receiver.collector.spans()) == 512
    assert arrived == {f"chat {number}": {OUTPUT: output} for number, output in enumerate(outputs)}
    assert max(receiver.collector.sizes) <= REQUEST_BYTES
    assert min(receiver.collector.sizes[:-1]) > REQUEST_BYTES * 0.9
    assert caplog.records == []


def test_a_span_too_large_on_its_own(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """A span of 10 MB arrives shortened and flagged, its JSON valid; those beside it in the batch arrive whole."""
    send(SizedSpanExporter(receiver.spans), answer("a"), answer("Begin" + "漢" * 3_500_000 + "end."), answer("b"))

    first, large, last = (span["attributes"] for span in receiver.collector.spans())
    assert (first, last) == ({OUTPUT: answer("a")}, {OUTPUT: answer("b")})
    text = json.loads(large[OUTPUT])[0]["parts"][0]["content"]
    assert text.startswith("Begin漢")
    assert text.endswith("漢end.")
    assert len(text.encode()) > REQUEST_BYTES - 1000
    assert large["streamspan.content.truncated"] == (OUTPUT,)
    assert caplog.records == []


def test_large_log_records(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Thirty events of 200 KB and one of 5 MB between them arrive; only the large one is shortened, and flagged."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(SizedLogRecordExporter(receiver.logs)))
    bodies = ["x" * 200_000] * 15 + ["y" * 5_000_000] + ["z" * 200_000] * 15
    for number, body in enumerate(bodies):
        log = LogRecord(timestamp=1, body=body, event_name=f"event {number}", attributes={"messages": [{"role": "user"}]})
        provider.get_logger("streamspan").emit(log)
    provider.shutdown()

    events = receiver.collector.events()
    assert [event["name"] for event in events] == [f"event {number}" for number in range(31)]
    (large,) = (event for event in events if event["attributes"].get("streamspan.content.truncated") == ("body",))
    assert large["name"] == "event 15"
    assert 3_000_000 < len(large["body"]) < REQUEST_BYTES
    assert [event["body"] for event in events if event is not large] == bodies[:15] + bodies[16:]
    assert max(receiver.collector.sizes) <= REQUEST_BYTES
    assert caplog.records == []


class Sent(SpanExporter):
    """Keeps the names of what it is given; refuses or fails at some of it."""

    def __init__(self, *, refuses: str = "", raises: str = "", on_export: Any = None) -> None:
        self.refuses, self.raises, self.on_export = refuses, raises, on_export
        self.requests: list[list[str]] = []
        self.shut_down_within: float | None = None
        self.flushed_within: int | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        names = [span.name for span in spans]
        self.requests.append(names)
        if self.on_export:
            self.on_export()
        if self.raises in names:
            raise ConnectionError(self.raises)
        return SpanExportResult.FAILURE if self.refuses in names else SpanExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        self.shut_down_within = timeout_millis

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.flushed_within = timeout_millis
        return False


def spans(*sizes: int) -> list[ReadableSpan]:
    """Spans with names from a on and with content of these sizes."""
    resource = Resource({})
    return [
        ReadableSpan("abcdefgh"[number], resource=resource, attributes={"x": "x" * size}) for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sizes", "requests"),
    [
        ([10, 10, 10], [["a", "b", "c"]]),
        ([5000, 5000, 10], [["a"], ["b", "c"]]),
        ([10, 5000, 5000, 10], [["a", "b"], ["c", "d"]]),
        ([20_000, 10], [["a"], ["b"]]),
        ([], []),
    ],
)
def test_requests_are_as_full_as_their_size_allows(sizes: list[int], requests: list[list[str]]) -> None:
    """Spans stay in their order; a new request begins where the last one has no more room."""
    sent = Sent()

    assert SizedSpanExporter(sent, request_bytes=8000).export(spans(*sizes)) is SpanExportResult.SUCCESS
    assert sent.requests == requests


def test_one_refused_request_does_not_stop_the_others() -> None:
    """The batch has failed, but all that could be sent is sent."""
    sent = Sent(refuses="b")

    assert SizedSpanExporter(sent, request_bytes=8000).export(spans(7000, 7000, 7000)) is SpanExportResult.FAILURE
    assert sent.requests == [["a"], ["b"], ["c"]]


def test_one_request_that_raises_does_not_stop_the_others() -> None:
    """What the exporter raises reaches the processor, which logs it, once the others are sent."""
    sent = Sent(raises="a")

    with pytest.raises(ConnectionError, match="a"):
        SizedSpanExporter(sent, request_bytes=8000).export(spans(7000, 7000, 7000))
    assert sent.requests == [["a"], ["b"], ["c"]]


def test_a_receiver_that_is_gone(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Once failing requests have taken long enough, the rest of the batch is given up, and the log says how much that is."""
    monkeypatch.setattr(batches, "PATIENCE", 0.0)
    sent = Sent(refuses="a", on_export=lambda: threading.Event().wait(0.001))

    assert SizedSpanExporter(sent, request_bytes=8000).export(spans(7000, 7000, 7000)) is SpanExportResult.FAILURE
    assert sent.requests == [["a"]]
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 3 spans or log records are given up: requests have failed for 0 s"
    ]


def test_shut_down_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    """When the time for the exit has run out, no request is begun any more, and the log says what is lost."""
    sent = Sent()
    exporter = SizedSpanExporter(sent, request_bytes=8000)
    sent.on_export = lambda: exporter.shutdown(timeout_millis=5)

    assert exporter.export(spans(7000, 7000)) is SpanExportResult.FAILURE
    assert sent.requests == [["a"]]
    assert sent.shut_down_within == 5
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "1 of 2 spans or log records are given up: the pipeline is shut down")
    ]


def test_flush_and_shutdown_are_passed_on() -> None:
    """The exporter behind is flushed and shut down, also one that cannot be told how long it may take."""
    sent = Sent()
    assert SizedSpanExporter(sent).force_flush(7) is False
    assert sent.flushed_within == 7

    class Plain(LogRecordExporter):
        closed = False

        def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
            return LogRecordExportResult.FAILURE

        def shutdown(self) -> None:
            self.closed = True

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    plain = Plain()
    exporter = SizedLogRecordExporter(plain)
    assert exporter.export([ReadableLogRecord(LogRecord(), Resource({}))]) is LogRecordExportResult.FAILURE
    assert exporter.force_flush(7) is True
    exporter.shutdown(timeout_millis=5)
    assert plain.closed


def test_a_defect_of_ours_costs_no_span(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where the size cannot be reckoned, the span is sent as it is, in a request of its own."""
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    monkeypatch.setattr(batches, "span_size", lambda span: 1 // (span.name != "b"))  # type: ignore[misc]
    sent = Sent()

    assert SizedSpanExporter(sent, request_bytes=8000).export(spans(10, 10, 10)) is SpanExportResult.SUCCESS
    assert sent.requests == [["a"], ["b"], ["c"]]
    assert "fitting a span" in caplog.text
