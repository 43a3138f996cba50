"""A call that the program itself tells of."""

import threading
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from opentelemetry.trace import Span

from streamspan import live, semconv, shared
from streamspan.answer import Answer
from streamspan.call import Call
from streamspan.charges import Charges, priced
from streamspan.errors import guard
from streamspan.listeners.budget import spend
from streamspan.manual import outputs, prompts, usages
from streamspan.manual.chunks import ChunkReader
from streamspan.outcome import ABORTED, COMPLETED, FAILED, TRUNCATED
from streamspan.request import Request
from streamspan.shared import SharedSpan
from streamspan.telemetry import Telemetry
from streamspan.usage import Cost, Usage
from streamspan.wire import Attributes


@dataclass(frozen=True, slots=True)
class _Held:
    """How a call ended that is one with ours."""

    call: Call
    kind: str
    error: BaseException | None
    at: float


class ManualCall(Call):
    """A call whose chunks, usage and end the program tells; in all else as any other.

    An SDK that we observe may send a request inside: then both are one call, which has this one's span. What is seen of the
    request is what counts; what the program says comes on top, and the span ends when the program says so.
    """

    __slots__ = ("_cost", "_handing", "_held", "_output", "_reader", "_seen", "_usage")

    def __init__(
        self, reader: ChunkReader, telemetry: Telemetry, request: Request, opening: Attributes, started: Span, started_ns: int
    ) -> None:
        self._reader = reader
        self._usage = Usage()
        """What the program said itself, as are these:"""
        self._cost: Cost | None = None
        self._output: Any = None
        self._handing = threading.Lock()
        """Held while it is decided who ends: this call, or the one that is seen inside."""
        self._seen: Call | None = None
        self._held: _Held | None = None
        super().__init__(telemetry, request, opening, started, started_ns)
        if not isinstance(started, SharedSpan):
            shared.put_above(started, self)
        elif self._above is None:  # another library's span is around both: the request is to be found under it, too
            shared.put_above(started.owner, self)
            shared.let_share(started.owner)

    # --- what the program says ---

    @guard("taking a call's input")
    def take_input(self, given: Any) -> None:
        """Takes the content of the request."""
        prompt = prompts.read(given)
        with self._ending:
            if live.is_running(self):
                if self._telemetry.content.is_kept:
                    self._ask(prompt)
                self._prompt = prompt

    @guard("taking a call's usage")
    def take_usage(self, given: Any) -> None:
        """Takes token counts; later ones replace earlier ones."""
        self.accepted = True
        said = usages.read(given)
        self._usage.update(said.reported)
        self.answer.usage(said.reported)
        if said.charged is not None:
            self._cost = self.answer.charged = said.charged

    @guard("taking a call's output")
    def take_output(self, given: Any) -> None:
        """Takes the final output, in place of the text of the chunks."""
        self.accepted, self._output = True, given
        self._reader.found = outputs.say(self.answer, given) or self._reader.found

    # --- the ends ---

    @guard("ending a call")
    def end(self, kind: str | None) -> None:
        """The program says that it is over, and perhaps how."""
        self.accepted = True
        self._close_seen()
        self._end(kind or (FAILED if self.answer.failure else COMPLETED), is_said=kind is not None)

    @guard("ending a call")
    def left(self) -> None:
        """The program's block is over, and nothing was said: what can be seen to be unfinished was left, all else is complete."""
        self.accepted = True
        if self.chunks or self._usage != Usage():
            self._close_seen()
        self._end(self._unless_over(ABORTED if self._reader.found else COMPLETED))

    @guard("ending a call")
    def exhausted(self) -> None:
        """What gives the chunks has no more."""
        self.accepted = True
        self._end(self._unless_over(TRUNCATED if self._reader.found else COMPLETED))

    @guard("ending a call")
    def closed(self) -> None:
        """The program closed what gives the chunks, or is itself being closed."""
        self._close_seen()
        super().closed()

    @guard("ending a call")
    def abort(self) -> bool:
        """Somebody else than the reader ends it; whether it was running."""
        self._close_seen()
        return bool(super().abort())

    @guard("ending a call")
    def stopped(self, error: BaseException) -> None:
        """The program's block, or what gives the chunks, raised ``error``."""
        self._close_seen()
        super().stopped(error)

    def _unless_over(self, kind: str) -> str:
        self._settle()
        if self._reader.found is not None:
            return super()._unless_over(kind)
        return FAILED if self.answer.failure else kind

    def _settle(self) -> None:
        """Takes over what the first chunk showed: whose format it is."""
        wire, mine = self._reader.found, self._request.wire
        if wire is None or mine.gives_reasons:
            return
        found = replace(
            mine,
            gives_reasons=True,
            ends_with_event=wire.ends_with_event,
            choices_key=wire.choices_key,
        )
        provider = self._request.provider or _OWNERS.get(wire.sdk, "")
        self._request = replace(self._request, wire=found, provider=provider)

    def stream_of(self, instruments: object) -> Attributes | None:
        """It as a running stream, unless that is counted inside."""
        return None if self._seen is not None else super().stream_of(instruments)

    def _note_end(self) -> None:
        """Nothing: what a program tells of may be told again, such as an answer that it keeps."""

    # --- the call that is seen inside ---

    def give_way(self, call: Call) -> None:
        """A request is being sent inside: from now on it is seen how it goes."""
        with self._handing:
            refused, self._held = self._held, None
            self._seen = call
        call._progress_log = self._progress_log  # who follows it shall not see it begin again
        if refused is not None:
            refused.call.finish(refused.kind, refused.error, refused.at)

    def keep(self, call: Call, kind: str, error: BaseException | None, at: float) -> bool:
        """The request's answer has ended: that is told when this call ends."""
        with self._handing:
            if self._seen is not call or not live.is_running(self):
                return False
            self._held = _Held(call, kind, error, at)
        if not call.accepted:
            shared.let_share(self._shown)  # the program may try again
        return True

    @property
    def _shown(self) -> Span:
        """The span that is current in the program's block."""
        return self._span.owner if isinstance(self._span, SharedSpan) else self._span

    def _close_seen(self) -> None:
        if self._seen is not None:
            self._seen.closed()

    def look(self, now: float) -> None:
        """Tells how far it has come, unless a call that is seen inside does."""
        self._note_acceptance()
        if self._seen is None:
            super().look(now)

    def _note_acceptance(self) -> None:
        """What has sent a chunk has taken the request. Not with each chunk: this is not for the hot path."""
        self.accepted = self.accepted or self.chunks > 0

    # --- the end ---

    def _charges(self) -> Charges:
        if self._seen is not None and live.is_running(self._seen):
            return Charges(omitted="counted")  # it goes on, on a span of its own
        if self.accepted and self.answer.reported.total_input_tokens is None and not self._knows_prompt():
            return priced(self._telemetry, self._request, self.answer, self._estimate_output())
        return super()._charges()

    def _knows_prompt(self) -> bool:
        prompt = self._prompt or self._request.wire.prompt(self._request.body)
        return bool(prompt.messages or prompt.system or prompt.texts)

    def _estimate_output(self) -> list[str]:
        wire, usage = self._request.wire, self.answer.reported
        if usage.output_tokens is not None or not wire.generates or wire.opaque or not self.answer.choices:
            return []
        usage.output_tokens = self._telemetry.settings.count_tokens(self._request.model)(self.answer.generated_text())
        return ["output_tokens"]

    def _end(self, kind: str, *, at: float | None = None, error: BaseException | None = None, is_said: bool = False) -> None:
        with self._handing:
            if not live.claim(self):
                return
            held, self._held = self._held, None
        shared.take(self._shown)  # what is sent from now on is another call
        at = perf_counter() if at is None else at
        self._note_acceptance()
        if held is None:
            self._end_alone(kind, error, at)
        elif self._was_in_vain(held, kind):
            held.call.finish(held.kind, held.error, held.at)
            self._end_alone(kind, error, at)
        else:
            self._end_as(held, kind, error, at, is_said=is_said)
        self._seen = None

    def _was_in_vain(self, held: _Held, kind: str) -> bool:
        """Whether the request that was seen was refused, and the program got its answer elsewhere."""
        return not held.call.accepted and kind == COMPLETED and bool(self.chunks or self._usage != Usage() or self._output)

    def _end_alone(self, kind: str, error: BaseException | None, at: float) -> None:
        self._settle()
        if self._request.provider and semconv.PROVIDER_NAME not in self._opening:
            self._span.set_attribute(semconv.PROVIDER_NAME, self._request.provider)
        if self._above is None or not self._above.keep(self, kind, error, at):
            self.finish(kind, error, at)

    def _end_as(self, held: _Held, kind: str, error: BaseException | None, at: float, *, is_said: bool) -> None:
        """Ends as the request did that was seen, unless the program says otherwise."""
        call, span = held.call, held.call._span
        if isinstance(span, SharedSpan):
            span.speaks_for_owner = not isinstance(self._span, SharedSpan)
        self._add_to(call.answer)
        is_ours = is_said or kind == FAILED or (error is not None and held.kind != COMPLETED)
        call.finish(kind if is_ours else held.kind, error or held.error, held.at)
        if self.hold is not None and call.ended is not None:
            spend(self.hold, call.ended, is_accepted=call.accepted)  # where that one counts against nothing
        with self._ending:
            self._span.end(self._wall(at))

    def _add_to(self, answer: Answer) -> None:
        """Adds what the program said to what was seen."""
        if not answer.choices:
            answer.choices = self.answer.choices
        if isinstance(self._output, str):
            outputs.say(answer, self._output)
        answer.usage(self._usage)
        answer.charged = self._cost or answer.charged


_OWNERS = {"anthropic": semconv.ANTHROPIC, "google.genai": semconv.GCP_GEMINI, "botocore": semconv.AWS_BEDROCK}
"""Who speaks a format, where it is one provider's: OpenAI's is that of many."""
