"""The calls that are measured: real SDK clients over an in-process transport, one event per network chunk."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bedrock import (
    ask_claude,
    ask_converse,
    connect_bedrock,
    read_claude,
    read_converse,
    read_converse_async,
    write_claude,
    write_claude_whole,
    write_converse,
    write_converse_whole,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

WORDS = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "writes", "a", "note", "about", "rivers")
OPENAI: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Tell me about rivers."}]}
OPENAI_STREAM: dict[str, Any] = {**OPENAI, "stream": True, "stream_options": {"include_usage": True}}
ANTHROPIC: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": OPENAI["messages"]}


def cut(chunks: int) -> list[str]:
    """An answer in that many pieces of a word each, as models send them."""
    return [f" {WORDS[i % len(WORDS)]}" for i in range(chunks)]


# Bodies, in the wire formats of the providers ------------------------------------------------------------------------


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


# Calls: each reads its answer to the end and keeps nothing ------------------------------------------------------------


def read_openai(client: Any) -> None:
    for _ in client.chat.completions.create(**OPENAI_STREAM):
        pass


async def read_openai_async(client: Any) -> None:
    async for _ in await client.chat.completions.create(**OPENAI_STREAM):
        pass


def ask_openai(client: Any) -> Any:
    return client.chat.completions.create(**OPENAI)


def read_anthropic(client: Any) -> None:
    for _ in client.messages.create(**ANTHROPIC, stream=True):
        pass


async def read_anthropic_async(client: Any) -> None:
    async for _ in await client.messages.create(**ANTHROPIC, stream=True):
        pass


def read_anthropic_helper(client: Any) -> None:
    with client.messages.stream(**ANTHROPIC) as stream:
        for _ in stream:
            pass


def ask_anthropic(client: Any) -> Any:
    return client.messages.create(**ANTHROPIC)


@dataclass(frozen=True)
class Provider:
    """One SDK: its client classes and the bodies its provider sends."""

    sdk: str
    client: str
    write: Callable[[Sequence[str]], list[bytes]]
    write_whole: Callable[[Sequence[str]], bytes]


@dataclass(frozen=True)
class Surface:
    """One way to call a provider: a streamed call to read to the end, and the same request answered whole."""

    title: str
    provider: Provider
    read: Callable[[Any], Any]
    ask: Callable[[Any], Any]
    is_async: bool = False


OPENAI_PROVIDER = Provider("openai", "OpenAI", write_openai, write_openai_whole)
ANTHROPIC_PROVIDER = Provider("anthropic", "Anthropic", write_anthropic, write_anthropic_whole)
BEDROCK_PROVIDER = Provider("botocore", "", write_converse, write_converse_whole)
CLAUDE_PROVIDER = Provider("botocore", "", write_claude, write_claude_whole)
AIOBOTOCORE_PROVIDER = Provider("aiobotocore", "", write_converse, write_converse_whole)

SURFACES = {
    "openai-sync": Surface("chat.completions.create(stream=True)", OPENAI_PROVIDER, read_openai, ask_openai),
    "openai-async": Surface(
        "await chat.completions.create(stream=True)", OPENAI_PROVIDER, read_openai_async, ask_openai, is_async=True
    ),
    "anthropic-sync": Surface("messages.create(stream=True)", ANTHROPIC_PROVIDER, read_anthropic, ask_anthropic),
    "anthropic-async": Surface(
        "await messages.create(stream=True)", ANTHROPIC_PROVIDER, read_anthropic_async, ask_anthropic, is_async=True
    ),
    "anthropic-helper": Surface("messages.stream()", ANTHROPIC_PROVIDER, read_anthropic_helper, ask_anthropic),
    "bedrock-sync": Surface("converse_stream()", BEDROCK_PROVIDER, read_converse, ask_converse),
    "bedrock-async": Surface("await converse_stream()", AIOBOTOCORE_PROVIDER, read_converse_async, ask_converse, is_async=True),
    "bedrock-invoke": Surface("invoke_model_with_response_stream()", CLAUDE_PROVIDER, read_claude, ask_claude),
}


class Session:
    """A client of the surface's SDK whose transport answers every request with the body given to the call."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._body: bytes | list[bytes] = b""
        self._loop = asyncio.new_event_loop() if surface.is_async else None
        provider = surface.provider
        connect = connect_bedrock if provider.sdk.endswith("botocore") else partial(connect_httpx, provider.client)
        self._client = connect(provider.sdk, surface.is_async, lambda: self._body, self._loop)

    def stream(self, body: list[bytes]) -> None:
        """One streamed call, read to the end."""
        self._body = body
        self._finish(self.surface.read(self._client))

    def whole(self, body: bytes) -> None:
        """One call that is not streamed."""
        self._body = body
        self._finish(self.surface.ask(self._client))

    def close(self) -> None:
        """Close the event loop, if the surface has one."""
        if self._loop is not None:
            # The SDKs leave their generators to the loop when they stop at the terminal event.
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _finish(self, work: Any) -> None:
        if self._loop is not None and inspect.isawaitable(work):
            self._loop.run_until_complete(work)


def connect_httpx(
    name: str, sdk: str, is_async: bool, body: Callable[[], bytes | list[bytes]], _loop: asyncio.AbstractEventLoop | None
) -> Any:
    """A client over httpx, or httpx2, whose transport answers every request with ``body()``."""
    package, prefix = importlib.import_module(sdk), "Async" if is_async else ""
    http_client = getattr(package, f"Default{prefix}HttpxClient")
    http = _http_library(http_client)

    def answer(_request: Any) -> Any:
        content = body()
        if isinstance(content, bytes):
            return http.Response(200, headers={"content-type": "application/json"}, content=content)
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=_flow(content) if is_async else content)

    transport = http.MockTransport(answer)
    return getattr(package, prefix + name)(api_key="none", max_retries=0, http_client=http_client(transport=transport))


async def _flow(events: Sequence[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


def _http_library(client: type[Any]) -> Any:
    """The HTTP library the SDK stands on: httpx for the older majors, httpx2 for the newer."""
    modules = (base.__module__.partition(".")[0] for base in client.__mro__)
    return importlib.import_module(next(name for name in modules if name.startswith("httpx")))
