"""Model calls that others observed, each in the attributes that its instrumentation writes."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from streamspan import semconv
from streamspan.viewer.calls import rows
from streamspan.viewer.foreign import content
from streamspan.viewer.summary import detail, summary

from arriving import START, span

ASKED = {"role": "user", "parts": [{"type": "text", "content": "Where is Lima?"}]}
TOLD = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
CALL = {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"city": "Lima"}}
ANSWERED = {"role": "assistant", "parts": [{"type": "text", "content": "In Peru."}, CALL], "finish_reason": "stop"}
FUNCTION = {"name": "find", "arguments": '{"city": "Lima"}'}
TOOL = {"type": "function", "name": "find", "description": "Finds.", "parameters": {"type": "object"}}

OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.response.model": "gpt-4.1-2025",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 5,
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": json.dumps([{"type": "text", "text": "Where is Lima?"}]),
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "In Peru.",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.completion.0.tool_calls.0.id": "c1",
    "gen_ai.completion.0.tool_calls.0.name": "find",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"city": "Lima"}',
    "llm.request.functions.0.name": "find",
    "llm.request.functions.0.description": "Finds.",
    "llm.request.functions.0.parameters": '{"type": "object"}',
    "traceloop.association.properties.user_id": "u1",
    "traceloop.association.properties.session_id": "s1",
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-4.1",
    "llm.response.model_name": "gpt-4.1-2025",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 5,
    "llm.token_count.prompt_details.cache_read": 4,
    "llm.token_count.completion_details.reasoning": 2,
    "llm.cost.total": 0.25,
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where is Lima?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "In Peru.",
    "llm.output_messages.0.message.finish_reason": "stop",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city": "Lima"}',
    "llm.tools.0.tool.json_schema": json.dumps(TOOL),
    "user.id": "u1",
    "session.id": "s1",
    "tag.tags": ["beta"],
}
CONVENTIONS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.response.model": "gpt-4.1-2025",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.input.messages": json.dumps([TOLD, ASKED]),
    "gen_ai.output.messages": json.dumps([ANSWERED]),
    "gen_ai.tool.definitions": json.dumps([TOOL]),
    "user.id": "u1",
    "session.id": "s1",
}
OLDER = {name: value for name, value in CONVENTIONS.items() if "messages" not in name}
OLDER_EVENTS = [
    ("gen_ai.system.message", 0, {"content": "Be brief."}),
    ("gen_ai.user.message", 0, {"content": "Where is Lima?"}),
    (
        "gen_ai.choice",
        9,
        {
            "finish_reason": "stop",
            "message": json.dumps(
                {"content": "In Peru.", "tool_calls": [{"id": "c1", "type": "function", "function": FUNCTION}]}
            ),
        },
    ),
]


def shown(attributes: Mapping[str, Any], events: Iterable[Any] = (), *, failed: bool = False) -> dict[str, Any]:
    """The detail of a call with these attributes."""
    row = next(rows(span(attributes, events=events, failed=failed)))
    assert row.call
    return detail(summary(row, row.call), row.detail, START)


@pytest.mark.parametrize(
    ("attributes", "events"),
    [(OPENLLMETRY, []), (OPENINFERENCE, []), (CONVENTIONS, []), (OLDER, OLDER_EVENTS)],
    ids=["openllmetry", "openinference", "conventions", "conventions with events"],
)
def test_one_call_in_four_dialects(attributes: Mapping[str, Any], events: Any) -> None:
    """The same call reads the same, whoever observed it: who, what, how much, and the conversation."""
    found = shown(attributes, events)
    told = found["summary"]
    wanted = {
        "operation": "chat", "provider": "openai", "model": "gpt-4.1", "response_model": "gpt-4.1-2025", "input_tokens": 10,
        "output_tokens": 5, "user_id": "u1", "session_id": "s1", "outcome": "ended", "source": "foreign",
        "preview": 'In Peru.\nfind({"city": "Lima"})',
    }  # fmt: skip
    assert {name: told[name] for name in wanted} == wanted
    assert (found["input"], found["output"], found["tools"]) == ([TOLD, ASKED], [ANSWERED], [TOOL])


def test_openinference_of_the_real_sdks() -> None:
    """As its instrumentors 0.1.66 and 3.1 have it: the model of a call that failed in the parameters, and tool calls twice."""
    openai = {"openinference.span.kind": "LLM", "llm.system": "openai", "llm.invocation_parameters": '{"model": "gpt-4.1"}'}
    failed = shown(openai, failed=True)["summary"]
    assert (failed["model"], failed["response_model"]) == ("gpt-4.1", None)
    told = shown({**openai, "llm.model_name": "gpt-4.1-2025-04-14"})["summary"]
    assert (told["model"], told["response_model"]) == ("gpt-4.1", "gpt-4.1-2025-04-14")
    call = {"id": "c1", "function.name": "find", "function.arguments": '{"city": "Lima"}'}
    message = "llm.output_messages.0.message"
    anthropic = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": "[1]",
        f"{message}.role": "assistant",
        f"{message}.contents.0.message_content.type": "text",
        f"{message}.contents.0.message_content.text": "Looking.",
        f"{message}.contents.1.message_content.type": "tool_use",
        **{f"{message}.contents.1.tool_call.{name}": value for name, value in call.items()},
        **{f"{message}.tool_calls.0.tool_call.{name}": value for name, value in call.items()},
    }
    asked = {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"city": "Lima"}}
    parts = [{"type": "text", "content": "Looking."}, asked]
    assert shown(anthropic)["output"] == [{"role": "assistant", "parts": parts}]


def test_what_openinference_has_beside() -> None:
    """Its counts of cached and reasoning tokens, its cost and its tags."""
    told = shown(OPENINFERENCE)["summary"]
    assert (told["cached_tokens"], told["reasoning_tokens"], told["cost"], told["tags"]) == (4, 2, 0.25, ["beta"])


def test_error_of_another() -> None:
    """A failed call without a word for it says what was raised."""
    raised = {"exception.type": "RateLimitError", "exception.message": "slow down"}
    found = shown(CONVENTIONS, [("exception", 5, raised)], failed=True)
    assert (found["summary"]["outcome"], found["error"]) == ("failed", "RateLimitError")


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "CHAIN", "input.value": "x"},
        {"openinference.span.kind": "AGENT"},
        {"traceloop.span.kind": "workflow"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.request.model": "m"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 5},
        {"http.request.method": "GET"},
    ],
)
def test_what_is_no_model_call(attributes: Mapping[str, Any]) -> None:
    """Chains, agents, tools and everything else are spans of the trace, and no calls: their tokens would count twice."""
    assert next(rows(span(attributes))).call is None


def test_kinds() -> None:
    """Embeddings and completions are what they are; a call with no word for it is a chat."""
    kinds = [
        shown({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e"})["summary"],
        shown({"llm.request.type": "completion"})["summary"],
        shown({"gen_ai.request.model": "m"})["summary"],
    ]
    assert [(found["operation"], found["model"]) for found in kinds] == [
        ("embeddings", "e"), ("text_completion", "unknown model"), ("chat", "m"),
    ]  # fmt: skip


def test_request_and_response_as_one_text() -> None:
    """Where there are no messages, the whole input and output are shown."""
    found = shown({"openinference.span.kind": "LLM", "input.value": "Where is Lima?", "output.value": "In Peru."})
    assert (found["input"], found["output"]) == (
        [ASKED], [{"role": "assistant", "parts": [{"type": "text", "content": "In Peru."}]}],
    )  # fmt: skip


def test_log_events_of_others() -> None:
    """Messages that come as log events, with a structured body, are read the same way."""
    said = {"message": {"content": "In Peru.", "tool_calls": [{"id": "c1", "function": FUNCTION}]}, "finish_reason": "stop"}
    assert content("gen_ai.choice", {}, said) == {semconv.OUTPUT_MESSAGES: [ANSWERED]}
    assert content("gen_ai.user.message", {}, {"content": "Where is Lima?"}) == {semconv.INPUT_MESSAGES: [ASKED]}
    assert content("gen_ai.tool.message", {}, {"content": "Peru", "id": "c1"}) == {
        semconv.INPUT_MESSAGES: [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "Peru"}]}]
    }
    assert content("other", {"content": "x"}, None) == {}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.prompt": "x", "gen_ai.prompt.0.role": "user"},
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt": "x"},
        {"gen_ai.prompt." + "9" * 5000 + ".role": "user"},
        {"llm.input_messages.x.message": 1, "llm.input_messages.0": 7, "llm.output_messages": "[" * 10_000},
        {"gen_ai.prompt.0.tool_calls": "[1, 2", "gen_ai.prompt.0.content": "[7]"},
        {"." * 3000: 1, "": 2, "llm": 3, "llm.": 4},
        {"gen_ai.completion.0.tool_calls.0": 5, "gen_ai.completion.0.content": "[{"},
    ],
)
def test_attributes_that_make_no_sense(attributes: Mapping[str, Any]) -> None:
    """Whatever the names and the values are, the call is shown."""
    assert shown({"gen_ai.request.model": "m", **attributes})["summary"]["model"] == "m"
