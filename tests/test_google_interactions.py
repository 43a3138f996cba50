"""What Google's interactions do otherwise than other surfaces: hops of one answer, errors that raise nothing, answers read again."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

import streamspan
from streamspan.answer import Answer, dump_json
from streamspan.providers.google_interactions import prompt, read, request

from conftest import Recorder
from loopback import Loopback, Reply, Request, Tool, interaction_error, interaction_usage, sse
from surfaces import INTERACTIONS, InteractionsSurface, vertex

MEASURED = {
    "gen_ai.response.time_to_first_chunk",
    "streamspan.time_to_first_content_ms",
    "streamspan.longest_gap_ms",
    "streamspan.output_tokens_per_second",
    "streamspan.cost.source",
}
HOPS = 1 if InteractionsSurface.old else 2
"""How many requests it takes here to get an answer that stops on the way: google-genai 1 continues nothing by itself."""

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
REQUEST: dict[str, Any] = {
    "input": [
        {"type": "text", "text": "And this?"},
        {"type": "image", "uri": "https://example.com/a.png", "mime_type": "image/png"},
    ],
    "system_instruction": "Be brief.",
    "tools": [{"type": "function", "name": "get_weather", "parameters": WEATHER}, {"type": "google_search"}],
    "previous_interaction_id": "v1_0",
    "response_mime_type": "application/json",
    "generation_config": {"temperature": 0.5, "top_p": 0.25, "max_output_tokens": 100, "seed": 7, "thinking_level": "low"},
}
PARTS = [
    {"type": "reasoning", "content": "The user wants weather."},
    {"type": "text", "content": "Let me look."},
    {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
]
EXPECTED: dict[str, Any] = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.25,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.seed": 7,
    "gen_ai.request.reasoning.level": "low",
    "gen_ai.request.previous_response.id": "v1_0",
    "gen_ai.output.type": "json",
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And this?"},
                {"type": "uri", "uri": "https://example.com/a.png", "modality": "image", "mime_type": "image/png"},
            ],
        }
    ],
    "gen_ai.tool.definitions": [
        {"type": "function", "name": "get_weather", "parameters": WEATHER},
        {"type": "google_search", "name": "google_search"},
    ],
    "gen_ai.output.messages": [{"role": "assistant", "parts": PARTS, "finish_reason": "requires_action"}],
    "gen_ai.response.id": "v1_1",
    "gen_ai.response.model": "gemini-2.5-flash",
    "gen_ai.response.finish_reasons": ("requires_action",),
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.reasoning.output_tokens": 60,
    # 600 at $0.30, 400 at $0.03, and 100 at $2.50 a million
    "streamspan.cost.total": pytest.approx(0.000442),
    "streamspan.cost.input": pytest.approx(0.000192),
    "streamspan.cost.output": pytest.approx(0.00025),
    "gen_ai.usage.cost": pytest.approx(0.000442),
    "streamspan.outcome": "completed",
    "streamspan.preview": "Let me look.",
}
USAGE = interaction_usage(900, 40, thoughts=60, cached=400, tools=100)


def shown(attributes: Any) -> dict[str, Any]:
    """Attributes with their JSON parsed, without what the machine measured."""
    parsed = (".messages", ".definitions", "_instructions")
    told = {key: value for key, value in dict(attributes).items() if key not in MEASURED}
    return {key: json.loads(value) if key.endswith(parsed) else value for key, value in told.items()}


@pytest.mark.parametrize("at_vertex", [False, True], ids=["gemini", "vertex"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_everything_on_the_span(
    surface: InteractionsSurface, observed: Recorder, *, streamed: bool, at_vertex: bool
) -> None:
    """Request, content, response, usage and cost: streamed and whole, of Gemini and of Vertex AI, the same attributes."""
    answer: dict[str, Any] = {"tools": [Tool()], "usage": USAGE, "status": "requires_action"}
    events = surface.wire(["Let me ", "look."], thinking=["The user ", "wants weather."], **answer)
    whole = surface.whole("Let me look.", thinking="The user wants weather.", **answer)
    with Loopback(Reply(body=events) if streamed else Reply.of(whole)) as server:
        client = vertex(surface, server) if at_vertex else surface.client(server)
        result = await surface.create(client, **({"stream": True} if streamed else {}), **REQUEST)
        chunks = len(await surface.take(result)) if streamed else 0
        await surface.shut(client)
        port = server.port

    span = observed.span()
    who = {"gen_ai.provider.name": "gcp.vertex_ai"} if at_vertex else {}
    timing = {"gen_ai.request.stream": True, "streamspan.chunks": chunks} if streamed else {}
    assert shown(span.attributes) == {**EXPECTED, **who, **timing, "server.port": port}
    assert span.name == "generate_content gemini-2.5-flash"


# --- hops of one answer ----------------------------------------------------------------------------------------------


def two_hops(surface: InteractionsSurface, *, streamed: bool) -> Callable[[Request], Reply]:
    """Stops at the token limit of one request, and goes on in the next."""

    def answer(request: Request) -> Reply:
        second = "continuation_token" in request.json
        texts, usage = (
            (["of Peru."], interaction_usage(20, 4)) if second else (["Lima is the capital "], interaction_usage(10, 2))
        )
        more: dict[str, Any] = {} if second else {"status": "requires_continuation", "continuation_token": "t1"}
        if streamed:
            return Reply(body=surface.wire(texts, usage=usage, **more))
        return Reply.of(surface.whole(texts[0], usage=usage, **more))

    return answer


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_one_span_for_each_hop(surface: InteractionsSurface, observed: Recorder, *, streamed: bool) -> None:
    """An answer that the SDK continues by itself is a span for each request, with the text and usage of that request alone."""
    with Loopback(two_hops(surface, streamed=streamed)) as server:
        client = surface.client(server)
        result = await (surface.open(client) if streamed else surface.create(client))
        if streamed:
            await surface.take(result)
        await surface.shut(client)

    spans = sorted(observed.spans(HOPS), key=lambda span: span.start_time or 0)
    told = [shown(span.attributes) for span in spans]
    assert [attributes["streamspan.outcome"] for attributes in told] == ["completed", "completed"][:HOPS]
    assert [attributes["streamspan.preview"] for attributes in told] == ["Lima is the capital ", "of Peru."][:HOPS]
    assert [attributes["gen_ai.usage.input_tokens"] for attributes in told] == [10, 20][:HOPS]
    assert [attributes["gen_ai.usage.output_tokens"] for attributes in told] == [2, 4][:HOPS]
    assert told[0]["gen_ai.response.finish_reasons"] == ("requires_continuation",)


@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_second_hop_is_closed(surface: InteractionsSurface, observed: Recorder) -> None:
    """A stream that is closed in its second hop: the first is complete, the second aborted."""
    with Loopback(two_hops(surface, streamed=True)) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        await surface.take(stream, 10)
        await surface.close(stream)
        await surface.shut(client)

    spans = sorted(observed.spans(HOPS), key=lambda span: span.start_time or 0)
    assert [(span.attributes or {})["streamspan.outcome"] for span in spans] == ["completed", "aborted"][:HOPS]
    assert [(span.attributes or {})["streamspan.preview"] for span in spans] == ["Lima is the capital ", "of Peru."][:HOPS]


# --- ends that raise nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_error_event(surface: InteractionsSurface, observed: Recorder) -> None:
    """An error that comes as an event raises nothing, and is a failure with the provider's code."""
    body = [*surface.wire(["Lima"], terminal=False), sse("error", interaction_error()), b"event: done\ndata: [DONE]\n\n"]
    with Loopback(Reply(body=body)) as server:
        client = surface.client(server)
        events = await surface.take(await surface.open(client))
        await surface.shut(client)

    attributes = observed.attributes()
    assert events[-1].event_type == "error"
    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["error.type"] == "UNAVAILABLE"
    assert attributes["streamspan.preview"] == "Lima"
    assert observed.span().status.description == "The model is overloaded."


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [("incomplete", "completed", "incomplete"), ("failed", "failed", "error"), ("cancelled", "completed", "cancelled")],
)
async def test_status(status: str, outcome: str, reason: str, observed: Recorder, *, streamed: bool) -> None:
    """A failed interaction is a failure, although nothing raises; another status is the finish reason."""
    surface = INTERACTIONS[0]
    with Loopback(
        Reply(body=surface.wire(["x"], status=status)) if streamed else Reply.of(surface.whole("x", status=status))
    ) as server:
        client = surface.client(server)
        result = await (surface.open(client) if streamed else surface.create(client))
        if streamed:
            await surface.take(result)
        await surface.shut(client)

    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["gen_ai.response.finish_reasons"]) == (outcome, (reason,))


