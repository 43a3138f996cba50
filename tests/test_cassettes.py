# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportArgumentType=false
"""What real providers sent, replayed to the real SDKs: the application hears the same as without us, and the span tells it.

The recordings are not part of the project: they are read from ``../shared/cassettes`` beside the checkout. Expectations are
worked out from the recorded bytes by the small parser below, which shares nothing with the package.
"""

import asyncio
import gzip
import inspect
import json
import os
import re
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import anthropic
import openai
import pytest
import yaml
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

import streamspan
from streamspan import semconv

from loopback import Loopback, Reply, Request
from messages import misshapen

FOLDER: Final = Path(__file__).parents[2] / "shared" / "cassettes"
PROVIDERS: Final = ("openai", "azure-openai", "deepseek", "groq", "openrouter", "anthropic")
MISSING: Final = f"NO REAL RECORDINGS CHECKED: the folder {FOLDER} is not beside the checkout"
SLICE: Final = 1000
"""Bytes per network chunk: events, and letters of several bytes, are cut anywhere, as on a real line."""


# --- the recordings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """One recorded request with its answer, decoded."""

    name: str
    url: str
    request: dict[str, Any]
    status: int
    content_type: str
    payload: bytes

    @property
    def path(self) -> str:
        """The path of the request, without its query."""
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """The query of the request."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def is_anthropic(self) -> bool:
        """Whether the Anthropic SDK made the request; else OpenAI's."""
        return self.path.endswith("/messages")

    @property
    def is_response(self) -> bool:
        """Whether it is one of OpenAI's responses."""
        return self.path.endswith("/responses")

    @property
    def is_completion(self) -> bool:
        """Whether it is one of OpenAI's legacy completions."""
        return self.path.endswith("/completions") and not self.path.endswith("/chat/completions")

    @property
    def reply(self) -> Reply:
        """The answer as the server sends it again: streams in slices, the rest whole."""
        slices = [self.payload[at : at + SLICE] for at in range(0, len(self.payload), SLICE)]
        body = slices if self.content_type.startswith("text/event-stream") else self.payload
        return Reply(self.status, {"content-type": self.content_type}, body)

    def events(self) -> Iterator[dict[str, Any]]:
        """What the answer says: the data of each event before a terminal one, or the body of a whole answer."""
        if not self.content_type.startswith("text/event-stream"):
            yield json.loads(self.payload)
            return
        for line in self.payload.decode().splitlines():
            if line.startswith("data:") and (data := line.removeprefix("data:").strip()) != "[DONE]":
                yield json.loads(data)


def load() -> Iterator[Recording]:
    """Every recorded call of an API that we read; others are told apart by the path of their requests."""
    for provider in PROVIDERS:
        for file in sorted((FOLDER / provider).glob("*.yaml")):
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            interactions = yaml.load(file.read_text(), loader)["interactions"]  # noqa: S506 - both loaders are the safe one
            for number, interaction in enumerate(interactions):
                recording = read(f"{provider}/{file.stem}-{number}", interaction)
                if recording.path.endswith(("/completions", "/responses", "/messages")):
                    yield recording


def read(name: str, interaction: dict[str, Any]) -> Recording:
    """One interaction of a VCR file, whose bodies are text, bytes or parsed JSON."""
    request, response = interaction["request"], interaction["response"]
    headers = {key.lower(): values for key, values in (response.get("headers") or {}).items()}
    payload = body(response)
    default = ["application/json" if payload.startswith(b"{") else "text/event-stream; charset=utf-8"]
    return Recording(
        name=name,
        url=request["uri"],
        request=json.loads(body(request) or b"{}"),
        status=response["status"]["code"],
        content_type=headers.get("content-type", default)[0],
        payload=payload,
    )


def body(message: dict[str, Any]) -> bytes:
    """The body of a recorded request or response, uncompressed."""
    if "parsed_body" in message:
        return json.dumps(message["parsed_body"]).encode()
    data = message.get("body")
    data = data["string"] if isinstance(data, Mapping) else data
    data = data.encode() if isinstance(data, str) else data or b""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


