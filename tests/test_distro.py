"""``opentelemetry-instrument`` in front of a program: real processes, and OTLP as it arrives at a receiver."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from streamspan.distro import StreamspanDistro

from collector import Collector, SpanRecord
from grpc_collector import over_grpc
from loopback import Loopback, Reply, anthropic_events, openai_chunks

OTHER_CONFIGURATOR = re.compile(r"Configuration of \w+ not loaded.*\n")
"""What OpenTelemetry says where a second distribution is installed, as it is here for a test of its own."""

OPENAI_PROGRAM = """
    import openai
    client = openai.OpenAI()
    for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}], stream=True):
        print(chunk.choices[0].delta.content or "", end="")
"""
BOTH_PROGRAM = (
    OPENAI_PROGRAM
    + """
    import anthropic
    with anthropic.Anthropic().messages.stream(
        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        for text in stream.text_stream:
            print(text, end="")
"""
)


def provider(says: Sequence[str]) -> Loopback:
    """Both providers at one address; what OpenAI's says is given."""
    bodies = {"/v1/chat/completions": openai_chunks(says), "/v1/messages": anthropic_events(["Bon", "jour"])}
    return Loopback(lambda request: Reply(body=bodies[request.path]))


@contextmanager
def receiver(collector: Collector, protocol: str) -> Generator[str]:
    """The endpoint of the collector for OTLP over HTTP or gRPC."""
    if protocol == "grpc":
        with over_grpc(collector) as endpoint:
            yield endpoint
    else:
        yield collector.endpoint


def run(
    program: str, *, instrumented: bool = True, says: Sequence[str] = ("Hel", "lo"), protocol: str | None = None, **env: str
) -> Any:
    """Runs a program under ``opentelemetry-instrument`` against a provider; its result, and the spans that arrived."""
    with Collector() as collector:
        return launch(program, collector, instrumented=instrumented, says=says, protocol=protocol, **env), collector.spans()


def launch(
    program: str,
    collector: Collector,
    *,
    instrumented: bool = True,
    says: Sequence[str] = ("Hel", "lo"),
    protocol: str | None = None,
    **env: str,
) -> Any:
    """Runs a program that sends its telemetry to this receiver; its result."""
    launcher = [str(Path(sys.executable).with_name("opentelemetry-instrument"))] if instrumented else []
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "STREAMSPAN_CAPTURE", "PYTEST"))
    }
    inherited.pop("ANTHROPIC_OPEN_TELEMETRY", None)
    if protocol:
        env["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    with provider(says) as server, receiver(collector, protocol or "http/protobuf") as endpoint:
        environment = {
            **inherited,
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENAI_API_KEY": "sk-secretsecret",
            "ANTHROPIC_BASE_URL": server.url,
            "ANTHROPIC_API_KEY": "sk-secretsecret",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **env,
        }
        ignored = ("-W", "ignore::ResourceWarning", "-W", "ignore:estimating tokens")
        command = [*launcher, sys.executable, "-W", "error", *ignored, "-c", textwrap.dedent(program)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
        result.stderr = OTHER_CONFIGURATOR.sub("", result.stderr)
        return result


def facts(spans: list[SpanRecord]) -> list[tuple[str, str, str]]:
    """Name, outcome and preview of each span."""
    return sorted(
        (span["name"], span["attributes"]["streamspan.outcome"], span["attributes"].get("streamspan.preview", ""))
        for span in spans
    )


def test_program_under_our_distro() -> None:
    """Without a line of configuration both SDKs' calls arrive over OTLP/HTTP, once each, and the program prints what it prints."""
    result, spans = run(BOTH_PROGRAM)

    assert result.stdout == "HelloBonjour"
    assert result.stderr == ""
    assert facts(spans) == [("chat claude-haiku-4-5", "completed", "Bonjour"), ("chat gpt-4o-mini", "completed", "Hello")]
    resource = spans[0]["resource"]
    assert resource["service.name"] == "shop"
    assert resource["telemetry.distro.name"] == "streamspan"
    assert {span["scope"] for span in spans} == {"streamspan"}
    assert "secretsecret" not in str(spans)


def test_environment_variables_are_settings() -> None:
    """``STREAMSPAN_...`` reaches the instrumentors; a wrong one is a line in the log and nothing else."""
    result, spans = run(OPENAI_PROGRAM, STREAMSPAN_CAPTURE_STREAM_CHUNKS="true", STREAMSPAN_STREAM_PREVIEW_CHARS="-1")

    assert result.returncode == 0
    assert facts(spans) == [("chat gpt-4o-mini", "completed", "Hello")]
    assert [event["attributes"].get("text") for event in spans[0]["events"]] == [None, "Hel", "lo", None]
    assert result.stderr.count("STREAMSPAN_STREAM_PREVIEW_CHARS") == 1
    assert "Traceback" not in result.stderr


def test_shared_capture_variable() -> None:
    """The variable that all GenAI instrumentations share switches content off."""
    result, spans = run(OPENAI_PROGRAM, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="false")

    assert result.returncode == 0
    assert facts(spans) == [("chat gpt-4o-mini", "completed", "")]
    assert "Hello" not in str(spans)


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "streamspan-openai")]
)
def test_switched_off(variable: str, value: str) -> None:
    """OpenTelemetry's own switches switch us off; the program runs as ever."""
    result, spans = run(OPENAI_PROGRAM, instrumented=True, **{variable: value})

    assert result.stdout == "Hello"
    assert spans == []


