"""Amazon Bedrock's Converse and InvokeModel: their bodies, and clients of botocore and aiobotocore that answer themselves."""

from __future__ import annotations

import asyncio
import base64
import importlib
import io
import json
import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from calls import Transport

CONVERSE: dict[str, Any] = {
    "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Tell me about rivers."}]}],
    "inferenceConfig": {"maxTokens": 4096},
}
INVOKE: dict[str, Any] = {
    "modelId": CONVERSE["modelId"],
    "body": json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "messages": [{"role": "user", "content": "Tell me about rivers."}],
            "max_tokens": 4096,
        }
    ),
}
CLIENT = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none", "verify": False}


# Bodies --------------------------------------------------------------------------------------------------------------


def write_converse(pieces: Sequence[str]) -> list[bytes]:
    """The frames of a streamed answer."""
    place = {"contentBlockIndex": 0, "p": "abcdefghijklmnop"}
    return [
        _frame("messageStart", {"role": "assistant", "p": "abcdefgh"}),
        *(_frame("contentBlockDelta", {**place, "delta": {"text": piece}}) for piece in pieces),
        _frame("contentBlockStop", place),
        _frame("messageStop", {"stopReason": "end_turn", "p": "abcd"}),
        _frame("metadata", {"usage": _usage(len(pieces)), "metrics": {"latencyMs": 605}, "p": "ab"}),
    ]


def write_converse_whole(pieces: Sequence[str]) -> bytes:
    """The body of an answer that is not streamed."""
    message = {"role": "assistant", "content": [{"text": "".join(pieces)}]}
    answer = {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": _usage(len(pieces)),
        "metrics": {"latencyMs": 605},
    }
    return json.dumps(answer).encode()


def write_claude(pieces: Sequence[str]) -> list[bytes]:
    """The frames of a streamed InvokeModel of Claude's."""
    deltas = ({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces)
    metrics = {"inputTokenCount": 12, "outputTokenCount": len(pieces)}
    return [
        _chunk({"type": "message_start", "message": _claude([], 1, None)}),
        _chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *map(_chunk, deltas),
        _chunk({"type": "content_block_stop", "index": 0}),
        _chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(pieces)}}),
        _chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}),
    ]


def write_claude_whole(pieces: Sequence[str]) -> bytes:
    """The body of one that is not streamed."""
    return json.dumps(_claude([{"type": "text", "text": "".join(pieces)}], len(pieces), "end_turn")).encode()


def _claude(content: list[dict[str, Any]], output: int, reason: str | None) -> dict[str, Any]:
    usage = {"input_tokens": 12, "output_tokens": output}
    model = "claude-sonnet-4-5-20250929"
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    return {**head, "content": content, "stop_reason": reason, "usage": usage}


def _chunk(data: Any) -> bytes:
    encoded = base64.b64encode(json.dumps(data, separators=(",", ":")).encode()).decode()
    return _frame("chunk", {"bytes": encoded, "p": "abcdefghijklmnop"})


def _usage(output: int) -> dict[str, int]:
    return {"inputTokens": 12, "outputTokens": output, "totalTokens": 12 + output}


def _frame(kind: str, data: Any) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    block = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    payload = json.dumps(data).encode()
    prelude = struct.pack("!II", len(block) + len(payload) + 16, len(block))
    message = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return message + struct.pack("!I", crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack("!BH", 7, len(value)) + value


# Calls ---------------------------------------------------------------------------------------------------------------


def read_converse(client: Any) -> None:
    for _ in client.converse_stream(**CONVERSE)["stream"]:
        pass


async def read_converse_async(client: Any) -> None:
    async for _ in (await client.converse_stream(**CONVERSE))["stream"]:
        pass


def ask_converse(client: Any) -> Any:
    return client.converse(**CONVERSE)


def read_claude(client: Any) -> None:
    for event in client.invoke_model_with_response_stream(**INVOKE)["body"]:
        json.loads(event["chunk"]["bytes"])  # as every application has to


def ask_claude(client: Any) -> Any:
    return json.loads(client.invoke_model(**INVOKE)["body"].read())


# Clients -------------------------------------------------------------------------------------------------------------


class Raw:
    """An HTTP response as botocore reads it: one frame per chunk, or all at once."""

    def __init__(self, body: bytes | list[bytes]) -> None:
        self._chunks = [body] if isinstance(body, bytes) else body
        self._fp = io.BytesIO(b"".join(self._chunks))

    def read(self, amt: int | None = None) -> bytes:
        """The next ``amt`` bytes, or all."""
        return self._fp.read(amt)

    def stream(self) -> Iterator[bytes]:
        """The chunks."""
        yield from self._chunks

    def close(self) -> None:
        """Nothing to close."""


class AsyncRaw(Raw):
    """The same as aiobotocore reads it."""

    @property
    def content(self) -> AsyncRaw:
        """What chunks are read from."""
        return self

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """The chunks, each whole."""
        for chunk in self._chunks:
            yield chunk, True

    async def read(self, amt: int | None = None) -> bytes:  # type: ignore[override]
        """The next ``amt`` bytes, or all."""
        return self._fp.read(amt)


def connect_botocore(transport: Transport) -> Any:
    return _answer(_create("botocore"), "botocore", transport)


def connect_aiobotocore(transport: Transport) -> Any:
    loop = asyncio.new_event_loop()  # it is never connected, so no loop is its own
    client = loop.run_until_complete(_create("aiobotocore").__aenter__())
    loop.close()
    return _answer(client, "aiobotocore", transport)


def _create(sdk: str) -> Any:
    return importlib.import_module(f"{sdk}.session").get_session().create_client("bedrock-runtime", **CLIENT)


def _answer(client: Any, sdk: str, transport: Transport) -> Any:
    name, raw = ("AioAWSResponse", AsyncRaw) if transport.is_async else ("AWSResponse", Raw)
    response: Any = getattr(importlib.import_module(f"{sdk}.awsrequest"), name)

    def answer(**_: Any) -> Any:
        return response("https://bedrock", 200, {"x-amzn-requestid": "req-1"}, raw(transport.body))

    client.meta.events.register("before-send.bedrock-runtime", answer)
    return client
