"""Model calls that no observed SDK made: all that is known of them is what passes through the function that is tracked.

An answer is counted once. What passes may be of a call that is observed anyway, and merely handed on: it is known by its id and,
where a wire has none, by whether the function asked for a stream at all.
"""

from collections.abc import Mapping
from functools import partial
from time import perf_counter, time_ns
from typing import Any, cast

from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import get_current_span

from streamspan import counted, live, semconv, wiring
from streamspan.answer import Answer
from streamspan.call import Call, begin
from streamspan.charges import Charges, priced
from streamspan.errors import guard, logger, once
from streamspan.manual.call import ManualCall
from streamspan.manual.chunks import ChunkReader, recognise
from streamspan.manual.llm import LLMSpan
from streamspan.manual.llm import _format as make_format
from streamspan.request import Request
from streamspan.shared import is_above
from streamspan.tracking.activation import Activation
from streamspan.usage import Usage

_MOST_HELD = 64
"""Pieces of a raw body that are kept until one shows what it is."""
_FIELDS_OF_EVENTS = ("data:", "event:", "id:", "retry:", ":")
"""How a line of server-sent events begins."""


class PassingCall(ManualCall):
    """A call of which only the answer is seen: if that leaves out what the question used, its price is that of the rest."""

    __slots__ = ()

    def _charges(self) -> Charges:
        charges = super()._charges()
        if charges.usage.total_input_tokens is not None or not charges.usage.output_tokens or charges.omitted:
            return charges
        charges.usage.input_tokens = 0
        return priced(self._telemetry, self._request, self.answer, ["input_tokens", *charges.estimated])


class Watch:
    """What passes through one call of a generator: if it is an answer that nobody else observes, it is a call of its own."""

    __slots__ = ("_answer", "_held", "_here", "_probe", "_since", "_since_ns", "_span", "call", "is_open")

    def __init__(self, here: Activation) -> None:
        self._here = here
        self._since, self._since_ns = perf_counter(), time_ns()
        self._probe, self._answer = ChunkReader(), Answer()
        self._held: list[Any] = []
        self._span: LLMSpan | None = None
        self.call: ManualCall | None = None
        """The call, if it is one."""
        self.is_open = is_instrumentation_enabled()
        """Whether it is to be told what passes."""

    @guard("reading what a generator yields")
    def take(self, item: Any) -> None:
        """Something passes."""
        call = self.call
        if call is not None:
            if not _begins_anew(item, call.answer):
                call.feed(_as_body(item) if self._held else item)
                return
            self.exhausted()
            self.__init__(self._here)
        self._look(item)

    def exhausted(self) -> None:
        """The generator has no more."""
        if self.call is not None:
            self.call.exhausted()

    def stopped(self, error: BaseException) -> None:
        """It raised ``error``."""
        if self.call is not None:
            self.call.stopped(error)

    def _look(self, item: Any) -> None:
        """Looks whether this is a model's answer."""
        if isinstance(item, str | bytes | bytearray):
            self._look_at_text(item)
        elif item is not None and not isinstance(item, int | float) and (wire := recognise(item)) is not None:
            wire.read(item, self._answer)
            if _says_something(self._answer):
                self._decide(wire.operation, [item])

    def _look_at_text(self, item: str | bytes | bytearray) -> None:
        is_body = not isinstance(item, str) or bool(self._held) or item.startswith(_FIELDS_OF_EVENTS)
        if is_body:
            self._held.append(_as_body(item))
            self._probe.read(self._held[-1], self._answer)
            if (wire := self._probe.found) is not None:
                self._decide(wire.operation, self._held)
            elif len(self._held) > _MOST_HELD:
                self.is_open = False
        elif item and self._here.model is not None:
            self._decide(semconv.CHAT, [item])

    def _decide(self, operation: str, items: list[Any]) -> None:
        here, answer = self._here, self._answer
        if _is_observed(answer.response_id, here, self._since):
            self.is_open = False
            return
        self._span, self.call = _start(here, operation, answer.model, self._since_ns, streamed=True)
        self.is_open = self.call is not None
        if self.call is not None:
            live.watch()
            for item in items:
                self.call.feed(item)