# --- answers that are read again -------------------------------------------------------------------------------------


async def get(surface: InteractionsSurface, client: Any, **options: Any) -> Any:
    result = surface.resource(client).get("v1_1", **options)
    return await result if surface.is_async else result


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_get(surface: InteractionsSurface, observed: Recorder, *, streamed: bool) -> None:
    """An interaction that is read again has its output and its outcome, and neither usage nor cost: it was paid for when made."""
    with Loopback(Reply(body=surface.wire(["Li", "ma"])) if streamed else Reply.of(surface.whole("Lima"))) as server:
        client = surface.client(server)
        result = await get(surface, client, **({"stream": True} if streamed else {}))
        if streamed:
            await surface.take(result)
        await surface.shut(client)
        port = server.port

    message = {"role": "assistant", "parts": [{"type": "text", "content": "Lima"}], "finish_reason": "completed"}
    timing = {"gen_ai.request.stream": True, "streamspan.chunks": 7} if streamed else {}
    attributes = shown(observed.attributes())
    attributes.pop("streamspan.usage.omitted", None)
    assert attributes == {
        "gen_ai.operation.name": "fetch_response",
        "gen_ai.provider.name": "gcp.gemini",
        "server.address": "127.0.0.1",
        "server.port": port,
        "gen_ai.response.id": "v1_1",
        "gen_ai.response.model": "gemini-2.5-flash",
        "gen_ai.response.finish_reasons": ("completed",),
        "gen_ai.output.messages": [message],
        "streamspan.outcome": "completed",
        "streamspan.preview": "Lima",
        **timing,
    }
    assert observed.span().name == "fetch_response"


