"""What Amazon's SDKs do otherwise than the others: event streams, bodies that are read later, all of Amazon's services in one client."""

import asyncio
import base64
import gc
import json
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import streamspan
from streamspan import live, providers
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Prompt, WireFormat

from conftest import Recorder
from eventstream import converse_whole, event, exception
from loopback import CUT, Loopback, Piece, Reply
from surfaces import BEDROCK, BedrockSurface

SYNC, ASYNC = BEDROCK
LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning")
both = pytest.mark.parametrize("surface", BEDROCK, ids=repr)


@asynccontextmanager
async def stream(surface: BedrockSurface, body: list[Piece], **request: Any) -> AsyncGenerator[Any]:
    """A stream with this body, closed in the end."""
    with Loopback(surface.streams(body)) as server:
        client = surface.client(server)
        opened = await surface.open(client, **request)
        yield opened
        opened.close()
        await surface.shut(client)


# --- how a stream ends -----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "kind",
    [
        "internalServerException",
        "modelStreamErrorException",
        "serviceUnavailableException",
        "throttlingException",
        "validationException",
    ],
)
async def test_every_exception_of_a_stream(kind: str, surface: BedrockSurface, observed: Recorder) -> None:
    """An exception that arrives in the stream is raised by the SDK, and its name is the error's type."""
    async with stream(surface, [*surface.wire(["a"], terminal=False), exception(kind, "Not now.")]) as opened:
        with pytest.raises(Exception, match=kind):
            await surface.take(opened)

    assert observed.attributes()["streamspan.outcome"] == "failed"
    assert observed.attributes()["error.type"] == kind
    assert observed.span().status.description == "Not now."


@both
async def test_after_the_answer_and_before_the_usage(surface: BedrockSurface, observed: Recorder) -> None:
    """A stream that ends between messageStop and metadata is complete, as the answer is; its usage is estimated and says so."""
    async with stream(surface, list(surface.wire(["Lima is the ", "capital."], metadata=False))) as opened:
        await surface.take(opened)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert attributes["gen_ai.usage.output_tokens"]


@both
async def test_cut_after_the_answer_and_before_the_usage(surface: BedrockSurface, observed: Recorder) -> None:
    """If the connection breaks there, the application sees an exception: the call failed, with its whole text and an estimate."""
    async with stream(surface, [*surface.wire(["Lima ", "is."], metadata=False), 0.05, CUT]) as opened:
        with pytest.raises(Exception, match=r"(?i)connection broken|ended prematurely|payload"):
            await surface.take(opened)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["streamspan.preview"] == "Lima is."
    assert attributes["gen_ai.response.finish_reasons"] == ("end_turn",)
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")


@both
async def test_broken_frame(surface: BedrockSurface, observed: Recorder) -> None:
    """A frame with a wrong checksum fails the call with the SDK's own exception."""
    events = surface.wire(["a", "b"])
    async with stream(surface, [*events[:2], events[2][:-1] + b"!"]) as opened:
        with pytest.raises(Exception, match="Checksum"):
            await surface.take(opened)

    assert observed.attributes()["error.type"] == "botocore.eventstream.ChecksumMismatch"
    assert observed.attributes()["streamspan.preview"] == "a"


@both
async def test_initial_response_taken_off(surface: BedrockSurface, observed: Recorder) -> None:
    """``get_initial_response`` takes a frame off the stream before the events, with us as without us."""
    initial = event("initial-response", {})
    async with stream(surface, [initial, *surface.wire(["a", "b"])]) as opened:
        waiting = opened.get_initial_response()
        frame = await waiting if surface.is_async else waiting
        await surface.take(opened)

    assert frame.headers[":event-type"] == "initial-response"
    assert observed.attributes()["streamspan.preview"] == "ab"


@both
async def test_closing_after_the_end_changes_nothing(surface: BedrockSurface, observed: Recorder) -> None:
    """A stream that was read to its end and is closed then was completed."""
    async with stream(surface, list(surface.wire(["a"]))) as opened:
        await surface.take(opened)
        opened.close()
        opened.close()

    assert observed.attributes()["streamspan.outcome"] == "completed"


