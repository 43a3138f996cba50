"""What Converse says that a short conversation does not."""

import json
from typing import Any

import pytest

from streamspan.answer import Answer, dump_json
from streamspan.providers.bedrock_converse import prompt, read, request

from eventstream import converse_usage, converse_whole


def delta(said: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": said}}


def start(head: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": index, "start": head}}


def stop(index: int = 0) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


def whole(*content: dict[str, Any]) -> dict[str, Any]:
    return {**converse_whole(), "output": {"message": {"role": "assistant", "content": list(content)}}}


def parts(*events: Any) -> list[dict[str, Any]]:
    """The parts of the answer that these events make."""
    answer = Answer()
    for event in events:
        read(event, answer)
    return [part for message in json.loads(dump_json(answer.messages(1))) for part in message["parts"]]


SAID: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "two blocks of text": (
        [delta({"text": "a"}), stop(), delta({"text": "b"}, 1), stop(1)],
        [{"type": "text", "content": "a"}, {"type": "text", "content": "b"}],
    ),
    "two blocks of text, whole": (
        [whole({"text": "a"}, {"text": "b"})],
        [{"type": "text", "content": "a"}, {"type": "text", "content": "b"}],
    ),
    "tools that are called at once": (
        [
            start({"toolUse": {"toolUseId": "1", "name": "f"}}, 0),
            start({"toolUse": {"toolUseId": "2", "name": "g"}}, 1),
            delta({"toolUse": {"input": '{"a":'}}, 0),
            delta({"toolUse": {"input": "{}"}}, 1),
            delta({"toolUse": {"input": "1}"}}, 0),
        ],
        [
            {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}},
            {"type": "tool_call", "id": "2", "name": "g", "arguments": {}},
        ],
    ),
    "citations": (
        [delta({"text": "So it "}), delta({"citation": {"title": "A", "source": "a"}}), delta({"text": "is."})],
        [{"type": "text", "content": "So it is."}],
    ),
    "citations, whole": (
        [whole({"citationsContent": {"content": [{"text": "So it "}, {"text": "is."}], "citations": [{"title": "A"}]}})],
        [{"type": "text", "content": "So it is."}],
    ),
    "redacted reasoning, whole": (
        [whole({"reasoningContent": {"redactedContent": b"x"}}, {"text": "a"})],
        [{"type": "redacted_reasoning"}, {"type": "text", "content": "a"}],
    ),
    "an image": (
        [start({"image": {"format": "png"}}), delta({"image": {"source": {"bytes": b"x"}}}), stop()],
        [{"type": "blob_reference", "modality": "image", "mime_type": "image/png"}],
    ),
    "an image, whole": (
        [whole({"image": {"format": "png", "source": {"bytes": b"x"}}})],
        [{"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 1}],
    ),
    "what is not invented yet": ([whole({"hologram": {"color": "blue"}})], [{"type": "hologram"}]),
}


@pytest.mark.parametrize(("events", "expected"), SAID.values(), ids=list(SAID))
def test_what_is_said(events: list[Any], expected: list[dict[str, Any]]) -> None:
    """Blocks are parts, in their order; bytes stay where they are."""
    assert parts(*events) == expected


def test_usage_includes_the_cache() -> None:
    """The provider's input count is without the cache; what was written for an hour is told apart, as it costs more."""
    answer = Answer()
    details = [{"ttl": "1h", "inputTokens": 5}, {"ttl": "5m", "inputTokens": 15}]
    read({"metadata": {"usage": converse_usage(10, 3, cache_read=80, cache_write=20, details=details)}}, answer)

    assert answer.reported.total_input_tokens == 110
    assert (answer.reported.cache_read_tokens, answer.reported.cache_write_tokens) == (80, 20)
    assert answer.reported.cache_write_1h_tokens == 5
    assert answer.reported.output_tokens == 3


def test_a_reported_zero_is_a_number() -> None:
    """An answer without output has 0 tokens, which is not the same as no report."""
    answer = Answer()
    read({"metadata": {"usage": converse_usage(0, 0)}}, answer)

    assert (answer.reported.total_input_tokens, answer.reported.output_tokens) == (0, 0)
    assert answer.reported.cache_read_tokens is None


@pytest.mark.parametrize("chunk", [None, {}, [], 7, "x", {"contentBlockDelta": None}, {"output": None}, {"metadata": [1]}])
def test_nonsense_says_nothing(chunk: Any) -> None:
    """What is no event is passed over."""
    answer = Answer()
    read(chunk, answer)

    assert not answer.choices


def test_request_and_tools_of_other_kinds() -> None:
    """How hard to think, JSON as output, and tools of Amazon's own are told; a cache point is no tool."""
    body = {
        "model": "m",
        "outputConfig": {"effort": "high", "textFormat": {"type": "json_schema"}},
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}, {"cachePoint": {"type": "default"}}]},
    }

    assert request(body) == {
        "gen_ai.request.model": "m",
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "json",
    }
    assert prompt(body).tools == [{"type": "systemTool", "name": "nova_grounding"}]


@pytest.mark.parametrize("name", ["messages", "system", "toolConfig", "inferenceConfig", "guardrailConfig", "outputConfig"])
@pytest.mark.parametrize("value", [None, 7, "x", [None], [{"content": [None]}], {"tools": [None]}, {"a": 1}])
def test_a_request_of_nonsense(name: str, value: Any) -> None:
    """What the SDK will refuse is read without an error."""
    body = {"model": None, name: value}

    assert "gen_ai.request.model" not in request(body)
    prompt(body)
