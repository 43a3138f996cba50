"""The message that can be sent back: with all that the provider wants to have again."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from streamspan.client.formats import anthropic_messages, bedrock_converse, google_genai, openai_chat
from streamspan.client.messages import read_messages
from streamspan.client.question import Question
from streamspan.client.transcript import Sealer, Transcript, seal_anthropic, seal_bedrock, seal_google, seal_nothing
from streamspan.providers import anthropic_messages as anthropic_wire
from streamspan.providers import bedrock_converse as bedrock_wire
from streamspan.providers import google_genai as google_wire
from streamspan.providers import openai_chat as openai_wire


def hear(read: Any, seal: Sealer, *chunks: Any) -> Transcript:
    transcript = Transcript()
    for chunk in chunks:
        read(chunk, transcript)
        seal(chunk, transcript)
    return transcript


def again(transcript: Transcript, provider: str) -> Question:
    return Question(model="m", messages=read_messages([transcript.message(provider)]))


def test_a_text_is_a_plain_message() -> None:
    """Where nothing but text came, the content is text."""
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Hel", "lo")]
    said = hear(openai_wire.read, seal_nothing, *chunks)
    assert said.message("openai") == {"role": "assistant", "content": "Hello"}
    assert said.take() == "Hello"
    assert said.take() == ""


def test_broken_arguments_are_kept_raw() -> None:
    """A model that spoils its JSON, or is cut short: what it wrote is there, and goes back as it is."""
    call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"city": "Li'}}
    said = hear(
        openai_wire.read, seal_nothing, {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "length"}]}
    )
    (found,) = said.tool_calls()
    assert (found.id, found.name, found.arguments, found.raw_arguments) == ("c1", "f", '{"city": "Li', '{"city": "Li')
    assert said.finish_reason() == ("max_tokens", "length")
    (message,) = openai_chat.arguments(again(said, "openai"), stream=False)["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == '{"city": "Li'


THOUGHTS: list[Any] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "thinking", "thinking": "", "signature": "aGlk"},
    {"type": "redacted_thinking", "data": "eHh4"},
    {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
]
ANTHROPIC_STREAM: list[Any] = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "signature_delta", "signature": "aGlk"}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "redacted_thinking", "data": "eHh4"}},
    {"type": "content_block_start", "index": 3, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "I look."}},
    {"type": "content_block_start", "index": 4, "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}}},
    {"type": "content_block_delta", "index": 4, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
]


@pytest.mark.parametrize("chunks", [ANTHROPIC_STREAM, [{"type": "message", "content": THOUGHTS}]], ids=["streamed", "whole"])
def test_anthropics_thoughts_go_back_signed(chunks: Any) -> None:
    """In their order, also those that are not shown: with tools the API insists on them."""
    said = hear(anthropic_wire.read, seal_anthropic, *chunks)
    (message,) = anthropic_messages.arguments(again(said, "anthropic"), stream=False)["messages"]
    assert message == {"role": "assistant", "content": THOUGHTS}


BEDROCK_BLOCKS: list[Any] = [
    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
    {"reasoningContent": {"redactedContent": b"xxx"}},
    {"text": "I look."},
    {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
]
BEDROCK_STREAM: list[Any] = [
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": b"xxx"}}}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"text": "I look."}}},
    {"contentBlockStop": {"contentBlockIndex": 2}},
    {"contentBlockStart": {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"toolUse": {"input": '{"a":1}'}}}},
]
BEDROCK_WHOLE: dict[str, Any] = {"output": {"message": {"role": "assistant", "content": BEDROCK_BLOCKS}}}


@pytest.mark.parametrize("chunks", [BEDROCK_STREAM, [BEDROCK_WHOLE]], ids=["streamed", "whole"])
def test_bedrocks_thoughts_go_back_signed(chunks: Any) -> None:
    """The same through Converse."""
    said = hear(bedrock_wire.read, seal_bedrock, *chunks)
    (message,) = bedrock_converse.arguments(again(said, "amazon_bedrock"))["messages"]
    assert message == {"role": "assistant", "content": BEDROCK_BLOCKS}


def google_chunk(*parts: Any) -> Any:
    return {"candidates": [{"content": {"parts": list(parts)}}]}


GOOGLE_PARTS: list[Any] = [
    {"text": "I look."},
    {"function_call": {"name": "f", "args": {"a": 1}}, "thought_signature": b"one"},
    {"function_call": {"id": "g2", "name": "f", "args": {"a": 2}}},
]


@pytest.mark.parametrize(
    "chunks", [[google_chunk(part) for part in GOOGLE_PARTS], [google_chunk(*GOOGLE_PARTS)]], ids=["streamed", "whole"]
)
def test_googles_thought_signatures_go_back(chunks: Any) -> None:
    """On the very part on which they came; an id that Google did not give is not sent to it."""
    said = hear(google_wire.read, seal_google, google_chunk({"text": "Hm.", "thought": True}), *chunks)
    assert [call.id for call in said.tool_calls()] == ["streamspan-0", "g2"]
    (content,) = google_genai.arguments(again(said, "google"))["contents"]
    assert content == {"role": "model", "parts": GOOGLE_PARTS}


def test_a_signature_without_text_goes_back_too() -> None:
    """Google ends a stream with one."""
    said = hear(
        google_wire.read, seal_google, google_chunk({"text": "Hi."}), google_chunk({"text": "", "thought_signature": b"end"})
    )
    assert said.message("google") == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi.", "signature": base64.b64encode(b"end").decode()}],
    }


def test_a_thought_is_sent_to_nobody_else() -> None:
    """Another provider gets the text and the calls, and not what it could not read."""
    said = hear(anthropic_wire.read, seal_anthropic, *ANTHROPIC_STREAM)
    (message,) = bedrock_converse.arguments(again(said, "anthropic"))["messages"]
    assert message["content"] == [{"text": "I look."}, {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}]
    (message,) = openai_chat.arguments(again(said, "anthropic"), stream=False)["messages"]
    assert (message["content"], message["tool_calls"][0]["id"]) == ("I look.", "t1")


@pytest.mark.parametrize(
    ("delta", "word", "reason"),
    [
        ({"content": "x"}, "stop", "stop"),
        ({"refusal": "No."}, "stop", "content_filter"),
        ({"content": "x"}, "SAFETY", "content_filter"),
        ({"content": "x"}, "MALFORMED_FUNCTION_CALL", "error"),
        ({"content": "x"}, "pause_turn", "other"),
        ({"content": "x"}, "something_new", "other"),
        ({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}, "STOP", "tool_calls"),
        ({"content": "x"}, None, None),
    ],
)
def test_finish_reasons_have_one_vocabulary(delta: Any, word: str | None, reason: str | None) -> None:
    """And the provider's own word stays beside it."""
    chunk = SimpleNamespace(choices=[SimpleNamespace(index=0, delta=SimpleNamespace(**delta), finish_reason=word)])
    assert hear(openai_wire.read, seal_nothing, chunk).finish_reason() == (reason, word)
