"""One observed call: it begins, is fed chunks, and ends exactly once, from whichever signal comes first."""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.trace import Span, SpanContext, Status, StatusCode, set_span_in_context

from streamspan import counted, keep, live, outcome, semconv, span
from streamspan.answer import Answer, Sink
from streamspan.charges import Charges, charge, is_charged, priced, so_far
from streamspan.ended import Ended, failure
from streamspan.errors import guard, report
from streamspan.listeners.budget import RunningCall, spend
from streamspan.listeners.call_log import emit_details, emit_exception
from streamspan.listeners.chunk_gaps import ChunkGaps
from streamspan.listeners.chunk_log import ChunkLog
from streamspan.listeners.metrics import describe, record, record_gaps
from streamspan.listeners.progress import MOST, Progress
from streamspan.listeners.progress_log import ProgressLog, Standing
from streamspan.listeners.redacted_chunk_events import ChunkEvents, chunk_events
from streamspan.outcome import ABANDONED, ABORTED, CANCELLED, COMPLETED, FAILED, TRUNCATED
from streamspan.prompt_size import estimate_prompt
from streamspan.request import Request, start
from streamspan.shared import Above, call_above
from streamspan.telemetry import Telemetry
from streamspan.who import metric_attributes
from streamspan.wire import Attributes, Prompt

if TYPE_CHECKING:
    from streamspan.enforcement.hold import Hold


