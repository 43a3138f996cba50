"""The ways into the SDKs, sync and async, behind one set of verbs: so that one test body serves them all.

The verbs are coroutines throughout; those of a sync client block the loop, which does no harm here: the server has threads.
"""

import warnings
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from importlib import import_module
from types import AsyncGeneratorType, GeneratorType
from typing import Any, ClassVar

import anthropic
import openai
from google import genai
from google.auth.credentials import Credentials

from eventstream import EVENT_STREAM, converse_events, converse_whole, exception, refusal
from loopback import (
    Loopback,
    Piece,
    Reply,
    anthropic_error,
    anthropic_events,
    anthropic_whole,
    completions_chunks,
    completions_whole,
    google_chunks,
    google_error,
    google_whole,
    interaction_error,
    interaction_events,
    interaction_whole,
    openai_chunks,
    openai_error,
    openai_whole,
    responses_events,
    responses_whole,
    sse,
)

google_client: Any = import_module("google.genai._api_client")

QUESTION = "Tell me about Lima."
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]


class Surface:
    """One way into an SDK, sync or async."""

    name: str
    sdk: str
    model: str
    is_async: bool
    stream_types: tuple[type[Any], type[Any]]
    """The SDK's own classes of streams, sync and async."""
    reasons: tuple[str, ...]
    """The finish reasons of a complete answer."""
    partway: int = 4
    """The number of chunks after which some of the text is there, but not all."""
    has_helper: bool = True
    raises_error_events: bool = True
    error_event: bytes
    error_code: str

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async

    def __repr__(self) -> str:
        return f"{self.name}-{'async' if self.is_async else 'sync'}"

    def client(self, server: Loopback, **options: Any) -> Any:
        """A client of the server that does not retry."""
        raise NotImplementedError

    def wire(self, texts: Iterable[str], **options: Any) -> list[bytes]:
        """The events of a streamed answer."""
        raise NotImplementedError

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        """An answer that is not streamed."""
        raise NotImplementedError

    def streams(self, body: Iterable[Piece]) -> Reply:
        """The answer with this body."""
        return Reply(body=body)

    def wholly(self, data: dict[str, Any]) -> Reply:
        """The answer that comes at once."""
        return Reply.of(data)

    def refuses(self, kind: str, status: int) -> Reply:
        """An HTTP error with the provider's code for it."""
        return Reply.of({"type": "error", "error": {"type": kind, "code": kind, "message": "no"}}, status)

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        """The resource with ``create``, and its arguments."""
        raise NotImplementedError

    def helper(self, client: Any) -> Any:
        """The SDK's ``stream()`` manager, to be entered."""
        raise NotImplementedError

    async def create(self, client: Any, *, via: str = "", **options: Any) -> Any:
        """``create``; ``via`` names ``with_raw_response`` or ``with_streaming_response``, whose manager is returned unentered."""
        resource, arguments = self.call(client)
        create = getattr(resource, via).create if via else resource.create
        result = create(**{**arguments, **options})
        return await result if self.is_async and via != "with_streaming_response" else result

    async def open(self, client: Any, **options: Any) -> Any:
        """``create(stream=True)``."""
        return await self.create(client, stream=True, **options)

    async def take(self, stream: Any, count: int | None = None) -> list[Any]:
        """Reads in a ``for`` loop, and breaks out of it after ``count``."""
        taken: list[Any] = []
        if self.is_async:
            async for chunk in stream:
                taken.append(chunk)
                if len(taken) == count:
                    break
        else:
            for chunk in stream:
                taken.append(chunk)
                if len(taken) == count:
                    break
        return taken

    def iterator(self, stream: Any) -> Any:
        """What a ``for`` loop over the stream asks for chunks."""
        return aiter(stream) if self.is_async else iter(stream)

    async def next(self, stream: Any) -> Any:
        """One chunk, without a loop; ``None`` at the end."""
        return await anext(stream, None) if self.is_async else next(stream, None)

    async def close(self, stream: Any) -> None:
        """``close()``."""
        closing = stream.close()
        if self.is_async:
            await closing

    async def shut(self, client: Any) -> None:
        """Closes the client."""
        closing = client.close()
        if self.is_async:
            await closing

    async def parse(self, raw: Any) -> Any:
        """``raw.parse()``, which is a coroutine on some."""
        parsed = raw.parse()
        return await parsed if hasattr(parsed, "__await__") else parsed

    @asynccontextmanager
    async def within(self, manager: Any) -> AsyncGenerator[Any]:
        """``with manager``, or ``async with``."""
        if self.is_async:
            async with manager as entered:
                yield entered
        else:
            with manager as entered:
                yield entered


