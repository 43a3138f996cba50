"""Where prompts and outputs go: looked for in the raw bytes that leave the process, in every signal."""

import asyncio
import json
import math
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import streamspan
from streamspan import Settings, live
from streamspan.upload import FileUpload, NamedUpload, UploadedContent

from collector import Collector
from conformance import CASES, JSON, Case
from eventstream import exception, refusal
from loopback import CUT, Loopback, Reply, Tool, google_error, sse
from surfaces import BEDROCK, GOOGLE, SURFACES, OpenAISurface, Surface
from wire_surfaces import connect

EVERYTHING: dict[str, Any] = {
    "capture_stream_chunks": "both",
    "details_event": True,
    "pending_span": True,
    "progress_interval": 0.05,
}


LOGS_HAVE_LIMITS = "log_record_limits" in signature(LoggerProvider).parameters
"""Whether a logger provider can be told how long attributes may be: from OpenTelemetry 1.45 on."""


def logger_provider(limit: int | None) -> LoggerProvider:
    """A logger provider whose records have attributes of that length at the most, where it can be told so."""
    if not LOGS_HAVE_LIMITS:
        return LoggerProvider(shutdown_on_exit=False)
    limits = LogRecordLimits(max_log_record_attribute_length=LogRecordLimits.UNSET if limit is None else limit)
    return LoggerProvider(shutdown_on_exit=False, log_record_limits=limits)


@contextmanager
def observing(collector: Collector, limit: int | None = None, **settings: Any) -> Generator[None]:
    """The SDKs observed; each span and each log event is sent over OTLP at once, metrics in the end."""
    unset = SpanLimits.UNSET
    spans = TracerProvider(
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_span_attribute_length=unset if limit is None else limit, max_events=unset),
    )
    logs = logger_provider(limit)
    spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.traces_endpoint)))
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.endpoint}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector.endpoint}/v1/metrics"), math.inf)
    metrics = MeterProvider([reader], shutdown_on_exit=False)
    streamspan.instrument(tracer_provider=spans, logger_provider=logs, meter_provider=metrics, **settings)
    try:
        yield
    finally:
        streamspan.uninstrument()
        live.end_all()
        spans.shutdown()
        logs.shutdown()
        metrics.force_flush()
        metrics.shutdown()


# --- what is asked and said, each thing with a mark of its own -----------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": "zqSCHEMAqz"}}}
FUNCTION = {"name": "f", "description": "zqDEFINITIONqz", "parameters": SCHEMA}
PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "zqPROMPTqz"},
    {"type": "image_url", "image_url": {"url": "https://x/zqIMAGEqz.png"}},
    {"type": "file", "file": {"filename": "zqFILEqz.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
]
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "zqARGUMENTqz"}}
ASKED: dict[str, dict[str, Any]] = {
    "openai": {
        "messages": [
            {"role": "system", "content": "zqSYSTEMqz"},
            {"role": "user", "content": PARTS},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":"zq\\u0041RGUMENTqz"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "zqRESULTqz"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "responses": {
        "instructions": "zqSYSTEMqz",
        "input": [{"role": "user", "content": "zqPROMPTqz"}],
        "tools": [{"type": "function", **FUNCTION}],
    },
    "completions": {"prompt": "zqPROMPTqz"},
    "anthropic": {
        "system": "zqSYSTEMqz",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "zqPROMPTqz"}]},
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "zqRESULTqz"}]},
        ],
        "tools": [{"name": "f", "description": "zqDEFINITIONqz", "input_schema": SCHEMA}],
    },
    "google": {"contents": "zqPROMPTqz", "config": {"system_instruction": "zqSYSTEMqz"}},
    "bedrock": {
        "system": [{"text": "zqSYSTEMqz"}],
        "messages": [{"role": "user", "content": [{"text": "zqPROMPTqz"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "zqDEFINITIONqz", "inputSchema": {"json": SCHEMA}}}]},
    },
}
TOOL = Tool("f", ('{"a":"zqCA', "LLEDqz", '"}'))
MORE: dict[str, dict[str, Any]] = {
    "openai": {"tool_calls": [TOOL], "reasoning": ["zqTHOU", "GHTqz"]},
    "responses": {"tool_calls": [TOOL], "reasoning": ["zqTHOU", "GHTqz"]},
    "anthropic": {"tool": TOOL, "thinking": ["zqTHOU", "GHTqz"]},
    "google": {"tools": [TOOL], "thinking": ["zqTHOU", "GHTqz"]},
}
SAID = ["well zqOUT", "PUTqz and ", "so on ", "and on "]