class Call:
    """The life of one call that somebody takes something of. Nothing in it raises into the caller's code."""

    __slots__ = (
        "__weakref__",
        "_above",
        "_asked",
        "_chunk_log",
        "_cut",
        "_ending",
        "_followers",
        "_gaps",
        "_into",
        "_last_at",
        "_longest_gap",
        "_opening",
        "_progress_log",
        "_prompt",
        "_prompt_tokens",
        "_read",
        "_request",
        "_span",
        "_started",
        "_started_ns",
        "_telemetry",
        "_unread",
        "abort_on_cancel",
        "accepted",
        "answer",
        "chunk_events",
        "chunks",
        "connection",
        "ended",
        "error",
        "first_chunk_at",
        "hold",
        "is_aborted",
        "outcome",
        "progress",
        "reader",
        "received",
        "verdict",
    )

    def __init__(self, telemetry: Telemetry, request: Request, opening: Attributes, started: Span, started_ns: int) -> None:
        self._telemetry = telemetry
        self._request = request
        self._opening = opening
        self._span = started
        self._started, self._started_ns = perf_counter() - (time_ns() - started_ns) / 1e9, started_ns
        self.answer = Answer()
        self.chunk_events: ChunkEvents | None = None
        self._into: Sink = self.answer
        self._read = request.wire.read
        if request.streamed and telemetry.settings.capture_stream_chunks:
            self.chunk_events = chunk_events(request.wire.read, self.answer, telemetry.content.redaction)
            self._read = self.chunk_events.read
        self._gaps: ChunkGaps | None = None
        if request.streamed and telemetry.settings.chunk_metrics and telemetry.instruments.are_taken:
            self._gaps = ChunkGaps(self._read)
            self._read = self._gaps.read
        self._chunk_log: ChunkLog | None = None
        self.progress = Progress()
        self._progress_log: ProgressLog | None = None
        self._ending = threading.Lock()
        """Held while the span is written to, by whoever ends the call or by the thread that watches it."""
        self.accepted = False
        """Whether the provider took the request: what it refuses is not charged for."""
        self._unread = False
        self.received: Any = None
        """A whole answer that has come, and that the SDK may still refuse to hand out."""
        self.chunks = 0
        self.first_chunk_at = 0.0
        self._last_at = math.inf
        self._longest_gap = 0.0
        self.abort_on_cancel = False
        """Whether a cancellation of the task that reads it counts as an abort."""
        self.is_aborted = False
        """Whether somebody else than the stream's reader has ended it: what the reader still gets of it is the end."""
        self.connection: Callable[[], Any] = _nothing
        """Gives the HTTP response that the stream is read from, for who wants to break it off; does not keep it alive."""
        self.reader: Callable[[], Any] = _nothing
        """Gives the tap that the stream is read through, which can be told to stop; does not keep it alive."""
        self.verdict: Exception | None = None
        """What its reader gets in place of the end, if it was stopped."""
        self.hold: Hold | None = None
        """What it counts against, if there are budgets for it."""
        self.outcome: str | None = None
        self.error: BaseException | None = None
        """What ended it, if somebody follows it who may ask: else the frames of the application would live on."""
        self.ended: Ended | None = None
        """All about it, once it has ended."""
        self._followers: list[Callable[[], None]] | None = []
        self._prompt: Prompt | None = None
        self._prompt_tokens: int | None = None
        self._asked = dict[str, list[dict[str, Any]]]()
        self._cut: list[str] = []
        """What of it was shortened to fit on the span."""
        self._above: Above | None = call_above(started)
        """The program's own call, whose span this one shares: it ends with that."""
        self._begin(telemetry)

    def _begin(self, telemetry: Telemetry) -> None:
        if telemetry.content.is_kept:
            # Now, not at the end: the application may change its list of messages while the answer comes.
            self._ask(self._request.wire.prompt(self._request.body))
        if telemetry.settings.pending_span:
            self._announce()
        telemetry.prices.warm_up()
        live.add(self)
        if self._above is not None:
            self._above.give_way(self)

    def _ask(self, prompt: Prompt) -> None:
        self._prompt = prompt
        content = self._telemetry.content
        self._asked = content.asked(prompt)
        if content.on_span and content.upload is None:
            attributes = content.for_span(self._asked, span.attribute_limit(self._span))
            self._cut = attributes.get(semconv.CONTENT_TRUNCATED, [])
            self._span.set_attributes(attributes)

    def _announce(self) -> None:
        """One span that is over at once, for who watches traces only; it has none of the names that tokens are counted by."""
        named = {semconv.PENDING_NAME: str(getattr(self._span, "name", self._request.wire.operation))}
        attributes = {**self._request.purpose(self._opening), **named}
        context = set_span_in_context(self._span)
        at = self._started_ns
        self._telemetry.tracer.start_span(semconv.PENDING_SPAN, context, attributes=attributes, start_time=at).end(at)

    @property
    def streamed(self) -> bool:
        """Whether the caller asked for a stream."""
        return self._request.streamed

    @property
    def span_context(self) -> SpanContext:
        """The ids of its span."""
        return self._span.get_span_context()

    @property
    def preview(self) -> str:
        """The end of the visible output so far, as the program that reads it sees it."""
        return self.answer.preview(self._telemetry.settings.stream_preview_chars)

    @property
    def asked_model(self) -> str | None:
        """The model that was asked for."""
        return self._request.model

    @property
    def is_followed(self) -> bool:
        """Whether somebody waits for its end, or may want to break it off."""
        return bool(self._followers) or (self.hold is not None and self.hold.may_stop)

    def follow(self, tell: Callable[[], None]) -> None:
        """Has ``tell`` called once the call has ended: in whichever thread ends it, or at once if it is over."""
        with self._ending:
            if self._followers is not None:
                self._followers.append(tell)
                return
        tell()

    # --- the hot path ---

    def feed(self, chunk: Any) -> None:
        """Takes one chunk of the stream."""
        now = perf_counter()
        if (gap := now - self._last_at) > self._longest_gap:
            self._longest_gap = gap
        self._last_at = now
        if not self.chunks:
            self.first_chunk_at = now
        self.chunks += 1
        try:
            self._read(chunk, self._into)
        except Exception as error:
            report(error, "reading a chunk")

    # --- the ends, as they are seen from outside ---

    @guard("reading a response")
    def answered(self, response: Any) -> None:
        """The whole response came at once."""
        try:
            self._read(response, self._into)
        finally:
            self._end(FAILED if self.answer.failure else COMPLETED)

    @guard("ending a call")
    def passed(self) -> None:
        """The whole response passed, but in a form that we cannot read: nothing is known of its tokens."""
        self._unread = True
        self._end(COMPLETED)

    @guard("ending a call")
    def exhausted(self) -> None:
        """The server ended the stream."""
        self.accepted = True
        self._end(self._unless_over(COMPLETED if self._request.wire.opaque else TRUNCATED))

    @guard("ending a call")
    def closed(self) -> None:
        """The caller closed the stream, or left its ``with``."""
        self._end(self._unless_over(self._word_for(outcome.leaving())))

    @guard("ending a call")
    def stopped(self, error: BaseException) -> None:
        """Sending the request or reading the stream raised ``error``, which goes on to the caller."""
        kind = self._word_for(outcome.classify(error))
        if self.received is not None:
            self.accepted = True
            self._read(self.received, self._into)
        self._end(kind if kind == FAILED else self._unless_over(kind), error=error)

    @guard("ending a call")
    def abandon(self, at: float) -> None:
        """The stream was dropped, or the process ends."""
        self._end(self._unless_over(ABANDONED), at=at)

    @guard("ending a call")
    def abort(self) -> bool:
        """Somebody who is not the reader ends it; the reader's next chunk is the end of the stream.

        Returns:
            Whether its connection may be broken off: not if it was read to the end or closed, as others may use it by now.
        """
        if not live.is_running(self):
            self.is_aborted = self.outcome == ABANDONED  # nobody closed anything
            return self.is_aborted
        self.is_aborted = True
        self._end(self._unless_over(ABORTED))
        return True

    def _word_for(self, kind: str) -> str:
        return ABORTED if kind == CANCELLED and self.abort_on_cancel else kind

    # --- while it runs: all on the thread that watches running calls ---

    def look(self, now: float) -> None:
        """Notes how far the stream has come, tells those who follow it, and ends one that was forgotten."""
        if self._gaps is not None:
            # Not here and now: how long a look takes says how long the thread rests after it.
            live.later(self._record_gaps)
        if self.hold is not None:
            self.hold.look(now, RunningCall(self))
        if self._span.is_recording():
            self.progress.note(now, self.answer, self.chunks)
        if self._request.streamed:
            self._tell(now)
            self._tell_chunks(is_over=False)
            timeout = self._telemetry.settings.idle_timeout
            if timeout and self.accepted and self._silence(now) >= timeout:
                self.abandon(now)

    def stream_of(self, instruments: object) -> Attributes | None:
        """What kind of stream it is, for the count of those that run."""
        return self._facts() if self._request.streamed and instruments is self._telemetry.instruments else None

    def _record_gaps(self) -> None:
        if self._gaps is not None and (gaps := self._gaps.take()):
            request, response = self._request, span.response_attributes(self.answer, 0)
            known, context = describe(self._opening, response, self._metric_attributes()), set_span_in_context(self._span)
            record_gaps(self._telemetry.instruments, request.wire.operation, known, gaps, context)

    def _metric_attributes(self) -> Attributes:
        """What the user wants to tell calls apart by in metrics."""
        return metric_attributes(self._request.purpose(self._opening), self._telemetry.settings.metric_attributes)

    def _silence(self, now: float) -> float:
        return now - (self._last_at if self.chunks else self._started)

    def _tell(self, now: float) -> None:
        if self._progress_log is None:
            if not self._telemetry.reports_progress:
                return
            interval = self._telemetry.settings.progress_interval
            content = self._telemetry.content.in_logs
            logger = self._telemetry.logger
            self._progress_log = ProgressLog(logger, self._span, self._facts(), interval, self._started, content=content)
        if state := self._progress_log.ask(now, self.chunks):
            standing = self._stand(state, now)
            if self._telemetry.content.on_span:
                self._show(standing.preview)
            self._progress_log.emit(standing, self._wall(now))

    def _tell_chunks(self, *, is_over: bool) -> None:
        if self.chunk_events is None or not self._telemetry.settings.chunks_in_logs:
            return
        if self._chunk_log is None:
            content = self._telemetry.content.in_logs
            self._chunk_log = ChunkLog(self._telemetry.logger, self._span, self._facts(), self._started, content=content)
        self._chunk_log.emit(self.chunk_events, self._wall, is_over=is_over)

    def _facts(self) -> Attributes:
        return self._request.facts(self._opening)

    def _show(self, preview: str) -> None:
        # If somebody is at it already, the call is ending.
        if preview and self._ending.acquire(blocking=False):
            try:
                if live.is_running(self):
                    self._span.set_attribute(semconv.PREVIEW, preview)
            finally:
                self._ending.release()

    def _stand(self, state: str, now: float) -> Standing:
        settings, answer, wire = self._telemetry.settings, self.answer, self._request.wire
        limit, tail = self._preview_chars(settings.stream_preview_chars), ""
        if limit and self._telemetry.content.redaction is None:
            tail = answer.preview(limit)
        charges = self.charges_so_far() if is_charged(wire) else Charges()
        return Standing(
            state=state,
            elapsed=now - self._started,
            silence=self._silence(now),
            chunks=self.chunks,
            characters=answer.characters,
            output_tokens=charges.usage.output_tokens,
            is_estimated=is_charged(wire),
            cost=None if charges.price is None else float(charges.price.total),
            preview=self._telemetry.content.live_preview(answer, limit, tail),
        )

    def _preview_chars(self, wanted: int) -> int:
        return span.text_limit(self._span, wanted)

    # --- the end ---

    def _unless_over(self, kind: str) -> str:
        """``kind``, unless the answer says itself how it ended."""
        if self.answer.failure:
            return FAILED
        wire = self._request.wire
        by_reason = not (wire.ends_with_event or wire.opaque) and self.answer.finished(self._request.choices)
        return COMPLETED if self.answer.terminal or by_reason else kind

    def _end(self, kind: str, *, at: float | None = None, error: BaseException | None = None) -> None:
        if live.claim(self):
            at = perf_counter() if at is None else at
            if self._above is not None and self._above.keep(self, kind, error, at):
                self._rest(kind, error, at)
            else:
                self.finish(kind, error, at)

    def _rest(self, kind: str, error: BaseException | None, at: float) -> None:
        """The call is over, though its span is not: who follows it is told, and its span will be written by `finish`."""
        with self._ending:
            self.outcome, self.error = kind, error if self._followers else None
            reported = replace(self.answer.reported)
            self.ended = self._sum_up(kind, error, at)
            self.answer.reported = reported  # what is estimated is estimated anew, beside what the program says until then
            followers, self._followers = self._followers, None
        _tell_all(followers)

    def finish(self, kind: str, error: BaseException | None, at: float) -> None:
        """Writes the span of a call that has ended, and tells of it; for whoever has claimed the call."""
        with self._ending:
            self.outcome, self.error = kind, error if self._followers else self.error
            self._conclude(kind, error, at)
            self._span.end(self._wall(at))
            followers, self._followers = self._followers, None
        _tell_all(followers)

    @guard("writing a span")
    def _conclude(self, kind: str, error: BaseException | None, at: float) -> None:
        ended = self._sum_up(kind, error, at)
        if self.hold is not None:
            spend(self.hold, ended, is_accepted=self.accepted)
            self._telemetry.tell_budgets()
        if (content := self._telemetry.content).upload is not None:
            known = {**ended.opening, **ended.attributes()}
            ended = replace(ended, references=content.store(self._span.get_span_context(), ended.messages, known))
        self.ended = ended
        if self._span.is_recording():
            self._write(ended)
        self._tell_the_end(ended, at)

    def _sum_up(self, kind: str, error: BaseException | None, at: float) -> Ended:
        request, content = self._request, self._telemetry.content
        charges, said = self._charges(), content.said(self.answer, request.choices)
        return Ended(
            request=request,
            opening=self._opening,
            span=self._span,
            outcome=kind,
            failure=failure(kind, self.answer, error, content),
            at=self._wall(at),
            duration=at - self._started,
            response=span.response_attributes(self.answer, request.choices),
            timing=self._timing(charges),
            charges=charges,
            messages=self._asked | said,
            preview=content.preview(self.answer, self._preview_chars(self._telemetry.settings.stream_preview_chars), said),
            keep=self._marks(kind, charges, at - self._started),
            hold=self.hold,
        )

    def _marks(self, kind: str, charges: Charges, seconds: float) -> str:
        """Why the call is worth keeping, if it is."""
        if not (rules := self._telemetry.settings.keep):
            return ""
        cost = None if charges.price is None else float(charges.price.total)
        return keep.marks(rules, keep.Measured(kind, seconds, cost, self._longest_gap))

    def _charges(self) -> Charges:
        if self.ended is not None and self.answer.in_background:
            return self.ended.charges  # it is claimed once
        if not self.accepted:
            return priced(self._telemetry, self._request, self.answer, [])
        return charge(self._telemetry, self._request, self.answer, None if self._unread else self._input_tokens)

    def charges_so_far(self) -> Charges:
        """What it has used until now, in part estimated; once it has ended, what it used."""
        if self.ended is not None:
            return self.ended.charges
        return so_far(self._telemetry, self._request, self.answer, self._input_tokens)

    def _input_tokens(self) -> int:
        if self._prompt_tokens is None:
            self._prompt_tokens = self._estimate_prompt()
        return self._prompt_tokens

    def _estimate_prompt(self) -> int:
        count = self._telemetry.settings.count_tokens(self._request.model)
        return estimate_prompt(self._prompt or self._request.wire.prompt(self._request.body), count)

    def _timing(self, charges: Charges) -> Attributes:
        if not self._request.streamed:
            return {}
        attributes: Attributes = {semconv.CHUNKS: self.chunks}
        if self.chunks:
            attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_at - self._started
            attributes[semconv.LONGEST_GAP_MS] = round(self._longest_gap * 1e3)
        if (first := self.answer.first_content_at) is not None:
            attributes[semconv.TIME_TO_FIRST_CONTENT_MS] = round((first - self._started) * 1e3)
            if (tokens := charges.usage.output_tokens) and (seconds := self._last_at - first) > 0:
                attributes[semconv.OUTPUT_TOKENS_PER_SECOND] = round(tokens / seconds, 3)
        return attributes

    def _wall(self, at: float) -> int:
        """A moment of `time.perf_counter` as nanoseconds since the epoch, on the span's own clock."""
        return self._started_ns + int((at - self._started) * 1e9)

    # --- what is told of it ---

    def _write(self, ended: Ended) -> None:
        content = self._telemetry.content
        if ended.failure:
            # The provider's message may quote the prompt.
            description = ended.failure.message if content.on_span else ended.failure.code
            self._span.set_status(Status(StatusCode.ERROR, description))
        written = self._asked.keys() if content.upload is None else set[str]()
        said = {key: value for key, value in ended.messages.items() if key not in written} if content.on_span else {}
        preview = {semconv.PREVIEW: ended.preview} if ended.preview and content.on_span else {}
        attributes = self._telemetry.conventions.spell(ended.attributes())
        contents = ended.references
        if contents is None:
            contents = content.for_span(said, span.attribute_limit(self._span), self._cut)
        self._span.set_attributes({**attributes, **contents, **preview})
        self._write_events()

    def _write_events(self) -> None:
        limit = span.event_limit(self._span)
        # Chunks come first where there is little room; and the thread that makes the marks may still be at it.
        marks = tuple(self.progress.marks) if limit >= 2 * MOST else ()
        for mark in marks:
            self._span.add_event(semconv.PROGRESS_EVENT, mark.attributes(self._started), self._wall(mark.at))
        if self.chunk_events is not None and self._telemetry.settings.chunks_on_span:
            content = self._telemetry.content.on_span
            for chunk in self.chunk_events.merged(limit - len(marks)):
                attributes = chunk.attributes(self._started, content=content)
                self._span.add_event(semconv.CHUNK_EVENT, attributes, self._wall(chunk.at))

    def _tell_the_end(self, ended: Ended, at: float) -> None:
        self._note_end()
        for scope in self._request.scopes:
            scope.meter.ended(ended, scope)
        # All of it is the other thread's work: this one is the application's.
        if self._progress_log is not None:
            live.later(partial(self._progress_log.emit, self._stand_at_the_end(ended, at), ended.at))
        telemetry = self._telemetry
        if self.chunk_events is not None and telemetry.settings.chunks_in_logs:
            live.later(partial(self._tell_chunks, is_over=True))
        if telemetry.settings.sends_details:
            live.later(partial(emit_details, telemetry.logger, ended, telemetry.content, telemetry.conventions))
        if telemetry.instruments.are_taken:
            if self._gaps is not None:
                live.later(self._record_gaps)
            live.later(partial(record, telemetry.instruments, ended, self._metric_attributes()))
        if ended.failure is not None and telemetry.takes(semconv.EXCEPTION_EVENT):
            live.later(partial(emit_exception, telemetry.logger, ended, telemetry.content))

    def _note_end(self) -> None:
        counted.note_end(self.answer.response_id)

    def _stand_at_the_end(self, ended: Ended, at: float) -> Standing:
        charges = ended.charges
        return Standing(
            state=ended.outcome,
            elapsed=ended.duration,
            silence=self._silence(at),
            chunks=self.chunks,
            characters=self.answer.characters,
            output_tokens=charges.usage.output_tokens,
            is_estimated="output_tokens" in charges.estimated,
            cost=None if charges.price is None else float(charges.price.total),
            preview=ended.preview,
        )


C = TypeVar("C", bound=Call)


def begin(
    telemetry: Telemetry,
    request: Request,
    make: Callable[[Telemetry, Request, Attributes, Span, int], C],
    at: int | None = None,
) -> tuple[Span, C | None]:
    """Starts the span of a call and observes it.

    Args:
        telemetry: Where the signals go.
        request: The call.
        make: `Call`, or a class of it.
        at: When it started, in nanoseconds since the epoch; now unless given.

    Returns:
        The span, and the call; ``None`` if nobody takes anything of it.
    """
    at, opening = at or time_ns(), request.attributes()
    span = start(telemetry, request, opening, at)
    # Who counts costs does so whether anybody takes the span or not.
    taking = telemetry.for_span(span) or (telemetry.of_unsampled if request.scopes else None)
    if taking is None:
        return span, None
    call = make(taking, request, opening, span, at)
    for scope in request.scopes:
        scope.meter.begun(call, scope)
    return span, call


def _nothing() -> None:
    return None


def _tell_all(followers: list[Callable[[], None]] | None) -> None:
    for tell in followers or ():  # no lock is held: they may look at the call, or wait for others who do
        _call_back(tell)


@guard("telling of a call's end")
def _call_back(follower: Callable[[], None]) -> None:
    follower()
