"""What sends spans and log records under our distribution, in place of OpenTelemetry's batch processors.

Those forget a batch whose request has failed for ten seconds, hold any number of bytes, do not count what they drop, and may keep
a process from its exit for half a minute for each signal. Here a batch goes back to the head of the queue until it is taken, or
there is no room for it any more. The application does nothing but append to the queue.
"""

import copy
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import SystemRandom
from time import monotonic
from typing import Final, Generic, Self, TypeVar

from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from streamspan import routes
from streamspan.batches import REQUEST_BYTES, Requests
from streamspan.encoded_size import log_record_size, span_size
from streamspan.errors import guard, logger
from streamspan.outages import Outages
from streamspan.oversize import shortened_log_record, shortened_span
from streamspan.routes import Refusal
from streamspan.waiting import Waiting

QUEUE_BYTES: Final = 128 * 1024 * 1024
"""How much may wait to be sent, of each signal."""
SMALLEST: Final = 256 * 1024
"""Bytes. Requests are not made smaller than this, however often they are called too large."""
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts at the most, unless the receiver asks for more: so late it is noticed that it is back."""
_PAUSE_AT_EXIT: Final = 0.25
_AT_ONCE: Final = 0.7
"""Seconds. Exporters that do not say why they failed have tried for longer than this what is worth another attempt."""

_chance: Final = SystemRandom()
"""Not that of the module `random`, whose numbers are the application's: it may have seeded it, and count on what comes."""

Item = TypeVar("Item", ReadableSpan, ReadableLogRecord)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much waits, and for how long."""

    delay: float
    """Seconds between two looks into the queue."""
    batch: int = 512
    """How many go into one request."""
    count: int = 2048
    """How many may wait."""
    size: int = QUEUE_BYTES
    """How many bytes may wait."""

    @classmethod
    def from_environment(cls, prefix: str) -> Self:
        """What ``OTEL_BSP_...`` or ``OTEL_BLRP_...`` say, as OpenTelemetry's processors read them."""
        count = _number(f"{prefix}_MAX_QUEUE_SIZE", 2048)
        batch = _number(f"{prefix}_MAX_EXPORT_BATCH_SIZE", 512)
        return cls(_number(f"{prefix}_SCHEDULE_DELAY", 1000) / 1e3, min(batch, count), count)


