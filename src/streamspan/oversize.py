"""A span or log record that is too large to be sent on its own: a copy that is not, and says what of it was shortened."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan

from streamspan import semconv
from streamspan.encoded_size import attributes_size, event_size, log_record_size, span_size, value_size
from streamspan.shortening import largest_cap, shorten, shorten_text, utf8_bytes

_BODY: Final = "body"
"""What the flag calls a log record's body."""
_FLAG: Final = 128
"""The flag's own bytes, without those of the keys that it names."""
_SHORTEST: Final = 64


def shortened_span(span: ReadableSpan, limit: int) -> ReadableSpan:
    """A copy of at most ``limit`` bytes: its largest attributes and its events' largest texts are cut, then old events go.

    Either may take half of the room, and what the other leaves of its half.
    """
    attributes, events = span.attributes or {}, span.events
    attributes_had, events_had = attributes_size(attributes), sum(map(event_size, events))
    room = limit - _FLAG - (span_size(span) - attributes_had - events_had) - sum(map(len, attributes))
    short_events: Sequence[Event] = events
    if events_had > (events_room := max(room // 2, room - attributes_had)):
        short_events = _shortened_events(span, events_room)
    left = room - sum(map(event_size, short_events))
    short, cut = _shortened_attributes(attributes, left)
    if short_events is not events:
        cut += dict.fromkeys(event.name for event in events)
    return _ShortenedSpan(span, _flagged(short, cut), short_events)


def shortened_log_record(record: ReadableLogRecord, limit: int) -> ReadableLogRecord:
    """A copy of at most ``limit`` bytes: its body, if that is the largest, and its largest attributes are cut."""
    log = copy.copy(record.log_record)
    had = log.attributes or {}
    texts = {**had, _BODY: log.body}
    rest = log_record_size(record) - attributes_size(had) - value_size(log.body)
    short, cut = _shortened_attributes(texts, limit - _FLAG - rest - sum(map(len, texts)))
    log.body = short.pop(_BODY)
    log.attributes = _flagged(short, cut)
    return dataclasses.replace(record, log_record=log)


def _shortened_attributes(attributes: Mapping[str, Any], room: int) -> tuple[dict[str, Any], list[str]]:
    """The attributes with the largest values cut so that all fit, and the keys of those."""
    sizes = {key: value_size(value) for key, value in attributes.items()}
    room -= attributes_size(attributes) - sum(sizes.values())
    if sum(sizes.values()) <= room:
        return dict(attributes), []
    cap = largest_cap(sizes.values(), room)
    short = {key: _shortened(value, cap) if sizes[key] > cap else value for key, value in attributes.items()}
    return short, [key for key, size in sizes.items() if size > cap]


def _shortened(value: Any, cap: int) -> Any:
    """The value in no more than that many bytes, as far as its type allows that."""
    room = max(0, cap - value_size(""))
    if isinstance(value, str):
        return shorten_text(value, room, utf8_bytes)[0]
    if isinstance(value, bytes):
        return value[:room]
    if not isinstance(value, Mapping | Sequence):
        return value
    short, _ = shorten(cast("Any", value), room, utf8_bytes)
    while room and (size := value_size(short)) > cap:
        room = room * cap // size  # what is structured is longer on the wire than in JSON, by how much depends on what is left
        short, _ = shorten(value, room, utf8_bytes)
    return short


def _shortened_events(span: ReadableSpan, room: int) -> Sequence[Event]:
    """The span's events with their largest texts cut, and only the newest of them where all are too many."""
    events = span.events
    sizes = [value_size(value) for event in events for value in (event.attributes or {}).values()]
    around = sum(map(event_size, events)) - sum(sizes)
    cap = max(_SHORTEST, largest_cap(sizes, room - around)) if sizes else _SHORTEST
    newest: list[Event] = []
    for event in reversed(events):
        short = _shortened_event(event, cap)
        room -= event_size(short)
        if room < 0:
            break
        newest.append(short)
    return newest[::-1]


def _shortened_event(event: Event, cap: int) -> Event:
    attributes = event.attributes or {}
    short = {key: _shortened(value, cap) if value_size(value) > cap else value for key, value in attributes.items()}
    return Event(event.name, short, event.timestamp)


def _flagged(attributes: dict[str, Any], cut: list[str]) -> dict[str, Any]:
    already = cast("Sequence[str]", attributes.get(semconv.CONTENT_TRUNCATED, ()))
    return {**attributes, semconv.CONTENT_TRUNCATED: tuple(dict.fromkeys([*already, *cut]))}


class _ShortenedSpan(ReadableSpan):
    """A span with other attributes and events, which counts what the SDK had dropped of the first one, and what we had to."""

    def __init__(self, span: ReadableSpan, attributes: Mapping[str, Any], events: Sequence[Event]) -> None:
        super().__init__(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            events=events,
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
        self._whole = span

    @property
    def dropped_attributes(self) -> int:
        return self._whole.dropped_attributes

    @property
    def dropped_events(self) -> int:
        return self._whole.dropped_events + len(self._whole.events) - len(self.events)

    @property
    def dropped_links(self) -> int:
        return self._whole.dropped_links
