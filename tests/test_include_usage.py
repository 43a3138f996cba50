"""Usage that only we ask for: where it is asked for, and that nobody but us sees anything of it."""

import gzip
import json
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

import streamspan
from streamspan.hidden_usage import UsageHider

from conftest import Recorder
from loopback import CUT, DONE, Loopback, Reply, Request, openai_chunk, openai_chunks, openai_usage, openai_whole, sse
from surfaces import MESSAGES, OpenAISurface

TEXTS = ["Lima is ", "the capital ", "of Peru."]
USAGE = openai_usage(11, 7, cached=3)
OPENAI = "https://api.openai.com/v1"
SURFACES = [OpenAISurface(is_async=is_async) for is_async in (False, True)]


def is_asked(request: Request) -> bool:
    """Whether a request asks for usage."""
    options: dict[str, Any] = request.json.get("stream_options") or {}
    return bool(options.get("include_usage"))


def answer(request: Request) -> Reply:
    """What OpenAI sends, with usage where it is asked for."""
    if not request.json.get("stream"):
        return Reply.of(openai_whole("Lima"))
    return Reply(body=openai_chunks(TEXTS, usage=USAGE if is_asked(request) else None))


def gzipped(request: Request) -> Reply:
    """The same, compressed."""
    return Reply(headers={"content-encoding": "gzip"}, body=[gzip.compress(b"".join(answer(request).body))])  # type: ignore[arg-type]


