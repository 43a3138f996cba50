"""Spans and log records on their way to a receiver that is away, refuses, or is slow: OpenTelemetry's own exporters, real sockets."""

import logging
import os
import re
import socket
import textwrap
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from streamspan import delivery, outages
from streamspan.delivery import Limits, LogRecordDelivery, SpanDelivery
from streamspan.outages import Outages
from streamspan.routes import LogRoute, MetricRoute, Route
from test_distro import launch

from collector import Collector, decode, decode_logs, decode_metrics
from loopback import Loopback, Reply, Request

BEGINS: Final = r"telemetry does not arrive: {}\. Once it does, or at exit, the log says what was dropped"
OVER: Final = r"telemetry arrives again after \d+ s; dropped: {}"
LOST: Final = r"telemetry was dropped: {}"
QUICK: Final = Limits(delay=0.01)


class Receiver:
    """A receiver that refuses its first requests, and all that are larger than it takes."""

    def __init__(self, *refusals: Reply, limit: int = 10**9) -> None:
        self._refusals = list(refusals)
        self._limit = limit
        self.texts = Counter[str]()
        """What it took: names of spans, and bodies of log records."""
        self.sizes = list[int]()

    def __call__(self, request: Request) -> Reply:
        """Its answer."""
        self.sizes.append(len(request.body))
        if self._refusals:
            return self._refusals.pop(0)
        if len(request.body) > self._limit:
            return Reply(413)
        if request.path.endswith("traces"):
            self.texts.update(span["name"] for span in decode(ExportTraceServiceRequest.FromString(request.body)))
        else:
            self.texts.update(event["body"] for event in decode_logs(ExportLogsServiceRequest.FromString(request.body)))
        return Reply()


class Sending(NamedTuple):
    """A pipeline of one signal."""

    send: Callable[[str], None]
    flush: Callable[[], bool]
    shutdown: Callable[[], None]
    unit: str


class Sender(Protocol):
    """Makes a pipeline."""

    def __call__(self, endpoint: str, said: Outages, limits: Limits = QUICK) -> Sending: ...


def spans(endpoint: str, said: Outages, limits: Limits = QUICK) -> Sending:
    """A span is sent per text, which is its name."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", session=Route(), timeout=5)
    provider.add_span_processor(SpanDelivery(exporter, said, limits))
    tracer = provider.get_tracer("t")

    def send(text: str) -> None:
        tracer.start_span(text).end()

    return Sending(send, provider.force_flush, provider.shutdown, "spans")


def log_records(endpoint: str, said: Outages, limits: Limits = QUICK) -> Sending:
    """A log record is sent per text, which is its body."""
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = OTLPLogExporter(f"{endpoint}/v1/logs", session=LogRoute(), timeout=5)
    provider.add_log_record_processor(LogRecordDelivery(exporter, said, limits))
    logger = provider.get_logger("t")

    def send(text: str) -> None:
        logger.emit(LogRecord(body=text))

    return Sending(send, provider.force_flush, provider.shutdown, "log records")


both = pytest.mark.parametrize("sender", [spans, log_records])


@contextmanager
def exiting(said: Outages, sending: Sending) -> Generator[None]:
    """What a process does that exits, after the block."""
    yield
    sending.shutdown()
    said.close()


def expect(caplog: pytest.LogCaptureFixture, *patterns: str) -> None:
    """The log has a line for each pattern, and no other."""
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(patterns), lines
    assert [line for line, pattern in zip(lines, patterns, strict=True) if not re.fullmatch(pattern, line)] == []


@both
@pytest.mark.parametrize(
    "reply", [Reply(503), Reply(429, {"retry-after": "0.01"}), Reply(502), Reply(504)], ids=lambda r: r.status
)
def test_what_is_refused_for_now_arrives_later(sender: Sender, reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    """Once, whatever came in between; the log has two lines, however many attempts there were."""
    receiver, said = Receiver(reply, reply, reply), Outages()
    with Loopback(receiver) as server:
        sending = sender(server.url, said)
        with exiting(said, sending):
            for text in "ab":
                sending.send(text)
            assert not sending.flush()
            sending.send("c")
            while not sending.flush():
                pass

    assert receiver.texts == {"a": 1, "b": 1, "c": 1}
    expect(caplog, BEGINS.format(rf".*/v1/\w+: HTTP {reply.status} .*"), OVER.format("nothing"))


@both
@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_what_is_refused_for_good_is_counted(sender: Sender, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is sent once, and the next ones are."""
    receiver, said = Receiver(Reply(status)), Outages()
    with Loopback(receiver) as server:
        sending = sender(server.url, said)
        with exiting(said, sending):
            sending.send("a")
            assert sending.flush()
            sending.send("b")

    assert receiver.texts == {"b": 1}
    assert len(receiver.sizes) == 2
    expect(caplog, BEGINS.format(rf".*/v1/\w+: HTTP {status} .*"), OVER.format(f"1 {sending.unit[:-1]}"))