RECORDINGS: Final = list(load())


def test_recordings_are_here() -> None:
    """The recordings are checked, or it is said that they are not; where CI runs, their absence has to be declared."""
    if RECORDINGS:
        return
    if os.environ.get("CI") and os.environ.get("STREAMSPAN_NO_CASSETTES") != "1":
        pytest.fail(f"{MISSING} (STREAMSPAN_NO_CASSETTES=1 declares that this is meant)")
    pytest.skip(MISSING)


ELSEWHERE: Final = {"google-genai", "vertexai", "bedrock"}
"""Replayed by test_google_cassettes.py, and by the tests of Bedrock."""
NO_CALLS: Final = ("/traces/ingest",)
"""Recorded beside calls of models: what OpenAI's agents report to their own dashboard."""


def test_every_recorded_stream_is_replayed() -> None:
    """No recording stands in the folder that nobody reads."""
    unread = [
        f"{file.parent.name}/{file.stem}-{number}"
        for file in sorted(FOLDER.glob("*/*.yaml"))
        if file.parent.name not in ELSEWHERE
        for number, address in enumerate(re.findall(r"(?m)^    uri: (\S+)", file.read_text()))
        if not urlsplit(address).path.endswith(NO_CALLS)
    ]
    assert unread == [recording.name for recording in sorted(RECORDINGS, key=lambda recording: unread.index(recording.name))]


# --- what the application hears --------------------------------------------------------------------------------------


@dataclass
class Heard:
    """All that the application could notice of a call."""

    stream: type | None = None
    chunks: list[tuple[type, Any]] = field(default_factory=list[tuple[type, Any]])
    error: tuple[type, str] | None = None
    warnings: list[str] = field(default_factory=list[str])

    def hear(self, chunk: Any) -> None:
        """Notes a chunk, with which of its fields were set."""
        self.chunks.append((type(chunk), chunk.to_dict(warnings=False) if hasattr(chunk, "to_dict") else chunk))


def connect(recording: Recording, url: str, *, is_async: bool) -> Any:
    """A client of the SDK that speaks the recording's API, as an application would make it."""
    sdk = anthropic if recording.is_anthropic else openai
    http = (sdk.DefaultAsyncHttpxClient if is_async else sdk.DefaultHttpxClient)(verify=False)  # loading certificates takes 30 ms
    shared: dict[str, Any] = {"api_key": "none", "max_retries": 0, "http_client": http}
    if recording.is_anthropic:
        return (anthropic.AsyncAnthropic if is_async else anthropic.Anthropic)(base_url=url, **shared)
    if version := recording.query.get("api-version"):
        azure = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
        return azure(azure_endpoint=url, api_version=version, **shared)
    base_url = url + re.sub("(/chat)?/completions$|/responses$", "", recording.path)
    return (openai.AsyncOpenAI if is_async else openai.OpenAI)(base_url=base_url, **shared)


METHODS: Final = {
    "create": "create",
    "stream": "stream",
    "raw": "with_raw_response.create",
    "lines": "with_streaming_response.create",
}
"""The ways to make a call: plainly, with the SDK's helper, by a raw response that is parsed, by one whose lines are read."""


CASES: Final = [
    pytest.param(recording, surface, id=f"{recording.name}-{surface}")
    for recording in RECORDINGS
    for surface in METHODS
    if surface != "stream" or not recording.is_completion  # which have no helper
]


def ask(client: Any, recording: Recording, surface: str) -> Any:
    """Makes the recorded request in one of these ways; what the SDK has no name for goes into extra_body."""
    if recording.is_anthropic:
        resource = client.beta.messages if recording.query.get("beta") else client.messages
    elif recording.is_response:
        resource = client.responses
    else:
        resource = client.completions if recording.is_completion else client.chat.completions
    method = attrgetter(METHODS[surface])(resource)
    known = {*inspect.signature(method).parameters}
    given = dict(recording.request)
    if surface == "stream":
        given.pop("stream", None)
        known -= set() if recording.is_anthropic else {"tools"}  # OpenAI's helper takes strict ones only
    extra = {name: given.pop(name) for name in list(given) if name not in known}
    return method(**given, **({"extra_body": extra} if extra else {}))


