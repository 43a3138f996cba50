"""A call that has ended, as log events of the conventions over OTLP, and the generation of names that is spoken."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.util.types import AnyValue, AttributeValue

import streamspan
from streamspan import live

from collector import Collector, LogEvent
from loopback import CUT, Loopback, Reply, Tool, anthropic_usage
from surfaces import BEDROCK, GOOGLE, SURFACES, AnthropicSurface, OpenAISurface, Surface

DETAILS = "gen_ai.client.inference.operation.details"
EXCEPTION = "gen_ai.client.operation.exception"
CONTENT = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}


@contextmanager
def observing(collector: Collector, **settings: Any) -> Generator[None]:
    """The SDKs observed; each span and each log event is sent over OTLP at once."""
    spans, logs = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.traces_endpoint)))
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))
    given: dict[str, Any] = {"progress_interval": 0, **settings}
    streamspan.instrument(tracer_provider=spans, logger_provider=logs, **given)
    try:
        yield
    finally:
        streamspan.uninstrument()
        live.end_all()
        spans.shutdown()
        logs.shutdown()


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    """Receives what is told of calls, with the settings of ``@pytest.mark.settings``."""
    marker = request.node.get_closest_marker("settings")
    with Collector(takes_logs=True) as collector, observing(collector, **(marker.kwargs if marker else {})):
        yield collector


def named(name: str) -> Any:
    """Whether a log event has that name."""

    def is_it(event: LogEvent) -> bool:
        return event["name"] == name

    return is_it


@pytest.mark.settings(capture_content="both")
@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_the_details_of_a_call(surface: Surface, collector: Collector) -> None:
    """The event has the span's ids and attributes, and its messages with their structure."""
    with Loopback(surface.streams(surface.wire(["Lima ", "is in ", "Peru."]))) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        await surface.shut(client)

    event = collector.wait_for_event(named(DETAILS))
    (span,) = collector.wait_for(1)
    said = {key: value for key, value in span["attributes"].items() if key not in CONTENT | {"streamspan.preview"}}
    messages = {key: json.loads(value) for key, value in span["attributes"].items() if key in CONTENT}
    assert "gen_ai.output.messages" in messages
    assert json.loads(json.dumps(event["attributes"])) == json.loads(json.dumps({**said, **messages}))
    assert (event["trace_id"], event["span_id"]) == (span["trace_id"], span["span_id"])
    assert (event["time"], event["body"], event["severity"], event["scope"]) == (span["end"], None, "", "streamspan")
    assert [event["name"] for event in collector.events()] == [DETAILS]


@pytest.mark.parametrize(
    ("settings", "on_span", "in_event"),
    [
        ({"capture_content": "event"}, False, True),
        ({"capture_content": "span", "details_event": True}, True, False),
        ({"capture_content": False, "details_event": True}, False, False),
        ({"details_event": True}, True, True),
    ],
)
def test_where_messages_are(settings: dict[str, Any], *, on_span: bool, in_event: bool) -> None:
    """The setting says which signals hold content; a wish for the event alone does not put any there."""
    surface = OpenAISurface(is_async=False)
    with Collector(takes_logs=True) as collector, Loopback(Reply(body=surface.wire(["Peru."]))) as server:
        with observing(collector, **settings), surface.client(server) as client:
            list(client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "?"}], stream=True))
        event = collector.wait_for_event(named(DETAILS))
        (span,) = collector.wait_for(1)

    both = {"gen_ai.input.messages", "gen_ai.output.messages"}
    assert span["attributes"].keys() & (CONTENT | {"streamspan.preview"}) == (
        (both | {"streamspan.preview"}) if on_span else set()
    )
    assert event["attributes"].keys() & CONTENT == (both if in_event else set())


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_an_exception_is_an_event(surface: Surface, collector: Collector) -> None:
    """A call that an exception ends sends a warning with its class, its message and where it came from; no event without one."""
    with Loopback(Reply(body=[*surface.wire(["Lima ", "is in ", "Peru."])[: surface.partway], CUT])) as server:
        client = surface.client(server)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each SDK raises its own
            await surface.take(await surface.open(client))
        await surface.shut(client)

    event = collector.wait_for_event(named(EXCEPTION))
    (span,) = collector.wait_for(1)
    told = event["attributes"]
    kind = type(caught.value)
    assert told["exception.type"] == f"{kind.__module__}.{kind.__qualname__}"
    assert told["exception.message"] == span["status_message"]
    assert "Traceback (most recent call last)" in told["exception.stacktrace"]
    assert told["error.type"] == span["attributes"]["error.type"]
    assert (event["trace_id"], event["span_id"], event["severity"]) == (span["trace_id"], span["span_id"], "WARN")


@pytest.mark.settings(capture_content="span")
def test_an_exception_without_content(collector: Collector) -> None:
    """Where logs hold no content, the class alone is told: a provider's message may quote the prompt, a trace the program."""
    surface = OpenAISurface(is_async=False)
    refusal = {"error": {"message": "my secret is bad", "type": "invalid_request_error", "code": "bad"}}
    with (
        Loopback(Reply.of(refusal, 400)) as server,
        surface.client(server) as client,
        pytest.raises(Exception, match="secret"),
    ):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "my secret"}], stream=True)
    live.settle()

    event = collector.wait_for_event(named(EXCEPTION))
    assert event["attributes"] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "error.type": "bad",
        "exception.type": "openai.BadRequestError",
    }