@both
def test_a_receiver_that_is_away(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody who flushes waits for it, and what ends meanwhile arrives once when it is back."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    receiver, said = Receiver(), Outages()
    sending = sender(f"http://127.0.0.1:{port}", said)
    with exiting(said, sending):
        sending.send("a")
        assert not sending.flush()
        sending.send("b")
        assert not sending.flush()
        with Loopback(receiver, port=port):
            assert sending.flush()

    assert receiver.texts == {"a": 1, "b": 1}
    expect(caplog, BEGINS.format(".*: Connection refused"), OVER.format("nothing"))


@both
def test_a_flush_sends_all(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """However many requests that takes."""
    receiver, said = Receiver(), Outages()
    with Loopback(receiver) as server:
        sending = sender(server.url, said, Limits(delay=60, batch=4))
        with exiting(said, sending):
            for number in range(10):
                sending.send(str(number))
            assert sending.flush()
            assert len(receiver.texts) == 10

    expect(caplog)


@both
def test_an_exit_while_the_receiver_is_away(
    sender: Sender, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what is lost; what comes after that is not sent, and not counted."""
    monkeypatch.setattr(outages, "EXIT_PATIENCE", 0.1)
    said = Outages()
    sending = sender("http://127.0.0.1:9", said, Limits(delay=60))
    with exiting(said, sending):
        for text in "abc":
            sending.send(text)
    sending.send("d")
    sending.shutdown()

    expect(caplog, LOST.format(rf"3 {sending.unit} \(http://127.0.0.1:9/v1/\w+: Connection refused\)"))


@both
def test_a_receiver_that_never_answers(sender: Sender, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a flush with a limit nor an exit waits for long."""
    monkeypatch.setattr(outages, "EXIT_PATIENCE", 0.1)
    monkeypatch.setattr(outages, "_LEAST", 0.1)
    said = Outages()
    said.failing("metrics", "they do not arrive either")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sending = sender(f"http://127.0.0.1:{silent.getsockname()[1]}", said)
        with exiting(said, sending):
            sending.send("a")

    expect(caplog, BEGINS.format("they do not arrive either"), LOST.format(rf"1 {sending.unit[:-1]}, the newest metrics .*"))


@both
def test_what_there_is_no_room_for_is_counted(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """The oldest goes; the application is never waited for."""
    receiver, said = Receiver(Reply(503)), Outages()
    with Loopback(receiver) as server:
        sending = sender(server.url, said, Limits(delay=60, count=3, batch=3))
        with exiting(said, sending):
            sending.send("a")
            assert not sending.flush()
            for text in "bcdef":
                sending.send(text)
            assert sending.flush()

    assert receiver.texts == {"d": 1, "e": 1, "f": 1}
    expect(caplog, BEGINS.format(".*HTTP 503 .*"), OVER.format(f"3 {sending.unit}"))


@both
def test_requests_that_are_too_large(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """They are sent in smaller ones, until they are taken; what is dropped is nothing."""
    receiver, said = Receiver(limit=1_000_000), Outages()
    with Loopback(receiver) as server:
        sending = sender(server.url, said, Limits(delay=60))
        with exiting(said, sending):
            for number in range(28):
                sending.send(f"{number}" + "x" * 100_000)

    assert sorted(receiver.texts.values()) == [1] * 28
    assert max(receiver.sizes) > 2_000_000
    expect(caplog)


@both
def test_requests_that_do_not_get_through_in_time(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent again in smaller ones."""
    monkeypatch.setattr(delivery, "_PAUSE_AT_EXIT", 0.01)
    receiver, said = Receiver(Reply(504)), Outages()
    refused = delivery.routes.Refusal("no answer in time", may_pass=True, is_too_large=True)
    answers = iter([refused])
    monkeypatch.setattr(delivery.routes, "refusal", lambda: next(answers, None))
    with Loopback(receiver) as server:
        sending = sender(server.url, said, Limits(delay=60))
        with exiting(said, sending):
            for number in range(20):
                sending.send(f"{number}" + "x" * 100_000)

    assert sorted(receiver.texts.values()) == [1] * 20
    assert receiver.sizes[0] > 1_900_000 > 1_100_000 > max(receiver.sizes[1:])


def test_nothing_unsampled_is_sent() -> None:
    """As with OpenTelemetry's own processor."""
    receiver = Receiver()
    with Loopback(receiver) as server:
        provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
        provider.add_span_processor(SpanDelivery(OTLPSpanExporter(f"{server.url}/v1/traces"), Outages(), QUICK))
        provider.get_tracer("t").start_span("a").end()
        provider.shutdown()

    assert receiver.sizes == []


class Own(SpanExporter):
    """An exporter of somebody's own, which fails as it is told to."""

    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self._results = list(results)
        self.sent = list[str]()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Fails, or sends."""
        result = self._results.pop(0) if self._results else SpanExportResult.SUCCESS
        if isinstance(result, Exception):
            raise result
        if result is SpanExportResult.SUCCESS:
            self.sent += [span.name for span in spans]
        return result


@pytest.mark.parametrize(
    ("result", "is_slow", "arrives"),
    [(SpanExportResult.FAILURE, True, True), (SpanExportResult.FAILURE, False, False), (OSError("no disk"), True, False)],
)
def test_other_exporters(
    result: Any, is_slow: bool, arrives: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not say whether another attempt is worth it: what they have given up after a while is kept, the rest is counted."""
    if is_slow:
        monkeypatch.setattr(delivery, "_AT_ONCE", 0.0)
    exporter, said = Own(result), Outages()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanDelivery(exporter, said, Limits(delay=60)))
    provider.get_tracer("t").start_span("a").end()
    assert provider.force_flush() is not arrives
    provider.get_tracer("t").start_span("b").end()
    provider.shutdown()

    assert exporter.sent == (["a", "b"] if arrives else ["b"])
    expect(caplog, BEGINS.format(".*"), OVER.format("nothing" if arrives else "1 span"))


def test_metrics(caplog: pytest.LogCaptureFixture) -> None:
    """What is not taken of them is in the next export; nobody waits, and the log has two lines."""
    said = Outages()
    with Loopback([Reply(503), Reply(503), Reply(), Reply()]) as server:
        exporter = OTLPMetricExporter(f"{server.url}/v1/metrics", session=MetricRoute(said))
        provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], shutdown_on_exit=False)
        counter = provider.get_meter("t").create_counter("calls")
        for _ in range(3):
            counter.add(1)
            provider.force_flush()
        provider.shutdown()
        said.close()

    taken = ExportMetricsServiceRequest.FromString(server.requests[2].body)
    assert [point["value"] for point in decode_metrics(taken)] == [3]
    expect(caplog, BEGINS.format(".*/v1/metrics: HTTP 503 .*"), OVER.format("nothing"))


@pytest.mark.parametrize(
    ("variables", "limits"),
    [
        ({}, Limits(delay=1.0, batch=512, count=2048)),
        ({"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BSP_MAX_QUEUE_SIZE": "100"}, Limits(delay=0.05, batch=100, count=100)),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16", "OTEL_BSP_MAX_QUEUE_SIZE": " "}, Limits(delay=1.0, batch=16, count=2048)),
    ],
)
def test_limits_of_the_environment(variables: dict[str, str], limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of OpenTelemetry's processors."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Limits.from_environment("OTEL_BSP") == limits


def test_limits_that_are_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """They are said, and replaced."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    caplog.set_level(logging.WARNING)

    assert Limits.from_environment("OTEL_BSP").count == 2048
    expect(caplog, "OTEL_BSP_MAX_QUEUE_SIZE=-1 is no positive number: it is 2048")


def test_no_secret_in_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a password nor a query of an address is in a reason."""
    monkeypatch.setattr(outages, "EXIT_PATIENCE", 0.1)
    said = Outages()
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter("http://me:secret@127.0.0.1:9/v1/traces?key=secret", session=Route())
    provider.add_span_processor(SpanDelivery(exporter, said, Limits(delay=60)))
    provider.get_tracer("t").start_span("a").end()
    assert not provider.force_flush()
    provider.shutdown()  # else it would try again while other tests run

    expect(caplog, BEGINS.format("http://127.0.0.1:9/v1/traces: Connection refused"))


FORKS = """
    import os
    from opentelemetry import trace
    tracer = trace.get_tracer("t")
    tracer.start_span("before").end()
    child = os.fork()
    tracer.start_span("child" if child == 0 else "parent").end()
    if child == 0:
        trace.get_tracer_provider().force_flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_after_a_fork() -> None:
    """Each process sends its own spans, and what waited is sent by the parent alone."""
    with Collector() as collector:
        result = launch(
            textwrap.dedent(FORKS).replace("import os", "import os, warnings; warnings.simplefilter('ignore')"), collector
        )

    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(span["name"] for span in collector.spans()) == ["before", "child", "parent"]


SHARED = """
    import os, warnings
    from opentelemetry import trace
    warnings.simplefilter("ignore")
    tracer = trace.get_tracer("t")
    for name in ("before", "parent"):
        tracer.start_span(name).end()
        trace.get_tracer_provider().force_flush()
        if name == "before" and not (child := os.fork()):
            tracer.start_span("child").end()
            trace.get_tracer_provider().force_flush()
            os._exit(0)
        os.waitpid(child, 0) if name == "before" else None
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_a_connection_of_its_own() -> None:
    """It does not write into its parent's."""
    receiver, connections = Receiver(), list[int]()

    def answer(request: Request) -> Reply:
        connections.append(server.connections)
        return receiver(request)

    with Collector() as collector, Loopback(answer) as server:
        result = launch(SHARED, collector, OTEL_EXPORTER_OTLP_ENDPOINT=server.url)

    assert (result.returncode, result.stderr) == (0, "")
    assert receiver.texts == {"before": 1, "child": 1, "parent": 1}
    assert connections[:2] == [1, 2]
