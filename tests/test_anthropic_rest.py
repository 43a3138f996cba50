"""What else comes through the Anthropic SDK: its other clients and resources, and what is on the blocks of a message."""

import base64
import inspect
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import anthropic
import pytest
from anthropic import beta_async_tool, beta_tool

from conftest import Recorder
from loopback import Loopback, Piece, Reply, Request, Tool, anthropic_events, anthropic_usage, anthropic_whole, sse
from surfaces import MESSAGES, AnthropicSurface

SURFACES = [AnthropicSurface(is_async=is_async) for is_async in (False, True)]
SYNC = SURFACES[0]
USAGE: dict[str, Any] = {
    **anthropic_usage(1000, 100, cache_read=400, cache_creation=300),
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
}
CHARGED: dict[str, Any] = {
    "gen_ai.usage.input_tokens": 1700,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.cache_creation.input_tokens": 300,
}
COSTS = {
    # 1000 at $1, 400 read at $0.10, 100 written for 5 minutes at $1.25, 200 for an hour at $2, and 100 at $5 a million
    "streamspan.cost.total": pytest.approx(0.002065),
    "streamspan.cost.input": pytest.approx(0.001565),
    "streamspan.cost.output": pytest.approx(0.0005),
    "gen_ai.usage.cost": pytest.approx(0.002065),
}


async def done(result: Any) -> Any:
    """``result``, awaited if it has to be."""
    return await result if inspect.isawaitable(result) else result


def attributes_of(span: Any) -> dict[str, Any]:
    """The attributes of a span, its output as what it says."""
    attributes = dict(span.attributes)
    return {**attributes, "gen_ai.output.messages": json.loads(attributes.get("gen_ai.output.messages", "[]"))}


# --- other clients ---------------------------------------------------------------------------------------------------

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "Anthropic": ("anthropic", {"api_key": "none"}),
    "AnthropicBedrock": ("aws.bedrock", {"aws_region": "us-east-1", "aws_access_key": "none", "aws_secret_key": "none"}),
    "AnthropicBedrockMantle": ("aws.bedrock", {"aws_region": "us-east-1", "skip_auth": True}),
    "AnthropicVertex": ("gcp.vertex_ai", {"region": "us-east5", "project_id": "p", "access_token": "none"}),
    "AnthropicFoundry": ("anthropic", {"api_key": "none"}),
    "AnthropicAWS": ("anthropic", {"aws_region": "us-east-1", "workspace_id": "w", "skip_auth": True}),
    "AnthropicGoogleCloud": ("anthropic", {"project": "p", "location": "global", "workspace_id": "w", "skip_auth": True}),
}
"""By name: the provider that it stands for, and what it is made with; none of it is a key to anything."""

MODELS = {"AnthropicBedrock": "anthropic.claude-haiku-4-5-20251001-v1:0", "AnthropicVertex": "claude-haiku-4-5@20251001"}


def open_client(name: str, surface: AnthropicSurface, server: Loopback, **more: Any) -> Any:
    """A client of that name which does not load certificates."""
    kind: Any = getattr(anthropic, f"Async{name}" if surface.is_async else name)
    http = (anthropic.DefaultAsyncHttpxClient if surface.is_async else anthropic.DefaultHttpxClient)(verify=False)
    return kind(base_url=server.url, http_client=http, max_retries=0, **CLIENTS[name][1], **more)


