"""What the events of a response say, one by one."""

import json
from typing import Any

import pytest

from streamspan.answer import Answer, dump_json
from streamspan.providers.openai_responses import prompt, read, request


def delta(kind: str, text: str) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": 3, "delta": text}


def head(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": 3, "item": item}


CUSTOM = {"type": "custom_tool_call", "name": "grep", "call_id": "call_1", "input": "Li.a"}
SAID = {
    "refusal": ([delta("refusal", "I "), delta("refusal", "won't.")], {"type": "refusal", "content": "I won't."}),
    "reasoning": ([delta("reasoning_text", "Hm"), delta("reasoning_text", "m.")], {"type": "reasoning", "content": "Hmm."}),
    "reasoning summary": ([delta("reasoning_summary_text", "Hm.")], {"type": "reasoning", "content": "Hm."}),
    "custom tool": (
        [head({**CUSTOM, "input": ""}), delta("custom_tool_call_input", "Li"), delta("custom_tool_call_input", ".a")],
        {"type": "tool_call", "id": "call_1", "name": "grep", "arguments": "Li.a"},
    ),
    "whole custom tool": (
        [{"object": "response", "status": "completed", "output": [CUSTOM]}],
        {"type": "tool_call", "id": "call_1", "name": "grep", "arguments": "Li.a"},
    ),
    "whole refusal": (
        [{"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]}],
        {"type": "refusal", "content": "No."},
    ),
    "tools of a server": (
        [{"type": "response.output_item.done", "item": {"type": "mcp_list_tools", "tools": [{"name": "a"}]}}],
        {"type": "mcp_list_tools"},
    ),
}


@pytest.mark.parametrize(("events", "part"), SAID.values(), ids=SAID)
def test_what_is_said(events: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Each kind of output is a part of that kind, streamed or whole."""
    answer = Answer()
    for event in events:
        read(event, answer)
    assert json.loads(dump_json(answer.messages(1)))[0]["parts"] == [part]


def test_paragraphs_of_a_summary_are_parts_of_their_own() -> None:
    """A reasoning summary has no line break between its parts, so they are kept apart."""
    answer = Answer()
    for text in ("**One**", "**Two**"):
        read({"type": "response.reasoning_summary_part.added"}, answer)
        read(delta("reasoning_summary_text", text), answer)
    assert [part.string for part in answer.parts("reasoning")] == ["**One**", "**Two**"]


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_named(conversation: Any) -> None:
    """A conversation may be given by its id or as an object."""
    assert request({"conversation": conversation})["gen_ai.conversation.id"] == "conv_1"


def test_output_of_another_kind_given_back_as_input() -> None:
    """Output may be sent as the next input: what the SDK's or the application's tools did is told in short."""
    shot = {"type": "computer_call_output", "call_id": "call_1", "output": {"type": "computer_screenshot", "file_id": "f"}}
    items = [{"type": "web_search_call", "id": "ws_1", "action": {"query": "Lima"}}, shot, {"type": "item_reference", "id": "x"}]
    messages = prompt({"input": items}).messages or []
    assert [message["role"] for message in messages] == ["assistant", "tool", "assistant"]
    assert messages[0]["parts"][0]["server_tool_call"] == {"type": "web_search", "action": {"query": "Lima"}}
    assert messages[1]["parts"][0]["response"] == {"type": "file", "modality": "image", "file_id": "f"}
    assert messages[2]["parts"] == [{"type": "item_reference"}]