@contextmanager
def opened(client: Any, recording: Recording, surface: str) -> Generator[Any]:
    """What the application iterates: the stream, its lines, or a whole answer as a list of one."""
    answer = ask(client, recording, surface)
    if surface in {"stream", "lines"}:
        with answer as stream:
            yield stream.iter_lines() if surface == "lines" else stream
    else:
        answer = answer.parse() if surface == "raw" else answer
        yield answer if recording.request.get("stream") else [answer]


@asynccontextmanager
async def aopened(client: Any, recording: Recording, surface: str) -> AsyncGenerator[Any]:
    """The asynchronous twin of `opened`."""
    answer = ask(client, recording, surface)
    if surface in {"stream", "lines"}:
        async with answer as stream:
            yield stream.iter_lines() if surface == "lines" else stream
    else:
        answer = await answer
        answer = answer.parse() if surface == "raw" else answer
        answer = await answer if inspect.isawaitable(answer) else answer  # parse() is asynchronous in some versions
        yield answer if recording.request.get("stream") else as_async([answer])


async def as_async(items: Iterable[Any]) -> AsyncIterator[Any]:
    """The items, asynchronously."""
    for item in items:
        yield item


def listen(recording: Recording, surface: str, url: str) -> Heard:
    """Makes the call and reads it to its end."""
    heard = Heard()
    with connect(recording, url, is_async=False) as client:
        try:
            with opened(client, recording, surface) as stream:
                heard.stream = type(stream)
                for chunk in stream:
                    heard.hear(chunk)
        except Exception as error:  # whatever it is, it is what the application sees
            heard.error = (type(error), str(error))
    return heard


async def alisten(recording: Recording, surface: str, url: str) -> Heard:
    """The asynchronous twin of `listen`."""
    heard = Heard()
    async with connect(recording, url, is_async=True) as client:
        try:
            async with aopened(client, recording, surface) as stream:
                heard.stream = type(stream)
                async for chunk in stream:
                    heard.hear(chunk)
        except Exception as error:
            heard.error = (type(error), str(error))
    return heard


def play(recording: Recording, surface: str, *, is_async: bool) -> tuple[Heard, list[Request]]:
    """Serves the recording to one call; returns what the application heard and what the server was sent."""
    with Loopback(recording.reply) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)  # the SDKs warn of old models, at the line of the caller
        call = (recording, surface, server.url)
        heard = asyncio.run(alisten(*call)) if is_async else listen(*call)
    heard.warnings = [f"{w.filename}:{w.lineno} {w.message}" for w in caught if issubclass(w.category, DeprecationWarning)]
    return heard, server.requests


# --- what the span should say ----------------------------------------------------------------------------------------


@dataclass
class Choice:
    """One choice of an answer, its pieces put together."""

    text: str = ""
    reasoning: str = ""
    tools: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    finish: str | None = None

    def call(self, key: int, call: Mapping[str, Any], arguments: str) -> None:
        """Adds a fragment of a tool call."""
        tool = self.tools.setdefault(key, {"name": call.get("name"), "id": call.get("id"), "arguments": ""})
        tool["arguments"] += arguments

    def told(self) -> dict[str, Any]:
        """The choice as the span should tell it."""
        calls = [{**tool, "arguments": json.loads(tool["arguments"] or "{}")} for tool in self.tools.values()]
        return {"text": self.text, "reasoning": self.reasoning, "tools": calls}

    def preview(self) -> str:
        """The end of what a user would see; of the tool calls where that is nothing."""
        return (self.text or "".join(f"{tool['name']}({tool['arguments']})" for tool in self.tools.values()))[-4096:]


