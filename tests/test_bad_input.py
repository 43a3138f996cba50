"""What providers and callers get wrong: the stream is untouched, and the span ends with what is known."""

import json
import logging
import threading
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

import streamspan

from conftest import Recorder
from eventstream import event, frame
from loopback import DONE, Loopback, Reply, openai_chunk, openai_chunks, openai_usage, sse
from surfaces import (
    BEDROCK,
    SURFACES,
    AnthropicSurface,
    BedrockSurface,
    CompletionsSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)


def openai_body(*chunks: Any) -> list[bytes]:
    """A stream with these odd chunks between two good ones."""
    good = [
        openai_chunk({"role": "assistant", "content": "a"}),
        *chunks,
        openai_chunk({"content": "b"}),
        openai_chunk({}, finish="stop"),
    ]
    return [*(sse(None, chunk) for chunk in good), DONE]


ODD_OPENAI = {
    "null": openai_body(None),
    "choices null": openai_body({**openai_chunk(None), "choices": None}),
    "choices empty": openai_body(openai_chunk(None)),
    "choice null": openai_body({**openai_chunk(None), "choices": [None]}),
    "delta null": openai_body({**openai_chunk(None), "choices": [{"index": 0, "delta": None, "finish_reason": None}]}),
    "no delta": openai_body({**openai_chunk(None), "choices": [{"index": 0}]}),
    "index null": openai_body({**openai_chunk(None), "choices": [{"index": None, "delta": {"content": ""}}]}),
    "a list": openai_body([1, 2]),
    "a number": openai_body(7),
    "unknown object": openai_body({"object": "ping", "type": "ping"}),
    "tool calls null": openai_body(openai_chunk({"tool_calls": None})),
    "usage of nulls": openai_body(
        openai_chunk({}, usage={"prompt_tokens": None, "completion_tokens": None, "total_tokens": None})
    ),
    "usage everywhere": [
        sse(None, {**json.loads(chunk[6:]), "usage": openai_usage(9, n)})
        for n, chunk in enumerate(openai_chunks(["a", "b"], done=False))
    ]
    + [DONE],
    "lone surrogate": openai_body(openai_chunk({"content": "\ud83d"})),
    "surrogate pair in two": openai_body(openai_chunk({"content": "\ud83d"}), openai_chunk({"content": "\ude00"})),
    "content of another type": openai_body(openai_chunk({"content": ["x"]})),
    "empty": [DONE],
}

