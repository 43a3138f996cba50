"""From OTLP logs to the events that tell of a call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from streamspan.viewer import otlp


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A log record that has a name and belongs to a span."""

    trace_id: str
    span_id: str
    name: str
    at_ns: int
    attributes: Mapping[str, Any]
    body: Any = None
    resource: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[str, str]:
        """The span that it belongs to."""
        return self.trace_id, self.span_id


def events(request: ExportLogsServiceRequest) -> Iterator[LogEvent]:
    """The events of the request, in its order; other log records are passed over."""
    for of_resource in request.resource_logs:
        resource = otlp.attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                if (name := _name(record)) and record.trace_id and record.span_id:
                    yield _event(name, record, resource)


def _name(record: LogRecord) -> str:
    """The record's name; older programs have it as an attribute."""
    old = (pair.value.string_value for pair in record.attributes if pair.key == "event.name")
    return record.event_name or next(old, "")


def _event(name: str, record: LogRecord, resource: Mapping[str, Any]) -> LogEvent:
    return LogEvent(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        name=name,
        at_ns=min(record.time_unix_nano or record.observed_time_unix_nano, 2**63 - 1),
        attributes=otlp.attributes(record.attributes),
        body=otlp.value(record.body),
        resource=resource,
    )