def openai_choices(events: list[dict[str, Any]]) -> list[Choice]:
    """The choices of a streamed chat completion."""
    choices: dict[int, Choice] = {}
    for piece in (piece for event in events for piece in event.get("choices") or ()):
        choice, delta = choices.setdefault(piece["index"], Choice()), piece["delta"]
        choice.text += delta.get("content") or ""
        choice.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
        choice.finish = piece["finish_reason"] or choice.finish
        for call in delta.get("tool_calls") or ():
            choice.call(call["index"], {"id": call.get("id"), **call["function"]}, call["function"].get("arguments") or "")
    return [choice for _, choice in sorted(choices.items())]


def response_choices(events: list[dict[str, Any]]) -> list[Choice]:
    """The one answer of a streamed response."""
    choice = Choice()
    for event in events:
        kind, item, delta = str(event.get("type")), event.get("item") or {}, event.get("delta")
        if item.get("type") == "function_call" and kind.endswith(".added"):
            choice.call(event["output_index"], {"id": item["call_id"], "name": item["name"]}, "")
        if kind == "response.function_call_arguments.delta":
            choice.call(event["output_index"], {}, str(delta))
        choice.text += str(delta) if kind == "response.output_text.delta" else ""
        choice.reasoning += str(delta) if kind == "response.reasoning_summary_text.delta" else ""
        if kind in {"response.completed", "response.incomplete"}:
            response = event["response"]
            choice.finish = (response["incomplete_details"] or {}).get("reason") or response["status"]
    return [choice]


def anthropic_choices(events: list[dict[str, Any]]) -> list[Choice]:
    """The one choice of a streamed message."""
    choice = Choice()
    for event in events:
        block, delta = event.get("content_block") or {}, event.get("delta") or {}
        if str(block.get("type")).endswith("tool_use"):
            choice.call(event["index"], block, "")
        if "partial_json" in delta:
            choice.call(event["index"], {}, delta["partial_json"])
        choice.text += block.get("text") or delta.get("text") or ""
        choice.reasoning += block.get("thinking") or delta.get("thinking") or ""
        choice.finish = delta.get("stop_reason") or choice.finish
    return [choice]