def frame(event: bytes) -> bytes:
    """One event of Amazon's event stream: a prelude, headers, the event in base64, and checksums."""
    names = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    payload = json.dumps({"bytes": base64.b64encode(event).decode()}).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def serve(name: str, request: Request) -> Reply:
    """A message, whole or streamed, as the service behind that client sends it."""
    streams = request.json.get("stream") or request.path.endswith("-stream")
    if not streams:
        return Reply.of(anthropic_whole("Lima", usage=USAGE))
    events = anthropic_events(["Li", "ma"], usage=USAGE)
    if name != "AnthropicBedrock":
        return Reply(body=events)
    data: list[dict[str, Any]] = [json.loads(event.partition(b"data: ")[2]) for event in events if b"event: ping" not in event]
    data[-1]["amazon-bedrock-invocationMetrics"] = {"inputTokenCount": 1000, "outputTokenCount": 100, "invocationLatency": 5}
    frames = [frame(json.dumps(event).encode()) for event in data]
    return Reply(headers={"content-type": "application/vnd.amazon.eventstream"}, body=frames)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_every_client(name: str, surface: AnthropicSurface, observed: Recorder) -> None:
    """Whoever serves the API, every way to call it is one span with that provider's name; beta resources are seen as well."""
    model = MODELS.get(name, surface.model)
    arguments: dict[str, Any] = {"model": model, "messages": MESSAGES, "max_tokens": 100}
    with Loopback(lambda request: serve(name, request)) as server:
        client = open_client(name, surface, server)
        for messages in (client.messages, client.beta.messages):
            await done(messages.create(**arguments))
            await surface.take(await done(messages.create(**arguments, stream=True)))
            async with surface.within(messages.stream(**arguments)) as stream:
                await done(stream.get_final_message())
        raw = await done(client.messages.with_raw_response.create(**arguments, stream=True))
        await surface.take(await surface.parse(raw))
        await surface.shut(client)
        port = server.port

    for index, span in enumerate(observed.spans(7)):
        attributes = attributes_of(span)
        assert span.name == f"chat {model}"
        assert attributes.get("gen_ai.request.stream", False) is (index not in {0, 3})
        expected = {
            "gen_ai.provider.name": CLIENTS[name][0],
            "server.address": "127.0.0.1",
            "server.port": port,
            "gen_ai.request.model": model,
            "gen_ai.response.model": "claude-haiku-4-5",
            "gen_ai.response.id": "msg_1",
            "gen_ai.response.finish_reasons": ("end_turn",),
            "gen_ai.output.messages": [
                {"role": "assistant", "parts": [{"type": "text", "content": "Lima"}], "finish_reason": "end_turn"}
            ],
            "streamspan.outcome": "completed",
            **CHARGED,
        }
        assert {key: attributes.get(key) for key in expected} == expected


async def test_a_client_that_does_not_know_its_host_yet(observed: Recorder) -> None:
    """Google Cloud's client finds out where to send while it sends: a host that nobody knows is not on the span."""
    options: dict[str, Any] = {"location": "global", "workspace_id": "w", "token_provider": lambda: "none"}
    with anthropic.AnthropicGoogleCloud(**options) as client, pytest.raises(anthropic.AnthropicError, match="project"):
        client.messages.create(model=SYNC.model, messages=MESSAGES, max_tokens=100)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "failed"
    assert not any(key.startswith("server.") for key in attributes)


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_bedrocks_raw_bytes(surface: AnthropicSurface, observed: Recorder) -> None:
    """Frames that the application reads as bytes pass unread: nothing is known of them, and nothing is made up."""
    with Loopback(lambda request: serve("AnthropicBedrock", request)) as server:
        client = open_client("AnthropicBedrock", surface, server)
        create = client.messages.with_streaming_response.create
        async with surface.within(create(model="m", messages=MESSAGES, max_tokens=1, stream=True)) as response:
            assert await surface.take(response.iter_bytes())
        await surface.shut(client)

    attributes = attributes_of(observed.span())
    assert attributes["streamspan.outcome"] == "completed"
    assert not any(key.startswith(("gen_ai.usage", "streamspan.cost")) for key in attributes)


