"""From OTLP to rows: the few facts about each span that the viewer shows."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from streamspan import semconv

_SERVICE_NAME: Final = "service.name"


@dataclass(frozen=True, slots=True)
class Call:
    """One finished model call; None is what its span does not say."""

    operation: str
    model: str
    outcome: str
    first_content_ms: int | None = None
    tokens_per_second: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: frozenset[str] = frozenset()
    cost: float | None = None
    unpriced: bool = False
    error: str = ""
    preview: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One span: its place in the trace, and the call if it is one."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    start_ns: int
    end_ns: int
    failed: bool
    call: Call | None

    @property
    def seconds(self) -> float:
        """How long it took; never negative, whatever the clocks said."""
        return max(self.end_ns - self.start_ns, 0) / 1e9


def rows(request: ExportTraceServiceRequest) -> Iterator[Row]:
    """A row for every span of the request, in its order."""
    for of_resource in request.resource_spans:
        service = str(_attributes(of_resource.resource.attributes).get(_SERVICE_NAME, ""))
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _row(span, service)


def _row(span: Span, service: str) -> Row:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return Row(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        service=service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        failed=failed,
        call=_call(_attributes(span.attributes), failed=failed, message=span.status.message),
    )


def _call(found: Mapping[str, Any], *, failed: bool, message: str) -> Call | None:
    """The call that the attributes describe, whoever wrote them; None if they describe none."""
    if semconv.OPERATION_NAME not in found and semconv.OUTCOME not in found:
        return None
    error = str(found.get(semconv.ERROR_TYPE, "error" if failed else ""))
    return Call(
        operation=str(found.get(semconv.OPERATION_NAME, "")),
        model=str(found.get(semconv.REQUEST_MODEL) or found.get(semconv.RESPONSE_MODEL) or "unknown model"),
        outcome=str(found.get(semconv.OUTCOME) or ("failed" if failed else "ended")),
        first_content_ms=_first_content_ms(found),
        tokens_per_second=_number(found.get(semconv.OUTPUT_TOKENS_PER_SECOND)),
        input_tokens=_whole(found.get(semconv.USAGE_INPUT_TOKENS)),
        output_tokens=_whole(found.get(semconv.USAGE_OUTPUT_TOKENS)),
        cached_tokens=_whole(found.get(semconv.USAGE_CACHE_READ_INPUT_TOKENS)),
        reasoning_tokens=_whole(found.get(semconv.USAGE_REASONING_OUTPUT_TOKENS)),
        estimated=_names(found.get(semconv.USAGE_ESTIMATED)),
        cost=_number(found.get(semconv.COST_TOTAL, found.get(semconv.USAGE_COST))),
        unpriced=found.get(semconv.COST_UNPRICED) is True,
        error=f"{error}: {message}" if error and message and message != error else error,
        preview=str(found.get(semconv.PREVIEW) or _said(found.get(semconv.OUTPUT_MESSAGES))),
    )


def _first_content_ms(found: Mapping[str, Any]) -> int | None:
    """Milliseconds to the first content; of a span that is not ours, to the first chunk."""
    seconds = _number(found.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK))
    if semconv.OUTCOME in found or seconds is None:
        return _whole(found.get(semconv.TIME_TO_FIRST_CONTENT_MS))
    return int(seconds * 1000)


def _said(messages: Any) -> str:
    """What the output messages hold, for a span without a preview: its text, or the tools it asks for."""
    try:
        parts = [part for message in json.loads(messages) for part in message["parts"]]
        return "\n".join(filter(None, map(_part, parts)))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return ""


def _part(part: Mapping[str, Any]) -> str:
    match part:
        case {"type": "text", "content": text}:
            return str(text)
        case {"type": "tool_call", "name": name}:
            return f"{name}({json.dumps(part.get('arguments'))})"
        case _:
            return ""


# --- attribute values ------------------------------------------------------------------------------------------------


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    """The scalar, or the list of scalars; what is nested deeper is not shown and becomes None."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_scalar(item) for item in value.array_value.values]
    return _scalar(value)


def _scalar(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "int_value", "double_value", "bool_value") else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(str, cast("list[Any]", value))) if isinstance(value, list) else frozenset()
