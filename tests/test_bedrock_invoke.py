"""Amazon Bedrock's InvokeModel and agents through the real clients: all of the span, compared as a whole."""

import base64
import io
import json
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.trace import StatusCode

import streamspan
from streamspan.pricing import PriceBook
from streamspan.usage import Usage

from bedrock_bodies import CASES, COUNTED, HEADERS, TEXT, Case, chunk
from conftest import Recorder
from eventstream import EVENT_STREAM, event, exception
from loopback import CUT, Loopback, Reply
from surfaces import ASYNC_SESSION, CLIENT, SYNC_SESSION

# Without annotations of their own.
StreamingBody: Any = import_module("botocore.response").StreamingBody
EventStreamError: Any = import_module("botocore.exceptions").EventStreamError
ProtocolError: Any = import_module("urllib3.exceptions").ProtocolError

RUNTIME, AGENTS = "bedrock-runtime", "bedrock-agent-runtime"
SYNC_SESSION.create_client(
    **{**CLIENT, "service_name": AGENTS}
).close()  # what it can do is read once, and before the tests begin

MEASURED = {
    "streamspan.longest_gap_ms": int,
    "streamspan.time_to_first_content_ms": int,
    "streamspan.output_tokens_per_second": float,
    "gen_ai.response.time_to_first_chunk": float,
}
"""Attributes whose value is the machine's; their type is compared."""
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


async def ask(reply: Reply, service: str, operation: str, *, is_async: bool = False, **params: Any) -> list[Any]:
    """Sends one request, and reads its answer to the end: the events of a stream, or the bytes of a body."""
    with Loopback(reply) as server:
        if is_async:
            async with ASYNC_SESSION.create_client(**arguments(server, service)) as client:
                return [item async for item in answer_in(await getattr(client, operation)(**params))]
        with (
            closing(SYNC_SESSION.create_client(**arguments(server, service))) as client,
            closing(answer_in(getattr(client, operation)(**params))) as answer,
        ):
            return list(answer)


def arguments(server: Loopback, service: str) -> dict[str, Any]:
    """What makes a client of this service."""
    return {**CLIENT, "service_name": service, "endpoint_url": server.url}


def answer_in(result: Any) -> Any:
    """What is to be read in an operation's result."""
    return result.get("completion") or result["body"]


def invocation(case: Case, **more: Any) -> dict[str, Any]:
    """The parameters of a request."""
    return {"modelId": case.model, "body": json.dumps(case.body), **more}


def cost(model: str, usage: Usage) -> dict[str, Any]:
    """What a model costs."""
    price = PriceBook().price("aws.bedrock", (None, model), usage)
    if price is None or price.input is None or price.output is None:
        return {"streamspan.cost.unpriced": True}
    return {
        "streamspan.cost.total": float(price.total),
        "streamspan.cost.input": float(price.input),
        "streamspan.cost.output": float(price.output),
        "streamspan.cost.source": price.source,
        "gen_ai.usage.cost": float(price.total),
    }


def simplify(attributes: Any) -> dict[str, Any]:
    """A span's attributes, with JSON decoded and what is measured as its type."""
    simple: dict[str, Any] = dict(attributes)
    for key in simple.keys() & MEASURED:
        simple[key] = type(simple[key])
    for key in simple.keys() & JSON:
        simple[key] = json.loads(simple[key])
    return simple


JSON = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}
CACHED = Usage(uncached_input_tokens=12, cache_read_tokens=80, cache_write_tokens=20, output_tokens=5)
PLAIN = Usage(input_tokens=12, output_tokens=5)


