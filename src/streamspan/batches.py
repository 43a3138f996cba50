"""Exporters that send a batch in as many requests as its size needs, so that no receiver refuses it for being too large.

OpenTelemetry's processors count spans, 512 to a request; receivers count bytes, and refuse all 512 if there are too many.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from streamspan.encoded_size import group_size, log_record_size, span_size
from streamspan.errors import guard, logger
from streamspan.oversize import shortened_log_record, shortened_span

REQUEST_BYTES: Final = 3 * 1024 * 1024
"""How large a request becomes: receivers over gRPC take 4 MiB unless they are told otherwise, those over HTTP 20 MiB and more."""

PATIENCE: Final = 30.0
"""How many seconds the failing requests of one batch may take together: a receiver that is gone must not hold up the exit."""

Item = TypeVar("Item", ReadableSpan, ReadableLogRecord)


class SizedSpanExporter(SpanExporter):
    """Sends spans through another exporter, in requests that no receiver refuses for their size.

    A span that is too large on its own is sent shortened; ``streamspan.content.truncated`` names what was cut.

    Args:
        exporter: What sends: OTLP over HTTP or gRPC, or any other.
        request_bytes: How many bytes a request may have; 3 MiB unless given.

    Example:
        >>> provider.add_span_processor(BatchSpanProcessor(SizedSpanExporter(OTLPSpanExporter())))
    """

    def __init__(self, exporter: SpanExporter, request_bytes: int = REQUEST_BYTES) -> None:
        self._exporter = exporter
        self._requests = Requests(request_bytes, span_size, shortened_span)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends all spans; a failure if any of the requests fails, but the others are sent.

        Args:
            spans: As many as there are.
        """
        sent = self._requests.send(spans, lambda part: self._exporter.export(part) is SpanExportResult.SUCCESS)
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Shuts the exporter down; requests that were not begun are given up.

        Args:
            timeout_millis: How many milliseconds the exporter may take for it, if it can be told.
        """
        self._requests.closed = True
        _shut_down(self._exporter, timeout_millis)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flushes the exporter; whether it has.

        Args:
            timeout_millis: How many milliseconds it may take.
        """
        return self._exporter.force_flush(timeout_millis)


class SizedLogRecordExporter(LogRecordExporter):
    """Sends log records through another exporter, as `SizedSpanExporter` does spans.

    Args:
        exporter: What sends: OTLP over HTTP or gRPC, or any other.
        request_bytes: How many bytes a request may have; 3 MiB unless given.

    Example:
        >>> provider.add_log_record_processor(BatchLogRecordProcessor(SizedLogRecordExporter(OTLPLogExporter())))
    """

    def __init__(self, exporter: LogRecordExporter, request_bytes: int = REQUEST_BYTES) -> None:
        self._exporter = exporter
        self._requests = Requests(request_bytes, log_record_size, shortened_log_record)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Sends all records; a failure if any of the requests fails, but the others are sent.

        Args:
            batch: As many as there are.
        """
        sent = self._requests.send(batch, lambda part: self._exporter.export(part) is LogRecordExportResult.SUCCESS)
        return LogRecordExportResult.SUCCESS if sent else LogRecordExportResult.FAILURE

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Shuts the exporter down; requests that were not begun are given up.

        Args:
            timeout_millis: How many milliseconds the exporter may take for it, if it can be told.
        """
        self._requests.closed = True
        _shut_down(self._exporter, timeout_millis)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flushes the exporter; whether it has.

        Args:
            timeout_millis: How many milliseconds it may take.
        """
        return self._exporter.force_flush(timeout_millis)


class Requests(Generic[Item]):
    """Cuts batches into requests, and has all of them sent.

    Args:
        most: How many bytes a request may have.
        size: How many bytes an item has.
        shortened: An item that is cut to so many bytes.
    """

    def __init__(self, most: int, size: Callable[[Item], int], shortened: Callable[[Item, int], Item]) -> None:
        self.most = most
        self._size = size
        self._shortened = shortened
        self.closed = False

    def send(self, items: Sequence[Item], export: Callable[[list[Item]], bool]) -> bool:
        """Whether every request was taken. What one of them raises is raised when the others have been sent."""
        failures, wasted, given_up, errors = 0, 0.0, 0, list[Exception]()
        for part in self.of(items):
            if self.closed or wasted > PATIENCE:
                given_up += len(part)
                continue
            began = monotonic()
            try:
                taken = export(part)
            except Exception as error:
                errors.append(error)
                taken = False
            if not taken:
                failures += 1
                wasted += monotonic() - began
        if given_up:
            why = "the pipeline is shut down" if self.closed else f"requests have failed for {wasted:.0f} s"
            logger.error("%d of %d spans or log records are given up: %s", given_up, len(items), why)
        if errors:
            raise errors[0]
        return not failures and not given_up

    def of(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """The items in their order, as many to a request as it has room for."""
        room = max(self.most - _groups_size(items), self.most // 2)
        part, left = list[Item](), room
        for whole in items:
            item, size = self._fitted(whole, room) or (whole, room)
            if part and size > left:
                yield part
                part, left = [], room
            part.append(item)
            left -= size
        if part:
            yield part

    @guard("reckoning the size of a span or log record")
    def size(self, item: Item) -> int:
        """How many bytes an item has."""
        return self._size(item)

    @guard("fitting a span or log record into a request")
    def _fitted(self, item: Item, room: int) -> tuple[Item, int]:
        """The item, or what is sent in its place if it alone is too large, and its size."""
        if (size := self._size(item)) <= room:
            return item, size
        return self._shortened(item, room), room


def _groups_size(items: Sequence[ReadableSpan | ReadableLogRecord]) -> int:
    """The size of every resource and scope of the batch; few batches have more than one resource."""
    groups = {(id(item.resource), id(item.instrumentation_scope)): item for item in items}
    return sum(group_size(item.resource, item.instrumentation_scope) for item in groups.values())


def _shut_down(exporter: SpanExporter | LogRecordExporter, timeout_millis: float) -> None:
    """As OpenTelemetry's processors do it: some exporters can be told how long they may take."""
    takes_time = "timeout_millis" in inspect.signature(exporter.shutdown).parameters
    arguments: dict[str, Any] = {"timeout_millis": timeout_millis} if takes_time else {}
    exporter.shutdown(**arguments)
