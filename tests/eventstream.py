"""Amazon's event streams, as Bedrock sends them over HTTP, and what Converse and its stream say in them.

A frame is a prelude (two lengths and their checksum), headers, a payload and a checksum of it all
(https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream). Served as the pieces of a
`loopback.Reply`, each frame is one chunk of the body.

    Reply(headers=EVENT_STREAM, body=converse_events(["Hel", "lo"]))
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from loopback import Reply, Tool

EVENT_STREAM: Final = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "req-1"}
"""The headers of an event stream's response."""

_STRING: Final = 7


def frame(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """One message of an event stream, with its checksums."""
    block = b"".join(map(_header, headers.items()))
    prelude = struct.pack("!II", len(block) + len(payload) + 16, len(block))
    message = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return message + struct.pack("!I", crc32(message))


def _header(header: tuple[str, str]) -> bytes:
    name, value = (text.encode() for text in header)
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(value)) + value


def event(kind: str, data: Any) -> bytes:
    """An event: bytes go out as they are, everything else as JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode())


def exception(kind: str = "throttlingException", message: str = "Slow down.", **more: Any) -> bytes:
    """An exception in the middle of a stream, which the SDK raises."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message, **more}).encode())


def refusal(kind: str = "ThrottlingException", status: int = 429, message: str = "Slow down.") -> Reply:
    """An HTTP error."""
    return Reply.of({"message": message}, status, x_amzn_errortype=kind, x_amzn_requestid="req-1")


# --- Converse --------------------------------------------------------------------------------------------------------


def converse_usage(
    input: int = 12,  # noqa: A002
    output: int = 5,
    *,
    cache_read: int | None = None,
    cache_write: int | None = None,
    details: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A usage object; the input does not include the cache tokens."""
    numbers = {
        "inputTokens": input,
        "outputTokens": output,
        "totalTokens": input + output + (cache_read or 0) + (cache_write or 0),
        "cacheReadInputTokens": cache_read,
        "cacheWriteInputTokens": cache_write,
        "cacheDetails": details,
    }
    return {name: number for name, number in numbers.items() if number is not None}


def converse_events(
    texts: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    stop_reason: str | None = "end_turn",
    metadata: bool = True,
    **more: Any,
) -> list[bytes]:
    """A streamed answer: its blocks in the order thinking, text, tools.

    ``stop_reason=None`` leaves out messageStop, ``metadata=False`` the event with the usage; ``more`` is added to that.
    """
    events = [event("messageStart", {"role": "assistant", "p": "abcd"})]
    for index, (start, deltas) in enumerate(_blocks(list(texts), list(thinking), tools)):
        place = {"contentBlockIndex": index, "p": "abcdefgh"}
        if start is not None:
            events.append(event("contentBlockStart", {**place, "start": start}))
        events += [event("contentBlockDelta", {**place, "delta": delta}) for delta in deltas]
        events.append(event("contentBlockStop", place))
    if stop_reason is not None:
        events.append(event("messageStop", {"stopReason": stop_reason, "p": "ab"}))
    if metadata:
        reported = converse_usage() if usage is None else dict(usage)
        events.append(event("metadata", {"usage": reported, "metrics": {"latencyMs": 605}, "p": "abc", **more}))
    return events


def _blocks(
    texts: list[str], thinking: list[str], tools: Sequence[Tool]
) -> Iterable[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
    if thinking:
        yield None, [{"reasoningContent": {"text": text}} for text in thinking] + [{"reasoningContent": {"signature": "c2ln"}}]
    if texts:
        yield None, [{"text": text} for text in texts]
    for tool in tools:
        yield {"toolUse": {"toolUseId": tool.id, "name": tool.name}}, [{"toolUse": {"input": text}} for text in tool.arguments]


def converse_whole(
    text: str | None = "Hello",
    *,
    thinking: str | None = None,
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    stop_reason: str = "end_turn",
    **more: Any,
) -> dict[str, Any]:
    """A whole answer: its blocks in the order thinking, text, tools."""
    content: list[dict[str, Any]] = []
    if thinking is not None:
        content.append({"reasoningContent": {"reasoningText": {"text": thinking, "signature": "c2ln"}}})
    if text is not None:
        content.append({"text": text})
    content += [
        {"toolUse": {"toolUseId": tool.id, "name": tool.name, "input": json.loads("".join(tool.arguments))}} for tool in tools
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason,
        "usage": converse_usage() if usage is None else dict(usage),
        "metrics": {"latencyMs": 605},
        **more,
    }
