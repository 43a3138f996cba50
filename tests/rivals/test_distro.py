"""All of the vendors' instrumentors installed, under ``opentelemetry-instrument``: real processes, and OTLP as it arrives."""

import logging
import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from streamspan.distro import StreamspanDistro

from collector import Collector, SpanRecord
from loopback import Loopback
from others import USAGE, answer

pytestmark = pytest.mark.filterwarnings("ignore")  # they warn of what they import

PROGRAM = """
import os, sys
sys.path.insert(0, {tests!r})
from importlib import import_module
import others
url = os.environ["PROVIDER"]
for call in (others.call_openai, others.call_anthropic, others.call_google, others.call_bedrock):
    for streamed in (False, True):
        print(call(url, streamed=streamed), end=" ")
import_module("boto3").client("dynamodb", endpoint_url=url).list_tables()
"""
MODELS = ("gpt-4o", "claude-haiku-4-5", "gemini-2.5-flash", "amazon.nova-lite-v1:0")
OURS = sorted(f"{'generate_content' if 'gemini' in model else 'chat'} {model}" for model in MODELS for _ in range(2))


def run(**env: str) -> tuple[str, str, list[SpanRecord]]:
    """Runs the program; what it printed, what was logged, and the spans that arrived."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST", "PYTHONWARN"))}
    with Loopback(answer) as server, Collector() as collector:
        environment = {
            **inherited,
            "PROVIDER": server.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "TRACELOOP_TELEMETRY": "false",
            **env,
        }
        launch = str(Path(sys.executable).with_name("opentelemetry-instrument"))
        program = PROGRAM.format(tests=str(Path(__file__).parent.parent))
        command = [launch, sys.executable, "-W", "ignore", "-c", program]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=55, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout, result.stderr, collector.spans()


def carrying_usage(spans: list[SpanRecord]) -> list[SpanRecord]:
    return [span for span in spans if not set(USAGE).isdisjoint(span["attributes"])]


def test_under_our_distro() -> None:
    """Each call has one span that carries usage and cost, ours; the other calls to Amazon keep contrib's, and nobody warns."""
    said, logged, spans = run()

    assert said == "Hello " * 8
    assert "observes the same model calls" not in logged
    carriers = carrying_usage(spans)
    assert sorted(span["name"] for span in carriers) == OURS
    assert {span["scope"] for span in carriers} == {"streamspan"}
    assert all("streamspan.cost.total" in span["attributes"] for span in carriers)
    assert [span["name"] for span in spans if span not in carriers] == ["DynamoDB.ListTables"]


def test_another_in_our_place() -> None:
    """With our instrumentors of two SDKs switched off the others' are loaded, Amazon's among them; the rest stays ours."""
    said, logged, spans = run(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="streamspan-openai, streamspan-bedrock")

    assert said == "Hello " * 8
    assert "observes the same model calls" not in logged
    ours = [span for span in spans if span["scope"] == "streamspan"]
    assert sorted(span["name"] for span in ours) == [name for name in OURS if "claude" in name or "gemini" in name]
    scopes = {span["scope"] for span in carrying_usage(spans)}
    assert {"opentelemetry.instrumentation.genai.openai", "openinference.instrumentation.bedrock"} <= scopes


def test_under_another_distro() -> None:
    """Each rival is said once, though each SDK is called twice; every call is observed by us, and the program runs as ever."""
    said, logged, spans = run(OTEL_PYTHON_DISTRO="distro", OTEL_PYTHON_CONFIGURATOR="configurator")

    assert said == "Hello " * 8
    warned = [line.partition(" ")[0] for line in logged.splitlines() if "observes the same model calls" in line]
    assert sorted(warned) == sorted(set(warned))
    assert {
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.instrumentation.openai",
        "openinference.instrumentation.openai",
        "openinference.instrumentation.anthropic",
        "opentelemetry.instrumentation.google_generativeai",
        "opentelemetry.instrumentation.botocore",
        "openinference.instrumentation.bedrock",
    } <= set(warned)
    assert len([span for span in spans if span["attributes"].get("streamspan.outcome") == "completed"]) == 8


def test_what_is_left_out(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so for each instrumentor that our distro leaves out: all that are installed, of these SDKs, and no other."""
    loaded: list[EntryPoint] = []

    def load(_: object, point: EntryPoint, **__: object) -> None:
        loaded.append(point)

    def silence(*_: object) -> None:
        """Nothing is loaded here."""

    monkeypatch.setattr("streamspan.distro.BaseDistro.load_instrumentor", load)
    monkeypatch.setattr("streamspan.rivals.silence_botocore", silence)
    caplog.set_level(logging.INFO, "streamspan")
    points = [point for point in entry_points(group="opentelemetry_instrumentor") if not point.value.startswith("streamspan.")]
    for point in points:
        StreamspanDistro().load_instrumentor(point)

    assert sorted(point.module for point in loaded) == [
        "opentelemetry.instrumentation.botocore",
        "opentelemetry.instrumentation.botocore",
        "opentelemetry.instrumentation.genai.langchain",
        "opentelemetry.instrumentation.threading",
    ]
    assert sorted(line.split(" ")[1] for line in caplog.messages) == sorted(
        f"({point.value})" for point in points if point not in loaded
    )
    assert len(caplog.messages) >= 11
