"""What becomes of an application and of its telemetry when the collector, what is behind it, or the network fails."""

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stack import programs
from stack.assembly import ROOT
from stack.failing import Application, SlowNetwork, Stage, Writing, wait_until
from stack.processes import Program, free_ports

from collector import Collector, decode
from loopback import Loopback, Reply, Request

BEGINS = "telemetry does not arrive: "
OVER = "telemetry arrives again after "
LOST = "telemetry was dropped: "
NOTHING = "; dropped: nothing"


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Stage]:
    """A provider, and applications."""
    with Stage(tmp_path) as ready:
        yield ready


@pytest.fixture
def collector(tmp_path: Path, took_part: Callable[[str], None]) -> Generator[Writing]:
    """A collector that is not started yet."""
    ready = Writing(tmp_path)
    took_part(f"collector {programs.recipe('collector').version}")
    yield ready
    ready.kill()


def said(application: Application, *parts: str) -> None:
    """The log has a line for each of these, in this order, and nothing else."""
    log = application.log
    assert len(log) == len(parts), log
    assert [part for part, line in zip(parts, log, strict=True) if part not in line] == [], log


def dropped(application: Application, signal: str) -> int:
    """How many of a signal the log says were dropped."""
    return sum(int(count) for line in application.log for count in re.findall(rf"(\d+) {signal.removesuffix('s')}", line))


def once(arrived: Counter[str]) -> int:
    """How many have arrived, if none has twice."""
    assert set(arrived.values()) <= {1}, [ident for ident, count in arrived.items() if count > 1]
    return len(arrived)


def test_collector_that_is_started_later(stage: Stage, collector: Writing) -> None:
    """What ends before the collector is there arrives when it is; the log has a line for the beginning and one for the end."""
    application = stage.application(collector.endpoint)
    application.tell("held")
    application.tell("short", 4)
    wait_until(application.is_heard)
    time.sleep(1.5)  # three intervals of progress events: what says that telemetry does not arrive may have been the short calls
    stage.provider.go_on.set()
    application.hear()
    application.hear()
    collector.start()
    assert once(collector.wait_for_spans(5)) == 5
    application.ask("short", 2)

    assert application.end() == 0
    assert application.output == ["held 1 8", "short 4 100", "short 2 100"]
    assert once(collector.spans()) == 7
    assert once(collector.log_records()) >= 2
    assert collector.calls_counted() == 7
    said(application, BEGINS, OVER)
    assert application.log[1].endswith(NOTHING)


def test_collector_that_is_killed_in_the_middle_of_a_stream(stage: Stage, collector: Writing) -> None:
    """The stream goes on, and its span, those before and those after it have arrived once when the collector is back."""
    collector.start()
    application = stage.application(collector.endpoint)
    application.ask("short", 3)
    application.tell("held")
    assert once(collector.wait_for_spans(3)) == 3
    wait_until(lambda: bool(collector.log_records()))
    collector.kill()
    wait_until(application.is_heard)
    stage.provider.go_on.set()
    application.hear()
    application.ask("short", 20)
    collector.start()
    assert once(collector.wait_for_spans(24)) == 24

    assert application.end() == 0
    assert application.output == ["short 3 100", "held 1 8", "short 20 100"]
    assert once(collector.spans()) == 24
    assert collector.calls_counted() == 24
    said(application, BEGINS, OVER)
    assert application.log[1].endswith(NOTHING)


def without_traces(config: dict[str, Any]) -> None:
    """There is no such route."""
    del config["service"]["pipelines"]["traces"], config["exporters"]["file/traces"]


def with_a_token(config: dict[str, Any]) -> None:
    """Who has it is let in."""
    config["extensions"]["bearertokenauth"] = {"token": "secret"}
    config["service"]["extensions"].append("bearertokenauth")
    config["receivers"]["otlp"]["protocols"]["http"]["auth"] = {"authenticator": "bearertokenauth"}


