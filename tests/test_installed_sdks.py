"""With all SDKs or with only one of them installed: what is there is observed, what is not is no error.

The environments ``only-...`` of tox.toml run this file; nothing in it imports an SDK at the top.
"""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import streamspan

from collector import Collector
from eventstream import EVENT_STREAM, converse_events
from loopback import Loopback, Reply, Request, anthropic_events, google_chunks, openai_chunks

DOORS = {
    "openai": streamspan.OpenAIInstrumentor,
    "anthropic": streamspan.AnthropicInstrumentor,
    "google-genai": streamspan.GoogleGenAIInstrumentor,
    "boto3": streamspan.BedrockInstrumentor,
}
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "google-genai": "gcp.gemini", "boto3": "aws.bedrock"}


def is_installed(name: str) -> bool:
    """Whether there is a distribution of that name."""
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


INSTALLED = {name for name in DOORS if is_installed(name)}

# A plain application: it knows nothing of streamspan, and takes its keys and addresses from the environment.
ASK = {
    "openai": """
import openai
with openai.OpenAI() as client:
    for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True):
        pass
""",
    "anthropic": """
import anthropic
with anthropic.Anthropic() as client:
    for event in client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=True):
        pass
""",
    "google-genai": """
from google import genai
with genai.Client() as client:
    for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi"):
        pass
""",
    "boto3": """
import boto3
client = boto3.client("bedrock-runtime")
for event in client.converse_stream(modelId="amazon.nova-micro-v1:0", messages=[])["stream"]:
    pass
client.close()
""",
}
APPLICATION = "".join(ASK[name] for name in sorted(INSTALLED))


def answer(request: Request) -> Reply:
    """A short stream in the wire format that was asked for."""
    if "converse-stream" in request.path:
        return Reply(headers=EVENT_STREAM, body=converse_events(["Hi"]))
    if "GenerateContent" in request.path:
        return Reply(body=google_chunks(["Hi"]))
    return Reply(body=openai_chunks(["Hi"]) if "completions" in request.path else anthropic_events(["Hi"]))


def run(*command: str, endpoint: str, provider: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that exports to ``endpoint`` and asks the models at ``provider``."""
    environment = {
        **os.environ,
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{provider}/v1",
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": provider,
        "GEMINI_API_KEY": "none",
        "GOOGLE_GEMINI_BASE_URL": provider,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_PYTHON_DISTRO": "streamspan",  # OpenTelemetry's own is installed too, for a test of its own
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "PYTHONWARNINGS": "ignore:estimating tokens",  # of the stream that is answered without usage
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)


def test_opentelemetry_instrument_observes_every_sdk_that_is_installed() -> None:
    """The launcher runs the application without a word of complaint, and each SDK that is there gives its span."""
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    with Collector() as collector, Loopback(answer) as provider:
        ran = run(launcher, sys.executable, "-c", APPLICATION, endpoint=collector.endpoint, provider=provider.url)
        spans = collector.spans()
    complaints = [line for line in ran.stderr.splitlines() if not line.startswith("Configuration of configurator not loaded")]
    assert (ran.returncode, ran.stdout, complaints) == (0, "", [])
    assert {span["attributes"]["gen_ai.provider.name"] for span in spans} == {PROVIDERS[name] for name in INSTALLED}
    assert {span["attributes"]["streamspan.outcome"] for span in spans} == {"completed"}


def test_instrument_does_not_import_an_sdk() -> None:
    """Observing costs no import: an SDK is patched when the application imports it."""
    program = "import sys, streamspan; streamspan.instrument(); print({'openai', 'anthropic', 'google.genai', 'botocore'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


@pytest.mark.parametrize("name", DOORS)
def test_an_instrumentor_is_on_exactly_where_its_sdk_is_installed(name: str) -> None:
    """An instrumentor of a missing SDK says so in the log and stays off; it does not raise."""
    instrumentor = DOORS[name]()
    instrumentor.instrument()
    assert instrumentor.is_instrumented_by_opentelemetry == (name in INSTALLED)
    if name in INSTALLED:
        instrumentor.uninstrument()