EVENTS = AnthropicSurface(is_async=False).wire(["a", "b"])
ODD_ANTHROPIC = {
    "unknown event": [*EVENTS[:4], sse("shrug", {"type": "shrug"}), *EVENTS[4:]],
    "unknown delta": [*EVENTS[:4], sse("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "wave"}}), *EVENTS[4:]],
    "delta null": [*EVENTS[:4], sse("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": None}), *EVENTS[4:]],
    "unknown block": [*EVENTS[:1], sse("content_block_start", {"type": "content_block_start", "index": 9, "content_block": {"type": "hologram"}}), *EVENTS[1:]],
    "no usage": [sse("message_start", {"type": "message_start", "message": {"id": "m", "type": "message", "content": []}}), *EVENTS[1:]],
    "message null": [sse("message_start", {"type": "message_start", "message": None}), *EVENTS[1:]],
    "null": [*EVENTS[:4], sse("content_block_delta", None), *EVENTS[4:]],
    "lone surrogate": [*EVENTS[:4], sse("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "\udfff"}}), *EVENTS[4:]],
    "empty": [],
}  # fmt: skip

RESPONSES = ResponsesSurface(is_async=False).wire(["a", "b"])


def responses_body(*events: Any) -> list[bytes]:
    """A stream with these odd events after its first text."""
    return [*RESPONSES[:5], *(sse(None, event) for event in events), *RESPONSES[5:]]


ODD_RESPONSES = {
    "unknown event": responses_body({"type": "response.shrug"}),
    "no type": responses_body({"delta": "x"}),
    "type of another type": responses_body({"type": ["x"], "delta": "x"}),
    "null": responses_body(None),
    "a list": responses_body([1, 2]),
    "a number": responses_body(7),
    "delta null": responses_body({"type": "response.output_text.delta", "delta": None}),
    "delta of another type": responses_body({"type": "response.output_text.delta", "delta": {"a": 1}}),
    "arguments without head": responses_body({"type": "response.function_call_arguments.delta", "output_index": None, "delta": None}),
    "item null": responses_body({"type": "response.output_item.added", "item": None}, {"type": "response.output_item.done"}),
    "unknown item": responses_body({"type": "response.output_item.done", "item": {"type": "hologram", "color": "blue"}}),
    "response null": responses_body({"type": "response.created", "response": None}, {"type": "response.completed"}),
    "output null": responses_body({"type": "response.completed", "response": {"output": None, "usage": None, "status": 7}}),
    "output of nulls": responses_body({"type": "response.completed", "response": {"output": [None, {"type": "message", "content": [None]}]}}),
    "error of null": responses_body({"type": "response.failed", "response": {"error": None}}),
    "error that is text": responses_body({"type": "error", "error": None, "message": None}),
    "lone surrogate": responses_body({"type": "response.output_text.delta", "delta": "\udfff"}),
    "ends with [DONE]": [*RESPONSES, DONE],
    "empty": [],
}  # fmt: skip

COMPLETIONS = CompletionsSurface(is_async=False).wire(["a", "b"])


def completions_body(*chunks: Any) -> list[bytes]:
    """A stream with these odd chunks after its first text."""
    return [*COMPLETIONS[:1], *(sse(None, chunk) for chunk in chunks), *COMPLETIONS[1:]]


ODD_COMPLETIONS = {
    "null": completions_body(None),
    "a list": completions_body([1, 2]),
    "choices null": completions_body({"choices": None}),
    "choice null": completions_body({"choices": [None]}),
    "text null": completions_body({"choices": [{"index": None, "text": None}]}),
    "text of another type": completions_body({"choices": [{"index": 0, "text": ["x"]}]}),
    "usage null": completions_body({"usage": None}, {"choices": [], "usage": {"prompt_tokens": None}}),
    "lone surrogate": completions_body({"choices": [{"index": 0, "text": "\udfff"}]}),
    "empty": [DONE],
}

CONVERSE = BedrockSurface(is_async=False).wire(["a", "b"])


def converse_body(*frames: bytes) -> list[bytes]:
    """A stream with these odd frames after its first text."""
    return [*CONVERSE[:2], *frames, *CONVERSE[2:]]


def converse_delta(delta: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})


ODD_BEDROCK = {
    "unknown event": converse_body(event("shrug", {"a": 1})),
    "unknown delta": converse_body(converse_delta({"wave": 1})),
    "delta null": converse_body(converse_delta(None)),
    "delta of another type": converse_body(converse_delta("x")),
    "text null": converse_body(converse_delta({"text": None})),
    "text of another type": converse_body(converse_delta({"text": ["x"]})),
    "reasoning null": converse_body(converse_delta({"reasoningContent": None})),
    "reasoning of another type": converse_body(converse_delta({"reasoningContent": {"text": 5}})),
    "input of another type": converse_body(converse_delta({"toolUse": {"input": {"a": 1}}})),
    "tool use null": converse_body(converse_delta({"toolUse": None}), converse_delta({"toolUse": {"input": None}})),
    "citation": converse_body(converse_delta({"citation": {"title": "A", "location": {"web": {"url": "https://a"}}}})),
    "image": converse_body(event("contentBlockStart", {"start": {"image": {"format": "png"}}}), converse_delta({"image": {"source": {"bytes": "AAAA"}}})),
    "start null": converse_body(event("contentBlockStart", {"start": None})),
    "index null": converse_body(event("contentBlockStart", {"start": {"toolUse": {"name": "f"}}, "contentBlockIndex": None})),
    "reason null": converse_body(event("messageStop", {"stopReason": None})),
    "usage null": converse_body(event("metadata", {"usage": None, "trace": None}), event("metadata", {"usage": {"inputTokens": None}})),
    "details null": converse_body(event("metadata", {"usage": {"cacheDetails": None}}), event("metadata", {"usage": {"cacheDetails": [None]}})),
    "null": converse_body(event("contentBlockDelta", None)),
    "a list": converse_body(event("contentBlockDelta", [1])),
    "no payload": converse_body(event("messageStop", b"")),
    "broken JSON": converse_body(event("contentBlockDelta", b"{")),
    "no headers": converse_body(frame({})),
    "exception of no kind": converse_body(frame({":message-type": "exception"}, b"{}")),
    "error": converse_body(frame({":message-type": "error", ":error-code": "Oops", ":error-message": "no"})),
    "lone surrogate": converse_body(event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"\\ud83d"}}')),
    "broken checksum": [*CONVERSE[:3], CONVERSE[3][:-1] + b"!", *CONVERSE[4:]],
    "half a frame": [*CONVERSE[:3], CONVERSE[3][:-9]],
    "no frames": [b"event: ping\n\n" * 4],
    "empty": [],
}  # fmt: skip

ODD = {
    BedrockSurface: ODD_BEDROCK,
    CompletionsSurface: ODD_COMPLETIONS,
    OpenAISurface: ODD_OPENAI,
    ResponsesSurface: ODD_RESPONSES,
    AnthropicSurface: ODD_ANTHROPIC,
}


def cases() -> list[Any]:
    return [
        pytest.param(surface, body, id=f"{surface!r}-{name}")
        for surface in (*SURFACES, *BEDROCK)
        for name, body in ODD[type(surface)].items()
    ]


def fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError


async def read(surface: Surface, body: list[bytes]) -> tuple[list[Any], str]:
    """All chunks that the application gets, and what it sees raised."""
    chunks: list[Any] = []
    raised = ""
    with Loopback(surface.streams(body)) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        chunk_by_chunk = surface.iterator(stream)
        try:
            while True:
                chunks.append(await anext(chunk_by_chunk) if surface.is_async else next_or_stop(chunk_by_chunk))
        except (StopAsyncIteration, EndOfStreamError):
            pass
        except Exception as error:
            raised = repr(error)
            stream.close() if surface in BEDROCK else None  # which leaves that to its user
        await surface.shut(client)
    return chunks, raised


class EndOfStreamError(Exception):
    """`StopIteration`, which cannot leave a coroutine."""


def next_or_stop(stream: Any) -> Any:
    try:
        return next(stream)
    except StopIteration:
        raise EndOfStreamError from None


@pytest.mark.parametrize(("surface", "body"), cases())
async def test_odd_chunks(surface: Surface, body: list[bytes], recorder: Recorder) -> None:
    """The application gets the same chunks, and the same exception if any, as without us; one span ends, and can be exported."""
    bare = await read(surface, body)
    streamspan.instrument(tracer_provider=recorder.provider)
    watched = await read(surface, body)
    streamspan.uninstrument()

    assert [repr(chunk) for chunk in watched[0]] == [repr(chunk) for chunk in bare[0]]
    assert watched[1] == bare[1]
    for value in recorder.attributes().values():
        str(value).encode()  # what UTF-8 cannot hold, protobuf refuses, and the whole batch with it


@pytest.mark.parametrize("name", ["index null", "id missing", "id and index missing", "broken JSON", "dict arguments"])
def test_odd_tool_deltas(name: str, observed: Recorder) -> None:
    """Fragments of a tool call without index or id, or with broken JSON, are kept together and kept whole."""
    head: dict[str, Any] = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    tail: dict[str, Any] = {"index": 0, "function": {"arguments": '{"a":1}'}}
    expected: dict[str, Any] = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"a": 1}}
    if name == "index null":
        head["index"] = tail["index"] = None
    elif name == "id missing":
        del head["id"]
        del expected["id"]
    elif name == "id and index missing":
        del head["id"], head["index"], tail["index"]
        del expected["id"]
    elif name == "broken JSON":
        tail["function"]["arguments"] = expected["arguments"] = '{"a":'
    else:
        head["function"]["arguments"] = None
    body = openai_body(openai_chunk({"tool_calls": [head]}), openai_chunk({"tool_calls": [tail]}))
    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))

    (message,) = json.loads(str(observed.attributes()["gen_ai.output.messages"]))
    assert [part for part in message["parts"] if part["type"] == "tool_call"] == [expected]


