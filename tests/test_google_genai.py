"""What Google's SDK does otherwise than the others: streams that are generators, and several requests for one question."""

import asyncio
import gc
import inspect
import json
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from types import SimpleNamespace
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.trace import SpanKind

import streamspan
from streamspan.answer import Answer, dump_json
from streamspan.providers.google_genai import body, prompt, read

from conftest import Recorder
from loopback import Loopback, Reply, Request, Tool, google_chunk, google_chunks, google_usage, google_whole, sse
from surfaces import GOOGLE, QUESTION, GoogleSurface, Surface, vertex

TEXTS = ["Lima ", "is ", "the ", "capital ", "of ", "Peru."]
SYNC, ASYNC = GOOGLE


# --- ends of a generator ---------------------------------------------------------------------------------------------


def close_in_a_generator_of_mine(stream: Generator[Any]) -> None:
    def mine() -> Generator[Any]:
        yield from stream

    generator = mine()
    next(generator)
    generator.close()


def close_with(stream: Generator[Any]) -> None:
    with closing(stream):
        next(stream)


def close_in_warm_code(stream: Generator[Any]) -> None:
    def nothing() -> Generator[None]:
        yield

    next(stream)
    for generator in [*(nothing() for _ in range(50)), stream]:
        generator.close()


def interrupt_with(stream: Generator[Any]) -> None:
    def read() -> None:
        with closing(stream):
            next(stream)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()


def close(stream: Generator[Any]) -> None:
    next(stream)
    stream.close()


def close_in_a_thread(stream: Generator[Any]) -> None:
    next(stream)
    thread = threading.Thread(target=lambda: [stream.close()])
    thread.start()
    thread.join()


def throw(stream: Generator[Any]) -> None:
    next(stream)
    with pytest.raises(LookupError, match="mine"):
        stream.throw(LookupError("mine"))


def forget(stream: Generator[Any]) -> None:
    next(stream)


def overwrite(stream: Generator[Any]) -> None:
    next(stream)
    stream = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def end_with(way: Callable[[Generator[Any]], None]) -> None:
    """Lets go of a stream in this way; nobody else holds it."""
    streams: list[Any] = []
    with Loopback(Reply(body=SYNC.wire(TEXTS))) as server:
        client = SYNC.client(server)
        streams.append(await SYNC.open(client))
        way(streams.pop())
        await SYNC.shut(client)


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        (close, "aborted"),
        (close_with, "aborted"),
        (close_in_warm_code, "aborted"),
        (close_in_a_generator_of_mine, "aborted"),
        (close_in_a_thread, "aborted"),
        (interrupt_with, "cancelled"),
        (forget, "abandoned"),
        (overwrite, "abandoned"),
        (throw, "abandoned"),
    ],
)
async def test_closed_and_dropped_are_told_apart(way: Callable[[Generator[Any]], None], outcome: str, observed: Recorder) -> None:
    """``close()`` aborts a stream and dropping it abandons it, though CPython does the same in both cases."""
    await end_with(way)

    assert observed.attributes()["streamspan.outcome"] == outcome
    assert observed.attributes()["streamspan.preview"] == "Lima "


async def test_asynchronous_stream_that_is_closed(observed: Recorder) -> None:
    """``aclose()`` ends the span with what was said; whether it was closed or dropped cannot be told."""
    with Loopback(Reply(body=ASYNC.wire(TEXTS))) as server:
        client = ASYNC.client(server)
        async with aclosing(await ASYNC.open(client)) as stream:
            await anext(stream)
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.01)
        await ASYNC.shut(client)

    assert observed.attributes()["streamspan.outcome"] == "abandoned"
    assert observed.attributes()["streamspan.preview"] == "Lima "


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_stream_that_is_never_iterated(surface: Surface, observed: Recorder) -> None:
    """Where no request was sent there is no span; where it was (the asynchronous method of 1.x), the span is abandoned."""
    with Loopback(Reply(body=surface.wire(TEXTS))) as server:
        client = surface.client(server)
        await surface.open(client)
        no_functions = {"automatic_function_calling": {"disable": True}}
        stream = await surface.open(client, config=no_functions)
        requests = len(server.requests)
        del stream
        await asyncio.sleep(0.01)
        await surface.shut(client)

    assert [(span.attributes or {})["streamspan.outcome"] for span in observed.spans(requests)] == ["abandoned"] * requests


