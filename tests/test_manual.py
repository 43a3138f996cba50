"""Spans that a program makes by itself, `streamspan.llm`, as they arrive over OTLP."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import get_current_span

import streamspan
from streamspan import live, wiring

from collector import Collector, LogEvent, SpanRecord
from loopback import Loopback, Reply, openai_usage
from surfaces import AnthropicSurface, OpenAISurface, Surface

MESSAGES = [{"role": "user", "content": "Tell me about Lima."}]
MODEL = "gpt-4.1-mini"


class Told:
    """A collector, and a tracer provider that sends each span there at once."""

    def __init__(self, collector: Collector, settings: dict[str, Any]) -> None:
        self.collector = collector
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.traces_endpoint)))
        self.logs = LoggerProvider(shutdown_on_exit=False)
        self.logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))
        self.settings: dict[str, Any] = {"progress_interval": 0.0, **settings}

    def start(self, *, sdks: bool) -> None:
        """Settings and providers for manual spans, and, if wished, the SDKs observed too."""
        providers: dict[str, Any] = {"tracer_provider": self.provider, "logger_provider": self.logs}
        if sdks:
            streamspan.instrument(**providers, **self.settings)
        else:
            wiring.choose(self.settings, **providers)

    def span(self) -> SpanRecord:
        """The only span."""
        live.settle()
        (span,) = self.collector.wait_for(1)
        return span

    def attributes(self) -> dict[str, Any]:
        """Those of the only span."""
        return self.span()["attributes"]

    def said(self) -> str:
        """The text of the only span's output."""
        (message,) = json.loads(self.attributes()["gen_ai.output.messages"])
        return "".join(part["content"] for part in message["parts"])


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """Nothing is instrumented but where a test is marked so; settings as for ``observed``."""
    marker = request.node.get_closest_marker("settings")
    with Collector(takes_logs=True) as collector:
        told = Told(collector, dict(marker.kwargs) if marker else {})
        told.start(sdks="observed" in request.keywords)
        yield told
        streamspan.uninstrument()
        told.provider.shutdown()
        told.logs.shutdown()


def chunk(text: str | None) -> Any:
    """A chunk as OpenAI's SDK has it, in what the documented example reads of it."""
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=text))])


BLOCKS = pytest.mark.parametrize("is_async", [False, True], ids=["with", "async-with"])


@asynccontextmanager
async def block(is_async: bool, *args: Any, **kwargs: Any) -> AsyncGenerator[streamspan.LLMSpan]:
    """``with llm(...)``, or ``async with``."""
    if is_async:
        async with streamspan.llm(*args, **kwargs) as span:
            yield span
    else:
        with streamspan.llm(*args, **kwargs) as span:
            yield span


# --- the documented example ------------------------------------------------------------------------------------------


@BLOCKS
async def test_documented_example(is_async: bool, told: Told) -> None:
    """The product's example: one span with input, preview, final output, usage and cost; the block does not end it again."""
    stream = [chunk("Lima "), chunk("is the "), chunk(None), chunk("capital.")]
    messages = MESSAGES
    async with block(is_async, "openai.responses", model="gpt-4.1-mini", stream=True) as span:
        span.record_input({"messages": messages})
        full_text = ""
        for piece in stream:
            delta = piece.choices[0].delta.content or ""
            full_text += delta
            span.record_chunk(delta)
        ids = span.trace_id, span.span_id
        span.end(output=full_text, usage={"input_tokens": 512, "output_tokens": 128})

    record = told.span()
    assert (record["trace_id"], record["span_id"]) == ids
    assert (record["name"], record["kind"], record["status"]) == (f"chat {MODEL}", "CLIENT", "UNSET")
    attributes = record["attributes"]
    timing = {name for name in attributes if name.endswith(("_ms", "_second", "first_chunk"))}
    assert {name: value for name, value in attributes.items() if name not in timing} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": True,
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Tell me about Lima."}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Lima is the capital."}]}]',
        "gen_ai.usage.input_tokens": 512,
        "gen_ai.usage.output_tokens": 128,
        "gen_ai.usage.cost": pytest.approx(512 * 0.4e-6 + 128 * 1.6e-6),
        "streamspan.cost.total": pytest.approx(512 * 0.4e-6 + 128 * 1.6e-6),
        "streamspan.cost.input": pytest.approx(512 * 0.4e-6),
        "streamspan.cost.output": pytest.approx(128 * 1.6e-6),
        "streamspan.cost.source": attributes["streamspan.cost.source"],
        "streamspan.chunks": 4,
        "streamspan.outcome": "completed",
        "streamspan.preview": "Lima is the capital.",
    }