def far_client(surface: OpenAISurface, server: Loopback, base_url: str = OPENAI, kind: Any = None, **options: Any) -> Any:
    """A client of a host that is far away, whose requests arrive at the server here; its URL stays as it is."""
    http: Any = openai.DefaultAsyncHttpxClient if surface.is_async else openai.DefaultHttpxClient
    library: Any = import_module(http.__mro__[2].__module__.partition(".")[0])

    def turn(request: Any) -> Any:
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=server.port)
        return library.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions)

    class Near(library.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            near: Any = super()
            return near.handle_request(turn(request))

    class AsyncNear(library.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            near: Any = super()
            return await near.handle_async_request(turn(request))

    near: Any = AsyncNear(verify=False) if surface.is_async else Near(verify=False)
    kind = kind or (openai.AsyncOpenAI if surface.is_async else openai.OpenAI)
    given = {
        "base_url": base_url,
        "api_key": "none",
        "max_retries": 0,
        "http_client": http(verify=False, mounts={"all://": near}),
    }
    return kind(**{**given, **options})


def seen(chunk: Any) -> Any:
    """All that can be told of a chunk."""
    return chunk, chunk.model_dump(), chunk.model_fields_set, chunk.to_json(), chunk.model_dump(exclude_unset=True)


# --- the ways to read a stream: each gives all that the application can see of it ---------------------------------------


async def by_loop(surface: OpenAISurface, client: Any) -> Any:
    stream = await surface.open(client)
    return [seen(chunk) for chunk in await surface.take(stream)], type(stream).__name__


async def by_choices(surface: OpenAISurface, client: Any) -> Any:
    """What breaks on a chunk without choices: ``chunk.choices[0]``, in a ``with`` as LangChain has it."""
    async with surface.within(await surface.open(client)) as stream:
        return [(chunk.choices[0].delta.content, chunk.model_dump()) for chunk in await surface.take(stream)]


async def by_raw_response(surface: OpenAISurface, client: Any) -> Any:
    """As LiteLLM does it."""
    raw = await surface.create(client, via="with_raw_response", stream=True)
    return [seen(chunk) for chunk in await surface.take(await surface.parse(raw))]


async def by_lines(surface: OpenAISurface, client: Any) -> Any:
    raw = await surface.create(client, via="with_raw_response", stream=True)
    response = raw.http_response
    return [line async for line in response.aiter_lines()] if surface.is_async else list(response.iter_lines())


async def by_streaming_response(surface: OpenAISurface, client: Any) -> Any:
    manager = await surface.create(client, via="with_streaming_response", stream=True)
    async with surface.within(manager) as raw:
        return [line async for line in raw.iter_lines()] if surface.is_async else list(raw.iter_lines())


async def by_helper(surface: OpenAISurface, client: Any) -> Any:
    async with surface.within(surface.helper(client)) as stream:
        events = [
            (event.type, event.model_dump() if hasattr(event, "model_dump") else "") for event in await surface.take(stream)
        ]
        final = stream.get_final_completion()
        final = await final if surface.is_async else final
        return events, final.model_dump(), final.usage


WAYS = (by_loop, by_choices, by_raw_response, by_lines, by_streaming_response, by_helper)


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
@pytest.mark.parametrize("way", WAYS)
async def test_nobody_but_us_sees_the_usage(surface: OpenAISurface, way: Callable[..., Any], recorder: Recorder) -> None:
    """However a stream is read, it is as if nobody had asked for usage, which is on the span; raw streams are not asked for any."""
    with Loopback(answer) as server:
        client = far_client(surface, server)
        expected = await way(surface, client)
        streamspan.instrument(tracer_provider=recorder.provider)
        try:
            got = await way(surface, client)
        finally:
            streamspan.uninstrument()
        await surface.shut(client)

    assert got == expected
    assert list(map(is_asked, server.requests)) == [False, way is not by_streaming_response]
    attributes = recorder.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    if way is by_streaming_response:
        assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    else:
        assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (11, 7)
        assert attributes["gen_ai.usage.cache_read.input_tokens"] == 3
        assert "streamspan.usage.estimated" not in attributes
        assert attributes["streamspan.chunks"] == 1 + len(TEXTS) + 1


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
@pytest.mark.parametrize("way", [by_choices, by_raw_response])
async def test_usage_is_hidden_in_a_compressed_stream(surface: OpenAISurface, way: Any, observed: Recorder) -> None:
    """Where the bytes are compressed, the chunk of usage is kept back once the SDK has parsed it."""
    with Loopback(gzipped) as server:
        client = far_client(surface, server)
        got = await way(surface, client)
        await surface.shut(client)

    assert len(got) == 1 + len(TEXTS) + 1
    assert observed.attributes()["gen_ai.usage.output_tokens"] == 7


# --- where it is asked for ---------------------------------------------------------------------------------------------

AZURE = "https://house.openai.azure.com"
V1 = {"base_url": f"{AZURE}/openai/v1/"}
DEPLOYED = {"base_url": f"{AZURE}/openai/deployments/d", "default_query": {"api-version": "2024-10-21"}}
MODELS = {"base_url": "https://house.services.ai.azure.com/models", "default_query": {"api-version": "2024-10-21"}}
OLD = {"base_url": f"{AZURE}/openai/deployments/d", "default_query": {"api-version": "2024-08-01-preview"}}
AZURES_OWN = {"kind": openai.AzureOpenAI, "base_url": f"{AZURE}/openai", "api_version": "2024-10-21"}
ASKED = {"include_usage": True}
ON, OFF = {"include_usage": "on"}, {"include_usage": "off"}
SOURCES = {"extra_body": {"data_sources": [{"type": "azure_search"}]}}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], Any]] = {
    # settings, client, arguments -> stream_options as sent
    "openai": ({}, {}, {}, ASKED),
    "openai, off": (OFF, {}, {}, None),
    "another host": ({}, {"base_url": "https://api.house.example/v1"}, {}, None),
    "another host, on": (ON, {"base_url": "https://api.house.example/v1"}, {}, ASKED),
    "a host that only ends so": ({}, {"base_url": "https://notapi.openai.com/v1"}, {}, None),
    "azure v1": ({}, V1, {}, ASKED),
    "azure, new": ({}, DEPLOYED, {}, ASKED),
    "azure, version of the call": ({}, OLD, {"extra_query": {"api-version": "2025-03-01-preview"}}, ASKED),
    "azure, its own client": ({}, AZURES_OWN, {}, ASKED),
    "azure, its own client, old": ({}, {**AZURES_OWN, "api_version": "2024-06-01"}, {}, None),
    "azure, preview": ({}, {**DEPLOYED, "default_query": {"api-version": "preview"}}, {}, ASKED),
    "azure, old": ({}, OLD, {}, None),
    "azure, no version": ({}, {**DEPLOYED, "default_query": {}}, {}, None),
    "azure, other models": ({}, MODELS, {}, None),
    "azure, your data": ({}, DEPLOYED, SOURCES, None),
    "azure, your data, on": (ON, DEPLOYED, SOURCES, None),
    "no": ({}, {}, {"stream_options": {"include_usage": False}}, {"include_usage": False}),
    "no, on": (ON, {}, {"stream_options": {"include_usage": False}}, {"include_usage": False}),
    "yes": (OFF, {}, {"stream_options": ASKED}, ASKED),
    "null": ({}, {}, {"stream_options": None}, None),
    "no, behind the SDK": ({}, {}, {"extra_body": {"stream_options": {"include_usage": False}}}, {"include_usage": False}),
    "other options": (
        {},
        {},
        {"stream_options": {"include_obfuscation": False}},
        {"include_obfuscation": False, "include_usage": True},
    ),
    "not given": ({}, {}, {"stream_options": openai.NOT_GIVEN}, ASKED),
    "not a stream": (ON, {}, {"stream": False}, None),
}