def test_text_and_reasoning_in_one_chunk(observed: Recorder) -> None:
    """Some servers send the last of the reasoning with the first of the text; neither is lost."""
    surface = OpenAISurface(is_async=False)
    first = {"role": "assistant", "content": None, "reasoning_content": "2+"}
    deltas = [first, {"content": "4", "reasoning_content": "2"}, {"content": "!"}]
    body = [*(sse(None, openai_chunk(delta)) for delta in deltas), sse(None, openai_chunk({}, finish="stop")), DONE]
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))

    (message,) = json.loads(str(observed.attributes()["gen_ai.output.messages"]))
    assert [(part["type"], part["content"]) for part in message["parts"]] == [("reasoning", "2+2"), ("text", "4!")]


def test_surrogate_pair_that_arrives_in_two_chunks_is_one_character(observed: Recorder) -> None:
    """A character split between chunks is whole on the span."""
    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=ODD_OPENAI["surrogate pair in two"])) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))

    assert observed.attributes()["streamspan.preview"] == "a\U0001f600b"


def test_caller_sends_nonsense(observed: Recorder) -> None:
    """A request that the SDK or the provider refuses fails as it would without us, and has its span if it was sent."""
    surface = OpenAISurface(is_async=False)
    error = {"error": {"message": "bad", "type": "invalid_request_error", "code": None}}
    with Loopback(Reply.of(error, 400)) as server, surface.client(server) as client, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model=None,  # pyright: ignore[reportArgumentType,reportCallIssue]
            messages=[None, "x", {"role": None, "content": 5}],  # pyright: ignore[reportArgumentType]
            temperature="hot",  # pyright: ignore[reportArgumentType]
            n="two",  # pyright: ignore[reportArgumentType]
            tools="hammer",  # pyright: ignore[reportArgumentType]
        )

    assert observed.attributes()["error.type"] == "invalid_request_error"
    assert observed.span().name == "chat"