OLDER, NEWER = "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"


@pytest.mark.parametrize(
    ("conventions", "names", "schema"),
    [
        ("1.41", {OLDER}, "https://opentelemetry.io/schemas/1.41.0"),
        ("1.42-dev", {NEWER}, "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"),
        ("both", {OLDER, NEWER}, "https://opentelemetry.io/schemas/1.41.0"),
    ],
)
def test_generations(conventions: str, names: set[str], schema: str) -> None:
    """One setting chooses the names, and the schema that they are of, on spans and in events."""
    usage = anthropic_usage(cache_creation=100)
    surface = AnthropicSurface(is_async=False)
    with Collector(takes_logs=True) as collector, Loopback(Reply(body=surface.wire(["Peru."], usage=usage))) as server:
        with observing(collector, conventions=conventions, details_event=True), surface.client(server) as client:
            list(client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=True))
        event = collector.wait_for_event(named(DETAILS))
        (span,) = collector.wait_for(1)

    for signal in (span["attributes"], event["attributes"]):
        assert {key: signal.get(key) for key in (OLDER, NEWER) if key in signal} == dict.fromkeys(names, 100)
    assert (span["schema_url"], event["schema_url"]) == (schema, schema)


@pytest.mark.settings(structured_messages=True)
def test_structured_messages(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """Messages may have their structure on the span, too, from OpenTelemetry 1.45 on; before, a warning says that they have not."""
    surface = OpenAISurface(is_async=False)
    asked = [{"role": "user", "content": "Where is Lima?"}]
    with Loopback(Reply(body=surface.wire(["In Peru."], tool_calls=[Tool()]))) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True))

    (span,) = collector.wait_for(1)
    held = [span["attributes"][f"gen_ai.{kind}.messages"] for kind in ("input", "output")]
    has_structure = AttributeValue == AnyValue
    assert [type(messages) for messages in held] == [tuple if has_structure else str] * 2
    assert (WITHOUT in {record.getMessage() for record in caplog.get_records("setup")}) is not has_structure
    (question,), (answer,) = (json.loads(json.dumps(messages) if has_structure else messages) for messages in held)
    assert question == {"role": "user", "parts": [{"type": "text", "content": "Where is Lima?"}]}
    assert answer["parts"][0] == {"type": "text", "content": "In Peru."}
    assert answer["parts"][1]["arguments"] == {"city": "Lima"}


WITHOUT = "structured_messages needs opentelemetry-api 1.45 or newer; messages are written as JSON strings"


@pytest.mark.settings(capture_stream_chunks="log")
@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_chunks_in_the_log(surface: Surface, collector: Collector) -> None:
    """Each chunk is a log event on the span's context, with its text and its true time, and no event of the span."""
    with Loopback(surface.streams(surface.wire(["Lima ", "is in ", "Peru."]))) as server:
        client = surface.client(server)
        chunks = await surface.take(await surface.open(client))
        await surface.shut(client)
    live.settle()

    (span,) = collector.wait_for(1)
    last = len(chunks) - 1
    collector.wait_for_event(lambda event: event["attributes"].get("index") == last)
    events = [event for event in collector.events() if event["name"] == "streamspan.chunk"]
    assert [event["attributes"]["index"] for event in events] == list(range(len(chunks)))
    assert "".join(event["attributes"].get("text", "") for event in events) == "Lima is in Peru."
    assert {(event["trace_id"], event["span_id"]) for event in events} == {(span["trace_id"], span["span_id"])}
    assert all(span["start"] <= event["time"] <= span["end"] for event in events)
    assert "streamspan.chunk" not in {event["name"] for event in span["events"]}


@pytest.mark.settings(capture_stream_chunks="both")
def test_chunks_come_while_the_stream_runs(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is in the log before the stream is over; a thousand at once share two hundred events, and no text is lost."""
    live.end_all()
    monkeypatch.setattr(live, "interval", 0.05)
    surface = OpenAISurface(is_async=False)
    end = threading.Event()
    texts = [f"w{number} " for number in range(1000)]
    wire = surface.wire(texts)
    with Loopback(Reply(body=[*wire[:-3], end, *wire[-3:]])) as server, surface.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        next(stream)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        collector.wait_for_event(lambda event: "w900 " in event["attributes"].get("text", ""))
        assert not collector.spans()
        end.set()
        reader.join()

    (span,) = collector.wait_for(1)
    chunks = span["attributes"]["streamspan.chunks"]
    collector.wait_for_event(lambda event: event["attributes"]["index"] + event["attributes"].get("count", 1) == chunks)
    for events in (collector.events(), span["events"]):
        said = [event["attributes"] for event in events if event["name"] == "streamspan.chunk"]
        assert "".join(chunk.get("text", "") for chunk in said) == "".join(texts)
        assert sum(chunk.get("count", 1) for chunk in said) == chunks
