"""The size that is reckoned with, against the size that OpenTelemetry's own encoder makes."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from streamspan.encoded_size import group_size, log_record_size, span_size, text_size

SLOW = [HealthCheck.too_slow]
"""What is no matter here: a busy machine makes examples slowly."""
text = st.text(st.characters(codec="utf-8") | st.sampled_from("é漢😀"), max_size=300)
scalar: SearchStrategy[Any] = text | st.binary(max_size=300) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats()
anything: SearchStrategy[Any] = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5), max_leaves=20
)
attributes = st.dictionaries(text, anything, max_size=8)
trace_state = st.dictionaries(st.sampled_from(["vendor", "a", "b"]), st.sampled_from(["1", "x" * 200])).map(
    lambda entries: TraceState(list(entries.items()))
)
context = st.builds(SpanContext, st.just(2**128 - 1), st.just(2**64 - 1), st.booleans(), st.just(TraceFlags(1)), trace_state)
times = st.just(2**63 - 1)
events = st.builds(Event, text, attributes, times)
links = st.builds(Link, context, attributes)
resources = st.dictionaries(text.filter(bool), text, max_size=5).map(Resource)
scopes = st.builds(InstrumentationScope, text, text, text)


@settings(deadline=None, suppress_health_check=SLOW, max_examples=25)
@given(
    name=text,
    context=context,
    resource=resources,
    attributes=attributes,
    events=st.lists(events, max_size=6),
    links=st.lists(links, max_size=3),
    description=text,
    scope=scopes,
)
def test_a_span_is_never_larger_than_reckoned(
    context: SpanContext, description: str, scope: Any, resource: Any, **of: Any
) -> None:
    """Whatever a span holds, it takes no more bytes than we think."""
    span = ReadableSpan(
        context=context,
        parent=context,
        resource=resource,
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, description),
        start_time=2**63 - 1,
        end_time=2**63 - 1,
        instrumentation_scope=scope,
        **of,
    )
    assert encode_spans([span]).ByteSize() <= span_size(span) + group_size(resource, scope)


@settings(deadline=None, suppress_health_check=SLOW, max_examples=25)
@given(body=anything, attributes=attributes, resource=resources, scope=scopes, event_name=text, severity_text=text)
def test_a_log_record_is_never_larger_than_reckoned(resource: Any, scope: Any, **of: Any) -> None:
    """Whatever a log record holds, it takes no more bytes than we think."""
    log = LogRecord(timestamp=2**63 - 1, observed_timestamp=2**63 - 1, **of)
    log.trace_id, log.span_id, log.trace_flags = 2**128 - 1, 2**64 - 1, TraceFlags(1)
    record = ReadableLogRecord(log, resource, scope)
    assert encode_logs([record]).ByteSize() <= log_record_size(record) + group_size(resource, scope)


def test_large_texts_are_not_taken_for_larger() -> None:
    """Of a large span, the reckoned size is the true one but for a hundredth."""
    attributes = {"a": "x" * 50_000, "b": "漢" * 50_000}
    span = ReadableSpan("chat", SpanContext(1, 1, is_remote=False), resource=Resource({}), attributes=attributes)
    assert 200_000 < encode_spans([span]).ByteSize() < span_size(span) < 202_000


def test_half_a_surrogate_pair_has_a_size() -> None:
    """What cannot be encoded does not stop us: the exporter will say what is wrong with it."""
    assert text_size("\ud800") == 3