# --- other resources -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_tool_runner(surface: AnthropicSurface, observed: Recorder, *, streamed: bool) -> None:
    """The tool runner asks again with what its tool gave: each request is a span, and the second has the first's answer as input."""

    def get_weather(city: str) -> str:
        """Weather.

        Args:
            city: Where.
        """
        return f"{city}: fog"

    async def get_weather_async(city: str) -> str:
        """Weather.

        Args:
            city: Where.
        """
        return f"{city}: fog"

    tool: Any = beta_async_tool(name="get_weather")(get_weather_async) if surface.is_async else beta_tool(get_weather)
    call = Tool(id="toolu_1")
    whole = [anthropic_whole("Hm.", tool=call, stop_reason="tool_use"), anthropic_whole("Fog.")]
    events: list[list[bytes]] = [anthropic_events(["Hm."], tool=call, stop_reason="tool_use"), anthropic_events(["Fog."])]
    replies = [Reply(body=part) for part in events] if streamed else [Reply.of(part) for part in whole]
    with Loopback(replies) as server:
        client = surface.client(server)
        options = {"stream": True} if streamed else {}
        runner = client.beta.messages.tool_runner(model=surface.model, messages=MESSAGES, max_tokens=100, tools=[tool], **options)
        await done(runner.until_done())
        await surface.shut(client)

    first, second = map(attributes_of, observed.spans(2))
    arguments = {"type": "tool_call", "id": "toolu_1", "name": "get_weather", "arguments": {"city": "Lima"}}
    assert first["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Hm."}, arguments]
    assert second["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Fog."}]
    asked = json.loads(second["gen_ai.input.messages"])[-1]["parts"]
    assert [part["type"] for part in asked] == ["tool_call_response"]
    assert "Lima: fog" in json.dumps(asked)


if hasattr(anthropic.Anthropic, "completions"):  # before 1.0

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    @pytest.mark.parametrize("surface", SURFACES, ids=repr)
    async def test_text_completions(surface: AnthropicSurface, observed: Recorder, *, streamed: bool) -> None:
        """Anthropic's first API: text in, text out, and tokens that are estimated, as it tells none."""
        pieces = [("Li", None), ("ma", None), ("", "stop_sequence")]
        data = [
            {"type": "completion", "id": "compl_1", "completion": text, "stop_reason": reason, "model": "claude-2.1"}
            for text, reason in pieces
        ]
        body = [sse("completion", event) for event in data]
        whole = {**data[-1], "completion": "Lima"}
        asked = "\n\nHuman: Where?\n\nAssistant:"
        with Loopback(Reply(body=body) if streamed else Reply.of(whole)) as server:
            client = surface.client(server)
            options = {"stream": True} if streamed else {}
            result = await done(
                client.completions.create(
                    model="claude-2.1",
                    prompt=asked,
                    max_tokens_to_sample=10,
                    temperature=0,
                    top_k=5,
                    stop_sequences=["X"],
                    **options,
                )
            )
            if streamed:
                await surface.take(result)
            await surface.shut(client)

        attributes = attributes_of(observed.span())
        assert observed.span().name == "text_completion claude-2.1"
        expected = {
            "gen_ai.operation.name": "text_completion",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.max_tokens": 10,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.top_k": 5,
            "gen_ai.request.stop_sequences": ("X",),
            "gen_ai.response.id": "compl_1",
            "gen_ai.response.model": "claude-2.1",
            "gen_ai.response.finish_reasons": ("stop_sequence",),
            "streamspan.preview": "Lima",
            "streamspan.outcome": "completed",
            "streamspan.usage.estimated": ("input_tokens", "output_tokens"),
        }
        assert {key: attributes.get(key) for key in expected} == expected
        assert json.loads(attributes["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": asked}]


async def test_requests_without_a_model_span(observed: Recorder) -> None:
    """Counting tokens and batches of messages have none."""
    with Loopback(Reply.of({"input_tokens": 5, "id": "b", "type": "message_batch"})) as server, SYNC.client(server) as client:
        client.messages.count_tokens(model=SYNC.model, messages=MESSAGES)
        client.beta.messages.count_tokens(model=SYNC.model, messages=MESSAGES)
        client.messages.batches.create(requests=[])
        client.messages.batches.retrieve("b")

    assert observed.spans(0) == []


# --- middleware ------------------------------------------------------------------------------------------------------


def answer_whole(request: Any, call_next: Callable[[Any], Any]) -> Any:
    """Lets the request through, and gives the model's answer in place of its response."""
    return call_next(request).parse()


def fail(request: Any, call_next: Callable[[Any], Any]) -> Any:
    """Refuses the request by itself."""
    raise PermissionError


