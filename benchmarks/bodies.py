"""What the providers send: bodies in their wire formats, one server-sent event per network chunk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "writes", "a", "note", "about", "rivers")


def cut(chunks: int) -> list[str]:
    """An answer in that many pieces of a word each, as models send them."""
    return [f" {WORDS[i % len(WORDS)]}" for i in range(chunks)]


# OpenAI chat completions ---------------------------------------------------------------------------------------------


def write_openai(pieces: Sequence[str]) -> list[bytes]:
    """The events of a streamed chat completion."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}, *({"content": p} for p in pieces)]
    chunks = [_openai_chunk([{"index": 0, "delta": d, "logprobs": None, "finish_reason": None}]) for d in deltas]
    chunks.append(_openai_chunk([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]))
    chunks.append(_openai_chunk([], _openai_usage(len(pieces))))
    return [*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def _openai_chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-DmfZu2BjJmBGSSHpj9hWtFQYBU",
        "object": "chat.completion.chunk",
        "created": 1780491942,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_448a0d11e0",
        "choices": choices,
        "usage": usage,
    }


def _openai_usage(output: int) -> dict[str, Any]:
    return {
        "prompt_tokens": 12,
        "completion_tokens": output,
        "total_tokens": 12 + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def write_openai_whole(pieces: Sequence[str]) -> bytes:
    """The body of a chat completion that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(pieces), "refusal": None, "annotations": []}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(_openai_chunk([choice], _openai_usage(len(pieces))) | {"object": "chat.completion"}).encode()


# OpenAI responses ----------------------------------------------------------------------------------------------------


def write_responses(pieces: Sequence[str]) -> list[bytes]:
    """The events of a streamed response."""
    text = "".join(pieces)
    place = {"item_id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6", "output_index": 0, "content_index": 0}
    whole, part = _response(text, len(pieces)), _responses_part(text)
    events: list[dict[str, Any]] = [
        *({"type": f"response.{state}", "response": _response(None, 0)} for state in ("created", "in_progress")),
        {"type": "response.output_item.added", "output_index": 0, "item": _responses_message([], "in_progress")},
        {"type": "response.content_part.added", **place, "part": _responses_part("")},
        *({"type": "response.output_text.delta", **place, "delta": p, "logprobs": []} for p in pieces),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": _responses_message([part], "completed")},
        {"type": "response.completed", "response": whole},
    ]
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in numbered]


def write_responses_whole(pieces: Sequence[str]) -> bytes:
    """The body of a response that is not streamed."""
    return json.dumps(_response("".join(pieces), len(pieces))).encode()


def _responses_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _responses_message(content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {
        "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _response(text: str | None, output: int) -> dict[str, Any]:
    done = text is not None
    usage = {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12 + output,
    }
    return {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741476542,
        "status": "completed" if done else "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-4o-mini-2024-07-18",
        "output": [_responses_message([_responses_part(text)], "completed")] if text is not None else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done else None,
        "metadata": {},
    }


# Anthropic messages --------------------------------------------------------------------------------------------------


def write_anthropic(pieces: Sequence[str]) -> list[bytes]:
    """The events of a streamed message."""
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": _anthropic_message([], 1, None)},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(pieces)},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def write_anthropic_whole(pieces: Sequence[str]) -> bytes:
    """The body of a message that is not streamed."""
    return json.dumps(_anthropic_message([{"type": "text", "text": "".join(pieces)}], len(pieces), "end_turn")).encode()


def _anthropic_message(content: list[dict[str, Any]], output: int, stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output,
            "service_tier": "standard",
        },
    }


# Google's generateContent --------------------------------------------------------------------------------------------


def write_google(pieces: Sequence[str]) -> list[bytes]:
    """The events of streamed content; each reports the usage so far."""
    chunks = [_google_chunk(piece, None, number) for number, piece in enumerate(pieces, 1)]
    chunks.append(_google_chunk("", "STOP", len(pieces)))
    return [b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks]


def write_google_whole(pieces: Sequence[str]) -> bytes:
    """The body of content that is not streamed."""
    return json.dumps(_google_chunk("".join(pieces), "STOP", len(pieces))).encode()


def _google_chunk(text: str, finish: str | None, output: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {
        "candidates": [candidate if finish is None else {**candidate, "finishReason": finish}],
        "usageMetadata": {
            "promptTokenCount": 12,
            "candidatesTokenCount": output,
            "totalTokenCount": 12 + output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "kJ8TabnGEpfRz7IP4ZKwuQ0",
    }