class Delivery(Generic[Item]):
    """A queue, and the thread that empties it.

    Args:
        signal: What it delivers, for the log.
        export: Hands a request to an exporter; whether that has succeeded.
        requests: How batches become requests.
        limits: How much waits.
        outages: Who says what does not arrive.
    """

    def __init__(
        self, signal: str, export: Callable[[list[Item]], bool], requests: Requests[Item], limits: Limits, outages: Outages
    ) -> None:
        self._signal = signal
        self._export = export
        self._requests = requests
        self._limits = limits
        self._outages = outages
        self._begin()
        if hasattr(os, "register_at_fork"):
            begin = weakref.WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def _begin(self) -> None:
        """In the process that made it, and in every child: what waits at a fork is sent by the parent."""
        self._changed = threading.Condition()
        self._waiting = Waiting[Item](self._limits.count, self._limits.size)
        self._sending = 0
        self._attempts = 0
        self._failures = 0
        """Attempts that failed since one was taken."""
        self._is_asked = self._is_closed = self._has_arrived = False
        self._wait = 0.0
        self._thread = threading.Thread(target=self._run, name=f"streamspan-{self._signal}", daemon=True)
        self._thread.start()

    # --- what the application's threads do ---

    def put(self, item: Item) -> None:
        """Appends an item; it is never waited for."""
        size = self._requests.size(item) or 0
        with self._changed:
            if not self._is_closed:
                self._waiting.put(item, size)
                if self._is_due():
                    self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Has all sent that waits, and says whether it was. A receiver that takes nothing is not waited for."""
        with self._changed:
            attempts = self._attempts
            self._ask()
            self._changed.wait_for(lambda: not self._left or (self._failures and self._attempts > attempts), seconds)
            return not self._left

    def close(self, seconds: float) -> bool:
        """Has all sent that waits, and drops what could not be; false if that was done before."""
        self._outages.leave()
        with self._changed:
            if self._is_closed:
                return False
            self._is_closed = True
            self._ask()
        self._thread.join(self._outages.patience(seconds) if self._failures or not self._has_arrived else seconds)
        with self._changed:
            lost = self._left + self._waiting.dropped()
            self._waiting.take(lost, self._waiting.size)
        if lost:
            self._outages.dropped(self._signal, lost, "there was no time left for them at exit")
        return True

    def _ask(self) -> None:
        self._is_asked = True
        self._changed.notify_all()

    @property
    def _left(self) -> int:
        return len(self._waiting) + self._sending

    # --- what its own thread does ---

    def _run(self) -> None:
        with suppress_instrumentation():
            while self._is_wanted():
                self._send(self._taken())
                self._tell()

    def _is_wanted(self) -> bool:
        """Waits until there is something to do; whether there still is."""
        with self._changed:
            self._changed.wait_for(self._is_due, self._pause())
            self._is_asked &= bool(self._waiting)
            if not self._is_closed:
                return True
            return bool(self._waiting) and not (self._failures and self._outages.is_over())

    def _is_due(self) -> bool:
        """Whether there is no need to wait for more, or longer."""
        if self._is_asked or self._failures:
            return self._is_asked
        return self._is_closed or len(self._waiting) >= self._limits.batch or self._waiting.size >= self._requests.most

    def _pause(self) -> float:
        if not self._failures:
            return self._limits.delay
        if self._is_closed:
            return _PAUSE_AT_EXIT
        spread = _chance.uniform(0.8, 1.2)  # so that a thousand processes do not come at once
        return max(self._wait, spread * min(2.0 ** (self._failures - 1), _LONGEST_PAUSE))

    def _taken(self) -> list[Item]:
        with self._changed:
            batch = self._waiting.take(self._limits.batch, self._requests.most)
            self._sending = len(batch)
        return batch

    @guard("delivering telemetry")
    def _send(self, batch: list[Item]) -> None:
        """Sends a batch, as far as it is taken; what is worth another attempt goes back."""
        parts = list(self._requests.of(batch))
        while parts:
            refused = self._refusal(parts[0])
            if refused and refused.is_too_large and self._shrink(parts[0]) and not refused.may_pass:
                parts = list(self._requests.of([item for part in parts for item in part]))
            elif refused and refused.may_pass:
                self._put_back(refused, [item for part in parts for item in part])
                return
            else:
                self._settled(len(parts.pop(0)), refused)

    def _settled(self, count: int, refused: Refusal | None) -> None:
        """So many are taken, or refused for good."""
        if refused:
            self._outages.dropped(self._signal, count, refused.reason)
        with self._changed:
            self._sending -= count
            self._attempts += 1
            self._failures, self._wait = 0, 0.0
            self._has_arrived |= not refused
            self._changed.notify_all()
        if not refused and not self._left:
            self._tell()
            self._requests.most = REQUEST_BYTES
            self._outages.arrives(self._signal)

    def _put_back(self, refused: Refusal, items: Iterable[Item]) -> None:
        self._outages.failing(self._signal, refused.reason)
        sized = [(item, self._requests.size(item) or 0) for item in items]
        with self._changed:
            self._waiting.put_back(sized)
            self._sending, self._is_asked = 0, False
            self._attempts += 1
            self._failures, self._wait = self._failures + 1, refused.wait
            self._changed.notify_all()

    def _refusal(self, part: list[Item]) -> Refusal | None:
        """Why a request was not taken, as far as the exporter lets that be known."""
        began = monotonic()
        try:
            is_sent = self._export(part)
        except Exception as error:
            return Refusal(f"{type(error).__name__}: {error}", may_pass=False)
        if refused := routes.refusal():
            return refused
        if is_sent:
            return None
        return Refusal("the exporter has failed, and said why", may_pass=monotonic() - began > _AT_ONCE)

    def _shrink(self, part: list[Item]) -> bool:
        """Whether requests become smaller than this one, until all that waits has been sent."""
        size = sum(self._requests.size(item) or 0 for item in part)
        if is_large := size > SMALLEST:
            self._requests.most = max(size // 2, SMALLEST)
        return is_large

    def _tell(self) -> None:
        with self._changed:
            count = self._waiting.dropped()
        if count:
            self._outages.dropped(self._signal, count, f"more comes than is taken, and only {self._limits.count} may wait")


class SpanDelivery(SpanProcessor):
    """Delivers spans that are sampled.

    Args:
        exporter: What sends.
        outages: Who says what does not arrive.
        limits: How much waits; what the environment says unless given.
    """

    def __init__(self, exporter: SpanExporter, outages: Outages, limits: Limits | None = None) -> None:
        self._exporter = exporter
        self._delivery = Delivery[ReadableSpan](
            "spans",
            lambda spans: exporter.export(spans) is SpanExportResult.SUCCESS,
            Requests(REQUEST_BYTES, span_size, shortened_span),
            limits or Limits.from_environment("OTEL_BSP"),
            outages,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Has it sent."""
        if span.context and span.context.trace_flags.sampled:
            self._delivery.put(span)

    def shutdown(self) -> None:
        """Sends what waits, for 30 seconds at the most."""
        if self._delivery.close(30.0):
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int | None = 30_000) -> bool:
        """Sends what waits; whether it was taken."""
        return self._delivery.flush((timeout_millis or 30_000) / 1e3)


class LogRecordDelivery(LogRecordProcessor):
    """Delivers log records.

    Args:
        exporter: What sends.
        outages: Who says what does not arrive.
        limits: How much waits; what the environment says unless given.
    """

    def __init__(self, exporter: LogRecordExporter, outages: Outages, limits: Limits | None = None) -> None:
        self._exporter = exporter
        self._delivery = Delivery[ReadableLogRecord](
            "log records",
            lambda records: exporter.export(records) is LogRecordExportResult.SUCCESS,
            Requests(REQUEST_BYTES, log_record_size, shortened_log_record),
            limits or Limits.from_environment("OTEL_BLRP"),
            outages,
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Has it sent, without the context, which may hold anything."""
        record = copy.copy(log_record.log_record)
        record.context = Context()
        resource = log_record.resource or Resource.create({})
        self._delivery.put(ReadableLogRecord(record, resource, log_record.instrumentation_scope, log_record.limits))

    def shutdown(self) -> None:
        """Sends what waits, for 30 seconds at the most."""
        if self._delivery.close(30.0):
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what waits; whether it was taken."""
        return self._delivery.flush(timeout_millis / 1e3)


def _number(name: str, default: int) -> int:
    said = os.environ.get(name, "").strip()
    if said.isdigit() and int(said):
        return int(said)
    if said:
        logger.warning("%s=%s is no positive number: it is %d", name, said, default)
    return default