def refused(surface: Surface) -> Reply:
    """A refusal that quotes the prompt."""
    if surface.name == "bedrock":
        return refusal("ValidationException", 400, "bad: zqREFUSEDqz")
    return Reply.of({"type": "error", "error": {"type": "bad", "code": "bad", "message": "bad: zqREFUSEDqz"}}, 400)


def broken(surface: Surface) -> bytes:
    """An error in the middle of a stream that quotes the prompt."""
    if surface.name == "bedrock":
        return exception("validationException", "zqBROKENqz")
    if surface.name == "google":
        return sse(None, google_error("zqBROKENqz"))
    error = {"type": "error", "code": "bad", "error": {"type": "bad", "code": "bad", "status": "bad", "message": "zqBROKENqz"}}
    return sse("error" if surface.name in {"anthropic", "responses"} else None, error)


class Play:
    """One surface, called in every way in which a call can go, one after the other."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.reply = Reply()
        self.asked = ASKED[surface.name]

    async def run(self) -> None:
        """Plays it all; what the SDK raises is the application's."""
        with Loopback(lambda _: self.reply) as server:
            client = self.surface.client(server)
            for scene in (self.completed, self.whole, self.aborted, self.truncated, self.cut, self.failed, self.refused):
                with suppress(Exception):
                    await scene(client)
            await self.surface.shut(client)

    async def streamed(self, client: Any, pieces: list[Any], *, to_the_end: bool = True) -> None:
        """A stream that is looked at while it runs."""
        self.reply = self.surface.streams(pieces)
        stream = await self.surface.open(client, **self.asked)
        iterator = self.surface.iterator(stream)
        try:
            for _ in range(self.surface.partway):
                await self.surface.next(iterator)
                look()
            while to_the_end and await self.surface.next(iterator) is not None:
                pass
        finally:
            await self.surface.close(stream)

    async def completed(self, client: Any) -> None:
        """To its end, with tools and thoughts where the surface has them."""
        await self.streamed(client, self.surface.wire(SAID, **MORE.get(self.surface.name, {})))

    async def whole(self, client: Any) -> None:
        """Not streamed."""
        self.reply = self.surface.wholly(self.surface.whole("".join(SAID)))
        await self.surface.create(client, **self.asked)

    async def aborted(self, client: Any) -> None:
        """Closed by the application."""
        await self.streamed(client, self.surface.wire(SAID), to_the_end=False)

    async def truncated(self, client: Any) -> None:
        """Ended by the server without its end."""
        await self.streamed(client, self.surface.wire(SAID, terminal=False))

    async def cut(self, client: Any) -> None:
        """The connection breaks."""
        await self.streamed(client, [*self.surface.wire(SAID)[:-1], CUT])

    async def failed(self, client: Any) -> None:
        """An error that comes in the stream."""
        await self.streamed(client, [*self.surface.wire(SAID, terminal=False), broken(self.surface)])

    async def refused(self, client: Any) -> None:
        """An error in place of an answer."""
        self.reply = refused(self.surface)
        await self.surface.create(client, **self.asked)


def look() -> None:
    """What the watching thread does by itself from time to time."""
    for call in tuple(live._calls):
        call.look(perf_counter())


def mask(text: str) -> str:
    """A function of the application's."""
    return re.sub("zq[A-Z]+qz", "***", text)