def expected(case: Case) -> dict[str, Any]:
    """What is on the span of a case, streamed or not."""
    usage = CACHED if case is CASES["claude"] else PLAIN
    cached = {"gen_ai.usage.cache_read.input_tokens": 80, "gen_ai.usage.cache_creation.input_tokens": 20}
    return {
        "gen_ai.operation.name": case.operation,
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": case.model,
        "server.address": "127.0.0.1",
        "cloud.region": "us-east-1",
        **case.request,
        **case.content,
        **({} if case.answered is None else {"gen_ai.response.model": case.answered}),
        "gen_ai.response.id": "req-1",
        "gen_ai.response.finish_reasons": (case.reason,),
        "gen_ai.output.messages": [{"role": "assistant", "parts": case.parts, "finish_reason": case.reason}],
        "gen_ai.usage.input_tokens": usage.total_input_tokens,
        "gen_ai.usage.output_tokens": 5,
        **(cached if usage is CACHED else {}),
        "streamspan.preview": TEXT,
        "streamspan.outcome": "completed",
        **cost(case.model, usage),
    }


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_streamed(case: Case, is_async: bool, observed: Recorder) -> None:
    """The span of a streamed answer is the same for every family, and the application gets the chunks as they came."""
    reply = Reply(headers=EVENT_STREAM, body=list(map(chunk, case.chunks)))
    events = await ask(reply, RUNTIME, "invoke_model_with_response_stream", is_async=is_async, **invocation(case))

    assert [json.loads(item["chunk"]["bytes"]) for item in events] == case.chunks
    span = observed.span()
    assert span.name == f"{case.operation} {case.model}"
    attributes = simplify(span.attributes)
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == {**expected(case), "gen_ai.request.stream": True, "streamspan.chunks": len(case.chunks), **MEASURED}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_whole(case: Case, observed: Recorder) -> None:
    """The span of a whole answer is that of a streamed one without its timing."""
    headers = HEADERS
    if case is CASES["claude"]:
        cache = {"x-amzn-bedrock-cache-read-input-token-count": "80", "x-amzn-bedrock-cache-write-input-token-count": "20"}
        headers = {**HEADERS, **cache}
    data = json.dumps(case.whole).encode()
    pieces = await ask(Reply(headers=headers, body=data), RUNTIME, "invoke_model", **invocation(case))

    assert b"".join(pieces) == data
    attributes = simplify(observed.span().attributes)
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == expected(case)


# --- ends ------------------------------------------------------------------------------------------------------------

LLAMA, CLAUDE = CASES["llama"], CASES["claude"]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_exception_in_the_stream(is_async: bool, observed: Recorder) -> None:
    """An exception frame is raised by the SDK, and is on the span with what was said and counted before."""
    reply = Reply(headers=EVENT_STREAM, body=[*map(chunk, LLAMA.chunks[:2]), exception("modelStreamErrorException")])
    with pytest.raises(EventStreamError):
        await ask(reply, RUNTIME, "invoke_model_with_response_stream", is_async=is_async, **invocation(LLAMA))

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["error.type"] == "modelStreamErrorException"
    assert attributes["streamspan.preview"] == "Lima is "
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (12, 2)
    assert "streamspan.usage.estimated" not in attributes


async def test_stream_that_is_cut(observed: Recorder) -> None:
    """A connection that breaks is a failure, and the application gets the SDK's exception."""
    reply = Reply(headers=EVENT_STREAM, body=[*map(chunk, CLAUDE.chunks[:7]), CUT])
    with pytest.raises(ProtocolError):
        await ask(reply, RUNTIME, "invoke_model_with_response_stream", **invocation(CLAUDE))

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["gen_ai.usage.input_tokens"] == 112
    assert attributes["streamspan.usage.estimated"] == ("output_tokens",)


@pytest.mark.parametrize("name", CASES)
async def test_stream_that_ends_too_early(name: str, observed: Recorder) -> None:
    """A stream of any family that ends before the reason came is truncated: Claude's even before its last event."""
    case = CASES[name]
    kept = case.chunks[: -1 if name == "claude" else -2]
    await ask(
        Reply(headers=EVENT_STREAM, body=list(map(chunk, kept))), RUNTIME, "invoke_model_with_response_stream", **invocation(case)
    )

    assert observed.attributes()["streamspan.outcome"] == "truncated"
    assert observed.span().status.status_code is StatusCode.ERROR


async def test_stream_that_is_left(observed: Recorder) -> None:
    """Closing a stream aborts it; what was said is on the span."""
    with (
        Loopback(Reply(headers=EVENT_STREAM, body=list(map(chunk, LLAMA.chunks)))) as server,
        closing(SYNC_SESSION.create_client(**arguments(server, RUNTIME))) as client,
        closing(client.invoke_model_with_response_stream(**invocation(LLAMA))["body"]) as stream,
    ):
        next(iter(stream))

    assert observed.attributes()["streamspan.outcome"] == "aborted"
    assert observed.attributes()["streamspan.preview"] == "Lima "


# --- bodies that nobody knows ----------------------------------------------------------------------------------------