@LEAVES_SOCKETS
@both
async def test_a_stream_is_freed_as_without_us(surface: BedrockSurface, recorder: Recorder) -> None:
    """We add no reference cycle: a stream that was read to its end is freed at once, and one that was left where it is without us."""

    async def freed(count: int | None) -> bool:
        with Loopback(surface.streams(surface.wire(["a", "b"]))) as server:
            client = surface.client(server)
            opened = await surface.open(client)
            await surface.take(opened, count)
            reference = weakref.ref(opened)
            del opened
            at_once = reference() is None
            await asyncio.sleep(0)
            gc.collect()
            await asyncio.sleep(0)
            await surface.shut(client)
        return at_once

    bare = [await freed(None), await freed(2)]
    streamspan.instrument(tracer_provider=recorder.provider)
    watched = [await freed(None), await freed(2)]
    streamspan.uninstrument()
    recorder.spans(2)
    assert watched == bare == [True, False]


@both
async def test_open_at_exit(surface: BedrockSurface, observed: Recorder) -> None:
    """A stream that is still open when the process ends is abandoned, with what was said."""
    async with stream(surface, list(surface.wire(["a", "b"]))) as opened:
        await surface.take(opened, 2)
        live.end_all()
        await surface.take(opened)

    assert observed.attributes()["streamspan.outcome"] == "abandoned"
    assert observed.attributes()["streamspan.preview"] == "a"


def test_two_threads_at_one_stream(observed: Recorder) -> None:
    """A second thread that reads at the same time gets the generator's own error, and the first reads to the end."""
    hold = threading.Event()
    events = SYNC.wire(["a", "b"])
    with Loopback(SYNC.streams([*events[:2], hold, *events[2:]])) as server, closing(SYNC.client(server)) as client:
        opened = client.converse_stream(modelId="m", messages=[])["stream"]
        chunks = iter(opened)
        next(chunks)
        reader = threading.Thread(target=list, args=(chunks,))
        reader.start()
        while "already executing" not in (raised := read_beside(opened)):
            assert not raised
        hold.set()
        reader.join()

    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes()["streamspan.preview"] == "ab"


def read_beside(opened: Any) -> str:
    try:
        next(iter(opened))
    except ValueError as error:
        return str(error)
    return ""


# --- what is observed, and what is not -------------------------------------------------------------------------------


@both
async def test_retries_are_one_call(surface: BedrockSurface, observed: Recorder) -> None:
    """What botocore retries is one span, whose answer is that of the last attempt."""
    replies = [surface.refuses("ThrottlingException", 429), surface.streams(surface.wire(["a"]))]
    with Loopback(replies) as server:
        client = surface.client(server, config=surface.config(attempts=2))
        await surface.take(await surface.open(client))
        await surface.shut(client)

    assert len(server.requests) == 2
    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes()["streamspan.preview"] == "a"


@both
async def test_suppressed(surface: BedrockSurface, observed: Recorder) -> None:
    """Where instrumentation is suppressed, nothing is observed."""
    with suppress_instrumentation():
        async with stream(surface, list(surface.wire(["a"]))) as opened:
            assert len(await surface.take(opened)) == 5
            assert "close" not in vars(opened)

    assert observed.spans(0) == []


@both
async def test_not_sampled(surface: BedrockSurface) -> None:
    """A span that is not recording costs the stream nothing: it is not even tapped."""
    streamspan.instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))
    async with stream(surface, list(surface.wire(["a"]))) as opened:
        assert len(await surface.take(opened)) == 5
        assert "close" not in vars(opened)
    streamspan.uninstrument()


