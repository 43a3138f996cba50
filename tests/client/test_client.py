"""One call for every provider: whole and streamed, sync and async, over the SDKs' own clients and real bytes."""

from typing import Any

import pytest

from streamspan import semconv
from streamspan.client import RunLocalResult, StreamResult

from client_cases import CASES, MESSAGES, TEXT, TEXTS, Case
from conftest import Recorder
from loopback import Loopback, Tool


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