def test_sdk_disabled_by_sampler() -> None:
    """Under ``always_off`` nothing is sent and nothing is said."""
    result, spans = run(OPENAI_PROGRAM, OTEL_TRACES_SAMPLER="always_off")

    assert (result.stdout, result.stderr, spans) == ("Hello", "", [])


def test_without_our_distro() -> None:
    """With another distro (here OpenTelemetry's own) our instrumentors do the same work, and Anthropic's own spans stay out."""
    pytest.importorskip("opentelemetry.distro")
    result, spans = run(
        BOTH_PROGRAM,
        OTEL_PYTHON_DISTRO="distro",
        OTEL_PYTHON_CONFIGURATOR="configurator",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )

    assert result.stdout == "HelloBonjour"
    assert facts(spans) == [("chat claude-haiku-4-5", "completed", "Bonjour"), ("chat gpt-4o-mini", "completed", "Hello")]
    assert "telemetry.distro.name" not in spans[0]["resource"]


def test_programmatic_use() -> None:
    """A program that sets up its own pipeline and calls ``streamspan.instrument()`` before it imports an SDK."""
    program = (
        """
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    import streamspan
    streamspan.instrument()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    """
        + BOTH_PROGRAM
    )
    result, spans = run(program, instrumented=False)

    assert (result.stdout, result.stderr) == ("HelloBonjour", "")
    assert facts(spans) == [("chat claude-haiku-4-5", "completed", "Bonjour"), ("chat gpt-4o-mini", "completed", "Hello")]


LONG_ANSWER = "".join(f"Line {number} of a long answer.\n" for number in range(7000))  # 200 KB

MANY_LONG_ANSWERS = """
    import openai, sys
    from concurrent.futures import ThreadPoolExecutor
    client = openai.OpenAI()
    def ask(number):
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": str(number)}], stream=True)
        return sum(len(chunk.choices[0].delta.content or "") for chunk in stream)
    with ThreadPoolExecutor(4) as pool:
        print(set(pool.map(ask, range(COUNT))))
"""


@pytest.mark.parametrize(("protocol", "count"), [("http/protobuf", 512), ("grpc", 64)])
def test_many_long_answers(protocol: str, count: int) -> None:
    """Answers of 200 KB that are still unsent when the program ends all arrive, whole, at a receiver with the usual limits."""
    program = MANY_LONG_ANSWERS.replace("COUNT", str(count))
    result, spans = run(program, says=[LONG_ANSWER], protocol=protocol, OTEL_BSP_SCHEDULE_DELAY="60000")

    assert (result.stdout, result.stderr) == (f"{{{len(LONG_ANSWER)}}}\n", "")
    assert len({span["span_id"] for span in spans}) == len(spans) == count
    questions = {json.loads(span["attributes"]["gen_ai.input.messages"])[0]["parts"][0]["content"] for span in spans}
    assert questions == set(map(str, range(count)))
    answers = {span["attributes"]["gen_ai.output.messages"] for span in spans}
    assert [json.loads(answer)[0]["parts"] for answer in answers] == [[{"type": "text", "content": LONG_ANSWER}]]
    assert {span["attributes"].get("streamspan.content.truncated") for span in spans} == {None}