async def test_stream_that_nobody_knows(observed: Recorder) -> None:
    """Of an unknown body there is what Bedrock counts, and neither content nor an estimate; its end is the stream's."""
    reply = Reply(headers=EVENT_STREAM, body=[chunk({"piece": "Lima"}), chunk({"piece": "", **COUNTED})])
    body = json.dumps({"question": "Capital?"})
    await ask(reply, RUNTIME, "invoke_model_with_response_stream", modelId="new.model-v1:0", body=body)

    attributes = simplify(observed.span().attributes)
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "new.model-v1:0",
        "gen_ai.request.stream": True,
        "server.address": "127.0.0.1",
        "cloud.region": "us-east-1",
        "gen_ai.response.id": "req-1",
        "gen_ai.response.time_to_first_chunk": float,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "streamspan.chunks": 2,
        "streamspan.longest_gap_ms": int,
        "streamspan.cost.unpriced": True,
        "streamspan.outcome": "completed",
    }


async def test_stream_that_nobody_knows_without_counts(observed: Recorder) -> None:
    """Where nothing is counted there are no tokens, not even estimated ones, and the stream is still complete."""
    body = json.dumps({"question": "Capital?"})
    reply = Reply(headers=EVENT_STREAM, body=[chunk({"piece": "Lima"}), chunk(b"\xff")])
    await ask(reply, RUNTIME, "invoke_model_with_response_stream", modelId="new.model-v1:0", body=body)

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    assert not [key for key in attributes if "usage" in key or "cost" in key or "messages" in key]


@pytest.mark.parametrize("model", ["arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6", None])
async def test_hidden_model_is_priced_by_the_answer(model: str | None, observed: Recorder) -> None:
    """A profile of the application's hides the model, which Claude names: that is who answered, and what is paid for."""
    asked: dict[str, Any] = {"modelId": model or CLAUDE.model}
    reply = Reply(headers=EVENT_STREAM, body=list(map(chunk, CLAUDE.chunks)))
    await ask(reply, RUNTIME, "invoke_model_with_response_stream", **(invocation(CLAUDE) | asked))

    attributes = observed.attributes()
    assert attributes["gen_ai.request.model"] == asked["modelId"]
    assert attributes["streamspan.cost.total"] == cost("claude-sonnet-4-5-20250929", CACHED)["streamspan.cost.total"]


@pytest.mark.settings(capture_stream_chunks=True)
async def test_chunk_events(observed: Recorder) -> None:
    """Each chunk with something to say is an event with what it says."""
    reply = Reply(headers=EVENT_STREAM, body=list(map(chunk, LLAMA.chunks)))
    await ask(reply, RUNTIME, "invoke_model_with_response_stream", **invocation(LLAMA))

    texts = [(event.attributes or {}).get("text") for event in observed.span().events if event.name == "streamspan.chunk"]
    assert [text for text in texts if text] == ["Lima ", "is ", 'the "it".']


@pytest.mark.settings(capture_content=False)
async def test_no_content(observed: Recorder) -> None:
    """Without content there are numbers only."""
    reply = Reply(headers=EVENT_STREAM, body=list(map(chunk, CLAUDE.chunks)))
    await ask(reply, RUNTIME, "invoke_model_with_response_stream", **invocation(CLAUDE))

    assert "Lima" not in str(observed.attributes())
    assert "Capital" not in str(observed.attributes())
    assert observed.attributes()["gen_ai.usage.output_tokens"] == 5


# --- agents ----------------------------------------------------------------------------------------------------------


def piece(text: str) -> bytes:
    """A piece of an agent's answer."""
    return event("chunk", {"bytes": base64.b64encode(text.encode()).decode()})


def trace(kind: str = "orchestrationTrace", **said: Any) -> bytes:
    """One step of an agent."""
    return event("trace", {"agentId": "AGENT1", "sessionId": "s-1", "agentVersion": "3", "trace": {kind: said}})


def model_call(tokens: tuple[int, int], model: str = HAIKU) -> list[bytes]:
    """A request to a model, and its answer."""
    usage = {"usage": {"inputTokens": tokens[0], "outputTokens": tokens[1]}}
    return [
        trace(modelInvocationInput={"traceId": "t-0", "text": "...", "foundationModel": model}),
        trace(modelInvocationOutput={"traceId": "t-0", "rawResponse": {"content": "..."}, "metadata": usage}),
    ]


