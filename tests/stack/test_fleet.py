"""The fleet of deploy/collector-fleet.yaml on real collectors: one of the first tier, two that sample, and a backend."""

import json
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from stack import programs
from stack.processes import free_ports, read, running

from collector import Collector, SpanRecord

ROOT = Path(__file__).parents[2]
TOKEN = "let-me-in"  # noqa: S105
SECRET = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWx"  # noqa: S105
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"My key is {SECRET}, says me@example.org"}]}])
TRACES = 12
"""Of each kind."""


@dataclass(frozen=True)
class Fleet:
    """Where it is, and what it sends to."""

    backend: Collector
    endpoint: str
    private: str
    """A collector of the first tier that keeps no content."""
    certificate: str
    samplers: list[str]
    """Where they tell of themselves."""

    def exporter(self, endpoint: str) -> dict[str, Any]:
        """The arguments of an exporter of the SDK that may send."""
        return {"endpoint": endpoint, "certificate_file": self.certificate, "headers": {"authorization": f"Bearer {TOKEN}"}}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    """Two collectors of the first tier, as the variant without content is one of its own, and two of the second."""
    folder = tmp_path_factory.mktemp("fleet")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "tls.key")
    issued.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    (folder / "token").write_text(TOKEN)
    with ExitStack() as started, Collector(takes_logs=True) as backend:
        samplers = [_sampler(started, backend, folder / str(number)) for number in range(2)]
        common = {
            "TLS_CERT": str(folder / "tls.crt"),
            "TLS_KEY": str(folder / "tls.key"),
            "OTLP_TOKEN_FILE": str(folder / "token"),
            "SAMPLERS": f"[{', '.join(otlp for otlp, _ in samplers)}]",
            "LOKI_OTLP": backend.endpoint,
            "METRICS_EXPORTER": "nop",
        }
        open_to, private = (_first_tier(started, common, overlays) for overlays in ((), ("deploy/collector-fleet-private.yaml",)))
        yield Fleet(backend, open_to, private, str(folder / "ca.pem"), [metrics for _, metrics in samplers])