PROGRAM = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
import streamspan

with streamspan.llm("openai.chat", model="gpt-4.1-mini") as early:
    pass
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
with streamspan.llm("openai.chat", model="gpt-4.1-mini", stream=True) as span:
    span.record_chunk("Hello")
left = streamspan.llm("openai.chat", model="gpt-4.1-mini", stream=True)
left.record_chunk("Good")
print(early.span_id, span.span_id, left.span_id)
"""


def test_without_instrument() -> None:
    """The global providers and the environment's settings hold, also a provider that is set later; what is left open is sent at exit."""
    with Collector() as collector:
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "STREAMSPAN_CAPTURE_CONTENT": "false"}
        run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
        spans = {span["span_id"]: span["attributes"] for span in collector.wait_for(2)}
    early, complete, left = run.stdout.split()
    assert early == "0" * 16
    assert {span: attributes["streamspan.outcome"] for span, attributes in spans.items()} == {
        complete: "completed",
        left: "abandoned",
    }
    assert {"streamspan.preview", "gen_ai.output.messages"}.isdisjoint(spans[complete])
    assert run.stderr == ""


def test_sdk_disabled() -> None:
    """With OTEL_SDK_DISABLED nothing is sent, and nothing fails."""
    with Collector() as collector:
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SDK_DISABLED": "true"}
        run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
        assert collector.spans() == []
    assert set(run.stdout.split()) == {"0" * 16}


# --- how it ends -----------------------------------------------------------------------------------------------------


def test_second_end_does_nothing(told: Told) -> None:
    """The first end counts; a second one, other data after it, and the end of the block change nothing."""
    with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        span.record_chunk("first")
        span.end(usage={"input_tokens": 1, "output_tokens": 2})
        span.end(output="second", usage={"input_tokens": 3, "output_tokens": 4}, outcome="failed")
        span.record_chunk("third")
        span.record_usage({"output_tokens": 5})
        span.record_input("fourth")
        span.set_attribute("fifth", 5)
    attributes = told.attributes()
    assert told.said() == attributes["streamspan.preview"] == "first"
    assert (attributes["gen_ai.usage.output_tokens"], attributes["streamspan.outcome"]) == (2, "completed")
    assert {"gen_ai.input.messages", "fifth"}.isdisjoint(attributes)


@BLOCKS
async def test_forgotten_end(is_async: bool, told: Told) -> None:
    """The block ends the call with what was recorded; usage that nobody told is estimated, and flagged."""
    async with block(is_async, "openai.chat", model=MODEL, stream=True) as span:
        span.record_input("Where is Lima?")
        span.record_chunk("In Peru.")
    attributes = told.attributes()
    assert (attributes["streamspan.outcome"], told.said()) == ("completed", "In Peru.")
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert attributes["streamspan.cost.total"] > 0


def test_nothing_is_estimated_of_an_input_that_nobody_told(told: Told) -> None:
    """Without its input a call has no input tokens, rather than none counted as 0, and no cost."""
    with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        span.record_chunk("In Peru.")
    attributes = told.attributes()
    assert attributes["streamspan.usage.estimated"] == ("output_tokens",)
    assert {"gen_ai.usage.input_tokens", "streamspan.cost.total", "streamspan.cost.unpriced"}.isdisjoint(attributes)


