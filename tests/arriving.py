"""What programs send to the viewer, made of plain values."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from streamspan import semconv

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
START = time.time_ns() - 60_000_000_000
MS = 1_000_000


def span(
    attributes: Mapping[str, Any] | None = None,
    *,
    name: str = "chat gpt-4.1",
    trace_id: str = TRACE,
    span_id: str = SPAN,
    parent_id: str = "",
    start: int = START,
    ms: int = 1500,
    failed: bool = False,
    events: Iterable[tuple[str, int, Mapping[str, Any]]] = (),
) -> ExportTraceServiceRequest:
    """A request with one span, whose events are (name, milliseconds from the start, attributes)."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.extend(pairs({"service.name": "shop"}))
    made = of_resource.scope_spans.add().spans.add()
    made.trace_id, made.span_id, made.parent_span_id = map(bytes.fromhex, (trace_id, span_id, parent_id))
    made.name, made.start_time_unix_nano, made.end_time_unix_nano = name, start, start + ms * MS
    made.status.code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
    made.attributes.extend(pairs(attributes or {}))
    for event_name, at, said in events:
        made.events.add(name=event_name, time_unix_nano=start + at * MS, attributes=pairs(said))
    return request


def ours(outcome: str = "completed", model: str = "gpt-4.1", **more: Any) -> dict[str, Any]:
    """The attributes of a call that streamspan observed."""
    return {semconv.OUTCOME: outcome, semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: model, **more}


def log(
    attributes: Mapping[str, Any],
    *,
    name: str = semconv.PROGRESS_EVENT,
    body: Any = None,
    trace_id: str = TRACE,
    span_id: str = SPAN,
    at: int = START,
) -> ExportLogsServiceRequest:
    """A request with one log event."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.extend(pairs({"service.name": "shop"}))
    record = of_resource.scope_logs.add().log_records.add()
    record.trace_id, record.span_id = bytes.fromhex(trace_id), bytes.fromhex(span_id)
    record.event_name, record.time_unix_nano = name, at
    record.attributes.extend(pairs(attributes))
    if body is not None:
        record.body.CopyFrom(value(body))
    return request


def progress(text: str, elapsed: int, sequence: int, state: str = "running", **ids: str) -> ExportLogsServiceRequest:
    """What is heard of a call that runs."""
    told = {
        semconv.OPERATION_NAME: "chat",
        semconv.REQUEST_MODEL: "gpt-4.1",
        semconv.PROGRESS_STATE: state,
        semconv.PROGRESS_SEQUENCE: sequence,
        semconv.ELAPSED_MS: elapsed,
        semconv.CHARACTERS: len(text),
        semconv.CHUNKS: sequence,
        semconv.PREVIEW: text,
        semconv.USAGE_OUTPUT_TOKENS: 2 * sequence,
        **({semconv.STALLED_MS: 3000} if state == "stalled" else {}),
    }
    return log(told, at=START + elapsed * MS, **ids)


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=value(each)) for key, each in attributes.items()]


def value(plain: Any) -> AnyValue:
    """A value as OTLP has it."""
    match plain:
        case bool():
            return AnyValue(bool_value=plain)
        case int():
            return AnyValue(int_value=plain)
        case float():
            return AnyValue(double_value=plain)
        case str():
            return AnyValue(string_value=plain)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(value, cast("list[Any]", plain))))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(cast("dict[str, Any]", plain))))
        case _:
            return AnyValue()
