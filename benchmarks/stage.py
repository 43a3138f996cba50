"""Where one sample is taken: a client, a span pipeline that ends in nothing, and one tracer to switch on and off."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bodies import cut
from calls import SURFACES, Session
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tracers import TRACERS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan


class Stage:
    """One surface and one tracer, switched off."""

    def __init__(self, surface: str, tracer: str) -> None:
        self.session = Session(SURFACES[surface])
        self.provider = self.session.surface.provider
        self._pipeline = Pipeline(TRACERS[tracer].signals)
        self._switch = TRACERS[tracer].switch(self.provider.sdk)
        # The SDKs load their resources on first use.
        self.session.stream(self.provider.write(cut(1)))
        self._originals = Originals(self.provider.sdk)

    @contextmanager
    def instrumented(self) -> Generator[None]:
        """The tracer is on inside; afterwards the SDK is as it was and the queue of spans is empty."""
        self._switch.instrument(**self._pipeline.providers)
        try:
            yield
        finally:
            self._switch.uninstrument()
            self._originals.restore()
            self._pipeline.flush()

    def inspect(self) -> dict[str, Any]:
        """How many spans one call makes, whether one holds the output, and how many a call makes once the tracer is off."""
        pieces = cut(20)
        body, spans = self.provider.write(pieces), self._pipeline.watch()
        with self.instrumented():
            self.session.stream(body)
        made, held = len(spans), any(holds(span, "".join(pieces)) for span in spans)
        self.session.stream(body)
        self._pipeline.flush()
        return {"spans": made, "holds_output": held, "spans_when_off": len(spans) - made}

    def close(self) -> None:
        """Stop the pipeline's thread and the client's loop."""
        self._pipeline.close()
        self.session.close()


class Originals:
    """The methods of an SDK's clients and resources as they are now, to put back what a tracer's uninstrument() leaves behind."""

    def __init__(self, sdk: str) -> None:
        self._held = [(owner, name, value) for owner in _owners(sdk) for name, value in vars(owner).items() if callable(value)]

    def restore(self) -> None:
        """Put back what is no longer there."""
        for owner, name, value in self._held:
            if vars(owner).get(name) is not value:
                setattr(owner, name, value)


def _owners(sdk: str) -> set[type[Any]]:
    package = "google.genai" if sdk == "google-genai" else sdk
    parts = ("resources", "_base_client", "_client", "models", "chats", "client")
    places = tuple(f"{package}.{part}" for part in parts)
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(places)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {owner for owner in found if owner.__module__.startswith(places)}


class Drain(SpanExporter):
    """Drops what it is given; it notes it first while it is watched."""

    def __init__(self) -> None:
        self.watched: list[ReadableSpan] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop the spans."""
        if self.watched is not None:
            self.watched.extend(spans)
        return SpanExportResult.SUCCESS


class LogDrain(LogRecordExporter):
    """Drops log records."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:  # noqa: ARG002
        """Drop them."""
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002
        """Nothing to flush."""
        return True

    def shutdown(self) -> None:
        """Nothing to shut down."""


class Pipeline:
    """The standard SDK pipeline, a batch processor on its own thread, with nothing behind it.

    Args:
        signals: What it takes, as `Tracer.signals` says it.
    """

    def __init__(self, signals: AbstractSet[str]) -> None:
        self._drain = Drain()
        self.provider = TracerProvider(shutdown_on_exit=False, sampler=None if "spans" in signals else ALWAYS_OFF)
        self.provider.add_span_processor(BatchSpanProcessor(self._drain))
        self.providers: dict[str, Any] = {"tracer_provider": self.provider}
        if "metrics" in signals:
            self.providers["meter_provider"] = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
        if "logs" in signals:
            self.providers["logger_provider"] = LoggerProvider(shutdown_on_exit=False)
            self.providers["logger_provider"].add_log_record_processor(BatchLogRecordProcessor(LogDrain()))

    def flush(self) -> None:
        """Empty the queues, so that no sample pays for the spans of another."""
        for provider in self.providers.values():
            provider.force_flush()

    def watch(self) -> list[ReadableSpan]:
        """The spans that end from now on."""
        self.flush()
        self._drain.watched = []
        return self._drain.watched

    def close(self) -> None:
        """Stop the threads."""
        for provider in self.providers.values():
            provider.shutdown()


def holds(span: ReadableSpan, text: str) -> bool:
    """Whether the text stands somewhere on the span, in an attribute or in an event."""
    return any(text in str(value) for value in _values(span))


def _values(span: ReadableSpan) -> Iterator[Any]:
    yield from (span.attributes or {}).values()
    for event in span.events:
        yield from (event.attributes or {}).values()