ERRORS: list[tuple[type[BaseException], str, str | None]] = [
    (ValueError, "failed", "ValueError"),
    (StopIteration, "failed", "StopIteration"),
    (asyncio.CancelledError, "cancelled", None),
    (KeyboardInterrupt, "cancelled", None),
    (GeneratorExit, "aborted", None),
]


@BLOCKS
@pytest.mark.parametrize(("kind", "outcome", "code"), ERRORS, ids=lambda value: getattr(value, "__name__", None))
async def test_exception_in_the_block(
    is_async: bool, kind: type[BaseException], outcome: str, code: str | None, told: Told
) -> None:
    """An exception ends the call with the outcome that fits and the partial text, and goes on as the very same object."""
    error = kind("sk-secret123 is no key")

    async def run() -> None:
        if is_async:
            async with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
                span.record_chunk("Lima")
                raise error
        with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
            span.record_chunk("Lima")
            raise error

    running: Any = run()
    with pytest.raises((kind, RuntimeError)) as raised:
        running.send(None)
    assert error in {raised.value, raised.value.__cause__}  # a coroutine turns a StopIteration into a RuntimeError
    record = told.span()
    assert (record["attributes"]["streamspan.outcome"], told.said()) == (outcome, "Lima")
    assert record["attributes"].get("error.type") == code
    assert record["status"] == ("ERROR" if code else "UNSET")
    assert "secret123" not in record["status_message"]


def test_failure_before_the_first_chunk_costs_nothing(told: Told) -> None:
    """A request that did not go through has no usage."""
    with suppress(ConnectionError), streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        span.record_input({"messages": MESSAGES})
        raise ConnectionError
    attributes = told.attributes()
    assert (attributes["streamspan.outcome"], attributes["error.type"]) == ("failed", "ConnectionError")
    assert not [name for name in attributes if "usage" in name or "cost" in name]


