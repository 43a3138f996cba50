"""One call for every provider: whole and streamed, sync and async, over the SDKs' own clients and real bytes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from streamspan import semconv
from streamspan.client import RunLocalResult, StreamResult
from streamspan.client.worker import ROOM

from client_cases import CASES, MESSAGES, TEXT, TEXTS, Case
from conftest import Recorder
from loopback import Loopback, Tool
from surfaces import SYNC_SESSION


@pytest.mark.parametrize("case", CASES, ids=repr)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_call_gives_text_usage_and_cost(case: Case, stream: bool, observed: Recorder) -> None:
    """The same result from every provider, and one span, which has the ids and the numbers of the result."""
    with Loopback(case.streams() if stream else case.whole()) as server:
        async with case.client(server) as client:
            answer = await case.run(client, stream=stream)
            if stream:
                ids = answer.span_id, answer.trace_id
                assert await case.read(answer) == TEXTS
                result: Any = await case.result(answer)
                assert isinstance(result, StreamResult)
                assert (result.aborted, result.outcome, answer.text) == (False, "completed", TEXT)
                assert (result.span_id, result.trace_id) == ids
            else:
                result = answer
                assert type(result) is RunLocalResult
    assert result.text == TEXT
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.total_tokens) == (12, 5, 17)
    assert (result.provider, result.model, result.tool_calls) == (case.provider, case.model, ())
    assert (result.finish_reason, result.provider_finish_reason) == ("stop", case.word)
    assert result.message == {"role": "assistant", "content": TEXT}
    span = observed.span()
    context: Any = span.get_span_context()
    assert (result.trace_id, result.span_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    attributes = span.attributes or {}
    assert result.cost == attributes[semconv.COST_TOTAL] > 0  # pyright: ignore[reportOperatorIssue]
    assert attributes[semconv.OUTCOME] == "completed"
    assert attributes.get(semconv.USAGE_INPUT_TOKENS) == 12


TOOLS: list[Any] = [
    {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


@pytest.mark.parametrize("case", CASES, ids=repr)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_tools_are_called_and_answered(case: Case, stream: bool, observed: Recorder) -> None:
    """The call has its arguments, parsed and raw; the message goes back with the tool's result, and the model goes on."""
    first, second = (
        (case.streams([], tools=(Tool(),)), case.streams()) if stream else (case.whole("Wait.", tools=(Tool(),)), case.whole())
    )
    with Loopback([first, second]) as server:
        async with case.client(server) as client:
            answer = await case.run(client, stream=stream, tools=TOOLS)
            if stream:
                await case.read(answer)
                answer = await case.result(answer)
            assert (answer.finish_reason, answer.provider_finish_reason) == ("tool_calls", case.calls_word)
            (call,) = answer.tool_calls
            assert (call.id, call.name, call.arguments) == ("call_1", "get_weather", {"city": "Lima"})
            turns = [
                *MESSAGES,
                answer.message,
                {"role": "tool", "tool_call_id": call.id, "tool_name": call.name, "content": "20"},
            ]
            answer = await case.run(client, stream=stream, tools=TOOLS, messages=turns)
            if stream:
                await case.read(answer)
                answer = await case.result(answer)
            assert answer.text == TEXT
            sent = str(server.requests[1].json)
            assert all(word in sent for word in ("call_1", "get_weather", "Lima", "20"))
    assert len(observed.spans(2)) == 2


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "at": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    "required": ["city"],
    "additionalProperties": False,
}
PNG = b"\x89PNG\r\n\x1a\n"


def within(sent: Any) -> Iterator[Any]:
    """All values in a body, also those that stand in it as text."""
    yield sent
    if isinstance(sent, str) and sent.startswith("{"):
        yield json.loads(sent)
    if isinstance(sent, dict):
        sent = list(cast("dict[str, Any]", sent).values())
    if isinstance(sent, list):
        for value in cast("list[Any]", sent):
            yield from within(value)


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_everything_that_can_be_said_is_sent(case: Case, observed: Recorder) -> None:
    """Through the SDKs' own checks, and to the wire: the schemas, of a tool and of the answer, are there as they were given."""
    answer_schema = {**SCHEMA, "description": "the answer"}
    options: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "Be {{mood}}."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image", "data": PNG}]},
        ],
        "variables": {"mood": "kind"},
        "temperature": 0.25,
        "top_p": 0.75,
        "max_output_tokens": 77,
        "stop": ["END"],
        "timeout": 30 if case.provider != "amazon_bedrock" else None,
        "tools": [{"name": "look", "description": "Looks.", "parameters": SCHEMA}],
        "tool_choice": {"name": "look"},
        "response_format": {"type": "json_schema", "schema": answer_schema},
    }
    with Loopback(case.whole()) as server:
        async with case.client(server) as client:
            if case.provider == "amazon_bedrock" and not knows_formats():
                with pytest.raises(ValueError, match="this boto3 is too old for response_format"):
                    await case.run(client, **options)
                return
            await case.run(client, **options)
        sent = list(within(server.requests[0].json))
    for said in (SCHEMA, answer_schema, "What is it?", "iVBORw0KGgo=", "look", "Looks.", 0.25, 0.75, 77, ["END"]):
        assert said in sent or (said == "iVBORw0KGgo=" and f"data:image/png;base64,{said}" in sent), said
    assert "Be kind." in sent
    assert observed.attributes()[semconv.REQUEST_TEMPERATURE] == 0.25


def knows_formats() -> bool:
    """Whether this boto3 can ask Converse for JSON."""
    return "outputConfig" in SYNC_SESSION.get_service_model("bedrock-runtime").operation_model("Converse").input_shape.members


@pytest.mark.parametrize("case", [case for case in CASES if case.is_async], ids=repr)
async def test_the_loop_is_never_held_up(case: Case, observed: Recorder) -> None:
    """While a stream waits for its next chunk, the program's other tasks run: one of them lets the provider go on."""
    hold = threading.Event()
    wire = case.wire()
    with Loopback(case.surface.streams([*wire[: case.surface.partway], hold, *wire[case.surface.partway :]])) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)

            async def let_go() -> None:
                await asyncio.sleep(0.1)
                hold.set()

            task = asyncio.create_task(let_go())
            assert "".join(await case.read(stream)) == TEXT
            assert hold.is_set()
            await task
    assert observed.attributes()[semconv.OUTCOME] == "completed"


async def test_a_thread_reads_little_ahead(observed: Recorder) -> None:
    """Where a thread reads for the loop, it waits for the program: what is not read yet is not in memory."""
    (case,) = (case for case in CASES if repr(case) == "amazon_bedrock-async")
    texts = [f"{number} " for number in range(200)]
    with Loopback(case.streams(texts)) as server:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            await asyncio.sleep(0.2)
            call: Any = stream._run.observation._call
            assert call.chunks <= ROOM + 1
            assert await case.read(stream) == texts
    assert observed.attributes()[semconv.CHUNKS] == len(case.wire(texts))
