"""Responses that are read again, or made in the background: each is charged on one span."""

import asyncio
import inspect
import json
from typing import Any

import openai
import pytest
from openai.resources.responses import Responses

from conftest import Recorder
from loopback import Loopback, Piece, Reply, Request, Tool, responses_events, responses_usage, responses_whole
from surfaces import ResponsesSurface

SURFACES = [ResponsesSurface(is_async=is_async) for is_async in (False, True)]
USAGE = responses_usage(1000, 100, cached=400, reasoning=60)
MEASURED = {
    "server.port",
    "gen_ai.response.time_to_first_chunk",
    "streamspan.longest_gap_ms",
    "streamspan.time_to_first_content_ms",
}
CHARGED = {
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.cache_creation.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 60,
    # 600 at $0.15, 400 cached at $0.075 and 100 at $0.60 a million
    "streamspan.cost.total": pytest.approx(0.00018),
    "streamspan.cost.input": pytest.approx(0.00012),
    "streamspan.cost.output": pytest.approx(0.00006),
    "gen_ai.usage.cost": pytest.approx(0.00018),
}
LOOKED_AT = ("gen_ai.usage.", "streamspan.usage.", "streamspan.cost.")


async def done(result: Any) -> Any:
    """``result``, awaited if it has to be."""
    return await result if inspect.isawaitable(result) else result


def charges(attributes: Any) -> dict[str, Any]:
    """What a span says about tokens and money."""
    return {key: value for key, value in attributes.items() if key.startswith(LOOKED_AT) and key != "streamspan.cost.source"}


def answer(request: Request, **whole: Any) -> Reply:
    """A response, whole or as the events that the request asks for."""
    if "stream=true" not in request.path and not (request.body and request.json.get("stream")):
        return Reply.of(responses_whole("It is in Peru.", **whole))
    events: list[Piece] = list(responses_events(["It ", "is in Peru."], tool_calls=[Tool()], **whole))
    after = request.path.partition("starting_after=")[2].partition("&")[0]
    return Reply(body=events[int(after) + 1 :] if after else events)


async def retrieve(client: Any, surface: ResponsesSurface, way: str) -> Any:
    """Reads a response again, in one of the SDK's ways."""
    responses = client.responses
    match way:
        case "whole":
            return await done(responses.retrieve("resp_1"))
        case "raw":
            raw = await done(responses.with_raw_response.retrieve("resp_1"))
            return await surface.parse(raw)
        case "stream":
            return await surface.take(await done(responses.retrieve("resp_1", stream=True)))
        case "resumed":
            return await surface.take(await done(responses.retrieve("resp_1", stream=True, starting_after=9)))
        case "lines":
            manager = responses.with_streaming_response.retrieve("resp_1", stream=True, starting_after=9)
            async with surface.within(manager) as response:
                return await surface.take(response.iter_lines())
        case _:
            async with surface.within(responses.stream(response_id="resp_1", starting_after=9)) as stream:
                return await surface.take(stream)