MARKS = re.compile(rb"zq[A-Z]+qz")
SHARED = {b"zqPROMPTqz", b"zqOUTPUTqz", b"zqREFUSEDqz", b"zqBROKENqz"}
ELSEWHERE: dict[str, set[bytes]] = {
    "openai": {b"SYSTEM", b"IMAGE", b"FILE", b"ARGUMENT", b"RESULT", b"DEFINITION", b"SCHEMA", b"CALLED", b"THOUGHT"},
    "responses": {b"SYSTEM", b"DEFINITION", b"SCHEMA", b"CALLED", b"THOUGHT"},
    "completions": set(),
    "anthropic": {b"SYSTEM", b"ARGUMENT", b"RESULT", b"DEFINITION", b"SCHEMA", b"CALLED", b"THOUGHT"},
    "google": {b"SYSTEM", b"CALLED", b"THOUGHT"},
    "bedrock": {b"SYSTEM", b"DEFINITION", b"SCHEMA"},
}
PIECES = [b"PROMPT", b"REFUSED", b"BROKEN", b"qOUT", b"PUTq", b"THOU", b"GHTq", b"LLED", *set[bytes]().union(*ELSEWHERE.values())]
"""All of the marks, and halves of those that come in two chunks; long enough not to be in ids, which are random."""
MODES: dict[str, dict[str, Any]] = {
    "off": {"capture_content": False},
    "patterns": {"capture_content": "both", "redact": "zq[A-Z]+qz"},
    "function": {"capture_content": "both", "redact": mask},
}


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_content_is_found_when_it_is_captured(surface: Surface) -> None:
    """The searches below can fail: with capture on, each mark is in the bytes, in those of spans as well as in those of logs."""
    with Collector(takes_logs=True, takes_metrics=True) as collector:
        with observing(collector, capture_content="both", **EVERYTHING):
            await Play(surface).run()
        found = {*MARKS.findall(b"".join(collector.bodies))}

    assert found == SHARED | {b"zq%bqz" % mark for mark in ELSEWHERE[surface.name]}
    assert collector.metrics()
    names = {event["name"] for event in collector.events()}
    assert names == {
        "streamspan.chunk",
        "streamspan.progress",
        "gen_ai.client.inference.operation.details",
        "gen_ai.client.operation.exception",
    }
    outcomes = {span["attributes"].get("streamspan.outcome") for span in collector.spans()}
    assert outcomes - {"aborted", "abandoned"} == {"completed", "truncated", "failed", None}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_no_content_leaves_the_process(surface: Surface, mode: str) -> None:
    """Everything is sent that can be, of calls that end in every way: with capture off, or redacted, no byte of a mark is in it."""
    with Collector(takes_logs=True, takes_metrics=True) as collector:
        with observing(collector, **MODES[mode], **EVERYTHING):
            await Play(surface).run()
        sent = b"".join(collector.bodies)

    assert len(collector.spans()) == 14  # each call, and what announces it
    assert {piece for piece in PIECES if piece in sent} == set()
    if mode == "off":
        assert {said for said in (b"well", b"so on", b"and on", b"bad: ") if said in sent} == set()
    else:
        assert {said for said in (b"well", b"so on", b"and on", b"bad: ") if said not in sent} == set()


# --- all that providers send ---------------------------------------------------------------------------------------------


def texts(case: Case) -> set[str]:
    """What the span of a case has of content, in words long enough to be nothing else."""
    attributes = json.loads(case.span.read_text())["attributes"]
    plain = json.dumps({key: value for key, value in attributes.items() if key not in JSON and key != "streamspan.preview"})
    leaves = {leaf for key in JSON & attributes.keys() for leaf in strings(attributes[key])}
    return {leaf for leaf in leaves if len(leaf) > 9 and leaf not in plain and json.dumps(leaf) == f'"{leaf}"'}


