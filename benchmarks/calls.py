"""The calls that are measured: real SDK clients over an in-process transport, one server-sent event per network chunk."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bedrock
import bodies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

OPENAI: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Tell me about rivers."}]}
OPENAI_STREAM: dict[str, Any] = {**OPENAI, "stream": True, "stream_options": {"include_usage": True}}
RESPONSES: dict[str, Any] = {"model": "gpt-4o-mini", "input": "Tell me about rivers."}
ANTHROPIC: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": OPENAI["messages"]}
GOOGLE: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "Tell me about rivers."}

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


def read_responses(client: Any) -> None:
    for _ in client.responses.create(**RESPONSES, stream=True):
        pass


async def read_responses_async(client: Any) -> None:
    async for _ in await client.responses.create(**RESPONSES, stream=True):
        pass


def ask_responses(client: Any) -> Any:
    return client.responses.create(**RESPONSES)


def read_google(client: Any) -> None:
    for _ in client.models.generate_content_stream(**GOOGLE):
        pass


async def read_google_async(client: Any) -> None:
    async for _ in await client.models.generate_content_stream(**GOOGLE):
        pass


def ask_google(client: Any) -> Any:
    return client.models.generate_content(**GOOGLE)


# Clients, over a transport that calls ``answer`` with each request ----------------------------------------------------


def connect_openai(transport: Transport) -> Any:
    return _connect_stainless("openai", "OpenAI", transport)


def connect_anthropic(transport: Transport) -> Any:
    return _connect_stainless("anthropic", "Anthropic", transport)


def _connect_stainless(package: str, name: str, transport: Transport) -> Any:
    sdk = importlib.import_module(package)
    prefix = "Async" if transport.is_async else ""
    http_client = getattr(sdk, f"Default{prefix}HttpxClient")
    http = http_client(transport=transport.mock(http_client))
    return getattr(sdk, prefix + name)(api_key="none", max_retries=0, http_client=http)


def connect_google(transport: Transport) -> Any:
    from google import genai
    from google.genai import _api_client

    base: Any = getattr(_api_client, "SyncHttpx2Client", None) or _api_client.SyncHttpxClient
    http = {"client_args": {"transport": transport.mock(base)}, "async_client_args": {"transport": transport.mock(base)}}
    client = genai.Client(api_key="none", http_options=http)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return client.aio if transport.is_async else client


@dataclass(frozen=True)
class Provider:
    """One wire format of one SDK: how to make a client, and the bodies its provider sends."""

    sdk: str
    """The distribution that holds it."""
    connect: Callable[[Transport], Any]
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


CHAT = Provider("openai", connect_openai, bodies.write_openai, bodies.write_openai_whole)
RESPONSE = Provider("openai", connect_openai, bodies.write_responses, bodies.write_responses_whole)
MESSAGE = Provider("anthropic", connect_anthropic, bodies.write_anthropic, bodies.write_anthropic_whole)
CONVERSE = Provider("botocore", bedrock.connect_botocore, bedrock.write_converse, bedrock.write_converse_whole)
CLAUDE = Provider("botocore", bedrock.connect_botocore, bedrock.write_claude, bedrock.write_claude_whole)
AIO_CONVERSE = Provider("aiobotocore", bedrock.connect_aiobotocore, bedrock.write_converse, bedrock.write_converse_whole)
CONTENT = Provider("google-genai", connect_google, bodies.write_google, bodies.write_google_whole)

SURFACES = {
    "openai-sync": Surface("chat.completions.create(stream=True)", CHAT, read_openai, ask_openai),
    "openai-async": Surface("await chat.completions.create(stream=True)", CHAT, read_openai_async, ask_openai, is_async=True),
    "responses-sync": Surface("responses.create(stream=True)", RESPONSE, read_responses, ask_responses),
    "responses-async": Surface(
        "await responses.create(stream=True)", RESPONSE, read_responses_async, ask_responses, is_async=True
    ),
    "anthropic-sync": Surface("messages.create(stream=True)", MESSAGE, read_anthropic, ask_anthropic),
    "anthropic-async": Surface("await messages.create(stream=True)", MESSAGE, read_anthropic_async, ask_anthropic, is_async=True),
    "anthropic-helper": Surface("messages.stream()", MESSAGE, read_anthropic_helper, ask_anthropic),
    "google-sync": Surface("models.generate_content_stream()", CONTENT, read_google, ask_google),
    "google-async": Surface("await aio.models.generate_content_stream()", CONTENT, read_google_async, ask_google, is_async=True),
    "bedrock-sync": Surface("converse_stream()", CONVERSE, bedrock.read_converse, bedrock.ask_converse),
    "bedrock-async": Surface(
        "await converse_stream()", AIO_CONVERSE, bedrock.read_converse_async, bedrock.ask_converse, is_async=True
    ),
    "bedrock-invoke": Surface("invoke_model_with_response_stream()", CLAUDE, bedrock.read_claude, bedrock.ask_claude),
}


class Transport:
    """Answers every request in this process, with one body."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.body: bytes | list[bytes] = b""

    def mock(self, client: type[Any]) -> Any:
        """A transport for this class of HTTP client, which is httpx's for the older majors and httpx2's for the newer."""
        modules = (base.__module__.partition(".")[0] for base in client.__mro__)
        library: Any = importlib.import_module(next(name for name in modules if name.startswith("httpx")))

        def answer(_request: Any) -> Any:
            return self._answer(library)

        return library.MockTransport(answer)

    def _answer(self, library: Any) -> Any:
        if isinstance(self.body, bytes):
            return library.Response(200, headers={"content-type": "application/json"}, content=self.body)
        content = _flow(self.body) if self.is_async else self.body
        return library.Response(200, headers={"content-type": "text/event-stream"}, content=content)


async def _flow(events: Sequence[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


class Session:
    """A client of the surface's SDK whose transport answers every request with the body given to the call."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._loop = asyncio.new_event_loop() if surface.is_async else None
        self._transport = Transport(is_async=surface.is_async)
        self._client = surface.provider.connect(self._transport)

    def stream(self, body: list[bytes]) -> None:
        """One streamed call, read to the end."""
        self._transport.body = body
        self._finish(self.surface.read(self._client))

    def whole(self, body: bytes) -> None:
        """One call that is not streamed."""
        self._transport.body = body
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