@pytest.mark.parametrize(("limit", "most"), [({}, 1002), ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "200"}, 200)])
def test_one_event_per_chunk(limit: dict[str, str], most: int) -> None:
    """With chunk capture on, the distribution makes room for the events of a long stream, unless the user says how many."""
    says = [f"{number} " for number in range(1000)]
    env: dict[str, Any] = {"STREAMSPAN_CAPTURE_STREAM_CHUNKS": "true", **limit}
    result, (span,) = run(OPENAI_PROGRAM, says=says, **env)

    assert (result.stdout, result.stderr) == ("".join(says), "")
    chunks = [event for event in span["events"] if event["name"] == "streamspan.chunk"]
    assert "".join(event["attributes"].get("text", "") for event in chunks) == "".join(says)
    assert span["attributes"]["streamspan.chunks"] == 1002
    assert len(chunks) == 1002 if most == 1002 else 100 < len(chunks) <= most


@pytest.mark.parametrize("missing", ["openai", "anthropic"])
def test_with_an_sdk_missing(missing: str) -> None:
    """Where one of the SDKs is not installed, the other is observed and nobody complains."""
    hide = f"""
    import sys
    class Hide:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == {missing!r}:
                raise ModuleNotFoundError(name)
    sys.meta_path.insert(0, Hide())
    """
    program = {
        "anthropic": OPENAI_PROGRAM,
        "openai": BOTH_PROGRAM.replace(textwrap.dedent(OPENAI_PROGRAM), "").removeprefix(OPENAI_PROGRAM),
    }[missing]
    result, spans = run(hide + program)

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert len(spans) == 1


def test_streams_open_at_exit() -> None:
    """Streams that are open when the interpreter exits end as abandoned, with what they had said, before the exporter goes."""
    program = """
    import openai, anthropic
    stream = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
    next(stream), next(stream)
    other = anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=True)
    next(other), next(other), next(other)
    raw = openai.OpenAI().chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=[], stream=True)
    """
    bare, _ = run(program, instrumented=False)
    result, spans = run(program)

    # CPython 3.13.0 crashes here by itself: it closes a generator's socket while it finalizes.
    assert (result.returncode, result.stderr) == (bare.returncode, bare.stderr)
    assert facts(spans) == [
        ("chat claude-haiku-4-5", "abandoned", "Bon"),
        ("chat gpt-4o-mini", "abandoned", ""),
        ("chat gpt-4o-mini", "abandoned", "Hel"),
    ]


