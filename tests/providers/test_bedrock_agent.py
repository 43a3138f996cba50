"""What the events of an agent's answer say, one by one."""

import json
from typing import Any

import pytest

from streamspan.answer import Answer, dump_json
from streamspan.providers.bedrock_agent import prompt, read, request

HAIKU, SONNET = "anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"


def hear(*events: Any) -> Answer:
    """An answer out of these events."""
    answer = Answer()
    for event in events:
        read(event, answer)
    return answer


def step(kind: str, **said: Any) -> dict[str, Any]:
    """One step of the trace."""
    return {"trace": {"agentId": "A", "sessionId": "s-1", "trace": {kind: said}}}


def asks(model: str, kind: str = "orchestrationTrace") -> dict[str, Any]:
    """The agent asks a model."""
    return step(kind, modelInvocationInput={"traceId": "t-0", "text": "...", "foundationModel": model})


def counts(tokens: tuple[int, int]) -> dict[str, Any]:
    """What is counted beside an answer."""
    return {"metadata": {"usage": {"inputTokens": tokens[0], "outputTokens": tokens[1]}, "totalTimeMs": 12}}


def answers(tokens: tuple[int, int], kind: str = "orchestrationTrace") -> dict[str, Any]:
    """The model answers."""
    return step(kind, modelInvocationOutput={"traceId": "t-0", "rawResponse": {"content": "..."}, **counts(tokens)})


def test_every_request_to_a_model_is_counted_once() -> None:
    """The tokens of all steps are summed; a step that sums up those of others adds none."""
    answer = hear(
        asks(HAIKU, "preProcessingTrace"),
        answers((100, 10), "preProcessingTrace"),
        asks(HAIKU, "routingClassifierTrace"),
        answers((200, 1), "routingClassifierTrace"),
        asks(HAIKU),
        answers((1000, 50)),
        step("orchestrationTrace", observation={"agentCollaboratorInvocationOutput": counts((1300, 61))}),
        step("orchestrationTrace", observation={"finalResponse": {"text": "Lima.", **counts((1300, 61))}}),
        {"chunk": {"bytes": b"Lima."}},
        answers((20, 0), "postProcessingTrace"),
    )
    assert (answer.reported.input_tokens, answer.reported.output_tokens, answer.model) == (1320, 61, HAIKU)


def test_no_trace_no_tokens() -> None:
    """What is not told is not known."""
    answer = hear({"chunk": {"bytes": "Lima é".encode()}})
    assert (answer.generated_text(), answer.reported.total_input_tokens, answer.reported.output_tokens) == ("Lima é", None, None)


def test_several_models() -> None:
    """Where an agent asks different models, none of them is the one that answers: no single price would be right."""
    assert hear(asks(HAIKU), asks(SONNET), asks(HAIKU)).model is None
    assert hear(asks(HAIKU), asks(HAIKU)).model == HAIKU


FUNCTION = {
    "actionGroup": "weather",
    "function": "get",
    "parameters": [{"name": "city", "type": "string", "value": "Lima"}],
}
API = {
    "actionGroup": "weather",
    "httpMethod": "POST",
    "apiPath": "/get",
    "parameters": [{"name": "city", "type": "string", "value": "Lima"}],
    "requestBody": {"content": {"application/json": [{"name": "unit", "type": "string", "value": "C"}]}},
}


def test_control_is_returned() -> None:
    """What the application is to do are tool calls, as functions or as HTTP requests."""
    inputs = [{"functionInvocationInput": FUNCTION}, {"apiInvocationInput": API}]
    answer = hear({"returnControl": {"invocationId": "i-1", "invocationInputs": inputs}})

    assert json.loads(dump_json(answer.messages(0)))[0]["parts"] == [
        {"type": "tool_call", "id": "i-1", "name": "weather.get", "arguments": {"city": "Lima"}},
        {"type": "tool_call", "id": "i-1", "name": "weather.POST /get", "arguments": {"city": "Lima", "unit": "C"}},
    ]


def test_files() -> None:
    """A file is named; its bytes stay where they are."""
    answer = hear({"files": {"files": [{"name": "a.csv", "type": "text/csv", "bytes": b"1,2"}]}})
    assert json.loads(dump_json(answer.messages(0))) == [
        {
            "role": "assistant",
            "parts": [{"type": "blob_reference", "modality": "document", "mime_type": "text/csv", "name": "a.csv", "size": 3}],
        }
    ]


def test_results_of_what_was_done() -> None:
    """The application gives back what its functions gave."""
    results = [{"functionResult": {"actionGroup": "weather", "function": "get", "responseBody": {"TEXT": {"body": "grey"}}}}]
    state = {"invocationId": "i-1", "returnControlInvocationResults": results}
    response = {"type": "tool_call_response", "id": "i-1", "response": {"TEXT": {"body": "grey"}}}

    assert prompt({"sessionState": state}).messages == [{"role": "tool", "parts": [response]}]
    assert prompt({"inlineSessionState": state}).messages == [{"role": "tool", "parts": [response]}]


def test_request_of_an_inline_agent() -> None:
    """An agent made for one request has a name, a model, an instruction and a guardrail."""
    body = {
        "agentName": "geographer",
        "foundationModel": HAIKU,
        "sessionId": "s-1",
        "instruction": "You know the world.",
        "inputText": "Capital?",
        "guardrailConfiguration": {"guardrailIdentifier": "gr-1", "guardrailVersion": "2"},
    }
    assert request(body) == {
        "gen_ai.agent.name": "geographer",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.request.model": HAIKU,
        "aws.bedrock.guardrail.id": "gr-1",
        "aws.bedrock.guardrail.version": "2",
    }
    assert prompt(body).system == [{"type": "text", "content": "You know the world."}]
    assert prompt(body).messages == [{"role": "user", "parts": [{"type": "text", "content": "Capital?"}]}]


ODD: list[Any] = [
    None,
    {},
    {"chunk": None},
    {"chunk": {}},
    {"trace": {"trace": {"failureTrace": {"failureReason": "x"}}}},
    {"trace": {"trace": None}},
    {"trace": {"trace": {"orchestrationTrace": None}}},
    {"returnControl": {}},
    {"returnControl": {"invocationInputs": [None, {}]}},
    {"files": {}},
    {"new": {"a": 1}},
]


@pytest.mark.parametrize("event", ODD, ids=str)
def test_unknown_event(event: Any) -> None:
    """What is empty or not invented yet does no harm."""
    assert hear(event).reported.total_input_tokens is None
