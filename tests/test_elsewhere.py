"""docs/elsewhere.md: its settings are run as they stand there, with a server on loopback in place of each address."""

import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from elsewhere_page import PAGE, aimed_at, chapters, settings
from loopback import Loopback, Reply, Request

KEYS = {
    "PHOENIX_API_KEY": "px-secret",
    "LANGFUSE_PUBLIC_KEY": "pk-lf-1234567890",
    "LANGFUSE_SECRET_KEY": "sk-lf-secret-that-is-long-enough-for-base64-to-wrap-its-line-somewhere-in-the-middle",
    "GRAFANA_INSTANCE_ID": "123456",
    "GRAFANA_TOKEN": "glc_secret",
    "DD_API_KEY": "dd-secret",
    "HONEYCOMB_API_KEY": "hc-secret",
}
PROGRAM = """
import sys
import streamspan
with streamspan.llm("openai.chat", model="gpt-4o-mini", stream=True) as span:
    span.record_input({"messages": [{"role": "user", "content": "Hi"}]})
    span.record_chunk("Hel")
    sys.stdin.readline()
    span.record_chunk("lo")
    span.end(output="Hello", usage={"input_tokens": 12, "output_tokens": 5})
print("Hello")
"""
"""A stream that goes on when it is told to: a process with no SDK in it, as it is the way out that is tested."""


def basic(user: str, password: str) -> str:
    """The header that carries them."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


GRAFANA = {"authorization": basic(KEYS["GRAFANA_INSTANCE_ID"], KEYS["GRAFANA_TOKEN"])}
DATADOG = {"dd-api-key": "dd-secret"}
HONEYCOMB = {"x-honeycomb-team": "hc-secret"}

EXPECTED: dict[str, dict[str, dict[str, str]]] = {
    "Phoenix": {"/v1/traces": {}},
    "MLflow": {"/v1/traces": {"x-mlflow-experiment-id": "0"}},
    "Langfuse": {
        "/api/public/otel/v1/traces": {
            "authorization": basic(KEYS["LANGFUSE_PUBLIC_KEY"], KEYS["LANGFUSE_SECRET_KEY"]),
            "x-langfuse-ingestion-version": "4",
        }
    },
    "Grafana Cloud": {f"/otlp/v1/{signal}": GRAFANA for signal in ("traces", "logs", "metrics")},
    "Datadog": {
        "/v1/traces": {**DATADOG, "dd-otlp-source": "llmobs"},
        "/v1/logs": DATADOG,
        "/v1/metrics": DATADOG,
    },
    "Honeycomb": {
        "/v1/traces": HONEYCOMB,
        "/v1/logs": HONEYCOMB,
        "/v1/metrics": {**HONEYCOMB, "x-honeycomb-dataset": "llm-metrics"},
    },
}
"""The paths that each backend is sent something to, and the headers that must come along."""


class Ran(NamedTuple):
    """What came of a run: what the program said, what it logged, what the backend was sent."""

    output: str
    log: str
    requests: list[Request]


def run(title: str, status: int = 200) -> Ran:
    """The program under the settings of that chapter, in a shell, with a backend that answers so."""
    go_on = threading.Event()
    if status != 200 or not any(path.endswith("/v1/logs") for path in EXPECTED[title]):
        go_on.set()

    def backend(request: Request) -> Reply:
        if request.path.endswith("/v1/logs"):
            go_on.set()
        return Reply(status)

    with Loopback(backend) as elsewhere:
        script = aimed_at(elsewhere.url, settings()[title]) + 'exec opentelemetry-instrument "$PYTHON" -c "$PROGRAM"\n'
        command = ["sh", "-eu", "-c", script]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            go_on.wait(30)
            output, log = process.communicate("\n", timeout=30)
        assert process.returncode == 0, log
        return Ran(output, log, elsewhere.requests)


def environment() -> Mapping[str, str]:
    """What a user's shell has: keys, and nothing of OpenTelemetry's but which distribution it is."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "NO_PROXY": "127.0.0.1",
        "PYTHON": sys.executable,
        "PROGRAM": PROGRAM,
        "OTEL_PYTHON_DISTRO": "streamspan",
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        **KEYS,
    }


@pytest.mark.parametrize("title", EXPECTED)
def test_settings_send_what_the_backend_takes_and_nothing_else(title: str) -> None:
    """Every path with its headers, as protobuf; no other signal; no key in what is sent or logged; the program is as ever."""
    ran = run(title)
    assert ran.output == "Hello\n"
    assert {request.path for request in ran.requests} == set(EXPECTED[title]), ran.log
    for request in ran.requests:
        expected = {**EXPECTED[title][request.path], "content-type": "application/x-protobuf"}
        assert {name: request.headers.get(name) for name in expected} == expected
        assert b"secret" not in request.body
        if request.path.endswith("/v1/metrics") and title == "Datadog":
            assert temporalities(request.body) == {AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA}
    assert "secret" not in ran.log
    assert "rror" not in ran.log


def test_a_key_that_is_refused_is_not_logged() -> None:
    """Where the backend answers 401, the log says so without the key, and the program gets its answer all the same."""
    ran = run("Langfuse", status=401)
    assert ran.output == "Hello\n"
    assert "401" in ran.log
    [headers] = EXPECTED["Langfuse"].values()
    assert headers["authorization"].removeprefix("Basic ") not in ran.log
    assert "secret" not in ran.log


def test_every_chapter_has_its_settings_tested() -> None:
    """No block of settings is on the page that this file knows nothing of, and the table has a column for each."""
    assert list(settings()) == list(EXPECTED)
    [heading] = [line for line in chapters()["What shows up where"].splitlines() if line.startswith("| | ")]
    assert [cell.strip().removesuffix(" (run)") for cell in heading.strip("|").split("|")[1:]] == list(EXPECTED)


def test_the_page_names_the_versions_that_are_run() -> None:
    """Those that tests/stack installs."""
    stack = Path(__file__).parent / "stack"
    pinned = {
        name: (stack / f"requirements-{name.lower()}.txt").read_text().strip().split("==")[1] for name in ("Phoenix", "MLflow")
    }
    assert all(f"{name} {version}" in PAGE.read_text() for name, version in pinned.items()), pinned


def temporalities(body: bytes) -> set[int]:
    """How the histograms and sums of an export count: since its start, or since the last export."""
    metrics = [
        metric
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return {(metric.histogram if metric.HasField("histogram") else metric.sum).aggregation_temporality for metric in metrics}