AGENT: dict[str, Any] = {"agentId": "AGENT1", "agentAliasId": "ALIAS1", "sessionId": "s-1", "inputText": "Capital?"}
AGENT_EXPECTED = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "aws.bedrock",
    "gen_ai.agent.id": "AGENT1",
    "gen_ai.conversation.id": "s-1",
    "gen_ai.request.stream": True,
    "server.address": "127.0.0.1",
    "cloud.region": "us-east-1",
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Capital?"}]}],
    "gen_ai.response.id": "req-1",
    "gen_ai.response.time_to_first_chunk": float,
    "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Lima is it."}]}],
    "streamspan.preview": "Lima is it.",
    "streamspan.outcome": "completed",
    "streamspan.longest_gap_ms": int,
    "streamspan.time_to_first_content_ms": int,
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_agent_with_its_trace(is_async: bool, observed: Recorder) -> None:
    """The tokens of all requests to models are summed, and priced if the model is one."""
    body = [*model_call((1000, 50)), *model_call((1200, 60)), piece("Lima "), piece("is it.")]
    reply = Reply(headers=EVENT_STREAM, body=body)
    events = await ask(reply, AGENTS, "invoke_agent", is_async=is_async, enableTrace=True, **AGENT)

    assert [item["chunk"]["bytes"] for item in events if "chunk" in item] == [b"Lima ", b"is it."]
    assert observed.span().name == "invoke_agent"
    attributes = simplify(observed.span().attributes)
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == {
        **AGENT_EXPECTED,
        "gen_ai.response.model": HAIKU,
        "gen_ai.usage.input_tokens": 2200,
        "gen_ai.usage.output_tokens": 110,
        "streamspan.chunks": 6,
        "streamspan.output_tokens_per_second": float,
        **cost(HAIKU, Usage(input_tokens=2200, output_tokens=110)),
    }


async def test_agent_without_a_trace(observed: Recorder) -> None:
    """Without a trace nobody knows the tokens: none are on the span, and none are estimated."""
    await ask(Reply(headers=EVENT_STREAM, body=[piece("Lima "), piece("is it.")]), AGENTS, "invoke_agent", **AGENT)

    attributes = simplify(observed.span().attributes)
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == {**AGENT_EXPECTED, "streamspan.chunks": 2}


async def test_agent_that_asks_several_models(observed: Recorder) -> None:
    """Tokens of different models have no common price."""
    body = [*model_call((1000, 50)), *model_call((200, 10), "amazon.nova-lite-v1:0"), piece("Lima.")]
    await ask(Reply(headers=EVENT_STREAM, body=body), AGENTS, "invoke_agent", enableTrace=True, **AGENT)

    attributes = observed.attributes()
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (1200, 60)
    assert attributes["streamspan.cost.unpriced"] is True
    assert "gen_ai.response.model" not in attributes


async def test_agent_that_fails(observed: Recorder) -> None:
    """An exception in the stream is a failure; the tokens that were counted before are kept."""
    body = [*model_call((1000, 50)), exception("dependencyFailedException")]
    with pytest.raises(EventStreamError):
        await ask(Reply(headers=EVENT_STREAM, body=body), AGENTS, "invoke_agent", enableTrace=True, **AGENT)

    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["error.type"]) == ("failed", "dependencyFailedException")
    assert attributes["gen_ai.usage.output_tokens"] == 50


async def test_inline_agent(observed: Recorder) -> None:
    """An agent made for one request is named on its span; what it leaves to the application are tool calls."""
    function = {"actionGroup": "weather", "function": "get", "parameters": [{"name": "city", "type": "string", "value": "Lima"}]}
    control = {"invocationId": "i-1", "invocationInputs": [{"functionInvocationInput": function}]}
    params: dict[str, Any] = {
        "foundationModel": HAIKU,
        "instruction": "You know the world, and what you know you say briefly.",
        "agentName": "geographer",
    }
    reply = Reply(headers=EVENT_STREAM, body=[event("returnControl", control)])
    await ask(reply, AGENTS, "invoke_inline_agent", sessionId="s-1", inputText="Weather?", **params)

    span, attributes = observed.span(), simplify(observed.span().attributes)
    assert span.name == "invoke_agent geographer"
    assert attributes["gen_ai.agent.name"] == "geographer"
    assert attributes["gen_ai.request.model"] == HAIKU
    assert attributes["gen_ai.system_instructions"] == [{"type": "text", "content": params["instruction"]}]
    assert attributes["gen_ai.output.messages"] == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "i-1", "name": "weather.get", "arguments": {"city": "Lima"}}],
        }
    ]
    assert attributes["streamspan.outcome"] == "completed"
    assert not [key for key in attributes if "usage" in key or "cost" in key]