@both
async def test_uninstrumented_while_a_stream_runs(surface: BedrockSurface, recorder: Recorder) -> None:
    """A stream that runs is observed to its end; later ones are not, and the SDK's own method is back."""
    before = surface.patched()
    streamspan.instrument(tracer_provider=recorder.provider)
    assert surface.patched() is not before
    async with stream(surface, list(surface.wire(["a", "b"]))) as opened:
        await surface.take(opened, 2)
        streamspan.uninstrument()
        await surface.take(opened)
    assert surface.patched() is before
    async with stream(surface, list(surface.wire(["a"]))) as opened:
        await surface.take(opened)

    assert recorder.attributes()["streamspan.outcome"] == "completed"
    assert recorder.attributes()["streamspan.preview"] == "ab"


@both
async def test_other_operations_and_services_pass(surface: BedrockSurface, observed: Recorder) -> None:
    """What is no model call has no span, be it another of Amazon's services or another operation of Bedrock's."""
    counted: dict[str, Any] = {"modelId": "m", "input": {"converse": {}}}
    operations = [("dynamodb", "list_tables", dict[str, Any]()), ("bedrock-runtime", "count_tokens", counted)]
    with Loopback(Reply.of({"inputTokens": 3})) as server:
        for service, call, arguments in operations:
            client = surface.client(server, service_name=service)
            method = getattr(await client.open() if surface.is_async else client, call)
            result = method(**arguments)
            assert "ResponseMetadata" in (await result if surface.is_async else result)
            await surface.shut(client)

    assert observed.spans(0) == []


@both
async def test_a_request_that_the_sdk_refuses(surface: BedrockSurface, observed: Recorder) -> None:
    """Wrong arguments are refused by botocore before anything is sent: the same exception, and a failed span."""
    with Loopback(Reply()) as server:
        client = surface.client(server)
        with pytest.raises(Exception, match="Parameter validation failed"):
            await surface.open(client, messages="hello", inferenceConfig=[1], toolConfig=7, system={"a": 1}, guardrailConfig="x")
        await surface.shut(client)

    assert observed.attributes()["error.type"] == "botocore.exceptions.ParamValidationError"
    assert "streamspan.cost.total" not in observed.attributes()


def test_a_stubbed_client(observed: Recorder) -> None:
    """The Stubber of botocore gives an application's tests what they put there: a whole answer is observed, a stream that is none is not."""
    stub: Any = import_module("botocore.stub").Stubber
    said: dict[str, Any] = {"messageStop": {"stopReason": "end_turn"}}
    with Loopback(Reply()) as server, closing(SYNC.client(server)) as client, stub(client) as stubbed:
        stubbed.add_response("converse", converse_whole("Lima."))
        stubbed.add_response("converse_stream", {"stream": said})
        client.converse(modelId="m", messages=[])
        assert client.converse_stream(modelId="m", messages=[])["stream"] == said

    whole, streamed = (dict(span.attributes or {}) for span in observed.spans(2))
    assert (whole["streamspan.outcome"], whole["streamspan.preview"]) == ("completed", "Lima.")
    assert streamed["streamspan.outcome"] == "abandoned"


@both
async def test_a_prompt_router_names_the_model(surface: BedrockSurface, observed: Recorder) -> None:
    """The model that a router chose is the one that answered; the model that was asked for is written as it was given."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
    chosen = "anthropic.claude-haiku-4-5-20251001-v1:0"
    trace = {"promptRouter": {"invokedModelId": chosen}}
    async with stream(surface, list(surface.wire(["a"], trace=trace)), modelId=arn) as opened:
        await surface.take(opened)

    assert observed.attributes()["gen_ai.request.model"] == arn
    assert observed.attributes()["gen_ai.response.model"] == chosen


# --- InvokeModel, which gives a whole answer as a stream of bytes ----------------------------------------------------


def read_invoked(answer: Any, into: Sink) -> None:
    """A format of the tests' own: the formats of the models have their own tests."""
    if counts := answer.get("amazon-bedrock-invocationMetrics"):
        into.usage(Usage(input_tokens=counts.get("inputTokenCount"), output_tokens=counts.get("outputTokenCount")))
    if text := answer.get("text"):
        into.text(0, text)
        into.finish(0, "stop")


