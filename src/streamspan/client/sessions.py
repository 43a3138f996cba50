"""Turns of one conversation, in one trace."""

from typing import Any, Literal, Protocol, Unpack, overload

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, Tracer, get_current_span, use_span

from streamspan import semconv
from streamspan.client.options import Options
from streamspan.client.results import RunLocalResult
from streamspan.client.streams import AsyncLocalStream, LocalStream


class Runner(Protocol):
    """What a session needs of a client."""

    def run_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | LocalStream:
        """One turn."""
        ...

    async def arun_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | AsyncLocalStream:
        """The same, asynchronous."""
        ...


class Session:
    """Calls that belong together: their spans are siblings in one trace, and each has the session's id.

    They are siblings, and not each the child of the one before, as a long conversation would be that deep. Nothing of a turn is
    kept for the next one, so any number of threads and tasks may take turns. `Client.create_session` makes one.
    """

    def __init__(self, client: Runner, parent: SpanContext, session_id: str, user_id: str | None, tags: Any) -> None:
        self._client = client
        self._parent = NonRecordingSpan(parent)
        self._defaults: dict[str, Any] = {"session_id": session_id, "user_id": user_id, "tags": tags}

    @property
    def id(self) -> str:
        """What its calls have as ``session.id``."""
        return self._defaults["session_id"]

    @property
    def trace_id(self) -> str:
        """The trace of its calls, as 32 hexadecimal digits; all 0 if nothing records them."""
        return f"{self._parent.get_span_context().trace_id:032x}"

    @overload
    def run_local(self, *, stream: Literal[False] = False, **options: Unpack[Options]) -> RunLocalResult: ...
    @overload
    def run_local(self, *, stream: Literal[True], **options: Unpack[Options]) -> LocalStream: ...
    @overload
    def run_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | LocalStream: ...
    def run_local(self, *, stream: bool = False, **options: Unpack[Options]) -> RunLocalResult | LocalStream:
        """A turn; else the same as `Client.run_local`."""
        with use_span(self._parent):
            return self._client.run_local(stream=stream, **self._complete(options))

    @overload
    async def arun_local(self, *, stream: Literal[False] = False, **options: Unpack[Options]) -> RunLocalResult: ...
    @overload
    async def arun_local(self, *, stream: Literal[True], **options: Unpack[Options]) -> AsyncLocalStream: ...
    @overload
    async def arun_local(self, *, stream: bool, **options: Unpack[Options]) -> RunLocalResult | AsyncLocalStream: ...
    async def arun_local(self, *, stream: bool = False, **options: Unpack[Options]) -> RunLocalResult | AsyncLocalStream:
        """A turn; else the same as `Client.arun_local`."""
        with use_span(self._parent):
            return await self._client.arun_local(stream=stream, **self._complete(options))

    def _complete(self, options: Options) -> Any:
        return {**self._defaults, **options}


def begin(tracer: Tracer, above: Context | None) -> SpanContext:
    """The span that the calls of a session are children of: the one above, or one of its own where there is none.

    One of its own is over at once: while it lasted, which may be for ever, it would be missing from the trace.
    """
    parent = get_current_span(above).get_span_context()
    if parent.is_valid:
        return parent
    span = tracer.start_span(semconv.SESSION_SPAN)
    span.end()
    return span.get_span_context()