def strings(value: Any, key: str = "") -> Iterator[str]:
    """The texts of messages."""
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from strings(item, str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from strings(item, key)
    elif isinstance(value, str) and key not in {"id", "name", "type", "mime_type", "role", "finish_reason"}:
        yield value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old models
@pytest.mark.parametrize("captured", [False, True])
def test_conformance_cases(captured: bool) -> None:
    """Whatever providers send, tools, pictures, sound, errors: nothing of it is in the bytes with capture off, all of it is with it on."""
    replies: list[Reply] = []
    wanted, settings = set[str](), {"capture_content": captured, **EVERYTHING, "progress_interval": 0}
    with (
        Collector(takes_logs=True, takes_metrics=True) as collector,
        Loopback(lambda _: replies[-1]) as server,
        asyncio.Runner() as runner,
    ):
        with observing(collector, **settings):
            clients: dict[Any, tuple[Surface, Any]] = {}
            for case in CASES:
                if (found := texts(case)) and not case.settings:
                    wanted |= found
                    replies.append(case.reply)
                    surface = case.surface(is_async=False)
                    key = case.surface, case.base_url
                    if key not in clients:
                        clients[key] = surface, connect(surface, server, case.base_url)
                    with suppress(Exception):
                        runner.run(next(iter(case.ways.values()))(surface, clients[key][1], case.arguments))
            for surface, client in clients.values():
                runner.run(surface.shut(client))
        sent = b"".join(collector.bodies)

    assert len(wanted) > 50
    assert {text for text in wanted if (text.encode() in sent) != captured} == set()


# --- keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capture_content", [False, "both"])
def test_keys_never_leave_the_process(capture_content: Any) -> None:
    """A key is in no signal in any mode, also where the provider's message quotes it."""
    surface, key = OpenAISurface(is_async=False), "sk-proj-zqKEYqz0123456789"
    error = {
        "error": {"message": f"Incorrect API key provided: {key}.", "type": "invalid_request_error", "code": "invalid_api_key"}
    }
    with Collector(takes_logs=True, takes_metrics=True) as collector, Loopback(Reply.of(error, 401)) as server:
        with (
            observing(collector, capture_content=capture_content, **EVERYTHING),
            surface.client(server, api_key=key) as client,
            pytest.raises(Exception, match="zqKEYqz"),
        ):
            client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        sent = b"".join(collector.bodies)

    assert b"invalid_api_key" in sent
    assert b"zqKEYqz" not in sent


# --- what is too long ----------------------------------------------------------------------------------------------------

LONG = "Lima " * 2000
FITS: dict[str, tuple[dict[str, Any], int | None]] = {
    "setting": ({"max_content_chars": 500}, None),
    "limit of the SDK": ({}, 500),
    "both": ({"max_content_chars": 500}, 2000),
}


@pytest.mark.parametrize("case", FITS)
def test_long_content_is_shortened_and_stays_json(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """On the span and in log events: what is too long keeps its structure, and is named; the SDK has nothing left to cut."""
    settings, limit = FITS[case]
    surface = OpenAISurface(is_async=False)
    asked = [{"role": "user", "content": LONG}]
    tools: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    with Collector(takes_logs=True, takes_metrics=True) as collector, Loopback(Reply(body=surface.wire([LONG, "end"]))) as server:
        with (
            observing(collector, limit, capture_content="both", stream_preview_chars=100, **settings),
            surface.client(server) as client,
        ):
            list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, tools=tools, stream=True))  # pyright: ignore[reportCallIssue,reportArgumentType]
        (event,) = collector.events()
        (span,) = collector.spans()

    attributes, cut = span["attributes"], ("gen_ai.input.messages", "gen_ai.output.messages")
    assert all(len(attributes[key]) <= 500 for key in cut)
    if limit is None or LOGS_HAVE_LIMITS:
        assert all(len(json.dumps(event["attributes"][key], ensure_ascii=False, separators=(",", ":"))) <= 500 for key in cut)
        assert event["attributes"]["streamspan.content.truncated"] == cut
    (said,) = json.loads(attributes["gen_ai.output.messages"])
    assert said["parts"][0]["content"].startswith("Lima Lima")
    assert said["parts"][0]["content"].endswith("end")
    assert said["finish_reason"] == "stop"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["streamspan.content.truncated"] == cut
    assert caplog.messages == []


def test_short_content_is_left_alone() -> None:
    """Content that fits is not flagged."""
    surface = OpenAISurface(is_async=False)
    with Collector(takes_metrics=True) as collector, Loopback(Reply(body=surface.wire(["end"]))) as server:
        with observing(collector, max_content_chars=500, progress_interval=0), surface.client(server) as client:
            list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
        (span,) = collector.spans()

    assert "streamspan.content.truncated" not in span["attributes"]


def test_a_function_of_the_application_is_not_our_defect(caplog: pytest.LogCaptureFixture) -> None:
    """A function that raises costs its texts and one line in the log, and nothing else: neither the call nor the rest of the span."""

    def fail(text: str) -> str:
        raise LookupError(text)

    surface = OpenAISurface(is_async=False)
    redact: Callable[[str], str] = fail
    with Collector(takes_metrics=True) as collector, Loopback(Reply(body=surface.wire(["zqOUTPUTqz"]))) as server:
        with (
            observing(collector, redact=redact, capture_stream_chunks=True, progress_interval=0),
            surface.client(server) as client,
        ):
            list(client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "?"}], stream=True))
        (span,) = collector.spans()
        sent = b"".join(collector.bodies)

    (said,) = json.loads(span["attributes"]["gen_ai.output.messages"])
    assert said == {"role": "assistant", "parts": [{"type": "text", "content": "[redaction failed]"}], "finish_reason": "stop"}
    assert span["attributes"]["streamspan.outcome"] == "completed"
    assert b"zqOUTPUT" not in sent
    assert len(caplog.messages) == 1