@pytest.mark.settings(capture_stream_chunks=True)
@pytest.mark.parametrize("way", ["whole", "raw", "stream", "resumed", "lines", "helper"])
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_a_response_that_is_read_again(way: str, surface: ResponsesSurface, observed: Recorder) -> None:
    """It is a span of its own, with the whole output even if its stream begins in the middle; its usage stays with its maker."""
    with Loopback(lambda request: answer(request, usage=USAGE)) as server:
        client = surface.client(server)
        await surface.create(client)
        assert await retrieve(client, surface, way)
        await surface.shut(client)

    made, fetched = observed.spans(2)
    assert (made.name, fetched.name) == ("chat gpt-4o-mini", "fetch_response")
    assert charges(made.attributes) == CHARGED
    attributes: dict[str, Any] = {key: value for key, value in (fetched.attributes or {}).items() if key not in MEASURED}
    streamed = way not in {"whole", "raw"}
    parts: list[dict[str, Any]] = [{"type": "text", "content": "It is in Peru."}]
    if streamed:
        parts.append({"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}})
        assert attributes.pop("gen_ai.request.stream")
        chunks = attributes.pop("streamspan.chunks")
        texts = [str((event.attributes or {}).get("text", "")) for event in fetched.events if event.name == "streamspan.chunk"]
        assert len(texts) == chunks
        assert "".join(texts) == ("It is in Peru." if way in {"stream", "helper"} else "")  # each once, as it came
    assert json.loads(attributes.pop("gen_ai.output.messages")) == [
        {"role": "assistant", "parts": parts, "finish_reason": "completed"}
    ]
    assert attributes == {
        "gen_ai.operation.name": "fetch_response",
        "gen_ai.provider.name": "openai",
        "server.address": "127.0.0.1",
        "openai.api.type": "responses",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("completed",),
        "openai.response.service_tier": "default",
        "streamspan.preview": "It is in Peru.",
        "streamspan.outcome": "completed",
        "streamspan.usage.omitted": "counted",
    }


QUEUED: dict[str, Any] = {"background": True, "status": "queued", "output": [], "usage": None}
DONE: dict[str, Any] = {"background": True, "usage": USAGE}


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_a_response_that_is_made_in_the_background(surface: ResponsesSurface, observed: Recorder) -> None:
    """Its usage is on the first span that sees it, not estimated before and not repeated after."""
    whole = [QUEUED, {**QUEUED, "status": "in_progress"}, DONE, DONE]
    with Loopback([Reply.of({**responses_whole(None), **part}) for part in whole]) as server:
        client = surface.client(server)
        await surface.create(client, background=True)
        for _ in range(3):
            await retrieve(client, surface, "whole")
        await surface.shut(client)

    spans = [dict(span.attributes or {}) for span in observed.spans(4)]
    unreported, counted = {"streamspan.usage.omitted": "unreported"}, {"streamspan.usage.omitted": "counted"}
    assert [charges(span) for span in spans] == [unreported, unreported, CHARGED, counted]
    reasons = [("queued",), ("in_progress",), ("completed",), ("completed",)]
    assert [span["gen_ai.response.finish_reasons"] for span in spans] == reasons
    assert [span["streamspan.outcome"] for span in spans] == ["completed"] * 4


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_a_background_stream_that_is_left_and_resumed(surface: ResponsesSurface, observed: Recorder) -> None:
    """The answer goes on when its first reader leaves: nothing is estimated there, and who resumes it has its usage."""
    with Loopback(lambda request: answer(request, **DONE)) as server:
        client = surface.client(server)
        stream = await surface.open(client, background=True)
        await surface.take(stream, 5)
        await surface.close(stream)
        await retrieve(client, surface, "resumed")
        await retrieve(client, surface, "whole")
        stream = await surface.open(client, background=True)  # the very same, to its end
        await surface.take(stream)
        await surface.shut(client)

    spans = [dict(span.attributes or {}) for span in observed.spans(4)]
    unreported, counted = {"streamspan.usage.omitted": "unreported"}, {"streamspan.usage.omitted": "counted"}
    assert [charges(span) for span in spans] == [unreported, CHARGED, counted, counted]
    assert [span["streamspan.outcome"] for span in spans] == ["aborted", "completed", "completed", "completed"]


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_a_stream_that_is_left_is_charged_where_it_was_made(surface: ResponsesSurface, observed: Recorder) -> None:
    """Without ``background`` the one who made a response has its usage, if only as an estimate; reading it again adds nothing."""
    with Loopback(lambda request: answer(request, usage=USAGE)) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        await surface.take(stream, 5)
        await surface.close(stream)
        await retrieve(client, surface, "whole")
        await surface.shut(client)

    made, fetched = (dict(span.attributes or {}) for span in observed.spans(2))
    assert made["streamspan.outcome"] == "aborted"
    assert made["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert "gen_ai.usage.cost" in made
    assert charges(fetched) == {"streamspan.usage.omitted": "counted"}


@pytest.mark.parametrize(("background", "expected"), [(True, CHARGED), (False, {"streamspan.usage.omitted": "counted"})])
async def test_a_response_of_another_process(background: bool, expected: dict[str, Any], observed: Recorder) -> None:
    """Who made it there has its usage, unless it was made in the background: then we are the first to see it, as far as we know."""
    surface = SURFACES[0]
    with Loopback(Reply.of(responses_whole(usage=USAGE, background=background))) as server, surface.client(server) as client:
        client.responses.retrieve("resp_1")

    assert charges(observed.attributes()) == expected


async def test_two_readers_at_a_time(observed: Recorder) -> None:
    """Of those who read a background response at the same time, one has its usage."""
    surface = SURFACES[1]
    with Loopback(Reply.of(responses_whole(**DONE))) as server:
        client = surface.client(server)
        await asyncio.gather(*(client.responses.retrieve("resp_1") for _ in range(4)))
        await surface.shut(client)

    assert sum("gen_ai.usage.cost" in (span.attributes or {}) for span in observed.spans(4)) == 1


async def test_a_response_that_is_not_there(observed: Recorder) -> None:
    """A retrieval that fails is a failure with the provider's code, and nothing is said about usage."""
    error = {"error": {"message": "no such response", "type": "invalid_request_error", "code": "not_found"}}
    surface = SURFACES[0]
    with Loopback(Reply.of(error, 404)) as server, surface.client(server) as client, pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_1")

    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["error.type"]) == ("failed", "not_found")
    assert charges(attributes) == {}


async def test_what_is_done_with_a_response_is_no_model_call(observed: Recorder) -> None:
    """Cancelling and deleting a response and listing its input have no span."""
    surface = SURFACES[0]
    with Loopback(Reply.of(responses_whole(**QUEUED))) as server, surface.client(server) as client:
        client.responses.cancel("resp_1")
        client.responses.delete("resp_1")
        client.responses.input_items.list("resp_1")

    assert observed.spans(0) == []


if hasattr(Responses, "compact"):  # openai 2 and newer

    @pytest.mark.parametrize("surface", SURFACES, ids=repr)
    async def test_compacting(surface: ResponsesSurface, observed: Recorder) -> None:
        """What makes a conversation shorter is a call with usage; what it gives is opaque, and repeats the input."""
        items = [
            {
                "id": "msg_0",
                "type": "message",
                "role": "user",
                "status": "completed",
                "content": [{"type": "input_text", "text": "Lima?"}],
            },
            {"id": "cmp_1", "type": "compaction", "encrypted_content": "hush"},
        ]
        compacted = {"id": "resp_2", "object": "response.compaction", "created_at": 1760000000, "output": items, "usage": USAGE}
        with Loopback(Reply.of(compacted)) as server:
            client = surface.client(server)
            await done(client.responses.compact(model=surface.model, input="Lima?"))
            await surface.shut(client)

        attributes: dict[str, Any] = dict(observed.attributes())
        assert observed.span().name == "chat gpt-4o-mini"
        assert charges(attributes) == CHARGED
        assert attributes["gen_ai.response.finish_reasons"] == ("compaction",)
        assert attributes["streamspan.outcome"] == "completed"
        assert json.loads(attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "compaction", "id": "cmp_1"}]

    @pytest.mark.parametrize("surface", SURFACES, ids=repr)
    async def test_the_beta_of_responses(surface: ResponsesSurface, observed: Recorder) -> None:
        """``client.beta.responses`` is seen like the rest: create, stream and retrieve."""
        with Loopback(lambda request: answer(request, usage=USAGE)) as server:
            client = surface.client(server)
            beta = client.beta.responses
            await done(beta.create(model=surface.model, input="Lima?"))
            await surface.take(await done(beta.create(model=surface.model, input="Lima?", stream=True)))
            await done(beta.retrieve("resp_1"))
            await surface.shut(client)

        spans = observed.spans(3)
        assert [span.name for span in spans] == ["chat gpt-4o-mini", "chat gpt-4o-mini", "fetch_response"]
        assert [charges(span.attributes) for span in spans] == [CHARGED, CHARGED, {"streamspan.usage.omitted": "counted"}]