def answer_oneself(request: Any, call_next: Callable[[Any], Any]) -> Any:
    """Answers without asking anybody."""
    return "as you wish"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("middleware", [answer_whole, answer_oneself, fail], ids=lambda function: function.__name__)
async def test_middleware(middleware: Any, observed: Recorder, *, streamed: bool) -> None:
    """Whatever a middleware makes of a call: the application sees what it would without us, and the call is one span."""

    async def ask() -> list[str]:
        with Loopback(Reply(body=SYNC.wire(["Lima"])) if streamed else Reply.of(SYNC.whole("Lima"))) as server:
            client = open_client("Anthropic", SYNC, server, middleware=[middleware])
            try:
                result = await SYNC.create(client, stream=streamed)
                return [result.__class__.__name__, str(await SYNC.take(result) if streamed else result)]
            except Exception as error:
                return [error.__class__.__name__, str(error)]
            finally:
                client.close()

    watched = await ask()
    assert len(observed.spans(1)) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamspan.sdks.sending.active", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
        assert await ask() == watched


# --- blocks ----------------------------------------------------------------------------------------------------------

CITATION = {
    "type": "char_location",
    "cited_text": "Lima",
    "document_index": 0,
    "document_title": "A",
    "start_char_index": 0,
    "end_char_index": 4,
}
SEARCH: dict[str, Any] = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Lima"}}
FOUND: dict[str, Any] = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "Lima",
            "encrypted_content": "aGlkZGVu",
            "page_age": None,
        }
    ],
}
BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "aGlkZGVu"},
    {"type": "redacted_thinking", "data": "aGlkZGVu"},
    SEARCH,
    FOUND,
    {"type": "text", "text": "Lima.", "citations": [CITATION]},
]


def stream_blocks(blocks: Sequence[dict[str, Any]]) -> list[Piece]:
    """A message of these blocks as it is streamed."""
    started = {**anthropic_whole(None, usage={**USAGE, "output_tokens": 1}), "stop_reason": None}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
    for index, block in enumerate(blocks):
        head, deltas = _split(block)
        events.append({"type": "content_block_start", "index": index, "content_block": head})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    total = {"output_tokens": 100, "input_tokens": None, "cache_read_input_tokens": None, "cache_creation_input_tokens": None}
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": total})
    return [sse(event["type"], event) for event in [*events, {"type": "message_stop"}]]


def _split(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "citations_delta", "citation": CITATION}, {"type": "text_delta", "text": block["text"]}]
            return {**block, "text": "", "citations": []}, deltas
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": "aGlkZGVu"},
            ]
            return {**block, "thinking": "", "signature": ""}, deltas
        case "server_tool_use":
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        case _:
            return block, []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_blocks(surface: AnthropicSurface, observed: Recorder, *, streamed: bool) -> None:
    """Thinking, the server's own tools and cited text are parts; what is encrypted stays away, and the cache has its prices."""
    whole = {**anthropic_whole(None, usage=USAGE), "content": BLOCKS}
    with Loopback(Reply(body=stream_blocks(BLOCKS)) if streamed else Reply.of(whole)) as server:
        client = surface.client(server)
        result = await surface.create(client, stream=streamed)
        if streamed:
            await surface.take(result)
        await surface.shut(client)

    attributes = attributes_of(observed.span())
    found = {
        "type": "web_search_tool_result",
        "content": [{"type": "web_search_result", "url": "https://example.com", "title": "Lima"}],
    }
    assert "aGlkZGVu" not in str(attributes)
    assert attributes["gen_ai.output.messages"][0]["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "redacted_reasoning"},
        {
            "type": "server_tool_call",
            "id": "srvtoolu_1",
            "name": "web_search",
            "server_tool_call": {"type": "web_search", "query": "Lima"},
        },
        {"type": "server_tool_call_response", "id": "srvtoolu_1", "server_tool_call_response": found},
        {"type": "text", "content": "Lima."},
    ]
    assert {key: attributes.get(key) for key in (*CHARGED, *COSTS)} == {**CHARGED, **COSTS}