async def test_agent_that_is_left(observed: Recorder) -> None:
    """Closing an agent's stream aborts it."""
    with (
        Loopback(Reply(headers=EVENT_STREAM, body=[piece("Lima "), piece("is it.")])) as server,
        closing(SYNC_SESSION.create_client(**arguments(server, AGENTS))) as client,
        closing(client.invoke_agent(**AGENT)["completion"]) as stream,
    ):
        next(iter(stream))

    assert observed.attributes()["streamspan.outcome"] == "aborted"


# --- what Bedrock really sent ----------------------------------------------------------------------------------------

FOLDER = Path(__file__).parents[2] / "shared" / "cassettes" / "bedrock"


def recordings() -> list[dict[str, Any]]:
    """Every recorded InvokeModel that streams."""
    files = sorted(FOLDER.glob("*invoke_model_with_response_stream*.yaml"))
    return [interaction for file in files for interaction in yaml.safe_load(file.read_text())["interactions"]]


@pytest.mark.skipif(not recordings(), reason=f"NO REAL RECORDINGS CHECKED: the folder {FOLDER} is not beside the checkout")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_recording(is_async: bool, recorder: Recorder) -> None:
    """The application hears exactly what it would without us, and one complete span tells what was recorded."""
    for recorded in recordings():
        payload = recorded["response"]["body"]["string"]
        slices = [payload[at : at + 100] for at in range(0, len(payload), 100)]
        model = recorded["request"]["uri"].split("/")[4]
        operation, params = "invoke_model_with_response_stream", {"modelId": model, "body": recorded["request"]["body"]}
        alone = await ask(Reply(headers=EVENT_STREAM, body=slices), RUNTIME, operation, is_async=is_async, **params)
        streamspan.instrument(tracer_provider=recorder.provider)
        beside = await ask(Reply(headers=EVENT_STREAM, body=slices), RUNTIME, operation, is_async=is_async, **params)
        streamspan.uninstrument()

        events = [json.loads(item["chunk"]["bytes"]) for item in alone]
        said = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
        metrics = events[-1]["amazon-bedrock-invocationMetrics"]
        attributes = recorder.attributes()
        assert beside == alone
        assert attributes["streamspan.preview"] == said
        assert attributes["streamspan.outcome"] == "completed"
        assert attributes["gen_ai.usage.input_tokens"] == metrics["inputTokenCount"]
        assert attributes["gen_ai.usage.output_tokens"] == metrics["outputTokenCount"]
        assert attributes["gen_ai.response.model"] == events[0]["message"]["model"]
        assert attributes["gen_ai.response.finish_reasons"] == (events[-2]["delta"]["stop_reason"],)


# --- a whole answer, however it is read ------------------------------------------------------------------------------

TITAN = CASES["titan"]
WHOLE = json.dumps(TITAN.whole).encode()


def read_at_once(body: Any) -> bytes:
    return body.read()


def read_in_pieces(body: Any) -> bytes:
    return b"".join(iter(lambda: body.read(7), b""))


def read_what_there_is(body: Any) -> bytes:
    return body.read(len(WHOLE))


def read_as_json(body: Any) -> bytes:
    return json.dumps(json.load(body)).encode()


def iterate(body: Any) -> bytes:
    return b"".join(body)


def iterate_chunks(body: Any) -> bytes:
    return b"".join(body.iter_chunks(10))


def iterate_lines(body: Any) -> bytes:
    return b"".join(body.iter_lines())


