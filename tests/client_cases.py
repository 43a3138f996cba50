"""The four providers behind one `Client`, each a script of bytes on loopback and the SDK's own clients."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google import genai

from streamspan.client import Client

from loopback import Loopback, Reply, Tool, openai_usage
from surfaces import AnthropicSurface, BedrockSurface, GoogleSurface, OpenAISurface, Surface, google_http

MESSAGES: list[Any] = [{"role": "user", "content": "Tell me about Lima."}]
TEXTS = ["Li", "ma ", "is ", "a ", "city."]
TEXT = "".join(TEXTS)


@dataclass(frozen=True)
class Case:
    """One provider, called in one way."""

    provider: str
    kind: type[Surface]
    is_async: bool
    word: str
    """Its word for an answer that is complete."""
    calls_word: str
    """Its word for an answer that waits for tools."""

    def __repr__(self) -> str:
        return f"{self.provider}-{'async' if self.is_async else 'sync'}"

    @property
    def surface(self) -> Surface:
        """How the provider speaks, and its SDK's clients."""
        return self.kind(is_async=self.is_async and self.provider in {"openai", "anthropic", "google"})

    @property
    def model(self) -> str:
        """A model of its."""
        return self.kind.model

    @asynccontextmanager
    async def client(self, server: Loopback, **options: Any) -> AsyncGenerator[Client]:
        """A client with the SDK's own one in it."""
        surface = self.surface
        made: Any = google_client(server, is_async=self.is_async) if self.provider == "google" else surface.client(server)
        kind = "async_clients" if surface.is_async and self.provider != "google" else "clients"
        given: Any = {kind: {self.provider: made}, **options}
        async with Client(**given) as client:
            yield client
        await surface.shut(made.aio if self.provider == "google" and self.is_async else made)

    def streams(self, texts: Iterable[str] = TEXTS, *, tools: tuple[Tool, ...] = (), **options: Any) -> Reply:
        """A streamed answer."""
        return self.surface.streams([*self.wire(texts, tools=tools, **options)])

    def wire(self, texts: Iterable[str] = TEXTS, *, tools: tuple[Tool, ...] = (), **options: Any) -> list[bytes]:
        """The events of a streamed answer that uses 12 tokens and 5."""
        if self.provider == "openai":
            options.setdefault("usage", openai_usage())
        return self.surface.wire(texts, **options, **self._calls(tools))

    def whole(self, text: str = TEXT, *, tools: tuple[Tool, ...] = ()) -> Reply:
        """A whole answer."""
        return self.surface.wholly(self.surface.whole(text, **self._calls(tools)))

    def _calls(self, tools: tuple[Tool, ...]) -> dict[str, Any]:
        """How the answers of this provider are told of tool calls."""
        if not tools:
            return {}
        named: dict[str, dict[str, Any]] = {"openai": {"tool_calls": tools}, "anthropic": {"tool": tools[0]}}
        reason = "finish" if self.provider in {"openai", "google"} else "stop_reason"
        return {**named.get(self.provider, {"tools": tools}), reason: self.calls_word}

    async def run(self, client: Any, **options: Any) -> Any:
        """A call in this way, of a `Client` or a `Session`."""
        arguments: dict[str, Any] = {"model": self.model, "messages": MESSAGES, **options}
        return await client.arun_local(**arguments) if self.is_async else client.run_local(**arguments)

    async def read(self, stream: Any, count: int | None = None) -> list[str]:
        """Iterates, and breaks out of the loop after ``count``."""
        texts: list[str] = []
        if self.is_async:
            async for text in stream:
                texts.append(text)
                if len(texts) == count:
                    break
        else:
            for text in stream:
                texts.append(text)
                if len(texts) == count:
                    break
        return texts

    async def close(self, stream: Any) -> None:
        """``close()``."""
        closing = stream.close()
        if self.is_async:
            await closing

    async def result(self, stream: Any) -> Any:
        """The stream's result."""
        return await stream.result if self.is_async else stream.result.result(timeout=10)


def google_client(server: Loopback, *, is_async: bool) -> Any:
    """Google's client, which is both in one."""
    http: Any = {"base_url": server.url, "client_args": {"verify": False}}
    if is_async:
        http["httpx_async_client"] = google_http()
    return genai.Client(api_key="none", http_options=http)


CASES = [
    Case(provider, kind, is_async, word, calls_word)
    for provider, kind, word, calls_word in [
        ("openai", OpenAISurface, "stop", "tool_calls"),
        ("anthropic", AnthropicSurface, "end_turn", "tool_use"),
        ("google", GoogleSurface, "STOP", "STOP"),
        ("amazon_bedrock", BedrockSurface, "end_turn", "tool_use"),
    ]
    for is_async in (False, True)
]