ENDS: dict[str, tuple[Callable[[streamspan.LLMSpan], object], str]] = {
    "break": (lambda span: None, "completed"),
    "said": (lambda span: span.end(outcome="aborted"), "aborted"),
    "error": (lambda span: span.end(error=OSError("gone")), "failed"),
    "error event": (
        lambda span: span.record_chunk({"type": "error", "error": {"type": "overloaded", "message": "no"}}),
        "failed",
    ),
    "chunk": (lambda span: span.record_chunk({"choices": [{"index": 0, "delta": {"content": "x"}}]}), "aborted"),
    "chunk, end": (
        lambda span: (span.record_chunk({"choices": [{"index": 0, "delta": {"content": "x"}}]}), span.end()),
        "completed",
    ),
    "last chunk": (
        lambda span: span.record_chunk({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}),
        "completed",
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_block_that_is_left(how: str, told: Told) -> None:
    """Text alone is complete unless the program says otherwise; a provider's chunks without their last one were left early."""
    act, outcome = ENDS[how]
    with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        for text in ("Li", "ma"):
            span.record_chunk(text)
            act(span)
            break
    assert told.attributes()["streamspan.outcome"] == outcome


def test_span_without_a_block(told: Told) -> None:
    """In callbacks, where no block fits, `end` ends it, in whichever thread; what is dropped is abandoned, with its text."""
    span = streamspan.llm("openai.chat", model=MODEL, stream=True)
    for work in (lambda: span.record_chunk("a"), lambda: span.end(output="ab")):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    dropped = streamspan.llm("openai.chat", model=MODEL, stream=True)
    dropped.record_chunk("c")
    del dropped
    live.settle()
    ends = [
        (span["attributes"]["streamspan.outcome"], span["attributes"]["streamspan.preview"])
        for span in told.collector.wait_for(2)
    ]
    assert ends == [("completed", "ab"), ("abandoned", "c")]


def test_generator_with_a_block(told: Told) -> None:
    """A generator that is closed while it stands in the block ends the call as aborted."""

    def answer() -> Generator[str]:
        with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
            for text in ("a", "b", "c"):
                span.record_chunk(text)
                yield text

    reading = answer()
    assert next(reading) == "a"
    reading.close()
    assert told.attributes()["streamspan.outcome"] == "aborted"


@BLOCKS
async def test_span_is_current_in_the_block(is_async: bool, told: Told) -> None:
    """Others nest under it, and none does once the block is over."""
    tracer = told.provider.get_tracer("program")
    with tracer.start_as_current_span("above"):
        async with block(is_async, "openai.chat", model=MODEL) as span:
            tracer.start_span("inside").end()
        tracer.start_span("after").end()
    spans = {span["name"]: span for span in told.collector.wait_for(4)}
    above = spans["above"]["span_id"]
    parents = {name: record["parent_span_id"] for name, record in spans.items()}
    assert parents == {"inside": span.span_id, "after": above, f"chat {MODEL}": above, "above": ""}


# --- while it runs ---------------------------------------------------------------------------------------------------


@pytest.mark.settings(progress_interval=0.05, pending_span=True, capture_stream_chunks="both", stream_preview_chars=5)
def test_what_others_see_meanwhile(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress, the rolling preview, chunks and the pending span are those of an observed stream."""
    live.end_all()
    monkeypatch.setattr(live, "interval", 0.05)

    def is_running(event: LogEvent) -> bool:
        attributes = event["attributes"]
        return attributes.get("streamspan.state") == "running" and attributes.get("streamspan.preview") == " Peru"

    def is_last(event: LogEvent) -> bool:
        return event["name"] == "streamspan.chunk" and event["attributes"].get("text") == "is in Peru"

    with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        span.record_input("Where?")
        span.record_chunk("Lima ")
        span.record_chunk("is in Peru")
        event = told.collector.wait_for_event(is_running)
        span.end()
    live.settle()
    pending, record = told.collector.wait_for(2)
    assert pending["name"] == "streamspan.pending"
    assert event["span_id"] == record["span_id"]
    assert record["attributes"]["streamspan.preview"] == " Peru"
    (message,) = json.loads(record["attributes"]["gen_ai.output.messages"])
    assert message["parts"] == [{"type": "text", "content": "Lima is in Peru"}]
    chunks = [event["attributes"]["text"] for event in record["events"] if event["name"] == "streamspan.chunk"]
    assert chunks == ["Lima ", "is in Peru"]
    told.collector.wait_for_event(is_last)
    logged = [event["attributes"].get("text") for event in told.collector.events() if event["name"] == "streamspan.chunk"]
    assert logged == chunks
    live.end_all()


@pytest.mark.settings(idle_timeout=0.05)
def test_forgotten_span(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a chunk for the idle timeout is ended as abandoned; what comes later is ignored."""
    live.end_all()
    monkeypatch.setattr(live, "interval", 0.05)
    with streamspan.llm("openai.chat", model=MODEL, stream=True) as span:
        span.record_chunk("a")
        attributes = told.attributes()
        span.record_chunk("b")
        span.end(output="abc")
    assert (attributes["streamspan.outcome"], told.said()) == ("abandoned", "a")
    live.end_all()


# --- where nothing is recorded, and wrong use ------------------------------------------------------------------------


def use(**arguments: Any) -> streamspan.LLMSpan:
    """Every method once."""
    with streamspan.llm("openai.chat", model=MODEL, stream=True, **arguments) as span:
        span.record_input({"messages": MESSAGES})
        span.record_chunk("a")
        span.record_chunk(object())
        span.record_usage(input_tokens=1)
        span.set_attribute("a", "b")
        span.end(output="a", usage={"output_tokens": 1})
    assert list(streamspan.observe(iter("ab"), model=MODEL)) == ["a", "b"]
    return span


def test_suppressed(told: Told) -> None:
    """Where instrumentation is suppressed nothing is recorded, nothing fails, and the trace goes on as without us."""
    tracer = told.provider.get_tracer("program")
    with tracer.start_as_current_span("above") as above, suppress_instrumentation():
        assert use().trace_id == "0" * 32
        with streamspan.llm("openai.chat"):
            assert get_current_span() is above

        def source() -> Iterator[bool]:
            yield get_current_span() is above

        assert list(streamspan.observe(source())) == [True]
    assert [span["name"] for span in told.collector.wait_for(1)] == ["above"]


def test_block_in_a_block(told: Told) -> None:
    """Is a span in a span; the outer one, which was told nothing, has no usage."""
    with streamspan.llm("my-agent") as outer, streamspan.llm("openai.chat", model=MODEL) as inner:
        inner.record_usage(input_tokens=9, output_tokens=2)
    below, above = told.collector.wait_for(2)
    assert (below["span_id"], below["parent_span_id"], above["span_id"]) == (inner.span_id, outer.span_id, outer.span_id)
    assert below["attributes"]["gen_ai.usage.input_tokens"] == 9
    assert not [name for name in above["attributes"] if "usage" in name]


def test_not_sampled() -> None:
    """Where the sampler says no, the ids are there and nothing is recorded."""
    wiring.choose({}, tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    assert use().trace_id != "0" * 32
    wiring.forget()


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (lambda: streamspan.llm(None), TypeError, "the name of a model call must be a string"),  # pyright: ignore[reportArgumentType]
        (lambda: streamspan.llm("a", model=3), TypeError, "model must be a string, not 3"),  # pyright: ignore[reportArgumentType]
        (lambda: streamspan.llm("a", attributes=["x"]), TypeError, "attributes must be a mapping"),  # pyright: ignore[reportArgumentType]
        (lambda: streamspan.llm("a").record_input(3), TypeError, "input must be text, a list of messages or a mapping"),
        (lambda: streamspan.llm("a").record_usage(3), TypeError, "usage must be a mapping"),
        (lambda: streamspan.llm("a").end(usage=3), TypeError, "usage must be a mapping"),
        (lambda: streamspan.llm("a").end(outcome="good"), ValueError, "outcome must be one of completed"),  # pyright: ignore[reportArgumentType]
        (lambda: streamspan.observe("text"), TypeError, "observe\\(\\) takes an iterator or an asynchronous iterator, not str"),
        (lambda: streamspan.observe({"stream": 1}), TypeError, "not dict"),
        (lambda: streamspan.observe(3), TypeError, "not int"),  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]
    ],
)
def test_wrong_use(wrong: Callable[[], object], kind: type[Exception], message: str) -> None:
    """What cannot be meant is said at the call, in one line."""
    with pytest.raises(kind, match=message):
        wrong()


# --- any client ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", [OpenAISurface(is_async=False), AnthropicSurface(is_async=False)], ids=repr)
@pytest.mark.parametrize("raw", [False, True], ids=["events", "bytes"])
def test_plain_http(surface: Surface, raw: bool, told: Told) -> None:
    """A stream read with httpx2 by hand: its decoded events, or its very bytes, give text, finish reason, usage and cost."""
    options = {"usage": openai_usage()} if surface.sdk == "openai" else {}
    body = surface.wire(["Lima ", "is in Peru."], **options)
    with (
        Loopback(Reply(body=body)) as server,
        httpx2.Client(verify=False) as client,
        streamspan.llm(surface.name, model=surface.model, stream=True) as span,
        client.stream("POST", f"{server.url}/v1/chat") as response,
    ):
        if raw:
            for data in response.iter_bytes(17):
                span.record_chunk(data)
        else:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    span.record_chunk(json.loads(line[6:]))
    attributes = told.attributes()
    assert (attributes["streamspan.outcome"], told.said()) == ("completed", "Lima is in Peru.")
    assert attributes["gen_ai.response.finish_reasons"] == surface.reasons
    assert attributes["gen_ai.usage.input_tokens"] > 0
    assert attributes["streamspan.cost.total"] > 0
    assert "streamspan.usage.estimated" not in attributes