@pytest.mark.parametrize(
    "way", [read_at_once, read_in_pieces, read_what_there_is, read_as_json, iterate, iterate_chunks, iterate_lines]
)
def test_ways_to_read_a_whole_answer(way: Callable[[Any], bytes], observed: Recorder) -> None:
    """The body is the SDK's own, gives what it gives without us, and is on the span once it is read."""
    with (
        Loopback(Reply(headers=HEADERS, body=WHOLE)) as server,
        closing(SYNC_SESSION.create_client(**arguments(server, RUNTIME))) as client,
        closing(client.invoke_model(**invocation(TITAN))["body"]) as body,
    ):
        assert type(body) is StreamingBody
        assert way(body) == WHOLE
        assert simplify(observed.span().attributes) | {"server.port": None} == {**expected(TITAN), "server.port": None}


def test_whole_answer_that_nobody_reads(observed: Recorder) -> None:
    """An answer that is dropped was paid for all the same: its tokens stand in the headers."""
    with (
        Loopback(Reply(headers=HEADERS, body=WHOLE)) as server,
        closing(SYNC_SESSION.create_client(**arguments(server, RUNTIME))) as client,
    ):
        client.invoke_model(**invocation(TITAN))["body"].close()

    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "aborted"
    assert attributes["gen_ai.usage.output_tokens"] == 5
    assert attributes["streamspan.cost.total"] == cost(TITAN.model, PLAIN)["streamspan.cost.total"]
    assert "gen_ai.output.messages" not in attributes


EMBEDDED = {
    "titan": (
        "amazon.titan-embed-text-v2:0",
        {"inputText": "Lima", "dimensions": 2},
        {"embedding": [0.1, 0.2], "inputTextTokenCount": 12},
        {"gen_ai.embeddings.dimension.count": 2},
    ),
    "cohere": (
        "cohere.embed-english-v3",
        {"texts": ["Lima"], "input_type": "search_document", "embedding_types": ["float"]},
        {"embeddings": {"float": [[0.1, 0.2]]}, "id": "e-1", "response_type": "embeddings_by_type"},
        {"gen_ai.request.encoding_formats": ("float",)},
    ),
}


@pytest.mark.parametrize(("model", "asked", "answer", "request_attributes"), EMBEDDED.values(), ids=EMBEDDED)
async def test_embeddings(model: str, asked: Any, answer: Any, request_attributes: dict[str, Any], observed: Recorder) -> None:
    """Embeddings have tokens and a price, if it is known, and no content."""
    headers = {**HEADERS}
    del headers["x-amzn-bedrock-output-token-count"]
    await ask(
        Reply(headers=headers, body=json.dumps(answer).encode()), RUNTIME, "invoke_model", modelId=model, body=json.dumps(asked)
    )

    assert observed.span().name == f"embeddings {model}"
    attributes = dict(observed.attributes())
    assert isinstance(attributes.pop("server.port"), int)
    assert attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": model,
        "server.address": "127.0.0.1",
        "cloud.region": "us-east-1",
        **request_attributes,
        "gen_ai.response.id": "req-1",
        "gen_ai.usage.input_tokens": 12,
        "streamspan.outcome": "completed",
        **cost(model, Usage(input_tokens=12)),
    }


@pytest.mark.parametrize("headers", [HEADERS, {"content-type": "image/png"}], ids=["counted", "not counted"])
async def test_whole_answer_that_nobody_knows(headers: dict[str, str], observed: Recorder) -> None:
    """Of an image there is what Bedrock counts, if it does, and nothing else."""
    data = b"\x89PNG\r\n\x1a\n\xff"
    asked = json.dumps({"prompt": "A lama", "mode": "text-to-image"})
    pieces = await ask(Reply(headers=headers, body=data), RUNTIME, "invoke_model", modelId="stability.sd3-large-v1:0", body=asked)

    attributes = observed.attributes()
    assert b"".join(pieces) == data
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes.get("gen_ai.usage.output_tokens") == (5 if headers is HEADERS else None)
    assert not [key for key in attributes if "messages" in key or "estimated" in key]


async def test_body_in_a_file(observed: Recorder) -> None:
    """A request's body in a file is not read before the SDK does; what answers is still known by its shape."""
    body = io.BytesIO(json.dumps(TITAN.body).encode())
    await ask(Reply(headers=HEADERS, body=WHOLE), RUNTIME, "invoke_model", modelId=TITAN.model, body=body)

    attributes = simplify(observed.span().attributes)
    assert attributes["gen_ai.output.messages"] == expected(TITAN)["gen_ai.output.messages"]
    assert attributes["gen_ai.usage.output_tokens"] == 5