def test_caller_sends_nonsense_as_a_response(observed: Recorder) -> None:
    """The same for responses, whose input has more shapes."""
    surface = ResponsesSurface(is_async=False)
    error = {"error": {"message": "bad", "type": "invalid_request_error", "code": None}}
    nonsense: Any = {
        "input": [None, "x", {"role": None, "content": 5}, {"type": 7}, {"type": "function_call_output", "output": {"a": 1}}],
        "tools": [None, "hammer", {"type": "function"}],
        "conversation": {"name": "x"},
        "text": {"format": {"type": ["x"]}},
        "reasoning": "hard",
    }
    with Loopback(Reply.of(error, 400)) as server, surface.client(server) as client, pytest.raises(openai.BadRequestError):
        client.post("/responses", cast_to=object, body=nonsense)

    assert observed.attributes()["error.type"] == "invalid_request_error"
    assert "gen_ai.conversation.id" not in observed.attributes()


def test_messages_given_as_generator_reach_the_provider(observed: Recorder) -> None:
    """An iterator of messages is left for the SDK to read."""
    surface = AnthropicSurface(is_async=False)
    messages = ({"role": "user", "content": text} for text in ["one", "two"])
    with Loopback(Reply.of(surface.whole("x"))) as server, surface.client(server) as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=messages)
        (request,) = server.requests

    assert [message["content"] for message in request.json["messages"]] == ["one", "two"]
    assert observed.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_a_defect_of_ours_stays_ours(
    surface: Surface, observed: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When our reader raises on every chunk, the application reads on, the log has one entry, and the span ends."""
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    monkeypatch.setattr("streamspan.answer.Answer.text", fail)
    chunks, raised = await read(surface, surface.wire(["a", "b", "c"]))

    assert len(chunks) > 3
    assert not raised
    assert observed.attributes()["streamspan.chunks"] == len(chunks)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "streamspan failed while reading a chunk; your program is not affected, this call's telemetry is"
    ]


@pytest.mark.parametrize("place", ["streamspan.call.Call.__init__", "tap", "streamspan.span.usage_attributes"])
@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_a_defect_anywhere_stays_ours(
    surface: Surface, place: str, observed: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When we fail at the start, at the tap or at the end of a call, the application gets all its chunks."""
    bare = len((await read(surface, surface.wire(["a"])))[0])
    observed.spans(1)
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    tap = "streamspan.sdks.botocore.tap_events" if surface in BEDROCK else "streamspan.sdks.stainless.tap_stream"
    monkeypatch.setattr(tap if place == "tap" else place, fail)

    chunks, raised = await read(surface, surface.wire(["a"]))

    assert len(chunks) == bare
    assert not raised
    observed.started[:] = [span.name for span in observed.ended]  # a span that was begun and lost is the defect itself


class Faulty(SpanProcessor):
    """A span processor of the application's that raises."""

    def on_end(self, span: ReadableSpan) -> None:
        """Raises."""
        raise ZeroDivisionError


@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_a_faulty_span_processor_stays_out_of_the_stream(
    surface: Surface, observed: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a span processor raises at the end of a span, the application reads its stream to the end and sees nothing of it."""
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    observed.provider.add_span_processor(Faulty())

    chunks, raised = await read(surface, surface.wire(["a", "b"]))

    assert len(chunks) > 2
    assert not raised
    observed.span()


def test_two_threads_at_one_stream(observed: Recorder) -> None:
    """A second thread that reads a stream at the same time gets the generator's own error, and the first reads to the end."""
    hold = threading.Event()
    surface = OpenAISurface(is_async=False)
    events = surface.wire(["a", "b"])
    with Loopback(Reply(body=[*events[:2], hold, *events[2:]])) as server, surface.client(server) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
        next(stream)
        next(stream)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        while "already executing" not in (raised := _try_next(stream)):
            assert not raised
        hold.set()
        reader.join()

    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes()["streamspan.preview"] == "ab"


def _try_next(stream: Any) -> str:
    try:
        next(stream)
    except ValueError as error:
        return str(error)
    return ""


def test_other_requests_are_let_through(observed: Recorder) -> None:
    """What is no model call has no span: it is passed on untouched."""
    with (
        Loopback(Reply.of({"object": "list", "data": []})) as server,
        openai.OpenAI(base_url=server.url, api_key="none") as client,
        anthropic.Anthropic(base_url=server.url, api_key="none") as other,
    ):
        client.models.list()
        other.models.list()

    assert observed.spans(0) == []