@pytest.mark.parametrize(
    ("change", "reason"), [(with_a_token, "HTTP 401 Unauthorized"), (without_traces, "HTTP 404 Not Found")], ids=["401", "404"]
)
def test_collector_that_refuses_for_good(stage: Stage, tmp_path: Path, change: Callable[[Any], None], reason: str) -> None:
    """Every span is counted, in one line at the exit; nothing is sent twice that will not be taken."""
    collector = Writing(tmp_path, change)
    collector.start()
    try:
        application = stage.application(collector.endpoint)
        application.ask("short", 3)
        wait_until(application.is_heard)
        application.ask("short", 2)
        assert application.end() == 0
    finally:
        collector.kill()

    assert application.output == ["short 3 100", "short 2 100"]
    said(application, BEGINS, LOST)
    assert reason in application.log[0]
    assert dropped(application, "spans") == 5


def test_requests_that_are_too_large_for_the_collector(stage: Stage, tmp_path: Path) -> None:
    """A collector that takes 1 MB at a time, and says HTTP 400 to more, gets all of it, in smaller requests."""
    collector = Writing(
        tmp_path, lambda config: config["receivers"]["otlp"]["protocols"]["http"].update(max_request_body_size=10**6)
    )
    collector.start()
    try:
        application = stage.application(collector.endpoint, OTEL_BSP_SCHEDULE_DELAY="60000")
        application.ask("large", 25)
        assert application.end() == 0
        assert once(collector.spans()) == 25
    finally:
        collector.kill()

    said(application)


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (429, {"retry-after": "2"}), (400, {})], ids=str)
def test_backend_that_refuses(stage: Stage, tmp_path: Path, status: int, headers: dict[str, str]) -> None:
    """What a collector without a queue passes on is sent again if the backend may take it later, else it is counted."""
    backend = Backend(status, headers)
    with Loopback(backend.answer) as server:
        collector = Writing(tmp_path, lambda config: passing_on(config, server.url))
        collector.start()
        try:
            application = stage.application(collector.endpoint)
            application.ask("short", 3)
            wait_until(application.is_heard)
            backend.is_well = True
            if status != 400:
                wait_until(lambda: len(backend.spans) >= 3)
            application.ask("short", 2)
            assert application.end() == 0
        finally:
            collector.kill()

    assert len(set(backend.spans)) == len(backend.spans) == 5 - dropped(application, "spans")
    assert (dropped(application, "spans") > 0) is (status == 400)  # how many, depends on how many the first request has
    said(application, BEGINS, OVER)


