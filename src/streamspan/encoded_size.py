"""How many bytes spans and log records have on the wire: never too few, and without encoding them: that is the exporter's work.

The numbers are what OTLP's protobuf has around the values: tags, lengths, ids and times.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext

_VALUE: Final = 10
_NUMBER: Final = 16
_KEY: Final = 8
_ITEM: Final = 128
"""A span or a log record without its texts, attributes, events and links."""
_EVENT: Final = 32
_LINK: Final = 64
_SCOPE: Final = 64
"""A resource and a scope without their texts and attributes."""


def text_size(text: str | None) -> int:
    """The bytes of a text, also of one with halves of surrogate pairs in it."""
    if not text or text.isascii():
        return len(text or "")
    return len(text.encode(errors="surrogatepass"))


def value_size(value: Any) -> int:
    """The bytes of an attribute's value, or a log's body, of any depth."""
    if isinstance(value, str):
        return _VALUE + text_size(value)
    if isinstance(value, int | float):  # before what is asked of abstract classes, which takes longer
        return _NUMBER
    if isinstance(value, bytes):
        return _VALUE + len(value)
    if isinstance(value, Mapping):
        return _VALUE + attributes_size(cast("Mapping[str, Any]", value))
    if isinstance(value, Sequence):
        return _VALUE + sum(map(value_size, cast("Sequence[Any]", value)))
    return _NUMBER


def attributes_size(attributes: Mapping[str, Any] | None) -> int:
    """The bytes of all attributes."""
    size = 0
    for key, value in (attributes or {}).items():  # nearly all are short texts in ASCII: no calls for those
        name = str(key)
        size += _KEY + (len(name) if name.isascii() else text_size(name))
        if value.__class__ is str:
            size += _VALUE + (len(value) if value.isascii() else text_size(value))
        else:
            size += value_size(value)
    return size


def event_size(event: Event) -> int:
    """The bytes of a span event."""
    return _EVENT + text_size(event.name) + attributes_size(event.attributes)


def span_size(span: ReadableSpan) -> int:
    """The bytes of a span, without its resource and scope."""
    texts = text_size(span.name) + text_size(span.status.description) + _trace_state_size(span.context)
    links = sum(map(_link_size, span.links))
    return _ITEM + texts + links + attributes_size(span.attributes) + sum(map(event_size, span.events))


def log_record_size(record: ReadableLogRecord) -> int:
    """The bytes of a log record, without its resource and scope."""
    log = record.log_record
    texts = text_size(log.severity_text) + text_size(log.event_name)
    return _ITEM + texts + value_size(log.body) + attributes_size(log.attributes)


def group_size(resource: Resource, scope: InstrumentationScope | None) -> int:
    """The bytes of what is said once in a request for all of its spans, or log records, that share it."""
    size = _SCOPE + attributes_size(resource.attributes) + text_size(resource.schema_url)
    if scope is None:
        return size
    return size + attributes_size(scope.attributes) + sum(map(text_size, (scope.name, scope.version, scope.schema_url)))


def _link_size(link: Link) -> int:
    return _LINK + attributes_size(link.attributes) + _trace_state_size(link.context)


def _trace_state_size(context: SpanContext | None) -> int:
    return sum(len(key) + len(value) + 2 for key, value in context.trace_state.items()) if context else 0