def openai_usage(events: list[dict[str, Any]]) -> dict[str, int | None]:
    """The numbers that the recording reports; Groq has them in a place of its own."""
    reports = [event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in events]
    usage: dict[str, Any] = next((report for report in reversed(reports) if report), {})
    return {
        semconv.USAGE_INPUT_TOKENS: usage.get("prompt_tokens"),
        semconv.USAGE_OUTPUT_TOKENS: usage.get("completion_tokens"),
        semconv.USAGE_CACHE_READ_INPUT_TOKENS: (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: None,
        semconv.USAGE_REASONING_OUTPUT_TOKENS: (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }


def response_usage(events: list[dict[str, Any]]) -> dict[str, int | None]:
    """The numbers that the terminal event of the recording reports."""
    usage: dict[str, Any] = events[-1]["response"]["usage"]
    return {
        semconv.USAGE_INPUT_TOKENS: usage["input_tokens"],
        semconv.USAGE_OUTPUT_TOKENS: usage["output_tokens"],
        semconv.USAGE_CACHE_READ_INPUT_TOKENS: usage["input_tokens_details"]["cached_tokens"],
        semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: None,
        semconv.USAGE_REASONING_OUTPUT_TOKENS: usage["output_tokens_details"]["reasoning_tokens"],
    }


def anthropic_usage(events: list[dict[str, Any]]) -> dict[str, int | None]:
    """The numbers that the recording reports: each one's last total, and the input with what the cache held."""
    usage: dict[str, Any] = {}
    for event in events:
        report: dict[str, Any] = event.get("usage") or event.get("message", {}).get("usage") or {}
        usage |= {name: value for name, value in report.items() if value is not None}
    read, created = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    return {
        semconv.USAGE_INPUT_TOKENS: usage["input_tokens"] + (read or 0) + (created or 0),
        semconv.USAGE_OUTPUT_TOKENS: usage["output_tokens"],
        semconv.USAGE_CACHE_READ_INPUT_TOKENS: read,
        semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: created,
        semconv.USAGE_REASONING_OUTPUT_TOKENS: (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    }


def expect(recording: Recording, surface: str) -> dict[str, Any]:
    """What the span should say of the recording; ``None`` for what should not be there."""
    events = [event for event in recording.events() if event.get("type") != "ping"]
    failed = next((number for number, event in enumerate(events) if event.get("error")), None)
    # The SDKs raise an error event and tell no more of it; who reads lines reads on.
    seen = events if surface == "lines" and recording.status < 400 else events[:failed]
    if recording.status >= 400:
        facts: dict[str, Any] = {}
    elif recording.is_anthropic:
        facts = answered(anthropic_choices(seen), anthropic_usage(seen), [event.get("message", {}) for event in seen])
    elif recording.is_response:
        facts = answered(response_choices(seen), response_usage(seen), [seen[-1]["response"]])
    else:
        facts = answered(openai_choices(seen), openai_usage(seen), seen)
    code = fault(events, failed)
    return {
        semconv.PROVIDER_NAME: provider(recording),
        semconv.REQUEST_MODEL: recording.request["model"],
        semconv.OUTCOME: "failed" if code else "completed",
        semconv.ERROR_TYPE: code,
        semconv.CHUNKS: len(seen),
        semconv.RESPONSE_FINISH_REASONS: ("error",),
        **facts,
    }


def fault(events: list[dict[str, Any]], failed: int | None) -> str | None:
    """The provider's code of what went wrong: an error, or a response that is not complete; ``None`` if all went well."""
    error = {} if failed is None else events[failed]["error"]
    details = (events[-1].get("response") or {}).get("incomplete_details") or {}
    code = error.get("code") or error.get("type") or details.get("reason")
    return None if code is None else str(code)


def provider(recording: Recording) -> str:
    """Who is asked, as far as a client that talks to loopback can tell."""
    if recording.is_anthropic:
        return semconv.ANTHROPIC
    return semconv.AZURE_OPENAI if "api-version" in recording.query else semconv.OPENAI


def answered(choices: list[Choice], usage: dict[str, int | None], heads: list[dict[str, Any]]) -> dict[str, Any]:
    """What the span should say of an answer."""
    estimated = tuple(name for name in ("input_tokens", "output_tokens") if usage[f"gen_ai.usage.{name}"] is None)
    return {
        semconv.RESPONSE_FINISH_REASONS: tuple(choice.finish or "error" for choice in choices),
        semconv.RESPONSE_ID: first(heads, "id"),
        semconv.RESPONSE_MODEL: first(heads, "model"),
        semconv.OPENAI_RESPONSE_SERVICE_TIER: first(heads, "service_tier"),
        semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: first(heads, "system_fingerprint"),
        semconv.OUTPUT_MESSAGES: [choice.told() for choice in choices],
        semconv.PREVIEW: choices[0].preview() or None,
        semconv.USAGE_ESTIMATED: estimated or None,
        **{name: count for name, count in usage.items() if name.removeprefix("gen_ai.usage.") not in estimated},
    }


def first(heads: list[dict[str, Any]], name: str) -> str | None:
    """The first of that name that is not empty."""
    return next((head[name] for head in heads if head.get(name)), None)


def told(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span, its output put together the way that `Choice.told` does."""
    attributes = dict(span.attributes or {})
    assert misshapen(attributes) == []
    if messages := attributes.get(semconv.OUTPUT_MESSAGES):
        attributes[semconv.OUTPUT_MESSAGES] = [tell(message["parts"]) for message in json.loads(str(messages))]
    return attributes


def call(part: dict[str, Any]) -> dict[str, Any]:
    """A call to a tool, be it the application's or the provider's."""
    details = part.get("server_tool_call", {})
    arguments = part.get("arguments", {key: value for key, value in details.items() if key not in {"type", "server_name"}})
    return {"name": part["name"], "id": part.get("id"), "arguments": arguments}


def is_in_pieces(part: dict[str, Any]) -> bool:
    """Whether a call that the provider made itself is streamed as those of the application are, as Anthropic's are by their ids."""
    return part["type"] == "server_tool_call" and part.get("id", "").startswith(("srvtoolu", "mcptoolu"))


def tell(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts of one message in the form of `Choice.told`."""
    calls = [call(part) for part in parts if part["type"] == "tool_call" or is_in_pieces(part)]
    texts = {kind: "".join(part["content"] for part in parts if part["type"] == kind) for kind in ("text", "reasoning")}
    return {**texts, "tools": calls}


# --- the test --------------------------------------------------------------------------------------------------------


class Spans(SpanProcessor):
    """The spans of one tracer provider, as they start and as they end."""

    def __init__(self) -> None:
        self.started: list[Span] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Counts it."""
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps it."""
        self.ended.append(span)

    def wait(self) -> None:
        """Returns once all have ended; a stream that was let go is ended in the background."""
        deadline = time.monotonic() + 5
        while len(self.ended) < len(self.started) and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def only(self) -> ReadableSpan:
        """The one span that there was."""
        assert (len(self.started), len(self.ended)) == (1, 1)
        return self.ended[0]


@contextmanager
def watched(**settings: Any) -> Generator[Spans]:
    """Within it, streamspan is on; the spans are complete when it is left."""
    spans, provider = Spans(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(spans)
    streamspan.instrument(tracer_provider=provider, **settings)
    try:
        yield spans
        spans.wait()
    finally:
        streamspan.uninstrument()
        provider.shutdown()


@pytest.mark.skipif(not RECORDINGS, reason=MISSING)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("recording", "surface"), CASES)
def test_recording(recording: Recording, surface: str, is_async: bool) -> None:
    """The application hears and sends exactly what it would without us, and one complete span tells what was recorded."""
    call = partial(play, recording, surface, is_async=is_async)
    alone = call()
    with watched() as spans:
        beside = call()
    assert beside[0] == alone[0]
    assert [(r.method, r.path, r.json) for r in beside[1]] == [(r.method, r.path, r.json) for r in alone[1]]

    expected, attributes, span = expect(recording, surface), told(spans.only), spans.only
    assert {name: attributes.get(name) for name in expected} == expected
    for name in expected.get(semconv.USAGE_ESTIMATED) or ():
        assert attributes[f"gen_ai.usage.{name}"] > 0
    if semconv.RESPONSE_ID in expected:
        assert (semconv.COST_TOTAL in attributes) != (semconv.COST_UNPRICED in attributes)
    status = StatusCode.ERROR if expected[semconv.OUTCOME] == "failed" else StatusCode.UNSET
    operation = "text_completion" if recording.is_completion else "chat"
    assert (span.name, span.kind, span.status.status_code) == (
        f"{operation} {recording.request['model']}",
        SpanKind.CLIENT,
        status,
    )


@pytest.mark.skipif(not RECORDINGS, reason=MISSING)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_chunk_events(recording: Recording) -> None:
    """Where they are asked for, the chunk events together hold every chunk and all of the text, however long the stream is."""
    with watched(capture_stream_chunks=True) as spans:
        play(recording, "create", is_async=False)
    events = [dict(event.attributes or {}) for event in spans.only.events if event.name == semconv.CHUNK_EVENT]
    text = "".join(str(event.get(semconv.CHUNK_TEXT, "")) for event in events)
    count = sum(int(str(event.get(semconv.CHUNK_COUNT, 1))) for event in events)
    expected = expect(recording, "create")
    assert (text, count, spans.only.dropped_events) == (heard_text(recording), expected[semconv.CHUNKS], 0)


def heard_text(recording: Recording) -> str:
    """The text of a streamed answer as it arrives, that of several choices mixed."""
    events = [event for event in recording.events() if not event.get("error")]
    if recording.is_anthropic:
        return anthropic_choices(events)[0].text
    if recording.is_response:
        return response_choices(events)[0].text
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