class Backend:
    """It refuses spans until it is well."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self._refusal = Reply(status, headers)
        self.spans = list[str]()
        """The ids of all that it took."""
        self.is_well = False

    def answer(self, request: Request) -> Reply:
        """To one request."""
        if not self.is_well:
            return self._refusal
        self.spans += [span["span_id"] for span in decode(ExportTraceServiceRequest.FromString(request.body))]
        return Reply(headers={"content-type": "application/x-protobuf"})


def passing_on(config: dict[str, Any], endpoint: str) -> None:
    """Each request is answered as the backend answers."""
    config["exporters"]["otlp_http"] = {
        "endpoint": endpoint,
        "compression": "none",
        "sending_queue": {"enabled": False},
        "retry_on_failure": {"enabled": False},
    }
    config["service"]["pipelines"]["traces"]["exporters"] = ["otlp_http"]


def test_collector_without_memory(stage: Stage, tmp_path: Path) -> None:
    """Our collector-config.yaml refuses while memory is short; once it is not, all arrives in both backends, each span once."""
    with Collector() as jaeger, Collector() as tempo:
        names = ("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "HEALTH_PORT", "TELEMETRY_PORT")
        ports = dict(zip(names, map(str, free_ports(4)), strict=True))
        variables = {**ports, "JAEGER_OTLP": jaeger.endpoint, "TEMPO_OTLP": tempo.endpoint, "LOKI_OTLP": jaeger.endpoint}
        command = [str(programs.find("collector")), f"--config={ROOT / 'collector-config.yaml'}"]
        ready = f"http://127.0.0.1:{ports['HEALTH_PORT']}"
        full = Program(command, variables | {"MEMORY_LIMIT_MIB": "101"}, ready, tmp_path)
        roomy = Program(command, variables, ready, tmp_path)
        try:
            full.start()
            application = stage.application(f"http://127.0.0.1:{ports['OTLP_HTTP_PORT']}")
            application.ask("short", 6)
            wait_until(application.is_heard)
            application.ask("short", 4)
            full.stop()
            roomy.start()
            jaeger.wait_for(10, 60)
            tempo.wait_for(10, 60)
            assert application.end() == 0
        finally:
            full.kill()
            roomy.kill()
        arrived = [Counter(span["span_id"] for span in backend.spans()) for backend in (jaeger, tempo)]

    assert [once(spans) for spans in arrived] == [10, 10]
    assert "HTTP 503" in application.log[0]
    said(application, BEGINS, OVER)
    assert application.log[1].endswith(NOTHING)


def test_network_that_is_slower_than_the_load(stage: Stage, collector: Writing) -> None:
    """What the network cannot carry is counted, the rest arrives once; requests become small enough to get through in time."""
    collector.start()
    with SlowNetwork(collector.port, 600_000) as network:
        application = stage.application(network.endpoint, OTEL_BSP_MAX_QUEUE_SIZE="25", OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2")
        application.ask("large", 60)
        wait_until(lambda: any(OVER in line for line in application.log))
        assert application.end() == 0

    assert application.output == ["large 60 100000"]
    assert once(collector.spans()) == 60 - dropped(application, "spans")
    assert 25 <= once(collector.spans()) < 60
    said(application, BEGINS, OVER)


MANY = 2000


@pytest.mark.timeout(180)
def test_much_content(stage: Stage, collector: Writing, measured: Callable[[str], None]) -> None:
    """2,000 spans of 100 KB in one burst arrive, each once and whole."""
    collector.start()
    application = stage.application(collector.endpoint)
    application.ask("large", MANY)

    assert application.end() == 0
    assert once(collector.spans()) == MANY
    said(application)
    assert application.facts["peak_mib"] < 500
    measured(f"2,000 spans of 100 KB: peak memory of the application {application.facts['peak_mib']:.0f} MiB")


@pytest.mark.timeout(180)
def test_much_content_without_a_collector(stage: Stage, collector: Writing, measured: Callable[[str], None]) -> None:
    """While the collector is away memory is bounded; the newest arrive when it is there, and the others are counted."""
    application = stage.application(collector.endpoint)
    application.ask("large", MANY)
    collector.start()
    wait_until(lambda: any(OVER in line for line in application.log), 120)

    assert application.end() == 0
    assert once(collector.spans()) == MANY - dropped(application, "spans")
    assert 1000 < once(collector.spans()) < MANY
    said(application, BEGINS, OVER)
    assert application.facts["peak_mib"] < 500
    measured(
        f"2,000 spans of 100 KB without a collector: {once(collector.spans())} kept and sent later, "
        f"{dropped(application, 'spans')} dropped, peak memory of the application {application.facts['peak_mib']:.0f} MiB"
    )


@pytest.mark.timeout(120)
def test_the_application_is_not_delayed(stage: Stage, collector: Writing, measured: Callable[[str], None]) -> None:
    """Beside one with a collector, in turns: the same output, and an exit that is bounded, whatever the collector does."""
    collector.start()
    hanging = socket.create_server(("127.0.0.1", 0))
    endpoints = {
        "with a collector": collector.endpoint,
        "without one": f"http://127.0.0.1:{free_ports(1)[0]}",
        "with one that never answers": f"http://127.0.0.1:{hanging.getsockname()[1]}",
    }
    variables = {"OTEL_EXPORTER_OTLP_TIMEOUT": "3"}  # by default one that never answers is waited for at the exit for 10 seconds
    applications = {name: stage.application(endpoint, **variables) for name, endpoint in endpoints.items()}
    for _ in range(4):
        for application in applications.values():
            application.ask("short", 40)
    codes = {application.end() for application in applications.values()}
    hanging.close()

    assert codes == {0}
    assert {tuple(application.output) for application in applications.values()} == {("short 40 100",) * 4}
    well = applications["with a collector"]
    for name, application in applications.items():
        facts, ratio = application.facts, application.facts["ms_per_chunk"] / well.facts["ms_per_chunk"]
        measured(
            f"An application {name}: {1e3 * facts['ms_per_chunk']:.0f} us per chunk ({ratio:.2f}), slowest {facts['slowest_ms']:.0f} ms, "
            f"exit {application.exit_seconds:.1f} s, {dropped(application, 'spans')} of 160 spans dropped"
        )
        assert application.exit_seconds < 30
    assert dropped(applications["without one"], "spans") == dropped(applications["with one that never answers"], "spans") == 160
    assert once(collector.spans()) == 160