def _start(started: ExitStack, files: tuple[str, ...], variables: dict[str, str]) -> dict[str, int]:
    names = ("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "HEALTH_PORT", "TELEMETRY_PORT")
    ports: dict[str, int] = dict(zip(names, free_ports(len(names)), strict=True))
    command = [str(programs.find("collector")), *(f"--config={ROOT / name}" for name in files)]
    environment = {"OTLP_LISTEN_HOST": "127.0.0.1", **{name: str(port) for name, port in ports.items()}, **variables}
    started.enter_context(running(command, environment, f"http://127.0.0.1:{ports['HEALTH_PORT']}"))
    return ports


def _sampler(started: ExitStack, backend: Collector, data: Path) -> tuple[str, str]:
    variables = {
        "TEMPO_OTLP": backend.endpoint,
        "QUEUE_DATA": str(data),
        "DECISION_WAIT": "30s",
        "DECISION_WAIT_AFTER_ROOT": "1s",
        "TEMPO_COMPRESSION": "gzip",
    }
    ports = _start(started, ("deploy/collector-fleet-sampling.yaml",), variables)
    return f"127.0.0.1:{ports['OTLP_GRPC_PORT']}", f"http://127.0.0.1:{ports['TELEMETRY_PORT']}/metrics"


def _first_tier(started: ExitStack, variables: dict[str, str], overlays: tuple[str, ...]) -> str:
    ports = _start(started, ("deploy/collector-fleet.yaml", *overlays), variables)
    return f"https://127.0.0.1:{ports['OTLP_HTTP_PORT']}"


@pytest.fixture(autouse=True)
def only_the_given_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """These would win over OTEL_EXPORTER_OTLP_CERTIFICATE, as requests has it."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


INTERESTING: dict[str, dict[str, Any]] = {
    "failed": {},
    "aborted": {"streamspan.outcome": "aborted"},
    "expensive": {"streamspan.outcome": "completed", "streamspan.cost.total": 0.07},
    "stalled": {"streamspan.outcome": "completed", "streamspan.longest_gap_ms": 12000},
}
DULL = {"streamspan.outcome": "completed", "streamspan.cost.total": 0.0001, "streamspan.longest_gap_ms": 40}


def send(fleet: Fleet, endpoint: str) -> dict[str, set[str]]:
    """Some traces of each kind, with a call and the request around it, which two processes send one after the other; their ids."""
    ids: dict[str, set[str]] = {}
    inner, outer = (TracerProvider(shutdown_on_exit=False) for _ in range(2))
    for provider in (inner, outer):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**fleet.exporter(f"{endpoint}/v1/traces"))))
    for kind, attributes in [*INTERESTING.items(), ("dull", DULL)]:
        for _ in range(TRACES):
            with outer.get_tracer("web").start_as_current_span("POST /chat") as root:
                call = inner.get_tracer("calls").start_span("chat", kind=SpanKind.CLIENT, attributes=attributes)
                call.set_attributes({"gen_ai.input.messages": MESSAGES, "user.id": "ada"})
                call.add_event("streamspan.chunk", {"text": f"{SECRET} is it", "index": 0})
                if kind == "failed":
                    call.set_status(StatusCode.ERROR)
                call.end()
                ids.setdefault(kind, set()).add(f"{root.get_span_context().trace_id:032x}")
    inner.shutdown()
    outer.shutdown()
    return ids


def arrived(fleet: Fleet, ids: dict[str, set[str]]) -> list[SpanRecord]:
    """What the backend has of these traces once all that must be kept is there."""
    wanted = set[str]().union(*ids.values())
    count = len(fleet.backend.spans())
    while True:
        spans = [span for span in fleet.backend.spans() if span["trace_id"] in wanted]
        if len(spans) >= 2 * TRACES * len(INTERESTING):
            return spans
        count = len(fleet.backend.wait_for(count + 1, timeout=30))


def test_what_is_worth_keeping_is_kept_whole(fleet: Fleet) -> None:
    """Each trace with a call that matters arrives with both of its spans, though two collectors decide; of the others hardly any."""
    ids = send(fleet, fleet.endpoint)
    names: dict[str, list[str]] = {}
    for span in arrived(fleet, ids):
        names.setdefault(span["trace_id"], []).append(span["name"])
    for kind in INTERESTING:
        assert {tuple(sorted(names.get(kept, []))) for kept in ids[kind]} == {("POST /chat", "chat")}
    assert len(ids["dull"] & names.keys()) <= TRACES // 2, "one in a hundred is kept by chance"
    shares = [
        sum(
            float(line.split()[-1])
            for line in read(url).decode().splitlines()
            if line.startswith("otelcol_receiver_accepted_spans")
        )
        for url in fleet.samplers
    ]
    assert sum(shares) == 2 * TRACES * (len(INTERESTING) + 1)
    assert min(shares) > 0, "each has its share"


def test_secrets_do_not_arrive(fleet: Fleet) -> None:
    """Keys and addresses are masked in attributes, in events, and in the bodies of logs; messages stay JSON."""
    calls = [span for span in arrived(fleet, send(fleet, fleet.endpoint)) if span["name"] == "chat"]
    for call in calls:
        [message] = json.loads(call["attributes"]["gen_ai.input.messages"])
        assert message == {"role": "user", "parts": [{"type": "text", "content": "My key is ****, says ****"}]}
        assert [event["attributes"] for event in call["events"]] == [{"text": "**** is it", "index": 0}]
        assert call["attributes"]["user.id"] == "ada"
    log(fleet, fleet.endpoint, "first")
    event = fleet.backend.wait_for_event(lambda event: event["attributes"].get("which") == "first")
    assert event["body"] == "gpt-4o-mini running | 2.1 s | **** is it"
    assert event["attributes"]["event_name"] == "streamspan.progress"


def log(fleet: Fleet, endpoint: str, which: str) -> None:
    """One progress event."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(**fleet.exporter(f"{endpoint}/v1/logs"))))
    attributes = {"streamspan.state": "running", "streamspan.preview": f"{SECRET} is it", "which": which}
    body = f"gpt-4o-mini running | 2.1 s | {SECRET} is it"
    provider.get_logger("progress").emit(
        LogRecord(
            timestamp=1, severity_number=SeverityNumber.INFO, body=body, event_name="streamspan.progress", attributes=attributes
        )
    )
    provider.shutdown()


def test_nothing_that_was_said_arrives_where_it_must_not(fleet: Fleet) -> None:
    """With the private variant there are no messages, no chunks' texts, no preview and no user's name, and all the rest."""
    calls = [span for span in arrived(fleet, send(fleet, fleet.private)) if span["name"] == "chat"]
    for call in calls:
        assert "gen_ai.input.messages" not in call["attributes"]
        assert len(call["attributes"]["user.id"]) == 64
        assert [event["attributes"] for event in call["events"]] == [{"index": 0}]
    log(fleet, fleet.private, "private")
    event = fleet.backend.wait_for_event(lambda event: event["attributes"].get("which") == "private")
    assert event["body"] == "running"
    assert "streamspan.preview" not in event["attributes"]


def test_who_has_no_token_is_refused(fleet: Fleet) -> None:
    """Without the token, or with another one, the answer is 401."""
    for headers in ({}, {"authorization": "Bearer another"}):
        answer = requests.post(
            f"{fleet.endpoint}/v1/traces",
            data=b"",
            headers=headers | {"content-type": "application/x-protobuf"},
            verify=fleet.certificate,
            timeout=10,
        )
        assert answer.status_code == 401
