"""The official SDKs, each behind the same few verbs: what they take and give is theirs, unchanged."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any, Protocol

from streamspan.client.formats import anthropic_messages, bedrock_converse, google_genai, openai_chat
from streamspan.client.question import Question, given
from streamspan.client.routing import Provider
from streamspan.client.transcript import Sealer, seal_anthropic, seal_bedrock, seal_google, seal_nothing
from streamspan.client.worker import WorkerStream, in_worker
from streamspan.providers import anthropic_messages as anthropic_wire
from streamspan.providers import bedrock_converse as bedrock_wire
from streamspan.providers import google_genai as google_wire
from streamspan.providers import openai_chat as openai_wire
from streamspan.wire import WireFormat


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached; a client is made for each that differs."""

    key: str | None = None
    """``None`` for what the SDK finds itself, in the environment or wherever it looks."""
    base_url: str | None = None
    timeout: float | None = None
    """Seconds, for SDKs whose requests have no timeout of their own."""


class Transport(Protocol):
    """One provider's SDK. Nothing is imported before it is used."""

    @property
    def provider(self) -> Provider:
        """What it is called."""
        ...

    @property
    def wire(self) -> WireFormat:
        """How it answers."""
        ...

    @property
    def seal(self) -> Sealer:
        """What it wants back word for word."""
        ...

    @property
    def has_async(self) -> bool:
        """Whether the SDK has a client of another class for asynchronous calls."""
        ...

    @property
    def is_bound(self) -> bool:
        """Whether a client that is used asynchronously belongs to the loop that it was first used in."""
        ...

    def access(self, access: Access) -> Access:
        """What of it needs a client of its own: the timeout does not where a request can have one."""
        ...

    def make(self, access: Access, *, is_async: bool) -> Any:
        """The SDK's client."""
        ...

    def ask(self, client: Any, question: Question) -> Any:
        """The whole answer."""
        ...

    async def aask(self, client: Any, question: Question) -> Any:
        """The same, awaited."""
        ...

    def open(self, client: Any, question: Question) -> "Opened":
        """The answer as a stream, for which the request has been sent."""
        ...

    async def aopen(self, client: Any, question: Question) -> "AsyncOpened":
        """The same, asynchronous."""
        ...


@dataclass(slots=True)
class Opened:
    """A stream on its way."""

    stream: Any
    """The SDK's own object, which can be closed."""
    chunks: Iterator[Any]

    def close(self) -> None:
        """Closes the connection."""
        self.stream.close()


def _nothing() -> None:
    return None


@dataclass(slots=True)
class AsyncOpened:
    """An asynchronous stream on its way."""

    stream: Any
    """The SDK's own object."""
    chunks: AsyncIterator[Any]
    close: Callable[[], Awaitable[None]]
    """Closes the connection."""
    leave: Callable[[], None] = _nothing
    """Has a thread that reads it stop; from any thread."""