@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_answer_that_is_made_in_the_background(surface: InteractionsSurface, observed: Recorder) -> None:
    """What is made in the background is charged once: to the first request that reads its end (since 2.x), and nothing is made up."""
    running = {"id": "v1_1", "status": "in_progress", "model": surface.model}
    script = iter([running, running, surface.whole("x"), surface.whole("x")])
    with Loopback(lambda _: Reply.of(next(script))) as server:
        client = surface.client(server)
        await surface.create(client, background=True)
        for _ in range(3):
            await get(surface, client)
        await surface.shut(client)

    told = [dict(span.attributes or {}) for span in sorted(observed.spans(4), key=lambda span: span.start_time or 0)]
    assert [attributes["streamspan.outcome"] for attributes in told] == ["completed"] * 4
    charged = None if surface.old else 12
    assert [attributes.get("gen_ai.usage.input_tokens") for attributes in told] == [None, None, charged, None]
    assert [attributes.get("gen_ai.usage.output_tokens") for attributes in told] == [None, None, charged and 5, None]
    assert ["streamspan.cost.total" in attributes for attributes in told] == [False, False, bool(charged), False]


# --- in and out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", INTERACTIONS, ids=repr)
async def test_unobserved_and_uninstrumented(surface: InteractionsSurface, recorder: Recorder) -> None:
    """A client made before ``instrument()`` is observed; suppressed calls and calls after ``uninstrument()`` leave no span."""
    with Loopback(lambda _: Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        surface.resource(client)
        streamspan.instrument(tracer_provider=recorder.provider)
        counts = [len(await surface.take(await surface.open(client)))]
        with suppress_instrumentation():
            counts.append(len(await surface.take(await surface.open(client))))
        streamspan.uninstrument()
        counts.append(len(await surface.take(await surface.open(client))))
        await surface.shut(client)

    assert counts == [6, 6, 6]
    assert recorder.attributes()["streamspan.preview"] == "x"


async def test_whole_answer_to_a_request_for_a_stream(observed: Recorder) -> None:
    """A server that does not stream: the application gets the SDK's own object, and the span is complete."""
    surface = INTERACTIONS[0]
    with Loopback(Reply.of(surface.whole("Lima"))) as server:
        client = surface.client(server)
        if not surface.old:  # 1.x makes a stream of it, without an event
            assert type(await surface.open(client)).__name__ == "Interaction"
        else:
            await surface.create(client)
        await surface.shut(client)

    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes()["streamspan.preview"] == "Lima"


async def test_agent(observed: Recorder) -> None:
    """An interaction with an agent names it, as it has no model."""
    surface = INTERACTIONS[0]
    whole = {key: value for key, value in surface.whole("x").items() if key != "model"}
    with Loopback(Reply.of({**whole, "agent": "deep-research-pro-preview-12-2025"})) as server:
        client = surface.client(server)
        resource = surface.resource(client)
        resource.create(agent="deep-research-pro-preview-12-2025", input="Why?")
        await surface.shut(client)

    span = observed.span()
    assert span.name == "generate_content"
    assert (span.attributes or {})["gen_ai.agent.name"] == "deep-research-pro-preview-12-2025"
    assert (span.attributes or {})["streamspan.cost.unpriced"] is True


# --- what the wire says ----------------------------------------------------------------------------------------------


def told(*events: Any) -> tuple[list[dict[str, Any]], Answer]:
    answer = Answer()
    for event in events:
        read(event, answer)
    return [part for message in json.loads(dump_json(answer.messages(1))) for part in message["parts"]], answer


def delta(**said: Any) -> dict[str, Any]:
    return {"event_type": "step.delta", "index": 0, "delta": said}


def test_every_kind_of_delta() -> None:
    """Searches, code, results, images and unknown kinds are parts; signatures and annotations say nothing."""
    parts, answer = told(
        None,
        {},
        {"event_type": "UNKNOWN", "raw": {}},
        delta(type="google_search_call", id="s1", arguments={"queries": ["Lima"]}, signature="c2ln"),
        delta(type="google_search_result", call_id="s1", result=[{"url": "https://example.com"}]),
        delta(type="function_result", call_id="c1", result="ok"),
        delta(type="image", data="AAAA", mime_type="image/png"),
        delta(type="text_annotation_delta", annotations=[]),
        delta(type="thought_signature", signature="c2ln"),
        delta(type="something_new"),
    )
    assert parts == [
        {
            "type": "server_tool_call",
            "id": "s1",
            "name": "google_search",
            "server_tool_call": {"type": "google_search", "arguments": {"queries": ["Lima"]}},
        },
        {
            "type": "server_tool_call_response",
            "id": "s1",
            "server_tool_call_response": {"type": "google_search", "result": [{"url": "https://example.com"}]},
        },
        {"type": "tool_call_response", "id": "c1", "response": "ok"},
        {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
        {"type": "something_new"},
    ]
    assert answer.failure is None


def test_usage_is_the_last_total() -> None:
    """Usage comes several times, as totals: the last one counts, thoughts and tool results are added once, 0 is a number."""
    audio = {"input_tokens_by_modality": [{"modality": "text", "tokens": 1}, {"modality": "audio", "tokens": 6}]}
    _, answer = told(
        {**delta(type="text", text="a"), "metadata": {"total_usage": interaction_usage(7, 1)}},
        {"event_type": "step.stop", "index": 0, "usage": interaction_usage(7, 2)},
        {"event_type": "interaction.status_update", "status": "in_progress", "usage": interaction_usage(7, 3)},
        {
            "event_type": "interaction.completed",
            "interaction": {"usage": {**interaction_usage(7, 4, thoughts=2, tools=5), **audio}},
        },
    )
    assert (answer.reported.input_tokens, answer.reported.output_tokens) == (12, 6)
    assert (answer.reported.cache_read_tokens, answer.reported.reasoning_tokens) == (0, 2)
    assert (answer.reported.input_audio_tokens, answer.reported.output_audio_tokens) == (6, None)


def inputs() -> Iterator[Any]:
    """Each form of the input, and the messages that it is."""
    hi = {"type": "text", "content": "Hi"}
    yield "Hi", [("user", [hi])]
    yield {"type": "text", "text": "Hi"}, [("user", [hi])]
    yield (
        [{"text": "Hi"}, {"type": "image", "data": "AAAA"}],
        [("user", [hi, {"type": "blob_reference", "modality": "image", "size": 3}])],
    )
    yield (
        [{"role": "user", "content": "Hi"}, {"role": "model", "content": [{"type": "text", "text": "Hi"}]}],
        [("user", [hi]), ("assistant", [hi])],
    )
    call = {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
    yield (
        [
            {"type": "user_input", "content": [{"type": "text", "text": "Hi"}]},
            {"type": "thought", "summary": [{"type": "text", "text": "Hm."}]},
            call,
            {"type": "function_result", "call_id": "c1", "result": {"b": 2}},
            {"type": "model_output", "content": [{"type": "text", "text": "Hi"}]},
        ],
        [
            ("user", [hi]),
            ("assistant", [{"type": "reasoning", "content": "Hm."}]),
            ("assistant", [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}]),
            ("tool", [{"type": "tool_call_response", "id": "c1", "response": {"b": 2}}]),
            ("assistant", [hi]),
        ],
    )
    yield None, []
    yield [], []


@pytest.mark.parametrize(("given", "messages"), list(inputs()))
def test_input_in_every_form(given: Any, messages: list[tuple[str, list[Any]]]) -> None:
    """A text, contents, turns and steps are messages."""
    read_messages = prompt({"input": given}).messages or []
    assert [(message["role"], message["parts"]) for message in read_messages] == messages


def test_nothing_in_the_request() -> None:
    """An empty request has no attributes, and what cannot be converted is left out."""
    assert request({"generation_config": {"temperature": "hot", "stop_sequences": None}}) == {}