INVOKED = WireFormat("botocore", "/bedrock-runtime/InvokeModel", "chat", read_invoked, lambda _: {}, lambda _: Prompt())
ANSWER = json.dumps({"text": "Lima " * 1000}).encode()
COUNTS = {"x-amzn-bedrock-input-token-count": "7", "x-amzn-bedrock-output-token-count": "1000"}


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch, observed: Recorder) -> Recorder:
    """Only that format is known."""
    monkeypatch.setattr(providers, "FORMATS", (INVOKED,))
    return observed


async def invoke(surface: BedrockSurface, client: Any) -> Any:
    client = await client.open() if surface.is_async else client
    answer = client.invoke_model(modelId="m", body=b"{}")
    return (await answer if surface.is_async else answer)["body"]


async def all_at_once(body: Any) -> None:
    assert await anyway(body.read()) == ANSWER


async def in_pieces(body: Any) -> None:
    pieces: list[bytes] = []
    while piece := await anyway(body.read(100)):
        pieces.append(piece)
    assert b"".join(pieces) == ANSWER


async def by_chunks(body: Any) -> None:
    chunks = body.iter_chunks(64)
    assert b"".join([chunk async for chunk in chunks] if hasattr(chunks, "__anext__") else list(chunks)) == ANSWER


async def by_lines(body: Any) -> None:
    lines = body.iter_lines()
    assert b"".join([line async for line in lines] if hasattr(lines, "__anext__") else list(lines)) == ANSWER


async def exactly(body: Any) -> None:
    taken = b""
    while len(taken) < len(ANSWER):
        taken += await anyway(body.read(len(ANSWER) - len(taken)))
    assert taken == ANSWER


async def into_a_buffer(body: Any) -> None:
    buffer = bytearray(len(ANSWER) + 9)
    at = 0
    while count := await anyway(body.readinto(memoryview(buffer)[at:])):
        at += count
    assert bytes(buffer[:at]) == ANSWER


async def in_with(body: Any) -> None:
    if hasattr(body, "__aenter__"):
        async with body as raw:
            assert await raw.read() == ANSWER
    else:
        with body as raw:
            assert raw.read() == ANSWER


async def in_with_of_httpx(body: Any) -> None:
    async with body:
        assert await body.read() == ANSWER


async def some_and_close(body: Any) -> None:
    await anyway(body.read(100))
    await anyway(body.close())


async def nothing_and_drop(body: Any) -> None:
    del body


