"""Spans and log records that are too large to be sent on their own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from streamspan.encoded_size import log_record_size, span_size
from streamspan.oversize import shortened_log_record, shortened_span

SLOW = [HealthCheck.too_slow]
"""What is no matter here: a busy machine makes examples slowly."""
FLAG = "streamspan.content.truncated"
LIMIT = 50_000


def messages(text: str) -> str:
    """The JSON of one message."""
    return json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text}], "finish_reason": "stop"}])


def ended(attributes: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = (), most_events: int = 128) -> ReadableSpan:
    """A span as the SDK makes it, with everything that a span can have."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), span_limits=SpanLimits(max_events=most_events))
    link = Link(SpanContext(1, 2, is_remote=True), {"a": "b"})
    span = provider.get_tracer("scope", "1").start_span("chat m", kind=SpanKind.CLIENT, links=[link], attributes=attributes)
    for number, event in enumerate(events):
        span.add_event("streamspan.chunk", event, 1000 + number)
    span.set_status(Status(StatusCode.ERROR, "why"))
    span.end()
    return cast("Any", span)._readable_span()


def test_the_largest_attributes_are_cut() -> None:
    """Prompt and output share the room; everything else of the span is as it was, and the flag names the two."""
    small = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7, "streamspan.preview": "y" * 4096}
    large = {"gen_ai.input.messages": messages("a" * 300_000), "gen_ai.output.messages": messages("b" * 400_000)}
    span = ended({**small, **large}, [{"index": 0, "text": "hello"}])
    short = shortened_span(span, LIMIT)

    assert LIMIT - 1000 < span_size(short) <= LIMIT
    had = dict(short.attributes or {})
    assert had.pop(FLAG) == ("gen_ai.input.messages", "gen_ai.output.messages")
    texts = [json.loads(str(had.pop(key)))[0]["parts"][0]["content"] for key in large]
    assert all("characters left out" in text for text in texts)
    assert [text[0] + text[-1] for text in texts] == ["aa", "bb"]
    assert had == small
    assert span_facts(short) == span_facts(span)
    assert len((span.attributes or {})["gen_ai.input.messages"]) > 300_000  # type: ignore[arg-type]


def span_facts(span: ReadableSpan) -> tuple[Any, ...]:
    """All of a span but its attributes."""
    return (
        *(span.name, span.context, span.parent, span.kind, span.start_time, span.end_time, span.status.description),
        *(span.status.status_code, span.resource, span.instrumentation_scope, tuple(span.links)),
        *((event.name, event.timestamp, dict(event.attributes or {})) for event in span.events),
        *(span.dropped_attributes, span.dropped_events, span.dropped_links),
    )


def test_events_share_the_room_with_attributes() -> None:
    """Where both are too large each has its half: large texts of events are cut, small ones stay, and so do all events."""
    span = ended(
        {"gen_ai.output.messages": messages("b" * 90_000)}, [{"text": "x" * 30_000}, {"text": "short"}, {"text": "z" * 40_000}]
    )
    short = shortened_span(span, LIMIT)

    assert LIMIT - 2000 < span_size(short) <= LIMIT
    assert (short.attributes or {})[FLAG] == ("gen_ai.output.messages", "streamspan.chunk")
    assert len(json.loads(str((short.attributes or {})["gen_ai.output.messages"]))[0]["parts"][0]["content"]) > 24_000
    texts = [str((event.attributes or {})["text"]) for event in short.events]
    assert texts[1] == "short"
    assert "characters left out" in texts[0]
    assert len(texts[0]) == len(texts[2]) > 12_000


def test_old_events_go_where_there_are_too_many() -> None:
    """What is left of events that do not fit by any means are the newest, and the span counts those that are gone."""
    span = ended({"gen_ai.request.model": "m"}, [{"index": number} for number in range(4000)], most_events=3000)
    short = shortened_span(span, LIMIT)

    indexes = [(event.attributes or {})["index"] for event in short.events]
    assert indexes == list(range(4000 - len(indexes), 4000))
    assert 400 < len(indexes) < 1000
    assert short.dropped_events == 4000 - len(indexes)
    assert span_size(short) <= LIMIT


value = (
    st.text(max_size=50)
    | st.integers(0, 9)
    | st.sampled_from(["漢" * 20_000, messages("é\n" * 20_000), "[" * 40_000, b"\0" * 40_000, (1,) * 20_000, ("tag" * 9,) * 3000])
    | st.just({"messages": [{"role": "user", "parts": [{"type": "text", "content": "x" * 40_000}]}] * 3})
)


@settings(deadline=None, suppress_health_check=SLOW, max_examples=20, phases=[Phase.explicit, Phase.generate])
@given(
    attributes=st.dictionaries(st.text("abc", min_size=1, max_size=3), value, max_size=9),
    events=st.lists(value.map(lambda text: {"text": text}), max_size=9),
)
def test_every_span_fits(attributes: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """Whatever makes a span too large, its copy fits."""
    span = ended(attributes, events)
    short = shortened_span(span, LIMIT)

    assert span_size(short) <= LIMIT
    assert (short.attributes or {}).keys() - {FLAG} == (span.attributes or {}).keys()  # older SDKs take no structured ones


@pytest.mark.parametrize("body", ["b" * 90_000, {"message": "b" * 90_000}, [{"role": "user", "parts": ["b" * 90_000]}]])
def test_a_log_record_is_cut(body: Any) -> None:
    """Its body keeps its shape, its large attributes too; the small ones, its times and ids are as they were."""
    log = LogRecord(timestamp=5, observed_timestamp=6, body=body, attributes={"a": "x" * 90_000, "n": 1}, event_name="event")
    log.trace_id, log.span_id = 3, 4
    record = ReadableLogRecord(log, Resource({}), InstrumentationScope("scope"))
    short = shortened_log_record(record, LIMIT)

    assert LIMIT - 2000 < log_record_size(short) <= LIMIT
    cut = short.log_record
    had = dict(cut.attributes or {})
    assert had[FLAG] == ("a", "body")
    assert had["n"] == 1
    assert type(cut.body) is type(body)
    assert "characters left out" in str(cut.body)
    assert (cut.timestamp, cut.observed_timestamp, cut.trace_id, cut.span_id, cut.event_name) == (5, 6, 3, 4, "event")
    assert (short.resource, short.instrumentation_scope) == (record.resource, record.instrumentation_scope)
    assert log.body == body


def test_an_earlier_flag_is_kept() -> None:
    """What was said to be cut before still is."""
    short = shortened_span(ended({FLAG: ["gen_ai.input.messages"], "a": "x" * 90_000}), LIMIT)

    assert (short.attributes or {})[FLAG] == ("gen_ai.input.messages", "a")
