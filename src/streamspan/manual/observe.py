"""`observe`: the span of any iterator of text or of a provider's chunks."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from opentelemetry.context import attach

from streamspan.handle import is_observed
from streamspan.manual.llm import LLMSpan, llm
from streamspan.tap import AsyncTap, Proxy, Tap
from streamspan.tap import _stop as stop

if TYPE_CHECKING:
    from streamspan.manual.call import ManualCall

T = TypeVar("T", bound=Iterable[Any] | AsyncIterable[Any])


def observe(
    stream: T,
    *,
    model: str | None = None,
    provider: str | None = None,
    input: Any = None,  # noqa: A002 - as in `record_input`
    name: str = "chat",
    operation: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    **request: Any,
) -> T:
    """Observes any stream of a model's answer: a span from now to its end, which nobody who reads the stream notices.

    The outcome is ``completed`` when the stream ends (of a provider's chunks: with their terminal event, else ``truncated``),
    ``aborted`` when it is closed, ``abandoned`` when it is dropped, ``failed`` or ``cancelled`` when it raises.

    Args:
        stream: An iterator, generator, asynchronous iterator or asynchronous generator, of text, of bytes or of a provider's
            chunks.
        model: The model that answers, by which the call is priced.
        provider: Who answers: ``openai``, ``anthropic``, ``google``, ``amazon_bedrock`` or another.
        input: What was asked, as for `LLMSpan.record_input`.
        name: As for `llm`.
        operation: As for `llm`.
        attributes: Attributes of one's own.
        **request: The request's parameters, as for `llm`.

    Returns:
        An object that stands for the stream: it yields the same items, has the same attributes and methods, and has ``trace_id``
        and ``span_id`` besides. A stream that is observed already is returned as it is.

    Raises:
        TypeError: If it is no stream, or another argument is not what it should be.
        BudgetExceededError: If a budget has no room for the call. In a coroutine the first item raises it.

    Example:
        >>> for text in streamspan.observe(answer(), model="gpt-4.1-mini", provider="openai"):
        ...     print(text)
    """
    _check(stream)
    if is_observed(stream):
        return stream
    span = llm(name, model=model, stream=True, provider=provider, operation=operation, attributes=attributes, **request)
    if input is not None:
        span.record_input(input)
    kind: Any = _AsyncGenerator if hasattr(stream, "asend") else _Generator if hasattr(stream, "send") else _kind(stream)
    return kind(stream, span)


def _check(stream: object) -> None:
    kind = type(stream)
    if not issubclass(kind, Iterable | AsyncIterable) or issubclass(kind, str | bytes | bytearray | Mapping):
        msg = f"observe() takes an iterator or an asynchronous iterator, not {kind.__name__}"
        raise TypeError(msg)


def _kind(stream: Any) -> Any:
    return ObservedAsyncIterator if hasattr(stream, "__anext__") or not hasattr(stream, "__iter__") else ObservedIterator


class _Observed(Proxy):
    """What the proxies of both kinds have."""

    def __init__(self, stream: Any, span: LLMSpan) -> None:
        super().__init__(stream)
        self._self_span = span
        self._self_call: ManualCall | None = span._call
        self._self_context = span.context

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return self._self_span.trace_id

    @property
    def span_id(self) -> str:
        """The span's id, 16 hexadecimal digits."""
        return self._self_span.span_id

    def _self_ask(self) -> None:
        self._self_span.ask()
        self._self_context = self._self_span.context

    async def _self_ask_async(self) -> None:
        await self._self_span.ask_async()
        self._self_context = self._self_span.context

    def _self_stopped(self, error: BaseException) -> None:
        call = self._self_call
        if call is None:
            return
        if isinstance(error, StopIteration | StopAsyncIteration):
            call.exhausted()
        elif isinstance(error, GeneratorExit):
            call.closed()
        else:
            stop(self.__wrapped__, call, error)

    def _self_closed(self) -> None:
        if self._self_call is not None:
            self._self_call.closed()

    def __copy__(self) -> Self:
        raise TypeError("a stream cannot be copied")

    def __deepcopy__(self, memo: Any) -> Self:
        raise TypeError("a stream cannot be copied")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a stream cannot be pickled")


class ObservedIterator(_Observed):
    """Stands for an iterator, and tells its call what comes."""

    def __init__(self, stream: Any, span: LLMSpan) -> None:
        super().__init__(stream, span)
        iterator: Iterator[Any] = stream if hasattr(stream, "__next__") else iter(stream)
        self._self_tap = iterator if self._self_call is None else Tap(iterator, self._self_call)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._self_span.is_asked:
            self._self_ask()
        token = attach(self._self_context)
        try:
            return next(self._self_tap)
        finally:
            token.var.reset(token)

    def close(self) -> None:
        """Closes the stream, if it can be closed, and ends the call."""
        try:
            if (close := getattr(self.__wrapped__, "close", None)) is not None:
                close()
        finally:
            self._self_closed()

    def __enter__(self) -> Self:
        if hasattr(self.__wrapped__, "__enter__"):
            self.__wrapped__.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        if not hasattr(self.__wrapped__, "__exit__"):
            self.close()
            return None
        try:
            return self.__wrapped__.__exit__(*error)
        finally:
            self._self_closed()


class _Generator(ObservedIterator):
    """The same for a generator."""

    def _self_step(self, step: Callable[..., Any], *args: Any) -> Any:
        if not self._self_span.is_asked:
            self._self_ask()
        token = attach(self._self_context)
        try:
            chunk = step(*args)
        except BaseException as error:
            self._self_stopped(error)
            raise
        finally:
            token.var.reset(token)
        self._self_span.record_chunk(chunk)
        return chunk

    def send(self, value: Any) -> Any:
        """As the generator's."""
        return self._self_step(self.__wrapped__.send, value)

    def throw(self, *error: Any) -> Any:
        """As the generator's."""
        return self._self_step(self.__wrapped__.throw, *error)


class ObservedAsyncIterator(_Observed):
    """Stands for an asynchronous iterator, and tells its call what comes."""

    def __init__(self, stream: Any, span: LLMSpan) -> None:
        super().__init__(stream, span)
        iterator: AsyncIterator[Any] = stream if hasattr(stream, "__anext__") else aiter(stream)
        self._self_tap = iterator if self._self_call is None else AsyncTap(iterator, self._self_call)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._self_span.is_asked:
            await self._self_ask_async()
        token = attach(self._self_context)
        try:
            return await anext(self._self_tap)
        finally:
            with suppress(ValueError):  # closed from another context, which has nothing to take back
                token.var.reset(token)

    async def aclose(self) -> None:
        """Closes the stream, if it can be closed, and ends the call."""
        wrapped = self.__wrapped__
        try:
            if (close := getattr(wrapped, "aclose", None) or getattr(wrapped, "close", None)) is not None:
                closing = close()
                if closing is not None:
                    await closing
        finally:
            self._self_closed()

    async def close(self) -> None:
        """The same under the name that SDKs have for it."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        if hasattr(self.__wrapped__, "__aenter__"):
            await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        if not hasattr(self.__wrapped__, "__aexit__"):
            await self.aclose()
            return None
        try:
            return await self.__wrapped__.__aexit__(*error)
        finally:
            self._self_closed()


class _AsyncGenerator(ObservedAsyncIterator):
    """The same for an asynchronous generator."""

    async def _self_step(self, step: Callable[..., Any], *args: Any) -> Any:
        if not self._self_span.is_asked:
            await self._self_ask_async()
        token = attach(self._self_context)
        try:
            chunk = await step(*args)
        except BaseException as error:
            self._self_stopped(error)
            raise
        finally:
            with suppress(ValueError):  # closed from another context, which has nothing to take back
                token.var.reset(token)
        self._self_span.record_chunk(chunk)
        return chunk

    async def asend(self, value: Any) -> Any:
        """As the generator's."""
        return await self._self_step(self.__wrapped__.asend, value)

    async def athrow(self, *error: Any) -> Any:
        """As the generator's."""
        return await self._self_step(self.__wrapped__.athrow, *error)