async def test_cancelled_while_the_request_is_sent(observed: Recorder) -> None:
    """A task that is cancelled before the first byte has come leaves a cancelled span."""
    hold = threading.Event()

    def answer(_: Request) -> Reply:
        hold.wait(10)
        return Reply(body=[])

    async def ask(client: Any) -> None:
        await ASYNC.take(await ASYNC.open(client))

    with Loopback(answer) as server:
        client = ASYNC.client(server)
        task = asyncio.create_task(ask(client))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        await ASYNC.shut(client)

    assert observed.attributes()["streamspan.outcome"] == "cancelled"


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_empty_stream(surface: Surface, observed: Recorder) -> None:
    """A stream without a chunk ends as it does without us, and is truncated."""
    with Loopback(Reply(body=[])) as server:
        client = surface.client(server)
        assert await surface.take(await surface.open(client)) == []
        await surface.shut(client)

    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["streamspan.chunks"]) == ("truncated", 0)


# --- what the application gets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_public_methods_are_untouched(surface: Surface, observed: Recorder) -> None:
    """The method that the application calls looks as it did, and gives the SDK's own generator."""
    with Loopback(Reply(body=surface.wire(TEXTS))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        kind: Any = client.models.__class__
        for method in (kind.generate_content, kind.generate_content_stream):
            assert method.__module__ == "google.genai.models"
            assert inspect.signature(method) == inspect.signature(method.__wrapped__)
            assert inspect.iscoroutinefunction(method) is surface.is_async
        assert inspect.isgeneratorfunction(kind.generate_content_stream) is not surface.is_async
        assert inspect.isasyncgen(stream) if surface.is_async else inspect.isgenerator(stream)
        code = stream.ag_code if surface.is_async else stream.gi_code
        assert code.co_filename == inspect.getfile(kind)
        assert [chunk.text for chunk in await surface.take(stream)] == [*TEXTS, ""]
        await surface.shut(client)

    assert observed.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_unobserved_calls(surface: Surface, stream: bool, recorder: Recorder) -> None:
    """Suppressed and unsampled calls give the application the same and leave no span."""
    unsampled = TracerProvider(sampler=sampling.ALWAYS_OFF)
    streamspan.instrument(tracer_provider=unsampled)
    with Loopback(lambda _: Reply(body=surface.wire(TEXTS)) if stream else Reply.of(surface.whole("x"))) as server:
        client = surface.client(server)
        answers = [await surface.create(client, stream=stream)]
        texts = [await surface.take(answer) if stream else [answer] for answer in answers]
        with suppress_instrumentation():
            answer = await surface.create(client, stream=stream)
            texts.append(await surface.take(answer) if stream else [answer])
        await surface.shut(client)
    streamspan.uninstrument()
    unsampled.shutdown()

    wanted = [*TEXTS, ""] if stream else ["x"]
    assert [[chunk.text for chunk in text] for text in texts] == [wanted] * 2
    assert recorder.spans(0) == []


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_span_is_current_while_the_request_is_sent_and_no_longer(surface: Surface, observed: Recorder) -> None:
    """What the HTTP client does nests under the call; the caller's loop body runs in the caller's own context."""
    seen: list[int] = []
    ours: list[int] = []

    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        http = client._api_client._async_httpx_client if surface.is_async else client._api_client._httpx_client
        send = http.send

        def note(*args: Any, **kwargs: Any) -> Any:
            seen.append(trace.get_current_span().get_span_context().span_id)
            return send(*args, **kwargs)

        http.send = note
        with observed.provider.get_tracer("test").start_as_current_span("caller") as caller:
            stream = await surface.open(client)
            while await surface.next(stream) is not None:
                ours.append(trace.get_current_span().get_span_context().span_id)
        await surface.shut(client)

    model_call = next(span for span in observed.ended if span.name != "caller")
    observed.started.sort()
    observed.ended.sort(key=lambda span: span.name)
    assert seen == [model_call.context.span_id if model_call.context else 0]
    assert set(ours) == {caller.get_span_context().span_id}
    assert model_call.parent is not None
    assert model_call.parent.span_id == caller.get_span_context().span_id


def originals() -> list[Any]:
    from google.genai.models import AsyncModels, Models

    names = ("_generate_content", "_generate_content_stream")
    return [kind.__dict__[name] for kind in (Models, AsyncModels) for name in names]


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_client_made_before_and_stream_that_outlives_us(surface: Surface, recorder: Recorder) -> None:
    """A client made before ``instrument()`` is observed, a stream to its end after ``uninstrument()``, which restores the SDK."""
    before = originals()
    with Loopback(Reply(body=surface.wire(["x", "y"]))) as server:
        client = surface.client(server)
        streamspan.GoogleGenAIInstrumentor().instrument(tracer_provider=recorder.provider)
        stream = await surface.open(client)
        first = await surface.next(stream)
        streamspan.GoogleGenAIInstrumentor().uninstrument()
        assert all(now is then for now, then in zip(originals(), before, strict=True))
        assert [first.text, *(chunk.text for chunk in await surface.take(stream))] == ["x", "y", ""]
        await surface.shut(client)

    assert recorder.attributes()["streamspan.outcome"] == "completed"


# --- several requests for one question -------------------------------------------------------------------------------


def get_weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


def two_rounds(*, stream: bool) -> Callable[[Request], Reply]:
    """Asks for the function first, and answers when it has the result."""

    def answer(request: Request) -> Reply:
        is_second = "functionResponse" in request.body.decode()
        options: dict[str, Any] = {"usage": google_usage(20, 4) if is_second else google_usage(10, 2)}
        texts = ["It is ", "sunny."] if is_second else []
        tools = [] if is_second else [Tool(arguments=('{"city":"Lima"}',))]
        if stream and is_second:
            return Reply(body=google_chunks(texts, **options))
        whole = google_whole("".join(texts), tools=tools, **options)
        return Reply(body=[sse(None, whole)]) if stream else Reply.of(whole)  # 1.x overlooks a call that is not in the last chunk

    return answer


@pytest.mark.parametrize("chat", [False, True], ids=["models", "chat"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_one_span_per_request_with_automatic_function_calling(
    surface: Surface, stream: bool, chat: bool, observed: Recorder
) -> None:
    """Functions that the SDK calls by itself make several requests: a span for each, with its own usage, under one parent."""
    config: dict[str, Any] = {"tools": [get_weather]}
    with Loopback(two_rounds(stream=stream)) as server:
        client = surface.client(server)
        with observed.provider.get_tracer("test").start_as_current_span("caller"):
            if chat:
                talk = client.chats.create(model=surface.model, config=config)
                result = (talk.send_message_stream if stream else talk.send_message)(QUESTION)
                result = await result if surface.is_async else result
            else:
                result = await surface.create(client, stream=stream, config=config)
            if stream:
                await surface.take(result)
        await surface.shut(client)

    observed.started.sort()
    observed.ended.sort(key=lambda span: span.name)
    caller, *calls = observed.spans(1 + len(server.requests))
    calls.sort(key=lambda span: span.start_time or 0)
    told = [dict(span.attributes or {}) for span in calls]
    assert len(calls) == 2
    assert {span.parent.span_id if span.parent else 0 for span in calls} == {caller.context.span_id if caller.context else 1}
    assert [attributes["streamspan.outcome"] for attributes in told] == ["completed", "completed"]
    assert [attributes["gen_ai.usage.input_tokens"] for attributes in told] == [10, 20]
    assert json.loads(str(told[1]["gen_ai.input.messages"]))[-1]["parts"][0]["type"] == "tool_call_response"
    tool = {"type": "function", "name": "get_weather", "description": "Tells the weather."}
    assert json.loads(str(told[0]["gen_ai.tool.definitions"]))[0].items() >= tool.items()


@pytest.mark.parametrize("chat", [False, True], ids=["models", "chat"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_requests_of_one_question_have_one_parent(surface: Surface, stream: bool, chat: bool, observed: Recorder) -> None:
    """Where the application has no span the requests get a parent: a span that is no model call, and as long as both together."""
    config: dict[str, Any] = {"tools": [get_weather]}
    with Loopback(two_rounds(stream=stream)) as server:
        client = surface.client(server)
        talk = client.chats.create(model=surface.model, config=config)
        if chat:
            result = (talk.send_message_stream if stream else talk.send_message)(QUESTION)
            result = await result if surface.is_async else result
        else:
            result = await surface.create(client, stream=stream, config=config)
        if stream:
            await surface.take(result)
        if chat:
            assert [content.role for content in talk.get_history()][-1] == "model"
        del result
        await asyncio.sleep(0)
        await surface.shut(client)

    observed.wait_for(3)
    observed.started.sort()
    observed.ended.sort(key=lambda span: span.name)
    parent, *calls = observed.spans(3)
    assert (parent.name, parent.kind, parent.parent) == ("automatic_function_calling", SpanKind.INTERNAL, None)
    assert dict(parent.attributes or {}) == {}
    assert [span.parent for span in calls] == [parent.context] * 2
    assert parent.start_time is not None
    assert parent.end_time is not None
    assert all(parent.start_time <= (span.start_time or 0) <= (span.end_time or 0) <= parent.end_time for span in calls)
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_one_request_needs_no_parent(stream: bool, observed: Recorder) -> None:
    """Without a function to call there is the model call and nothing else."""
    config = {"tools": [get_weather], "automatic_function_calling": {"disable": True}}
    with Loopback(lambda _: Reply(body=SYNC.wire(["x"])) if stream else Reply.of(SYNC.whole("x"))) as server:
        client = SYNC.client(server)
        result = await SYNC.create(client, stream=stream, config=config)
        if stream:
            await SYNC.take(result)
        await SYNC.shut(client)

    assert observed.span().parent is None


# --- who is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"])
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_vertex(surface: GoogleSurface, model: str, observed: Recorder, *, streamed: bool) -> None:
    """A client of Vertex AI, with a project of its own, is named so; the model is as it was asked for, and priced."""
    reported = {**google_usage(1000, 40), "trafficType": "ON_DEMAND"}
    chunks = google_chunks(["x"], usage=reported, model="")
    with Loopback(Reply(body=chunks) if streamed else Reply.of(surface.whole("x", usage=reported, model=""))) as server:
        client = vertex(surface, server)
        result = await surface.create(client, stream=streamed, model=model)
        if streamed:
            await surface.take(result)
        await surface.shut(client)
        port, path = server.port, server.requests[0].path

    attributes = observed.attributes()
    assert "/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash:" in path
    assert attributes["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", port)
    assert attributes["gen_ai.request.model"] == model
    assert attributes["streamspan.cost.total"] == pytest.approx(1000 * 0.30e-6 + 40 * 2.50e-6)


async def test_address_of_one_request(observed: Recorder) -> None:
    """The base URL of a request's own options wins over the client's."""
    surface = GoogleSurface(is_async=False)
    with Loopback(Reply.of(surface.whole("x"))) as server, Loopback(Reply.of({})) as other:
        client = surface.client(other)
        await surface.create(client, config=types.GenerateContentConfig(http_options=types.HttpOptions(base_url=server.url)))
        await surface.shut(client)
        assert observed.attributes()["server.port"] == server.port


# --- usage -----------------------------------------------------------------------------------------------------------

TEXT_ONLY: dict[str, Any] = {"promptTokenCount": 1000, "candidatesTokenCount": 100}


@pytest.mark.parametrize(
    ("reported", "counts", "cost"),
    [
        pytest.param(TEXT_ONLY, (1000, 100, None, None), 1000 * 0.3 + 100 * 2.5, id="text"),
        pytest.param({**TEXT_ONLY, "thoughtsTokenCount": 60}, (1000, 160, None, 60), 1000 * 0.3 + 160 * 2.5, id="thoughts"),
        pytest.param({**TEXT_ONLY, "toolUsePromptTokenCount": 50}, (1050, 100, None, None), 1050 * 0.3 + 100 * 2.5, id="tools"),
        pytest.param(
            {**TEXT_ONLY, "cachedContentTokenCount": 400}, (1000, 100, 400, None), 600 * 0.3 + 400 * 0.03 + 100 * 2.5, id="cache"
        ),
        pytest.param(
            {**TEXT_ONLY, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 400}]},
            (1000, 100, None, None),
            600 * 0.3 + 400 * 1.0 + 100 * 2.5,
            id="audio",
        ),
        pytest.param(
            {"promptTokenCount": 0, "candidatesTokenCount": 0, "thoughtsTokenCount": 0, "cachedContentTokenCount": 0},
            (0, 0, 0, 0),
            0,
            id="zero",
        ),
        pytest.param({"promptTokenCount": 10, "thoughtsTokenCount": 5}, (10, 5, None, 5), 10 * 0.3 + 5 * 2.5, id="only thoughts"),
    ],
)
async def test_usage(reported: dict[str, Any], counts: tuple[int | None, ...], cost: float, observed: Recorder) -> None:
    """Thoughts are output, counted once; tool results are input; what was cached or heard has its own price; 0 is a number."""
    surface = GoogleSurface(is_async=False)
    early = {"promptTokenCount": 7, "candidatesTokenCount": 3}  # a running total, which later ones replace
    chunks = [google_chunk([{"text": "a"}], usage=early), google_chunk([{"text": "b"}], finish="STOP", usage=reported)]
    with Loopback(Reply(body=[sse(None, chunk) for chunk in chunks])) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        await surface.shut(client)

    attributes = observed.attributes()
    names = ("input_tokens", "output_tokens", "cache_read.input_tokens", "reasoning.output_tokens")
    assert tuple(attributes.get(f"gen_ai.usage.{name}") for name in names) == counts
    assert attributes["streamspan.cost.total"] == pytest.approx(cost / 1e6)
    assert "streamspan.usage.estimated" not in attributes


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_one_span_per_request_with_continuation(surface: GoogleSurface, observed: Recorder, *, streamed: bool) -> None:
    """An answer that the SDK continues by itself (2.x and newer) has a span for each request, with that request's own usage."""
    is_old = genai.__version__.startswith("1.")  # which has never heard of it

    def answer(request: Request) -> Reply:
        second = "continuationToken" in request.body.decode()
        usage, finish = google_usage(20, 4) if second else google_usage(10, 2), "STOP" if second or is_old else "CONTINUATION"
        chunk = google_chunk([{"text": "b" if second else "a"}], finish=finish, usage=usage, id=f"resp_{second}")
        if not second:
            chunk["candidates"][0]["continuationToken"] = "dDE="
        return Reply(body=[sse(None, chunk)]) if streamed else Reply.of(chunk)

    with Loopback(answer) as server:
        client = surface.client(server)
        result = await surface.create(client, stream=streamed)
        if streamed:
            await surface.take(result)
        await surface.shut(client)
        hops = len(server.requests)

    told = [dict(span.attributes or {}) for span in sorted(observed.spans(hops), key=lambda span: span.start_time or 0)]
    assert hops == (1 if is_old else 2)
    assert [attributes["streamspan.outcome"] for attributes in told] == ["completed"] * hops
    assert [attributes["gen_ai.usage.input_tokens"] for attributes in told] == [10, 20][:hops]
    assert [attributes["gen_ai.usage.output_tokens"] for attributes in told] == [2, 4][:hops]
    assert [attributes["gen_ai.response.finish_reasons"] for attributes in told] == [("CONTINUATION",), ("STOP",)][-hops:]


# --- what the wire says ----------------------------------------------------------------------------------------------


def told(*chunks: Any) -> tuple[list[dict[str, Any]], Answer]:
    answer = Answer()
    for chunk in chunks:
        read(chunk, answer)
    return json.loads(dump_json(answer.messages(1))), answer


CHUNKS = [
    google_chunk([{"text": "Hm.", "thought": True}], usage={"promptTokenCount": 7, "toolUsePromptTokenCount": 5}),
    google_chunk([{"text": "a"}, {"executableCode": {"language": "PYTHON", "code": "1+1"}}]),
    google_chunk([{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}]),
    google_chunk([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
    google_chunk([{"functionCall": {"name": "f", "args": {"camelCase": 1}}}, {"functionCall": {"name": "f"}}]),
    google_chunk([], finish="MAX_TOKENS", usage={**google_usage(7, 3, thoughts=2, cached=4), "toolUsePromptTokenCount": 5}),
]
PARTS: list[dict[str, Any]] = [
    {"type": "reasoning", "content": "Hm."},
    {"type": "text", "content": "a"},
    {
        "type": "server_tool_call",
        "name": "code_execution",
        "server_tool_call": {"type": "code_execution", "language": "PYTHON", "code": "1+1"},
    },
    {
        "type": "server_tool_call_response",
        "server_tool_call_response": {"type": "code_execution", "outcome": "OUTCOME_OK", "output": "2"},
    },
    {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
    {"type": "tool_call", "name": "f", "arguments": {"camelCase": 1}},
    {"type": "tool_call", "name": "f", "arguments": {}},
]


@pytest.mark.parametrize("decode", [dict, types.GenerateContentResponse.model_validate], ids=["json", "objects"])
def test_every_kind_of_part_is_read(decode: Callable[[Any], Any]) -> None:
    """Thoughts, code, images without their bytes and calls are parts; usage is the last total, with thoughts and tools added once."""
    messages, answer = told(None, {}, *map(decode, CHUNKS))
    assert messages == [{"role": "assistant", "parts": PARTS, "finish_reason": "MAX_TOKENS"}]
    assert (answer.response_id, answer.model) == ("resp_1", "gemini-2.5-flash")
    assert (answer.reported.input_tokens, answer.reported.output_tokens) == (12, 5)
    assert (answer.reported.cache_read_tokens, answer.reported.reasoning_tokens) == (4, 2)


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_blocked_prompt(surface: Surface, observed: Recorder) -> None:
    """A prompt that is blocked has no candidates; the reason is the finish reason."""
    blocked = google_chunk(None, usage={"promptTokenCount": 4}, promptFeedback={"blockReason": "PROHIBITED_CONTENT"})
    with Loopback(Reply(body=[sse(None, blocked)])) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        await surface.shut(client)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["gen_ai.response.finish_reasons"] == ("PROHIBITED_CONTENT",)


async def test_candidates_are_kept_apart(observed: Recorder) -> None:
    """With ``candidate_count`` = 2 each candidate is a message of its own; one that never came is an error."""
    surface = GoogleSurface(is_async=False)
    with Loopback(Reply(body=google_chunks(["a"], index=1))) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client, config={"candidateCount": 2}))
        await surface.shut(client)

    attributes = observed.attributes()
    assert attributes["gen_ai.request.choice.count"] == 2
    assert attributes["gen_ai.response.finish_reasons"] == ("error", "STOP")
    assert attributes["streamspan.outcome"] == "truncated"


@pytest.mark.parametrize(
    ("contents", "messages"),
    [
        ("Hi", [("user", ["Hi"])]),
        (["a", "b"], [("user", ["a", "b"])]),
        (types.Part(text="a"), [("user", ["a"])]),
        (types.Content(role="model", parts=[types.Part(text="a")]), [("assistant", ["a"])]),
        (
            [types.UserContent("a"), types.ModelContent("b"), "c", {"text": "d"}],
            [("user", ["a"]), ("assistant", ["b"]), ("user", ["c", "d"])],
        ),
        (None, []),
        ([], []),
    ],
)
def test_contents_in_every_form(contents: Any, messages: list[tuple[str, list[str]]]) -> None:
    """A string, a part, a content, and lists of them, mixed: loose parts together are one message of the user's."""
    read_messages = prompt(body("m", contents, None)).messages or []
    assert [(message["role"], [part["content"] for part in message["parts"]]) for message in read_messages] == messages


def test_contents_that_the_sdk_still_has_to_read() -> None:
    """What is no list is not iterated, and what we know nothing of is named by its type."""
    image = SimpleNamespace(format="PNG")
    messages = prompt(body("m", ["What is this?", image], types.GenerateContentConfig())).messages
    assert messages == [{"role": "user", "parts": [{"type": "text", "content": "What is this?"}, {"type": "SimpleNamespace"}]}]


def test_schema_of_a_declared_function() -> None:
    """Parameters that are given as the SDK's ``Schema`` are on the span as a JSON schema, in which names stay as they are."""
    city = types.Schema(any_of=[types.Schema(type=types.Type.STRING), types.Schema(type=types.Type.ARRAY, min_items=1)])
    schema = types.Schema(type=types.Type.OBJECT, properties={"any_of": city})
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="f", parameters=schema)])
    tools = prompt(body("m", "x", {"tools": [tool]})).tools
    parameters = {"type": "object", "properties": {"any_of": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}}}
    assert tools == [{"type": "function", "name": "f", "parameters": parameters}]


async def test_generators_of_async_generators(observed: Recorder) -> None:
    """An application's own asynchronous generator around the stream may be broken out of: one span, and no complaint."""
    with Loopback(Reply(body=ASYNC.wire(TEXTS))) as server:
        client = ASYNC.client(server)

        async def mine() -> AsyncGenerator[str]:
            async for chunk in await ASYNC.open(client):
                yield chunk.text

        async with aclosing(mine()) as texts:
            async for text in texts:
                assert text == "Lima "
                break
        for _ in range(4):
            gc.collect()
            await asyncio.sleep(0.01)
        await ASYNC.shut(client)

    assert observed.attributes()["streamspan.outcome"] == "abandoned"
