"""Anthropic's messages on the wire: what stands in a streamed body, a whole one and an error."""

import json
from collections.abc import Iterator
from typing import Any, Final

from streamspan.demo.scenes import Line, Turn, arguments_json, tokens

_SIGNATURE: Final = "EqQBCkYIBRgCKkDreplayedBySt7reamspanAndOfNoOtherUse=="


def stream(turn: Turn) -> Iterator[str]:
    """The server-sent events of one answer, in order."""
    message: dict[str, Any] = {**_message(turn), "content": [], "stop_reason": None, "usage": _usage(turn, output_tokens=1)}
    yield _event("message_start", message=message)
    for index, block in enumerate(_blocks(turn)):
        yield _event("content_block_start", index=index, content_block=_empty(block))
        if index == 0:
            yield _event("ping")
        for delta in _deltas(block):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event("message_delta", delta={"stop_reason": _stop(turn.line), "stop_sequence": None}, usage=_cumulative(turn))
    yield _event("message_stop")


def whole(turn: Turn) -> dict[str, Any]:
    """The same answer as one JSON document."""
    usage = _usage(turn, turn.output_tokens)
    return {**_message(turn), "content": list(_blocks(turn)), "stop_reason": _stop(turn.line), "usage": usage}


def too_many_requests(turn: Turn) -> dict[str, Any]:
    """The body of an HTTP 429."""
    message = f"This request would exceed the rate limit for {turn.model}."
    return {"type": "error", "error": {"type": "rate_limit_error", "message": message}, "request_id": f"req_{turn.ident}"}


def bad_request(message: str) -> dict[str, Any]:
    """The body of an HTTP 400."""
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def error_event() -> str:
    """What takes the place of the next event when the service fails under way."""
    return _event("error", error={"details": None, "type": "overloaded_error", "message": "Overloaded"})


def _blocks(turn: Turn) -> Iterator[dict[str, Any]]:
    line = turn.line
    if line.thought:
        yield {"type": "thinking", "thinking": line.thought, "signature": _SIGNATURE}
    if line.text:
        yield {"type": "text", "text": line.text}
    if line.tool:
        yield {"type": "tool_use", "id": f"toolu_{turn.ident[:24]}", "name": line.tool, "input": dict(line.arguments)}


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it starts, before any delta."""
    return {**block, **{key: {} if key == "input" else "" for key in ("text", "thinking", "signature", "input") if key in block}}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match block:
        case {"type": "text", "text": text}:
            yield from ({"type": "text_delta", "text": piece} for piece in tokens(text))
        case {"type": "thinking", "thinking": thought, "signature": signature}:
            yield from ({"type": "thinking_delta", "thinking": piece} for piece in tokens(thought))
            yield {"type": "signature_delta", "signature": signature}
        case {"input": arguments}:
            pieces = ["", *tokens(arguments_json(Line(arguments=arguments)))]
            yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
        case _:
            raise ValueError(block["type"])


def _message(turn: Turn) -> dict[str, Any]:
    return {"model": turn.snapshot, "id": f"msg_{turn.ident}", "type": "message", "role": "assistant", "stop_sequence": None}


def _usage(turn: Turn, output_tokens: int) -> dict[str, Any]:
    return {
        **_input_usage(turn),
        "cache_creation": {"ephemeral_5m_input_tokens": turn.cache_written_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _cumulative(turn: Turn) -> dict[str, int]:
    """The counts of ``message_delta``: they replace those of ``message_start``."""
    return {**_input_usage(turn), "output_tokens": turn.output_tokens}


def _input_usage(turn: Turn) -> dict[str, int]:
    return {
        "input_tokens": turn.input_tokens - turn.cache_read_tokens - turn.cache_written_tokens,
        "cache_creation_input_tokens": turn.cache_written_tokens,
        "cache_read_input_tokens": turn.cache_read_tokens,
    }


def _stop(line: Line) -> str:
    return "tool_use" if line.tool else "end_turn"


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n"
