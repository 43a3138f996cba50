"""OpenAI's chat completions on the wire: what stands in a streamed body, a whole one and an error."""

import json
from collections.abc import Iterator
from typing import Any, Final

from streamspan.demo.scenes import Line, Turn, arguments_json, tokens

DONE: Final = "data: [DONE]\n\n"
FAILED: Final = {
    "error": {"message": "The server had an error while processing your request.", "type": "server_error", "code": None}
}


def stream(turn: Turn) -> Iterator[str]:
    """The server-sent events of one answer, in order."""
    yield _chunk(turn, {"role": "assistant", "content": None if turn.line.tool and not turn.line.text else "", "refusal": None})
    for delta in _deltas(turn.line):
        yield _chunk(turn, delta)
    yield _chunk(turn, {}, finish=_finish(turn.line))
    if turn.with_usage:
        yield _event({**_head(turn, "chat.completion.chunk"), "choices": [], "usage": _usage(turn)})
    yield DONE


def whole(turn: Turn) -> dict[str, Any]:
    """The same answer as one JSON document."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.line.text or None, "refusal": None, "annotations": []}
    if turn.line.tool:
        message["tool_calls"] = [_tool_call(turn.line, arguments_json(turn.line))]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(turn.line)}
    return {**_head(turn, "chat.completion"), "choices": [choice], "usage": _usage(turn)}


def too_many_requests(turn: Turn) -> dict[str, Any]:
    """The body of an HTTP 429."""
    message = f"Rate limit reached for {turn.model} on tokens per min (TPM): Limit 200000, Used 199874, Requested 1204."
    return {"error": {"message": message, "type": "tokens", "param": None, "code": "rate_limit_exceeded"}}


def bad_request(message: str) -> dict[str, Any]:
    """The body of an HTTP 400."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def error_event() -> str:
    """What takes the place of the next chunk when the service fails under way."""
    return _event(FAILED)


def _deltas(line: Line) -> Iterator[dict[str, Any]]:
    for piece in tokens(line.text):
        yield {"content": piece}
    if line.tool:
        yield {"tool_calls": [{"index": 0, **_tool_call(line, "")}]}
        for piece in tokens(arguments_json(line)):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _tool_call(line: Line, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{line.tool}0000000001", "type": "function", "function": {"name": line.tool, "arguments": arguments}}


def _chunk(turn: Turn, delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    usage = {"usage": None} if turn.with_usage else {}
    return _event({**_head(turn, "chat.completion.chunk"), "choices": [choice], **usage})


def _head(turn: Turn, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{turn.ident}",
        "object": kind,
        "created": turn.created,
        "model": turn.snapshot,
        "service_tier": "default",
        "system_fingerprint": "fp_5d58a6052a",
    }


def _usage(turn: Turn) -> dict[str, Any]:
    return {
        "prompt_tokens": turn.input_tokens,
        "completion_tokens": turn.output_tokens,
        "total_tokens": turn.input_tokens + turn.output_tokens,
        "prompt_tokens_details": {"cached_tokens": turn.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": turn.thought_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish(line: Line) -> str:
    return "tool_calls" if line.tool else "stop"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n"