@pytest.mark.parametrize("case", CASES)
async def test_where_usage_is_asked_for(case: str, recorder: Recorder) -> None:
    """By default where it is known to be taken, never where the caller has said something, and the caller's dicts stay as they are."""
    settings, options, arguments, expected = CASES[case]
    surface, before = OpenAISurface(is_async=False), json.dumps(arguments, default=str)
    streamspan.instrument(tracer_provider=recorder.provider, **settings)
    try:
        with Loopback(answer) as server:
            client = far_client(surface, server, **options)
            given: dict[str, Any] = {"stream": True, **arguments}
            result = await surface.create(client, **given)
            chunks = await surface.take(result) if arguments.get("stream", True) else []
            client.close()
    finally:
        streamspan.uninstrument()

    (request,) = server.requests
    assert request.json.get("stream_options") == expected
    assert json.dumps(arguments, default=str) == before
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == (case == "yes")  # who asks for it gets it


@pytest.mark.settings(include_usage="on")
async def test_only_streams_of_chat_completions_are_asked(observed: Recorder) -> None:
    """Responses report their usage by themselves, and a body that the caller wrote is sent as a copy with the wish in it."""
    surface, body = OpenAISurface(is_async=False), {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True}
    kind: Any = ChatCompletionChunk
    with Loopback(answer) as server:
        client = surface.client(server)
        await surface.take(client.responses.create(model="gpt-4o-mini", input="x", stream=True))
        await surface.take(client.post("/chat/completions", body=body, cast_to=kind, stream=True, stream_cls=openai.Stream[kind]))
        client.close()

    assert list(map(is_asked, server.requests)) == [False, True]
    assert body == {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True}
    observed.spans(2)


@pytest.mark.settings(include_usage="on")
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_who_leaves_at_the_finish_reason_waits_for_nothing(surface: OpenAISurface, observed: Recorder) -> None:
    """The usage comes after the finish reason: who breaks there never gets it, is not held up for it, and has estimates."""
    *chunks, usage, _ = openai_chunks(TEXTS, usage=USAGE)
    never = threading.Event()
    with Loopback(Reply(body=[*chunks, never, usage, DONE])) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        while not (chunk := await surface.next(stream)).choices[0].finish_reason:
            pass
        assert "usage" not in chunk.model_fields_set
        await surface.close(stream)
        await surface.shut(client)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")


@pytest.mark.settings(include_usage="on")
async def test_usage_beside_something_else_is_passed_on(observed: Recorder) -> None:
    """A server that has usage on a chunk with choices, or a chunk without choices for another reason, is heard as it speaks."""
    first = openai_chunk(None, prompt_filter_results=[{"prompt_index": 0}], usage=None)
    last = openai_chunk({}, finish="stop", usage=USAGE)
    with Loopback(Reply(body=[sse(None, first), sse(None, openai_chunk({"content": "Lima"})), sse(None, last), DONE])) as server:
        surface = OpenAISurface(is_async=False)
        client = surface.client(server)
        chunks = await surface.take(await surface.open(client))
        client.close()

    assert [len(chunk.choices) for chunk in chunks] == [0, 1, 1]
    assert chunks[2].usage.completion_tokens == 7
    assert observed.attributes()["gen_ai.usage.output_tokens"] == 7


@pytest.mark.settings(include_usage="on")
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_a_connection_that_breaks_is_seen_to_break(surface: OpenAISurface, observed: Recorder) -> None:
    """What was read until then is passed on, and the exception is the SDK's own."""
    with Loopback(Reply(body=[*openai_chunks(TEXTS, usage=USAGE)[:3], b"data: {", CUT])) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        chunks = await surface.take(stream, 3)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the SDK's or the HTTP library's, by version
            await surface.next(stream)
        await surface.shut(client)

    assert type(caught.value).__name__ in {"RemoteProtocolError", "APIConnectionError"}
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Lima is ", "the capital "]
    assert observed.attributes()["streamspan.outcome"] == "failed"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_bytes_in_any_pieces(newline: bytes) -> None:
    """Wherever the network cuts the bytes, what is passed on is the stream without usage; what looks like it in a text stays."""
    texts = ['say ,"usage":null, "choices":[] \\"usage\\": {}', "é\n\n"]
    plain, asked = (b"".join(openai_chunks(texts, usage=usage)).replace(b"\n", newline) for usage in (None, USAGE))
    for size in (1, 2, 3, 7, 100, 1000, len(asked)):
        told = list[Any]()
        hider = UsageHider(told.append)
        pieces = [hider.feed(asked[start : start + size]) for start in range(0, len(asked), size)]
        assert b"".join([*pieces, hider.end()]) == plain
        assert [chunk["usage"] for chunk in told] == [USAGE]


def test_what_is_cut_short_is_passed_on() -> None:
    """Bytes that are no whole event at the end of the stream, or none that can be read, are the application's as well."""
    hider = UsageHider(lambda _: None)
    broken = b'data: {"choices":[],"usage":{\n\ndata: {"cho'
    assert hider.feed(broken) + hider.end() == broken