def _as_body(item: Any) -> Any:
    """A line of a body as it was sent: who reads lines has taken their ends off."""
    return f"{item}\n".encode() if isinstance(item, str) else item


def _begins_anew(item: Any, answer: Answer) -> bool:
    """Whether this is of another answer than the one that is over, as where a function asks several times."""
    if not (answer.terminal or answer.choices) or isinstance(item, str | bytes | bytearray):
        return False
    if not (answer.terminal or answer.finished(1)) or recognise(item) is None:
        return False
    other = Answer()
    recognise(item).read(item, other)  # pyright: ignore[reportOptionalMemberAccess]
    return other.response_id is not None and other.response_id != answer.response_id


def _says_something(answer: Answer) -> bool:
    return bool(answer.response_id or answer.model or answer.characters or answer.choices or answer.reported != Usage())


def _is_observed(response_id: str | None, here: Activation, since: float) -> bool:
    """Whether this answer is counted where it is made."""
    if response_id is None:
        return here.streams > 0
    running = (call for call in live.running() if isinstance(call, Call))
    return counted.ended_since(response_id, since) or any(call.answer.response_id == response_id for call in running)


@guard("starting a call")
def _begin(operation: str, model: str | None, at: int, *, streamed: bool) -> tuple[LLMSpan | None, ManualCall | None]:
    reader = ChunkReader()
    wire = make_format(reader, operation, is_named=False)
    body = {} if model is None else {"model": model}
    context = get_current() if is_above(get_current_span()) else None
    request = Request(wire, "", "", 0, body, streamed, {}, context)
    span, call = begin(wiring.in_force(), request, partial(PassingCall, reader), at)
    return LLMSpan(span, call, generates=True), call


def _start(
    here: Activation, operation: str, model: str | None, at: int, *, streamed: bool
) -> tuple[LLMSpan | None, ManualCall | None]:
    """Starts a call that is charged to the function."""
    calls, streams = here.calls, here.streams
    with here.block:
        started = _begin(operation, model or here.model, at, streamed=streamed)
    here.calls, here.streams = calls, streams  # those that others make
    return started or (None, None)


# --- whole answers ---------------------------------------------------------------------------------------------------


def answered(here: Activation, result: Any) -> bool:
    """Counts the answer that a function returns, if it says what it used and nobody else observes it; whether it is one."""
    if not is_instrumentation_enabled() or (wire := recognise(result)) is None:
        return False
    answer = Answer()
    wire.read(result, answer)
    if answer.reported == Usage():
        return False
    is_known = here.calls > 0 if answer.response_id is None else _is_observed(answer.response_id, here, here.since)
    if not is_known:
        _, call = _start(here, wire.operation, answer.model, here.since_ns, streamed=False)
        if call is not None:
            call.accepted = True
            call.answered(result)
    return True


def extracted(here: Activation, result: Any) -> None:
    """Counts what the function's own ``extract_usage`` says of what it returned, if no call was seen in it."""
    extract = here.function.extract_usage
    if extract is None or here.calls or not is_instrumentation_enabled():
        return
    try:
        model, usage = _read_usage(extract(result))
    except Exception:  # the application's own code
        if once("extract_usage", here.function.name):
            logger.warning("extract_usage of %s failed; the call is not counted", here.function.name, exc_info=True)
        return
    if model or usage:
        _, call = _start(here, semconv.CHAT, model, here.since_ns, streamed=False)
        if call is not None:
            if usage:
                call.take_usage(usage)
            call.end(None)


def _read_usage(said: Any) -> tuple[str | None, Any]:
    """The model, and the usage, of what ``extract_usage`` returned: of a tuple, model, input and output tokens."""
    if isinstance(said, tuple | list):
        model, input_tokens, output_tokens = cast("tuple[Any, Any, Any]", said)
        said = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
    if not isinstance(said, Mapping):
        return None, said
    known: dict[str, Any] = {key: value for key, value in said.items() if value is not None}  # pyright: ignore[reportUnknownVariableType]
    model = known.pop("model", None)
    return (model if isinstance(model, str) else None), known