def sdk(name: str, extra: str) -> Any:
    """An SDK, imported now.

    Raises:
        ImportError: If it is not installed; the message says how to.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise  # the SDK is there, and misses something of its own
        message = f"{name} is not installed: pip install 'streamspan[{extra}]'"
        raise ImportError(message, name=name) from error


def require_key(provider: str, *variables: str) -> None:
    """Makes sure that the SDK will find a key.

    Raises:
        ValueError: If none of the environment variables is set.
    """
    if not any(map(os.environ.get, variables)):
        message = f"there is no key for {provider}: set {variables[0]}, or say provider_api_key="
        raise ValueError(message)


# --- OpenAI and Anthropic, whose SDKs are made by the same generator -------------------------------------------------


class StainlessTransport:
    """What the two have in common."""

    provider: Provider
    extra: str
    wire: WireFormat
    kinds: tuple[str, str]

    seal: Sealer
    has_async = True
    is_bound = True

    def access(self, access: Access) -> Access:
        """A request has its own timeout."""
        return replace(access, timeout=None)

    def make(self, access: Access, *, is_async: bool) -> Any:
        """The SDK's client."""
        module = sdk(self.extra, self.extra)
        if access.key is None:
            self.check_key()
        return getattr(module, self.kinds[is_async])(**given(api_key=access.key, base_url=access.base_url))

    def check_key(self) -> None:
        """Refuses to go on without one."""
        raise NotImplementedError

    def create(self, client: Any, question: Question, *, stream: bool) -> Any:
        """The SDK's ``create``, or its coroutine."""
        raise NotImplementedError

    def ask(self, client: Any, question: Question) -> Any:
        """The whole answer."""
        return self.create(client, question, stream=False)

    async def aask(self, client: Any, question: Question) -> Any:
        """The same, awaited."""
        return await self.create(client, question, stream=False)

    def open(self, client: Any, question: Question) -> Opened:
        """The answer as a stream."""
        stream = self.create(client, question, stream=True)
        return Opened(stream, iter(stream))

    async def aopen(self, client: Any, question: Question) -> AsyncOpened:
        """The same, asynchronous."""
        stream = await self.create(client, question, stream=True)
        return AsyncOpened(stream, aiter(stream), stream.close)


class OpenAITransport(StainlessTransport):
    """Chat completions: what every compatible server has, and what needs no state on the provider's side to be continued."""

    provider: Provider = "openai"
    extra = "openai"
    wire = openai_wire.FORMAT
    kinds = ("OpenAI", "AsyncOpenAI")
    seal = staticmethod(seal_nothing)

    def check_key(self) -> None:
        """By the variable that the SDK reads."""
        require_key("openai", "OPENAI_API_KEY")

    def create(self, client: Any, question: Question, *, stream: bool) -> Any:
        """``chat.completions.create``."""
        return client.chat.completions.create(**openai_chat.arguments(question, stream=stream), **given(timeout=question.timeout))


class AnthropicTransport(StainlessTransport):
    """Messages."""

    provider: Provider = "anthropic"
    extra = "anthropic"
    wire = anthropic_wire.FORMAT
    kinds = ("Anthropic", "AsyncAnthropic")
    seal = staticmethod(seal_anthropic)

    def check_key(self) -> None:
        """The SDK has more ways to find one, in files; it says itself when none of them leads anywhere."""

    def create(self, client: Any, question: Question, *, stream: bool) -> Any:
        """``messages.create``."""
        arguments = anthropic_messages.arguments(question, stream=stream)
        return client.messages.create(
            **_fit(arguments, _parameters(client.messages.__class__)), **given(timeout=question.timeout)
        )


@cache
def _parameters(messages: Any) -> frozenset[str]:
    return frozenset(signature(messages.create).parameters)