def open_client(kind: Any, http: Any, url: str, options: dict[str, Any]) -> Any:
    """An SDK client that neither retries nor loads certificates, which takes longer than most tests."""
    return kind(**{"base_url": url, "api_key": "none", "max_retries": 0, "http_client": http(verify=False), **options})


class OpenAISurface(Surface):
    """OpenAI chat completions."""

    name = "openai"
    sdk = "openai"
    model = "gpt-4o-mini"
    stream_types = (openai.Stream, openai.AsyncStream)
    reasons = ("stop",)
    error_event = sse(None, openai_error("the server had an error", kind="server_error", code="overloaded"))
    error_code = "overloaded"

    def client(self, server: Loopback, **options: Any) -> Any:
        kind, http = (
            (openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient) if self.is_async else (openai.OpenAI, openai.DefaultHttpxClient)
        )
        return open_client(kind, http, f"{server.url}/v1", options)

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"finish": None, "done": False}
        return openai_chunks(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return openai_whole(text, **options)

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.chat.completions, {"model": self.model, "messages": MESSAGES}

    def helper(self, client: Any) -> Any:
        return client.chat.completions.stream(model=self.model, messages=MESSAGES)


class CompletionsSurface(OpenAISurface):
    """OpenAI's legacy completions, which have no helper."""

    name = "completions"
    model = "gpt-3.5-turbo-instruct"
    has_helper = False

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"finish": None, "done": False}
        return completions_chunks(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return completions_whole(text, **options)

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.completions, {"model": self.model, "prompt": QUESTION}


class ResponsesSurface(OpenAISurface):
    """OpenAI responses."""

    name = "responses"
    reasons = ("completed",)
    partway = 6
    error_event = sse("error", {"type": "error", **openai_error("the server had an error", code="overloaded")})

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"terminal": None}
        return responses_events(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return responses_whole(text, **options)

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.responses, {"model": self.model, "input": QUESTION}

    def helper(self, client: Any) -> Any:
        return client.responses.stream(model=self.model, input=QUESTION)


class AnthropicSurface(Surface):
    """Anthropic messages."""

    name = "anthropic"
    sdk = "anthropic"
    model = "claude-haiku-4-5"
    stream_types = (anthropic.Stream, anthropic.AsyncStream)
    reasons = ("end_turn",)
    error_event = sse("error", anthropic_error())
    error_code = "overloaded_error"

    def client(self, server: Loopback, **options: Any) -> Any:
        kind, http = (
            (anthropic.AsyncAnthropic, anthropic.DefaultAsyncHttpxClient)
            if self.is_async
            else (anthropic.Anthropic, anthropic.DefaultHttpxClient)
        )
        return open_client(kind, http, server.url, options)

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"stop_reason": None, "stop": False}
        return anthropic_events(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return anthropic_whole(text, **options)

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.messages, {"model": self.model, "messages": MESSAGES, "max_tokens": 100}

    def helper(self, client: Any) -> Any:
        return client.messages.stream(model=self.model, messages=MESSAGES, max_tokens=100)


def google_http() -> Any:
    """An asynchronous client of httpx, or of httpx2, whichever this version of the SDK is made for."""
    kind: Any = getattr(google_client, "AsyncHttpx2Client", None) or google_client.AsyncHttpxClient
    return kind(verify=False)


class GoogleSurface(Surface):
    """Google's generate_content; its streams are generators, and it has neither helpers nor raw responses."""

    name = "google"
    sdk = "google.genai"
    model = "gemini-2.5-flash"
    stream_types = (GeneratorType, AsyncGeneratorType)
    reasons = ("STOP",)
    error_event = sse(None, google_error())
    error_code = "UNAVAILABLE"

    def client(self, server: Loopback, **options: Any) -> Any:
        unverified = {"verify": False}
        http: Any = {"base_url": server.url, "client_args": unverified}
        if self.is_async:  # over an HTTP client of one's own, as the SDK would take aiohttp, which is here for aiobotocore
            http["httpx_async_client"] = google_http()
        arguments: dict[str, Any] = {"api_key": "none", "http_options": http, **options}
        client = genai.Client(**arguments)
        return client.aio if self.is_async else client

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"finish": None}
        return google_chunks(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return google_whole(text, **options)

    async def create(self, client: Any, *, via: str = "", stream: bool = False, **options: Any) -> Any:
        models = client.models
        arguments = {"model": self.model, "contents": QUESTION, **options}
        result = (models.generate_content_stream if stream else models.generate_content)(**arguments)
        return await result if self.is_async else result

    async def close(self, stream: Any) -> None:
        closing = stream.aclose() if self.is_async else stream.close()
        if self.is_async:
            await closing

    async def shut(self, client: Any) -> None:
        if not self.is_async:
            client.close()
            return
        await client.aclose()
        if (http := client._api_client._http_options.httpx_async_client) is not None:
            await http.aclose()


class InteractionsSurface(GoogleSurface):
    """Google's interactions; an error event in their stream is a value and raises nothing."""

    name = "interactions"
    reasons = ("completed",)
    partway = 5
    has_helper = False
    raises_error_events = False
    error_event = sse("error", interaction_error())
    old = genai.__version__.startswith("1.")
    """Whether this is the SDK before interactions had steps."""

    generation: ClassVar[dict[str, Any]] = {"old": old}

    @property
    def stream_types(self) -> tuple[type[Any], type[Any]]:
        if self.old:
            from google.genai import _interactions as streams
        else:
            from google.genai._gaos.utils import eventstreaming as streams
        kinds: Any = streams
        return kinds.Stream, kinds.AsyncStream

    def client(self, server: Loopback, **options: Any) -> Any:
        unverified = {"verify": False}
        http: Any = {
            "base_url": server.url,
            "client_args": unverified,
            "async_client_args": unverified,
            "retry_options": {"attempts": 0 if self.old else 1},
        }
        return super().client(server, **{"http_options": http, **options})

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"status": None}
        return interaction_events(texts, **{**self.generation, **unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return interaction_whole(text, **{**self.generation, **options})

    def resource(self, client: Any) -> Any:
        """``client.interactions``, which 1.x calls experimental in a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return client.interactions

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return self.resource(client), {"model": self.model, "input": QUESTION}

    async def create(self, client: Any, *, via: str = "", **options: Any) -> Any:
        return await Surface.create(self, client, via=via, **options)

    async def close(self, stream: Any) -> None:
        await Surface.close(self, stream)


# Without annotations of their own, and read by nobody but the surface below.
botocore: Any = import_module("botocore.session")
aiobotocore: Any = import_module("aiobotocore.session")
EventStream: Any = import_module("botocore.eventstream").EventStream
AioEventStream: Any = import_module("aiobotocore.eventstream").AioEventStream

BaseClient: Any = import_module("botocore.client").BaseClient
AioBaseClient: Any = import_module("aiobotocore.client").AioBaseClient

CLIENT: dict[str, Any] = {
    "service_name": "bedrock-runtime",
    "region_name": "us-east-1",
    "verify": False,
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}
SYNC_SESSION, ASYNC_SESSION = botocore.get_session(), aiobotocore.get_session()
# What Bedrock can do and where it lives is read once, and before the tests begin (see `conftest.pytest_collection_finish`).
ASYNC_SESSION.register_component("data_loader", SYNC_SESSION.get_component("data_loader"))
SYNC_SESSION.create_client(**CLIENT).close()


class LazyClient:
    """An aiobotocore client, which is there only inside of ``async with``: entered at its first call."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._client: Any = None

    async def open(self) -> Any:
        """The client."""
        if self._client is None:
            self._client = await self._manager.__aenter__()
        return self._client

    async def close(self) -> None:
        """Closes it, if it was opened."""
        if self._client is not None:
            await self._manager.__aexit__(None, None, None)


class BedrockSurface(Surface):
    """Amazon Bedrock's Converse; its streams have neither helpers nor ``with``, and are closed without waiting."""

    name = "bedrock"
    sdk = "botocore"
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    stream_types = (EventStream, AioEventStream)
    reasons = ("end_turn",)
    error_event = exception("throttlingException")
    error_code = "throttlingException"

    def client(self, server: Loopback, **options: Any) -> Any:
        session = ASYNC_SESSION if self.is_async else SYNC_SESSION
        arguments = {**CLIENT, "endpoint_url": server.url, "config": self.config(), **options}
        made = session.create_client(**arguments)
        return LazyClient(made) if self.is_async else made

    def config(self, attempts: int = 1) -> Any:
        """How often a client of this kind tries."""
        kind = import_module("aiobotocore.config").AioConfig if self.is_async else import_module("botocore.config").Config
        return kind(retries={"total_max_attempts": attempts, "mode": "standard"})

    def patched(self) -> Any:
        """The method that all calls go through, as it is now."""
        return AioBaseClient._make_api_call if self.is_async else BaseClient._make_api_call

    def wire(self, texts: Iterable[str], *, terminal: bool = True, **options: Any) -> list[bytes]:
        unfinished: dict[str, Any] = {} if terminal else {"stop_reason": None, "metadata": False}
        return converse_events(texts, **{**unfinished, **options})

    def whole(self, text: str, **options: Any) -> dict[str, Any]:
        return converse_whole(text, **options)

    def streams(self, body: Iterable[Piece]) -> Reply:
        return Reply(headers=EVENT_STREAM, body=body)

    def wholly(self, data: dict[str, Any]) -> Reply:
        return Reply.of(data, x_amzn_requestid="req-1")

    def refuses(self, kind: str, status: int) -> Reply:
        return refusal(kind, status)

    async def create(self, client: Any, *, via: str = "", stream: bool = False, **options: Any) -> Any:
        client = await client.open() if self.is_async else client
        messages = [{"role": "user", "content": [{"text": QUESTION}]}]
        arguments: dict[str, Any] = {"modelId": self.model, "messages": messages, **options}
        answer = (client.converse_stream if stream else client.converse)(**arguments)
        answer = await answer if self.is_async else answer
        return answer["stream"] if stream else answer

    async def next(self, stream: Any) -> Any:
        return await super().next(self.iterator(stream))

    async def close(self, stream: Any) -> None:
        stream.close()

    @asynccontextmanager
    async def within(self, manager: Any) -> AsyncGenerator[Any]:
        with closing(manager) as entered:
            yield entered


KINDS = (OpenAISurface, ResponsesSurface, CompletionsSurface, AnthropicSurface)
SURFACES = [kind(is_async=is_async) for kind in KINDS for is_async in (False, True)]
INTERACTIONS = [InteractionsSurface(is_async=is_async) for is_async in (False, True)]
GOOGLE = [GoogleSurface(is_async=is_async) for is_async in (False, True)]
BEDROCK = [BedrockSurface(is_async=is_async) for is_async in (False, True)]


class DummyCredentials(Credentials):
    """Google credentials that are always valid, as no server on loopback asks for more."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "none"  # noqa: S105

    def refresh(self, request: Any) -> None:
        """Nothing to refresh."""


def vertex(surface: GoogleSurface, server: Loopback, **options: Any) -> Any:
    """A client of Vertex AI, of a project of its own."""
    own = {"vertexai": True, "project": "p", "location": "us-central1", "credentials": DummyCredentials(), "api_key": None}
    return surface.client(server, **{**own, **options})