def test_program_that_dies_of_an_exception() -> None:
    """The application's own traceback and exit code are its own; the stream it left is on its span."""
    program = """
    import openai
    stream = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            raise LookupError("mine")
    """
    bare, _ = run(program, instrumented=False)
    result, spans = run(program)

    assert (result.returncode, result.stderr) == (bare.returncode, bare.stderr)
    assert result.stderr.endswith("LookupError: mine\n")
    assert facts(spans) == [("chat gpt-4o-mini", "abandoned", "Hel")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_with_an_open_stream() -> None:
    """A forked child neither ends the parent's stream nor sends its span again; its own calls are seen."""
    program = """
    import os, warnings, openai
    warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads: the exporter has one
    client = openai.OpenAI()
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
    next(stream), next(stream)
    if (child := os.fork()) == 0:
        del stream
        list(openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
        raise SystemExit
    os.waitpid(child, 0)
    list(stream)
    """
    result, spans = run(program)

    assert (result.returncode, result.stderr) == (0, "")
    assert facts(spans) == [("chat gpt-4o-mini", "completed", "Hello")] * 2
    assert len({span["span_id"] for span in spans}) == 2


def test_metrics_at_exit() -> None:
    """Under our distro each call is counted by the time the process exits, in a forked child too; a whole call needs no thread first."""
    program = """
    import os, warnings, openai
    warnings.simplefilter("ignore", DeprecationWarning)
    client = openai.OpenAI()
    if (child := os.fork()) == 0:
        list(openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
        raise SystemExit
    os.waitpid(child, 0)
    for _ in range(2):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
    """
    with Collector(takes_metrics=True) as collector:
        result = launch(program, collector, OTEL_METRICS_EXPORTER="otlp", OTEL_TRACES_SAMPLER="always_off")

    assert (result.returncode, result.stderr, collector.spans()) == (0, "", [])
    counted = [[p["value"] for p in export if p["metric"] == "streamspan.client.outcomes"] for export in collector.metrics()]
    assert sorted(counted) == [[1], [2]]


def test_backend_without_metrics() -> None:
    """A backend that answers metrics with 404 is asked once, and one line in the log says so; spans arrive all the same."""
    with Collector() as collector:
        result = launch(
            OPENAI_PROGRAM + "\n    import time; time.sleep(0.5)",
            collector,
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_METRIC_EXPORT_INTERVAL="50",
        )

    assert collector.refused == ["/v1/metrics"]
    assert result.stderr.count("\n") == result.stderr.count("takes no metrics (HTTP 404)") == 1
    assert len(collector.spans()) == 1


def test_sdks_are_imported_by_the_program_only() -> None:
    """Instrumenting imports no SDK, and no price table."""
    program = """
    import sys
    print(sorted({name.partition(".")[0] for name in sys.modules} & {"openai", "anthropic", "genai_prices", "pydantic", "rich", "starlette"}))
    """
    result, _ = run(program)

    assert result.stdout == "[]\n"


def test_entry_points() -> None:
    """One distro, one configurator, one module of variables, and instrumentors under names that no other vendor has."""
    ours = {
        group: {point.name: point.load().__name__ for point in entry_points(group=group) if point.value.startswith("streamspan.")}
        for group in (
            "opentelemetry_distro",
            "opentelemetry_configurator",
            "opentelemetry_instrumentor",
            "opentelemetry_environment_variables",
        )
    }

    assert ours == {
        "opentelemetry_distro": {"streamspan": "StreamspanDistro"},
        "opentelemetry_configurator": {"streamspan": "StreamspanConfigurator"},
        "opentelemetry_instrumentor": {
            "streamspan-openai": "OpenAIInstrumentor",
            "streamspan-anthropic": "AnthropicInstrumentor",
            "streamspan-google-genai": "GoogleGenAIInstrumentor",
            "streamspan-bedrock": "BedrockInstrumentor",
        },
        "opentelemetry_environment_variables": {"streamspan": "streamspan.environment_variables"},
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("opentelemetry.instrumentation.openai:OpenAIInstrumentor", True),
        ("opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor", True),
        ("opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor", True),
        ("openinference.instrumentation.openai:OpenAIInstrumentor", True),
        ("openlit.instrumentation.openai:OpenAIInstrumentor", True),
        ("opentelemetry.instrumentation.anthropic:AnthropicInstrumentor", True),
        ("opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor", True),
        ("opentelemetry.instrumentation.google_generativeai:GoogleGenerativeAiInstrumentor", True),
        ("opentelemetry.instrumentation.bedrock:BedrockInstrumentor", True),
        ("openinference.instrumentation.langchain:LangChainInstrumentor", True),  # its spans cannot be shared
        ("opentelemetry.instrumentation.genai.langchain:LangChainInstrumentor", False),
        ("streamspan.instrumentor:OpenAIInstrumentor", False),
        ("opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor", False),
        ("opentelemetry.instrumentation.vertexai:VertexAIInstrumentor", False),
        ("opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor", False),
        ("opentelemetry.instrumentation.botocore:BotocoreInstrumentor", False),
        ("openai:Instrumentor", False),
    ],
)
def test_rivals(value: str, expected: bool) -> None:
    """Instrumentors of an SDK that we observe are left out under our distro, whatever their entry points are called; no other is."""
    point = EntryPoint("any", value, "opentelemetry_instrumentor")

    assert StreamspanDistro().is_rival(point) is expected


def test_rival_in_our_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our instrumentor of an SDK is switched off, another vendor's is loaded: the user has chosen it."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask, streamspan-openai")
    monkeypatch.setattr(StreamspanDistro, "_instance", None)
    values = ("opentelemetry.instrumentation.openai:Instrumentor", "opentelemetry.instrumentation.anthropic:Instrumentor")
    points = [EntryPoint("any", value, "opentelemetry_instrumentor") for value in values]

    assert [StreamspanDistro().is_rival(point) for point in points] == [False, True]
