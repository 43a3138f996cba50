"""A span that a program makes by itself: `llm`."""

from asyncio import get_running_loop
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from opentelemetry.context import Context, attach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import INVALID_SPAN, Span, format_span_id, format_trace_id, get_current_span
from opentelemetry.util.types import AttributeValue

from streamspan import live, outcome, semconv, wiring
from streamspan.call import begin
from streamspan.errors import guard
from streamspan.manual import names, prompts, usages
from streamspan.manual.call import ManualCall
from streamspan.manual.chunks import ChunkReader
from streamspan.request import Request
from streamspan.reserving import around, reserve, reserve_async
from streamspan.shared import inside, is_above
from streamspan.wire import Attributes, Prompt, WireFormat, request_attributes, strings

if TYPE_CHECKING:
    from contextvars import Token

Outcome = Literal["completed", "truncated", "aborted", "abandoned", "cancelled", "failed"]
_OUTCOMES = (outcome.COMPLETED, outcome.TRUNCATED, outcome.ABORTED, outcome.ABANDONED, outcome.CANCELLED, outcome.FAILED)


class LLMSpan:
    """The span of one model call that the program tells of; made by `streamspan.llm`.

    Inside a ``with`` or ``async with`` block the span is the current one, so that others nest under it. The call is over with
    `end` or with the block, whichever comes first; what comes later is ignored. Its methods can be called from any thread, and
    where nothing is recorded (no provider, a sampler that says no, suppressed instrumentation) they do nothing.
    """

    __slots__ = ("__weakref__", "_call", "_feed", "_generates", "_span", "_token", "_unasked")

    def __init__(self, span: Span, call: ManualCall | None, *, generates: bool) -> None:
        self._span = span
        self._call = call
        self._feed = call.feed if call is not None else _ignore
        self._generates = generates
        self._token: Token[Context] | None = None
        self._unasked = call
        """The call, until budgets have been asked for it."""

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits; there from the start."""
        return format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The span's id, 16 hexadecimal digits; there from the start."""
        return format_span_id(self._span.get_span_context().span_id)

    @property
    def context(self) -> Context:
        """The OpenTelemetry context inside the call, for work that is done elsewhere, such as in another thread."""
        is_valid = self._span.get_span_context().is_valid  # else it would cut the trace of those inside
        context = inside(self._span, generates=self._generates) if is_valid else get_current()
        return context if self._call is None else around(self._call, context)

    def record_input(self, input: Any) -> None:  # noqa: A002 - the product's own name
        """Records what is asked. It is written where content is captured, and its tokens are estimated where none are reported.

        Args:
            input: A text of the user's, a list of messages, or a mapping such as ``{"messages": [...], "tools": [...]}`` or the
                arguments of a provider's method. Messages may have OpenAI's, Anthropic's, Google's or Bedrock's shape.

        Raises:
            TypeError: If it is none of these.
        """
        prompts.check(input)
        if self._call is not None:
            self._call.take_input(input)

    def record_chunk(self, delta: Any) -> None:
        """Records one chunk of the stream. Never raises.

        Args:
            delta: A piece of text; or any provider's chunk or event, as its SDK gives it or as decoded JSON: text, tool calls,
                reasoning, usage, finish reasons and errors are read from it; or bytes of an HTTP body, of server-sent events or
                of text. ``None`` and ``""`` count as chunks that say nothing, as does what nobody knows.
        """
        self._feed(delta)

    def record_usage(self, usage: Any = None, /, **counts: int) -> None:
        """Records token counts, which replace those of before.

        Args:
            usage: A mapping such as ``{"input_tokens": 512, "output_tokens": 128}`` (also ``prompt_tokens``,
                ``completion_tokens``, ``cache_read_tokens``, ``cache_write_tokens``, ``reasoning_tokens``; ``cost_usd`` in
                dollars), or a provider's usage object. As in the conventions, input includes what came from the cache.
            **counts: The same as keywords.

        Raises:
            TypeError: If it is neither a mapping nor an object with counts.
        """
        usages.check(usage)
        if self._call is not None and (usage is not None or counts):
            self._call.take_usage(usage if usage is not None else counts)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Sets an attribute of the program's own on the span, while it runs.

        Args:
            key: Its name.
            value: A string, a number, a boolean, or a list of one of these.
        """
        if self._call is not None and live.is_running(self._call):
            self._span.set_attribute(key, value)

    def end(
        self, output: Any = None, usage: Any = None, *, outcome: Outcome | None = None, error: BaseException | None = None
    ) -> None:
        """Ends the call. A second time, and after the block, it does nothing.

        Args:
            output: The final output: a text, messages, or a provider's whole answer; what the chunks said unless given.
            usage: As for `record_usage`.
            outcome: How the call ended, if not ``completed``: such as ``aborted``, if the program stopped reading.
            error: What went wrong, if something did: the call is then ``failed``.

        Raises:
            TypeError: If ``usage`` is neither a mapping nor an object with counts.
            ValueError: If there is no such outcome.
        """
        usages.check(usage)
        if outcome is not None and outcome not in _OUTCOMES:
            msg = f"outcome must be one of {', '.join(_OUTCOMES)}, not {outcome!r}"
            raise ValueError(msg)
        call = self._call
        if call is None or not live.is_running(call):
            return
        if output is not None:
            call.take_output(output)
        if usage is not None:
            call.take_usage(usage)
        if error is not None:
            call.stopped(error)
        call.end(outcome)

    # --- the block ---

    def __enter__(self) -> Self:
        self.ask()
        if self._token is None:
            self._token = attach(self.context)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()
        if (call := self._call) is None:
            return
        if error is None:
            call.left()
        elif isinstance(error, GeneratorExit):
            call.closed()
        else:
            call.stopped(error)

    async def __aenter__(self) -> Self:
        await self.ask_async()
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def ask(self) -> None:
        """Asks budgets for the call, unless that is done; `llm`, a block and `observe` do it by themselves.

        Raises:
            BudgetExceededError: If a budget has no room for it: then it has failed.
        """
        if (call := self._take_unasked()) is not None:
            try:
                reserve(call)
            except BaseException as error:
                call.stopped(error)
                raise

    async def ask_async(self) -> None:
        """The same in a coroutine, whose loop goes on meanwhile.

        Raises:
            BudgetExceededError: If a budget has no room for it: then it has failed.
        """
        if (call := self._take_unasked()) is not None:
            try:
                await reserve_async(call)
            except BaseException as error:
                call.stopped(error)
                raise

    @property
    def is_asked(self) -> bool:
        """Whether budgets have been asked for the call."""
        return self._unasked is None

    def _take_unasked(self) -> ManualCall | None:
        call, self._unasked = self._unasked, None
        return call

    def _leave(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            # OpenTelemetry's own detach logs an error where a generator is closed in another context.
            with suppress(ValueError):
                token.var.reset(token)

    def __del__(self) -> None:
        if self._call is not None:
            live.drop(self._call)


def _ignore(_: Any) -> None:
    """Records nothing."""


def llm(
    name: str,
    *,
    model: str | None = None,
    stream: bool = False,
    provider: str | None = None,
    operation: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    **request: Any,
) -> LLMSpan:
    """Starts the span of one model call that no instrumentor sees, such as one over plain HTTP.

    The span is what it would be of an observed SDK: preview, progress, output, usage, cost, outcome. It needs no `instrument`;
    where that was called, its settings and providers hold. An observed SDK that is called inside shares the span.

    Args:
        name: ``<provider>.<operation>``, such as ``openai.responses``, ``anthropic.messages``, ``google.generate_content`` or
            ``amazon_bedrock.converse``; or a name of one's own.
        model: The model that is asked, by which the call is priced.
        stream: Whether the answer is streamed.
        provider: Who is asked, if ``name`` does not say: ``openai``, ``anthropic``, ``google``, ``amazon_bedrock`` or another.
        operation: ``gen_ai.operation.name``, if ``name`` does not say.
        attributes: Attributes of one's own.
        **request: The request's parameters, such as ``temperature=0.2`` or ``max_tokens=500``, and, if wished, its content, such
            as ``messages=[...]``.

    Returns:
        The span; to be used in a ``with`` or ``async with`` block, or ended by `LLMSpan.end`.

    Raises:
        TypeError: If the name or the model is no text, or the attributes are no mapping.
        BudgetExceededError: If a budget has no room for the call. In a coroutine the block raises it when it is entered.

    Example:
        >>> with streamspan.llm("openai.responses", model="gpt-4.1-mini", stream=True) as span:
        ...     span.record_input({"messages": messages})
        ...     for chunk in stream:
        ...         span.record_chunk(chunk.choices[0].delta.content)
        ...     span.end(usage={"input_tokens": 512, "output_tokens": 128})
    """
    _check(name, model, attributes)
    started = _start(name, model, provider, operation, dict(attributes or {}), request, stream=stream)
    if started is None:
        return LLMSpan(INVALID_SPAN, None, generates=True)
    if not _is_in_loop():
        started.ask()
    return started


def _is_in_loop() -> bool:
    """Whether a coroutine runs here, whose loop must not wait: it enters a block, which can be awaited."""
    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def _check(name: Any, model: Any, attributes: Any) -> None:
    for what, value in (("the name of a model call", name), ("model", "" if model is None else model)):
        if not isinstance(value, str):
            msg = f"{what} must be a string, not {value!r}"
            raise TypeError(msg)
    if not isinstance(attributes, Mapping | None):
        msg = f"attributes must be a mapping, not {attributes!r}"
        raise TypeError(msg)


@guard("starting a manual span")
def _start(
    name: str,
    model: str | None,
    provider: str | None,
    operation: str | None,
    more: Attributes,
    body: dict[str, Any],
    *,
    stream: bool,
) -> LLMSpan | None:
    if not is_instrumentation_enabled():
        return None
    named, doing = names.split(name)
    reader = ChunkReader()
    wire = _format(reader, operation or doing, is_named=model is None)
    if model is not None:
        body["model"] = model
    elif name != wire.operation:
        body["name"] = name
    asked = names.provider_named(provider) if provider else named
    # A block in a block is a span in a span: the program wants both.
    context = get_current() if is_above(get_current_span()) else None
    request = Request(wire, asked, "", 0, body, stream, more, context)
    span, call = begin(wiring.in_force(), request, partial(ManualCall, reader))
    if call is not None:
        live.watch()
    return LLMSpan(span, call, generates=wire.generates)


_GENERATING = (semconv.CHAT, semconv.GENERATE_CONTENT, semconv.TEXT_COMPLETION)


def _format(reader: ChunkReader, operation: str, *, is_named: bool) -> WireFormat:
    """The format of a call whose chunks show only later what they are; an agent used more than can be seen."""
    return WireFormat(
        sdk="",
        path="",
        operation=operation,
        read=reader.read,
        request=_request_attributes,
        prompt=_prompt,
        generates=operation != semconv.EMBEDDINGS,
        gives_reasons=False,
        subject="name" if is_named else "model",
        opaque=operation not in (*_GENERATING, semconv.EMBEDDINGS),
    )


_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "max_output_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "max_completion_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "top_k": (semconv.REQUEST_TOP_K, float),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, float),
    "stop": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "seed": (semconv.REQUEST_SEED, int),
    "n": (semconv.REQUEST_CHOICE_COUNT, int),
    "reasoning_effort": (semconv.REQUEST_REASONING_LEVEL, str),
}
_CONTENT = frozenset({"messages", "input", "contents", "prompt", "system", "instructions", "tools"})


def _request_attributes(body: Mapping[str, Any]) -> Attributes:
    return request_attributes(body, _REQUEST)


def _prompt(body: Mapping[str, Any]) -> Prompt:
    given = {key: value for key, value in body.items() if key in _CONTENT}
    return prompts.read(given) if given else Prompt()
