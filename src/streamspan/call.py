"""One observed call: it begins, is fed chunks, and ends exactly once, from whichever signal comes first."""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

from opentelemetry._logs import Logger
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from streamspan import keep, live, outcome, semconv, span, who
from streamspan.answer import MOST_CHOICES, Answer, Sink
from streamspan.counted import Counted
from streamspan.errors import guard, report
from streamspan.listeners.chunk_events import ChunkEvents
from streamspan.listeners.progress import MOST, Progress
from streamspan.listeners.progress_log import ProgressLog, Standing
from streamspan.outcome import ABANDONED, COMPLETED, FAILED, TRUNCATED
from streamspan.pricing import PriceBook, reported
from streamspan.settings import Settings
from streamspan.shared import SharedSpan, span_above
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an instrumentor hands to every call: where spans go and how calls are observed."""

    tracer: Tracer
    logger: Logger
    settings: Settings
    prices: PriceBook
    counted: Counted = field(default_factory=Counted)

    @property
    def reports_progress(self) -> bool:
        """Whether somebody takes log events of running streams."""
        enabled = getattr(self.logger, "enabled", None)  # opentelemetry-api 1.43 does not say
        return self.settings.progress_interval > 0 and (enabled is None or enabled(event_name=semconv.PROGRESS_EVENT))


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a call before it is sent."""

    wire: WireFormat
    provider: str
    """``gen_ai.provider.name``."""
    address: str
    """The host; empty where the SDK finds it out only while it sends."""
    port: int
    body: Mapping[str, Any]
    streamed: bool
    more: Attributes = field(default_factory=dict[str, Any])
    """What else is known of it, under its semconv names, that the body does not say."""
    context: Context | None = None
    """Whose child the span is, if not the current one's."""
    who: Mapping[str, Any] = field(default_factory=who.in_force)
    """Who and what it is for: the attributes in force when it starts, which is before a stream is read, wherever that is."""

    @property
    def model(self) -> str | None:
        """The model that is asked for."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None

    @property
    def choices(self) -> int:
        """How many answers are asked for whose end has a reason: none where the model says nothing."""
        if not (self.wire.generates and self.wire.gives_reasons) or self.wire.opaque:
            return 0
        count = self.body.get(self.wire.choices_key)
        return count if isinstance(count, int) and 0 < count <= MOST_CHOICES else 1


def start(telemetry: Telemetry, request: Request, at: int) -> Span:
    """Starts the span of a call, as a child of the caller's; what a sampler may want to know is on it from the start.

    If the current span is the call's already, made by somebody above us, it is shared.

    Args:
        telemetry: Where the span goes.
        request: The call.
        at: When it starts, in nanoseconds since the epoch.
    """
    attributes: Attributes = {
        **request.who,
        semconv.OPERATION_NAME: request.wire.operation,
        semconv.PROVIDER_NAME: request.provider,
        semconv.SERVER_ADDRESS: request.address,
        semconv.SERVER_PORT: request.port,
        **request.more,
        **request.wire.request(request.body),
    }
    if not request.address:
        del attributes[semconv.SERVER_ADDRESS], attributes[semconv.SERVER_PORT]
    if request.streamed:
        attributes[semconv.REQUEST_STREAM] = True
    subject = request.body.get(request.wire.subject)
    name = f"{request.wire.operation} {subject}" if subject and isinstance(subject, str) else request.wire.operation
    make = partial(
        telemetry.tracer.start_span,
        name,
        context=request.context,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        start_time=at,
    )
    owner = span_above(generates=request.wire.generates) if request.context is None else None
    return SharedSpan(owner, make, attributes) if owner is not None else make()


class Call:
    """The life of one call whose span is recording. Nothing in it raises into the caller's code."""

    __slots__ = (
        "__weakref__",
        "_ending",
        "_into",
        "_last_at",
        "_longest_gap",
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
        "accepted",
        "answer",
        "chunk_events",
        "chunks",
        "first_chunk_at",
        "progress",
        "received",
    )

    def __init__(self, telemetry: Telemetry, request: Request, started: Span, started_ns: int) -> None:
        self._telemetry = telemetry
        self._request = request
        self._span = started
        self._started, self._started_ns = perf_counter(), started_ns
        self.answer = Answer()
        self.chunk_events: ChunkEvents | None = None
        self._into: Sink = self.answer
        self._read = request.wire.read
        if request.streamed and telemetry.settings.chunks_on_span:
            self.chunk_events = ChunkEvents(request.wire.read, self.answer)
            self._read = self.chunk_events.read
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
        self._prompt: Prompt | None = None
        self._prompt_tokens: int | None = None
        if telemetry.settings.content_on_span:
            # Now, not at the end: the application may change its list of messages while the answer comes.
            self._prompt = request.wire.prompt(request.body)
            started.set_attributes(span.prompt_attributes(self._prompt))
        if telemetry.settings.pending_span:
            self._announce()
        telemetry.prices.warm_up()
        live.add(self)

    def _announce(self) -> None:
        """One span that is over at once, for who watches traces only; it has none of the names that tokens are counted by."""
        attributes = {**self._request.who, semconv.PENDING_NAME: str(getattr(self._span, "name", self._request.wire.operation))}
        context = set_span_in_context(self._span)
        at = self._started_ns
        self._telemetry.tracer.start_span(semconv.PENDING_SPAN, context, attributes=attributes, start_time=at).end(at)

    @property
    def streamed(self) -> bool:
        """Whether the caller asked for a stream."""
        return self._request.streamed

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
        self._end(self._unless_over(outcome.leaving()))

    @guard("ending a call")
    def stopped(self, error: BaseException) -> None:
        """Sending the request or reading the stream raised ``error``, which goes on to the caller."""
        kind = outcome.classify(error)
        if self.received is not None:
            self.accepted = True
            self._read(self.received, self._into)
        self._end(kind if kind == FAILED else self._unless_over(kind), error=error)

    @guard("ending a call")
    def abandon(self, at: float) -> None:
        """The stream was dropped, or the process ends."""
        self._end(self._unless_over(ABANDONED), at=at)

    # --- while it runs: all on the thread that watches running calls ---

    def look(self, now: float) -> None:
        """Notes how far the stream has come, tells those who follow it, and ends one that was forgotten."""
        self.progress.note(now, self.answer, self.chunks)
        if self._request.streamed:
            self._tell(now)
            timeout = self._telemetry.settings.idle_timeout
            if timeout and self.accepted and self._silence(now) >= timeout:
                self.abandon(now)

    def _silence(self, now: float) -> float:
        return now - (self._last_at if self.chunks else self._started)

    def _tell(self, now: float) -> None:
        if self._progress_log is None:
            if not self._telemetry.reports_progress:
                return
            interval = self._telemetry.settings.progress_interval
            request = self._request
            facts = span.identifying_attributes(request.wire.operation, request.provider, request.model)
            facts |= who.unless_said(request.who, request.wire.request(request.body))
            self._progress_log = ProgressLog(self._telemetry.logger, self._span, facts, interval, self._started)
        if state := self._progress_log.ask(now, self.chunks):
            standing = self._stand(state, now)
            self._show(standing.preview)
            self._progress_log.emit(standing, self._wall(now))

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
        tail = answer.preview(span.text_limit(self._span, settings.stream_preview_chars or span.SAMPLE_CHARS))
        is_charged = wire.estimates and not (wire.opaque or wire.fetches)
        tokens = span.estimate_output(answer.characters, tail) if is_charged else None
        return Standing(
            state=state,
            elapsed=now - self._started,
            silence=self._silence(now),
            chunks=self.chunks,
            characters=answer.characters,
            output_tokens=tokens,
            is_estimated=is_charged,
            cost=None if tokens is None else self._cost_so_far(tokens),
            preview=tail if settings.content_in_logs and settings.stream_preview_chars else "",
        )

    def _cost_so_far(self, output_tokens: int) -> float | None:
        usage = replace(self.answer.reported, output_tokens=output_tokens)
        if usage.total_input_tokens is None:
            if self._prompt_tokens is None:
                self._prompt_tokens = self._estimate_prompt()
            usage.input_tokens = self._prompt_tokens
        price = self._telemetry.prices.price(self._request.provider, (self.answer.model, self._request.model), usage)
        return None if price is None else float(price.total)

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
            with self._ending:
                self._conclude(kind, error, at)
                self._span.end(self._wall(at))

    @guard("writing a span")
    def _conclude(self, kind: str, error: BaseException | None, at: float) -> None:
        self._write_error(kind, error)
        result = self._result()
        self._span.set_attributes({semconv.OUTCOME: kind, **result, **self._timing(), **self._marks(kind, result, at)})
        self._write_events()
        if self._progress_log is not None:  # the other thread's work: this one is the application's
            live.later(partial(self._progress_log.emit, self._stand_at_the_end(kind, result, at), self._wall(at)))

    def _marks(self, kind: str, result: Attributes, at: float) -> Attributes:
        """Why the call is worth keeping, if it is."""
        if not (rules := self._telemetry.settings.keep):
            return {}
        get: Callable[..., Any] = result.get
        marks = keep.marks(rules, keep.Ended(kind, at - self._started, get(semconv.COST_TOTAL), self._longest_gap))
        return {semconv.KEEP: marks} if marks else {}

    def _stand_at_the_end(self, kind: str, result: Attributes, at: float) -> Standing:
        get: Callable[..., Any] = result.get
        return Standing(
            state=kind,
            elapsed=at - self._started,
            silence=self._silence(at),
            chunks=self.chunks,
            characters=self.answer.characters,
            output_tokens=get(semconv.USAGE_OUTPUT_TOKENS),
            is_estimated="output_tokens" in get(semconv.USAGE_ESTIMATED, ()),
            cost=get(semconv.COST_TOTAL),
            preview=get(semconv.PREVIEW, ""),
        )

    def _wall(self, at: float) -> int:
        """A moment of `time.perf_counter` as nanoseconds since the epoch, on the span's own clock."""
        return self._started_ns + int((at - self._started) * 1e9)

    def _write_error(self, kind: str, error: BaseException | None) -> None:
        if kind not in {FAILED, TRUNCATED}:
            return
        code, message = self.answer.failure or (TRUNCATED, "the stream ended without the provider's terminal event")
        if error is not None:
            code, message = outcome.error_type(error), outcome.error_message(error)
        self._span.set_attribute(semconv.ERROR_TYPE, code)
        # The provider's message may quote the prompt.
        description = outcome.scrub(message) if self._telemetry.settings.content_on_span else code
        self._span.set_status(Status(StatusCode.ERROR, description))

    def _result(self) -> Attributes:
        answer, settings = self.answer, self._telemetry.settings
        attributes = span.response_attributes(answer, self._request.choices)
        if settings.content_on_span:
            preview_chars = span.text_limit(self._span, settings.stream_preview_chars)
            attributes |= span.content_attributes(answer, self._request.choices, preview_chars)
        return attributes | self._charges()

    def _charges(self) -> Attributes:
        """Usage and cost; or, of an answer that is paid for on another span, why they are not on this one."""
        if self.accepted and (omitted := self._omits_usage()):
            self.answer.reported, self.answer.charged = Usage(), None
            return {semconv.USAGE_OMITTED: omitted}
        wire, usage, estimated = self._request.wire, self.answer.reported, list[str]()
        if self.accepted and wire.estimates and not wire.opaque and not self._unread:
            estimated = span.complete_usage(self.answer, self._estimate_prompt, generates=wire.generates)
        attributes = span.usage_attributes(usage, estimated)
        if self.answer.charged is not None:
            return attributes | span.cost_attributes(reported(self.answer.charged))
        if usage.total_input_tokens is not None and (usage.output_tokens is not None or not wire.generates):
            models = (self.answer.model, self._request.model)
            return attributes | span.cost_attributes(self._telemetry.prices.price(self._request.provider, models, usage))
        return attributes | span.cost_attributes(None) if self.accepted and not wire.estimates else attributes

    def _omits_usage(self) -> str | None:
        """Why the usage of an accepted call is not on its span, if it is not.

        Each answer is charged on one span. That is the span of the request that made it, unless the provider makes it in the
        background: then it is the first span in this process that sees its usage. Before that there is nothing to estimate, as
        the answer goes on.

        Returns:
            ``counted`` if another span has the usage, ``unreported`` if one will have it, or could; ``None`` if this one has.
        """
        answer, fetches = self.answer, self._request.wire.fetches
        if not (answer.in_background or fetches):
            return None
        if answer.reported == Usage():
            return "unreported"
        first = answer.in_background and self._telemetry.counted.claim(answer.response_id)
        return None if first else "counted"

    def _estimate_prompt(self) -> int:
        return span.estimate_prompt(self._prompt or self._request.wire.prompt(self._request.body))

    def _timing(self) -> Attributes:
        if not self._request.streamed:
            return {}
        attributes: Attributes = {semconv.CHUNKS: self.chunks}
        if self.chunks:
            attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_at - self._started
            attributes[semconv.LONGEST_GAP_MS] = round(self._longest_gap * 1e3)
        if (first := self.answer.first_content_at) is not None:
            attributes[semconv.TIME_TO_FIRST_CONTENT_MS] = round((first - self._started) * 1e3)
            if (tokens := self.answer.reported.output_tokens) and (seconds := self._last_at - first) > 0:
                attributes[semconv.OUTPUT_TOKENS_PER_SECOND] = round(tokens / seconds, 3)
        return attributes

    def _write_events(self) -> None:
        limit = span.event_limit(self._span)
        # Chunks come first where there is little room; and the thread that makes the marks may still be at it.
        marks = tuple(self.progress.marks) if limit >= 2 * MOST else ()
        for mark in marks:
            attributes = {
                semconv.PROGRESS_OFFSET: round(mark.at - self._started, 3),
                semconv.PROGRESS_CHARACTERS: mark.characters,
                semconv.PROGRESS_CHUNKS: mark.chunks,
            }
            self._span.add_event(semconv.PROGRESS_EVENT, attributes, self._wall(mark.at))
        if self.chunk_events is not None:
            content = self._telemetry.settings.content_on_span
            for chunk in self.chunk_events.merged(limit - len(marks)):
                attributes = chunk.attributes(self._started, content=content)
                self._span.add_event(semconv.CHUNK_EVENT, attributes, self._wall(chunk.at))