async def anyway(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


@LEAVES_SOCKETS
@both
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
@pytest.mark.parametrize(
    ("take", "outcome"),
    [
        (all_at_once, "completed"),
        (in_pieces, "completed"),
        (by_chunks, "completed"),
        (by_lines, "completed"),
        (exactly, None),
        (into_a_buffer, "completed"),
        (in_with, "completed"),
        (some_and_close, "aborted"),
        (nothing_and_drop, "abandoned"),
    ],
)
async def test_a_body_is_read_along(
    take: Any, outcome: str | None, sized: bool, surface: BedrockSurface, invoked: Recorder
) -> None:
    """However the application reads the body, it gets every byte from the SDK's own object, and the span gets the answer."""
    headers = {"content-type": "application/json", **COUNTS}
    with Loopback(Reply(headers=headers, body=ANSWER if sized else [ANSWER[:1234], ANSWER[1234:]])) as server:
        client = surface.client(server)
        body = await invoke(surface, client)
        assert type(body).__module__ == ("aiobotocore.response" if surface.is_async else "botocore.response")
        await take(body)
        del body
        gc.collect()
        await surface.shut(client)

    attributes = invoked.attributes()
    assert attributes["streamspan.outcome"] == (
        outcome or ("completed" if sized else "abandoned")
    )  # who stops there, never sees the end
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (7, 1000)
    assert "streamspan.chunks" not in attributes
    if attributes["streamspan.outcome"] == "completed":
        assert attributes["streamspan.preview"] == ("Lima " * 1000)[-4096:]


@both
@pytest.mark.parametrize(
    ("reply", "outcome", "error"),
    [
        (Reply(headers={"content-type": "image/png"}, body=b"\x89PNG"), "completed", None),
        (Reply(body=[ANSWER[:99], 0.05, CUT]), "failed", "IncompleteRead|Protocol|Payload|ContentLength"),
    ],
    ids=["no JSON", "cut"],
)
async def test_odd_bodies(reply: Reply, outcome: str, error: str | None, surface: BedrockSurface, invoked: Recorder) -> None:
    """A body that breaks off raises what the SDK raises; one that is no JSON passes, and nothing is made up of its tokens."""
    with Loopback(lambda _: reply) as server:
        client = surface.client(server)
        body = await invoke(surface, client)
        if error:
            with pytest.raises(Exception, match=r".") as raised:
                await anyway(body.read())
            assert type(raised.value).__module__.split(".")[0] in {"botocore", "aiobotocore", "aiohttp", "urllib3"}
        else:
            assert await anyway(body.read()) == b"\x89PNG"
        await anyway(body.close())
        await surface.shut(client)

    assert invoked.attributes()["streamspan.outcome"] == outcome
    assert "gen_ai.usage.output_tokens" not in invoked.attributes() or outcome == "failed"


@both
async def test_a_streamed_invocation(surface: BedrockSurface, invoked: Recorder) -> None:
    """InvokeModelWithResponseStream is read by the same format, event by event as the application gets them."""
    seen: list[Any] = []

    def see(chunk: Any, into: Sink) -> None:
        seen.append(chunk)

    encoded = base64.b64encode(b'{"text":"a"}').decode()
    providers.FORMATS = (replace(INVOKED, read=see),)
    with Loopback(surface.streams([event("chunk", {"bytes": encoded})])) as server:
        client = surface.client(server)
        opened = await client.open() if surface.is_async else client
        answer = opened.invoke_model_with_response_stream(modelId="m", body=b"{}")
        await surface.take((await answer if surface.is_async else answer)["body"])
        await surface.shut(client)

    assert seen == [{"chunk": {"bytes": b'{"text":"a"}'}}]
    assert invoked.attributes()["gen_ai.request.stream"] is True


if hasattr(import_module("aiobotocore.response"), "AioHttpxStreamingBody"):  # of aiobotocore 3

    @pytest.mark.parametrize("take", [all_at_once, in_pieces, by_chunks, in_with_of_httpx], ids=lambda take: take.__name__)
    async def test_a_body_of_httpx(take: Any, invoked: Recorder) -> None:
        """Aiobotocore 3 can be run on httpx, whose bodies are read along as well; its event streams cannot be read on it, nor without us."""
        http: Any = import_module("aiobotocore.httpxsession")
        config: Any = import_module("aiobotocore.config").AioConfig(http_session_cls=http.HttpxSession)
        with Loopback(Reply(headers={"content-type": "application/json", **COUNTS}, body=ANSWER)) as server:
            client = ASYNC.client(server, config=config)
            await take(await invoke(ASYNC, client))
            await ASYNC.shut(client)

        assert invoked.attributes()["streamspan.outcome"] == "completed"
        assert invoked.attributes()["gen_ai.usage.output_tokens"] == 1000
        assert invoked.attributes()["streamspan.preview"] == ("Lima " * 1000)[-4096:]


async def test_two_tasks_at_one_stream(observed: Recorder) -> None:
    """A second task that reads at the same time gets the generator's own error, and the first reads to the end."""
    hold = threading.Event()
    events = ASYNC.wire(["a", "b"])
    async with stream(ASYNC, [*events[:2], hold, *events[2:]]) as opened:
        reading, first = asyncio.Event(), ASYNC.iterator(opened)

        async def read() -> None:
            async for _ in first:
                reading.set()

        task = asyncio.create_task(read())
        await reading.wait()
        await asyncio.sleep(0.05)  # until it waits for the next
        with pytest.raises(RuntimeError, match="already running"):
            await ASYNC.take(opened)
        hold.set()
        await task

    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes()["streamspan.preview"] == "ab"