def _fit(arguments: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The arguments, with those that this version of the SDK has no name for where it takes what it does not know.

    Old versions lack ``output_config``, new ones ``temperature`` and ``top_p``, as new models take neither; the API has them all.
    """
    unknown = {name: value for name, value in arguments.items() if name not in known}
    if not unknown:
        return arguments
    rest = {name: value for name, value in arguments.items() if name in known}
    return {**rest, "extra_body": {**unknown, **rest.get("extra_body", {})}}


# --- Google ----------------------------------------------------------------------------------------------------------


class GoogleTransport:
    """``generate_content``, of the Gemini API and, where the environment says so, of Vertex AI."""

    provider: Provider = "google"
    wire = google_wire.FORMAT
    seal = staticmethod(seal_google)
    has_async = False
    is_bound = True

    def access(self, access: Access) -> Access:
        """A request has its own timeout."""
        return replace(access, timeout=None)

    def make(self, access: Access, *, is_async: bool) -> Any:  # noqa: ARG002 - one client is both
        """The SDK's client."""
        module = sdk("google.genai", "google-genai")
        if access.key is None:
            require_key("google", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI")
        options = {"base_url": access.base_url} if access.base_url else None
        return module.Client(**given(api_key=access.key, http_options=options))

    def _arguments(self, question: Question) -> dict[str, Any]:
        arguments = google_genai.arguments(question)
        if question.timeout is not None:
            own: dict[str, Any] = arguments["config"].get("http_options") or {}
            arguments["config"]["http_options"] = {**own, "timeout": round(question.timeout * 1000)}
        return arguments

    def ask(self, client: Any, question: Question) -> Any:
        """The whole answer."""
        return client.models.generate_content(**self._arguments(question))

    async def aask(self, client: Any, question: Question) -> Any:
        """The same, awaited."""
        return await client.aio.models.generate_content(**self._arguments(question))

    def open(self, client: Any, question: Question) -> Opened:
        """The answer as a stream; the SDK sends the request with the first chunk only, so that is asked for now."""
        stream = client.models.generate_content_stream(**self._arguments(question))
        return Opened(stream, _resume(next(stream, _END), stream))

    async def aopen(self, client: Any, question: Question) -> AsyncOpened:
        """The same, asynchronous."""
        stream = await client.aio.models.generate_content_stream(**self._arguments(question))
        return AsyncOpened(stream, _aresume(await anext(stream, _END), stream), stream.aclose)


_END: Any = object()


def _resume(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not _END:
        yield first
        yield from rest


async def _aresume(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first is not _END:
        yield first
        async for chunk in rest:
            yield chunk


# --- Amazon Bedrock --------------------------------------------------------------------------------------------------


class BedrockTransport:
    """Converse, which is the same for every model. boto3 is synchronous: where that would block a loop, a thread waits."""

    provider: Provider = "amazon_bedrock"
    wire = bedrock_wire.FORMAT
    seal = staticmethod(seal_bedrock)
    has_async = False
    is_bound = False

    def access(self, access: Access) -> Access:
        """A client has one timeout for all of its requests."""
        return access

    def make(self, access: Access, *, is_async: bool) -> Any:  # noqa: ARG002 - one client is both
        """The SDK's client."""
        module = sdk("boto3", "bedrock")
        botocore: Any = import_module("botocore.config")
        options: dict[str, Any] = (
            {} if access.timeout is None else {"read_timeout": access.timeout, "connect_timeout": access.timeout}
        )
        session = module.Session()
        if access.key is not None:
            _use_key(session, access.key)
            options["signature_version"] = "bearer"
        return session.client("bedrock-runtime", config=botocore.Config(**options), **given(endpoint_url=access.base_url))

    def _arguments(self, client: Any, question: Question) -> dict[str, Any]:
        arguments = bedrock_converse.arguments(question)
        known = client.meta.service_model.operation_model("Converse").input_shape.members
        if "outputConfig" in arguments and "outputConfig" not in known:
            raise ValueError("this boto3 is too old for response_format: it does not know Converse's outputConfig")
        return arguments

    def ask(self, client: Any, question: Question) -> Any:
        """The whole answer."""
        return client.converse(**self._arguments(client, question))

    async def aask(self, client: Any, question: Question) -> Any:
        """The same, awaited."""
        return await in_worker(self.ask, client, question)

    def open(self, client: Any, question: Question) -> Opened:
        """The answer as a stream."""
        stream = client.converse_stream(**self._arguments(client, question))["stream"]
        return Opened(stream, iter(stream))

    async def aopen(self, client: Any, question: Question) -> AsyncOpened:
        """The same, read by a thread."""
        stream = await WorkerStream.open(lambda: self.open(client, question))
        return AsyncOpened(stream.stream, stream, stream.close, stream.leave)


def _use_key(session: Any, key: str) -> None:
    """Has a session of boto3 use a Bedrock API key, which it takes from an environment variable only."""
    tokens: Any = import_module("botocore.tokens")
    token = tokens.FrozenAuthToken(key)

    class Given:
        def load_token(self, **_: Any) -> Any:
            return token

    session._session.register_component("token_provider", Given())


TRANSPORTS: dict[str, Transport] = {
    transport.provider: transport
    for transport in (OpenAITransport(), AnthropicTransport(), GoogleTransport(), BedrockTransport())
}
