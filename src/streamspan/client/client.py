"""One call for every provider, through its official SDK."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Literal, Self, Unpack, overload
from uuid import uuid4
from weakref import WeakSet

from opentelemetry._logs import LoggerProvider
from opentelemetry.context import attach
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider, get_tracer

from streamspan.client import options as reading
from streamspan.client import sessions
from streamspan.client.clients import Clients, by_provider
from streamspan.client.linkage import parent_context
from streamspan.client.observation import Observation, Observer
from streamspan.client.options import Asked, Options
from streamspan.client.results import RunLocalResult
from streamspan.client.run import Run
from streamspan.client.sessions import Session
from streamspan.client.streams import AsyncLocalStream, LocalStream
from streamspan.client.transports import TRANSPORTS, Access, Transport
from streamspan.setting_arguments import SettingArguments
from streamspan.version import __version__
from streamspan.who import attributes


class Client:
    """Calls models of OpenAI, Anthropic, Google and Amazon Bedrock in one way.

    Each call goes through the provider's official SDK, which is imported when it is first needed, and has the very span that
    streamspan makes of that SDK's calls, whether or not `streamspan.instrument` was called. Errors are the SDK's own. A
    client may be shared by threads and by event loops.

    Args:
        api_keys: By provider, such as ``{"openai": "sk-..."}``; by default the SDKs find them in the environment.
        base_urls: By provider, for proxies and compatible servers.
        clients: By provider, the SDK's client to use instead of one of our making, such as ``{"openai": AzureOpenAI()}``. Those
            of Google and Amazon serve `arun_local` as well. It is yours to close.
        async_clients: The same for `arun_local`, such as ``{"openai": AsyncAzureOpenAI()}``.
        timeout: Seconds that a call waits for the provider unless it says otherwise; by default each SDK's own.
        tracer_provider: Where spans go; the global provider unless given.
        logger_provider: Where log events go; the global provider unless given.
        meter_provider: Where metrics go; the global provider unless given.
        **settings: The fields of `streamspan.Settings`, such as ``capture_stream_chunks=True``. If any of these or a provider is
            given, calls of this client are observed as it says here, also under `streamspan.instrument`.

    Raises:
        ValueError: If there is no such provider.
        SettingsError: If a setting does not exist or cannot have that value.

    Example:
        ```python
        with streamspan.Client() as client:
            result = client.run_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
            print(result.text, result.usage.total_tokens, result.cost)
        ```
    """

    def __init__(
        self,
        *,
        api_keys: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
        clients: Mapping[str, Any] | None = None,
        async_clients: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        **settings: Unpack[SettingArguments],
    ) -> None:
        self._keys = by_provider("api_keys", api_keys)
        self._urls = by_provider("base_urls", base_urls)
        self._clients = Clients(
            clients, async_clients, Observer(settings, tracer_provider, logger_provider, meter_provider).observe
        )
        self._timeout = timeout
        self._tracer = get_tracer("streamspan", __version__, tracer_provider)
        self._streams: WeakSet[LocalStream | AsyncLocalStream] = WeakSet()

    @overload
    def run_local(self, *, stream: Literal[False] = False, **options: Unpack[Options]) -> RunLocalResult: ...
    @overload
    def run_local(self, *, stream: Literal[True], **options: Unpack[Options]) -> LocalStream: ...
    @overload
    def run_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | LocalStream: ...
    def run_local(self, *, stream: bool = False, **options: Unpack[Options]) -> RunLocalResult | LocalStream:
        """Calls a model.

        Args:
            stream: Whether the answer shall come as it is made. The request is sent before this returns in either case.
            **options: What is asked: ``model`` and ``messages``, and whatever else `Options` has.

        Returns:
            The whole answer, or a stream of its text.

        Raises:
            ValueError: If the call cannot be made as it is asked for; nothing has been sent then.
            ImportError: If the provider's SDK is not installed.
            Exception: Whatever the SDK raises.
        """
        asked, transport = self._prepare(options)
        client = self._clients.get(transport, self._access(asked, transport), is_async=False)
        run = Run(transport, client, asked.question.model, perf_counter())
        with _linked(run.observation, asked):
            answer = (transport.open if stream else transport.ask)(client, asked.question)
        if not stream:
            run.hear(answer)
            return run.whole()
        run.begin(answer.stream)
        return self._keep(LocalStream(run, answer))

    @overload
    async def arun_local(self, *, stream: Literal[False] = False, **options: Unpack[Options]) -> RunLocalResult: ...
    @overload
    async def arun_local(self, *, stream: Literal[True], **options: Unpack[Options]) -> AsyncLocalStream: ...
    @overload
    async def arun_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | AsyncLocalStream: ...
    async def arun_local(self, *, stream: bool = False, **options: Unpack[Options]) -> RunLocalResult | AsyncLocalStream:
        """The same as `run_local`, through the SDK's asynchronous client; Amazon's, which has none, is read by a thread."""
        asked, transport = self._prepare(options)
        client = self._clients.get(transport, self._access(asked, transport), is_async=True)
        run = Run(transport, client, asked.question.model, perf_counter())
        with _linked(run.observation, asked):
            answer = await (transport.aopen if stream else transport.aask)(client, asked.question)
        if not stream:
            run.hear(answer)
            return run.whole()
        run.begin(answer.stream)
        return self._keep(AsyncLocalStream(run, answer))

    def create_session(
        self,
        *,
        session_id: str | None = None,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        user_id: str | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> Session:
        """Begins a session: calls of one conversation, whose spans are siblings in one trace. Any number of threads may use it.

        Args:
            session_id: ``session.id`` of its calls; by default a new one.
            trace_id: The trace that they belong to, as 32 hexadecimal digits; by default that of the current span, or a new one.
            parent_span_id: The span that they belong under, as 16 hexadecimal digits; by default the current one, or a new one.
            user_id: ``user.id`` of its calls, unless one says otherwise.
            tags: ``streamspan.tags`` of its calls, unless one says otherwise.

        Example:
            ```python
            session = client.create_session(user_id="u1")
            first = session.run_local(model="gpt-4o", messages=messages)
            second = session.run_local(model="gpt-4o", messages=[*messages, first.message, question])
            ```
        """
        parent = sessions.begin(self._tracer, parent_context(trace_id, parent_span_id))
        return Session(self, parent, session_id or str(uuid4()), user_id, tags)

    def _prepare(self, options: Options) -> tuple[Asked, Transport]:
        said: dict[str, Any] = {**options}
        if said.get("timeout") is None and said.get("timeout_ms") is None:
            said["timeout"] = self._timeout
        asked = reading.run_local(**said)
        return asked, TRANSPORTS[asked.provider]

    def _access(self, asked: Asked, transport: Transport) -> Access:
        key = asked.key or self._keys.get(asked.provider)
        return transport.access(Access(key, self._urls.get(asked.provider), asked.question.timeout))

    def _keep(self, stream: Any) -> Any:
        self._streams.add(stream)
        return stream

    # --- its end ---

    def close(self) -> None:
        """Aborts the streams that still run, and closes the SDK clients that were made. It may be called twice."""
        for stream in tuple(self._streams):
            stream.abort()
        self._clients.close()

    async def aclose(self) -> None:
        """The same, and waits until asynchronous clients are closed."""
        for stream in tuple(self._streams):
            stream.abort()
        await self._clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@contextmanager
def _linked(observation: Observation, asked: Asked) -> Generator[None]:
    """The block in which a request is sent: in the trace that it belongs to, with what its span shall say of it."""
    token = None if asked.parent is None else attach(asked.parent)
    try:
        with attributes(**asked.who), observation.made_here():
            yield
    finally:
        if token is not None:
            token.var.reset(token)