# --- what goes elsewhere -------------------------------------------------------------------------------------------------


class Store:
    """A store whose wires can be cut."""

    def __init__(self, told: Any = "s3://x/1", error: Exception | None = None) -> None:
        self.told = told
        self.error = error
        self.stored: list[UploadedContent] = []

    def reference(self, content: UploadedContent) -> Any:
        """Where it will be."""
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def upload(self, content: UploadedContent) -> None:
        """Stores it."""
        if self.error is not None:
            raise self.error
        self.stored.append(content)


NAMES = {"gen_ai.input.messages", "gen_ai.output.messages"}


def call_once(**settings: Any) -> tuple[Any, Any, bytes]:
    """The span, the event and all that is sent of one call."""
    surface = OpenAISurface(is_async=False)
    with (
        Collector(takes_logs=True, takes_metrics=True) as collector,
        Loopback(Reply(body=surface.wire(["zqOUT", "PUTqz"]))) as server,
    ):
        with (
            observing(collector, details_event=True, progress_interval=0, stream_preview_chars=0, **settings),
            surface.client(server) as client,
        ):
            asked: list[Any] = [{"role": "user", "content": "zqPROMPTqz"}]
            list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True))
        ((span,), (event,)) = collector.spans(), collector.events()
        return span, event, b"".join(collector.bodies)


def test_files_hold_the_content_and_signals_where_it_is(tmp_path: Path) -> None:
    """With an upload the messages are in a file of this user's, redacted, and the span and the event tell which."""
    span, event, sent = call_once(upload=FileUpload(tmp_path), redact="PROMPT")

    (file,) = tmp_path.glob("*/*")
    assert file == tmp_path / span["trace_id"] / f"{span['span_id']}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    stored = json.loads(file.read_text())
    assert stored["gen_ai.input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "zq[redacted]qz"}]}]
    assert stored["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "zqOUTPUTqz"}]
    assert stored["attributes"]["gen_ai.request.model"] == "gpt-4o-mini"
    for attributes in (span["attributes"], event["attributes"]):
        assert {attributes[f"{name}_ref"] for name in NAMES} == {file.as_uri()}
        assert not NAMES & attributes.keys()
    assert b"zqOUT" not in sent


NONE = set[str]()
UPLOADS: list[tuple[Store, dict[str, Any], set[str], set[str], str | None]] = [
    (Store(), {}, NONE, NAMES, None),
    (Store({"gen_ai.output.messages": "x"}), {}, NONE, {"gen_ai.output.messages"}, None),
    (Store(None), {}, NAMES, NONE, None),
    (Store(), {"upload_above": 1000}, NAMES, NONE, None),
    (Store(), {"upload_above": 10}, NONE, NAMES, None),
    (Store(), {"capture_content": False}, NONE, NONE, None),
    (Store(LookupError("zq")), {}, NONE, NONE, "asking for a reference failed (LookupError)"),
    (Store(error=LookupError("zq")), {}, NONE, NAMES, "uploading failed (LookupError)"),
]


@pytest.mark.parametrize(
    ("store", "settings", "written", "referred", "log"),
    UPLOADS,
    ids=["all", "by attribute", "not wanted", "small", "large", "capture off", "no reference", "no upload"],
)
def test_what_is_uploaded(
    store: Store,
    settings: dict[str, Any],
    written: set[str],
    referred: set[str],
    log: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a store takes is referred to, what it does not want is written; what is lost is one line in the log, and goes nowhere else."""
    span, event, _ = call_once(upload=store, **settings)

    for attributes in (span["attributes"], event["attributes"]):
        assert NAMES & attributes.keys() == written
        assert {name for name in NAMES if f"{name}_ref" in attributes} == referred
    assert len(store.stored) == (bool(referred) and store.error is None)
    assert caplog.messages == ([f"streamspan: content is lost: {log}"] if log else [])


def test_an_upload_that_the_environment_names() -> None:
    """A store is imported when it is needed; a name that cannot be one is not taken."""
    assert Settings.load(environ={"STREAMSPAN_UPLOAD": "app.stores:store"}).upload == NamedUpload("app.stores:store")
    assert Settings.load(environ={"STREAMSPAN_UPLOAD": "app/stores"}).upload is None
    with pytest.raises(streamspan.SettingsError, match="upload must be an object with the methods reference and upload"):
        Settings(upload=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
