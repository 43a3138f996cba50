import json
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from streamspan import semconv
from streamspan.viewer.calls import Call, Row, rows


def spans(attributes: Mapping[str, Any], status: Status | None = None) -> tuple[ReadableSpan, ...]:
    """A call with these attributes under an application's own span, both ended."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    parent = tracer.start_span("checkout", start_time=1_000_000_000)
    call = tracer.start_span("chat", context=set_span_in_context(parent), attributes=attributes, start_time=2_000_000_000)
    if status:
        call.set_status(status)
    call.end(3_500_000_000)
    parent.end(4_000_000_000)
    return memory.get_finished_spans()


def call(attributes: Mapping[str, Any], status: Status | None = None) -> Call | None:
    """What is made of a span with these attributes."""
    return next(rows(encode_spans(spans(attributes, status)))).call


FULL: Mapping[str, Any] = {
    semconv.OPERATION_NAME: semconv.CHAT,
    semconv.REQUEST_MODEL: "gpt-4o-mini",
    semconv.RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
    semconv.OUTCOME: "aborted",
    semconv.TIME_TO_FIRST_CONTENT_MS: 412,
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: 0.39,
    semconv.OUTPUT_TOKENS_PER_SECOND: 48.5,
    semconv.USAGE_INPUT_TOKENS: 1200,
    semconv.USAGE_OUTPUT_TOKENS: 34,
    semconv.USAGE_CACHE_READ_INPUT_TOKENS: 1024,
    semconv.USAGE_REASONING_OUTPUT_TOKENS: 8,
    semconv.USAGE_ESTIMATED: ["output_tokens"],
    semconv.COST_TOTAL: 0.00123,
    semconv.PREVIEW: "the last words",
}


def test_rows() -> None:
    """Each span is a row with its place in the trace; only the model call has a call."""
    child, parent = spans(FULL)
    assert child.context
    assert parent.context
    trace_id, parent_id = f"{parent.context.trace_id:032x}", f"{parent.context.span_id:016x}"
    expected = Call(
        operation="chat",
        model="gpt-4o-mini",
        outcome="aborted",
        first_content_ms=412,
        tokens_per_second=48.5,
        input_tokens=1200,
        output_tokens=34,
        cached_tokens=1024,
        reasoning_tokens=8,
        estimated=frozenset({"output_tokens"}),
        cost=0.00123,
        preview="the last words",
        response_model="gpt-4o-mini-2024-07-18",
    )
    assert list(rows(encode_spans([child, parent]))) == [
        Row(trace_id, f"{child.context.span_id:016x}", parent_id, "chat", "shop", 2 * 10**9, 35 * 10**8, False, expected),
        Row(trace_id, parent_id, "", "checkout", "shop", 10**9, 4 * 10**9, False, None),
    ]


def test_seconds_are_never_negative() -> None:
    """A span that ends before it starts took no time."""
    row = Row("t", "s", "", "n", "", start_ns=5, end_ns=3, failed=False, call=None)
    assert (row.seconds, Row("t", "s", "", "n", "", 0, 1_500_000_000, False, None).seconds) == (0, 1.5)


def test_unpriced_call() -> None:
    """No known price is said so, and is not a cost of zero."""
    found = call({semconv.OUTCOME: "completed", semconv.COST_UNPRICED: True})
    assert found == Call(operation="", model="unknown model", outcome="completed", unpriced=True)


def test_failed_call() -> None:
    """An error is its type and the status' description, once if they are the same."""
    attributes = {semconv.OUTCOME: "failed", semconv.ERROR_TYPE: "rate_limit_exceeded"}
    told = call(attributes, Status(StatusCode.ERROR, "too many tokens"))
    same = call(attributes, Status(StatusCode.ERROR, "rate_limit_exceeded"))
    assert told
    assert same
    assert (told.error, same.error) == ("rate_limit_exceeded: too many tokens", "rate_limit_exceeded")


def test_call_of_another_instrumentation() -> None:
    """A GenAI span that is not ours is shown with what it has: first chunk, cost under gen_ai, the output messages."""
    parts = [
        {"type": "text", "content": "Let me look."},
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Oslo"}},
    ]
    found = call(
        {
            semconv.OPERATION_NAME: "chat",
            semconv.RESPONSE_MODEL: "m",
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: 0.25,
            semconv.USAGE_COST: 0.5,
            semconv.OUTPUT_MESSAGES: json.dumps([{"role": "assistant", "parts": parts}]),
        },
        Status(StatusCode.ERROR),
    )
    preview = 'Let me look.\nweather({"city": "Oslo"})'
    assert found == Call(
        "chat", "m", "failed", first_content_ms=250, cost=0.5, error="error", preview=preview, response_model="m", is_foreign=True
    )


@pytest.mark.parametrize("messages", ["", "[", "7", "[7]", "[[]]", '{"parts": 1}', '[{"parts": [1]}]', "[" * 100_000])
def test_unreadable_output_messages(messages: str) -> None:
    """Output messages that are no messages are no preview."""
    found = call({semconv.OPERATION_NAME: "chat", semconv.OUTPUT_MESSAGES: messages})
    assert found == Call("chat", "unknown model", "ended", is_foreign=True)


def test_attributes_of_the_wrong_type() -> None:
    """A number that is none is unknown, not an error."""
    wrong: dict[str, Any] = {
        semconv.OPERATION_NAME: 7,
        semconv.OUTCOME: True,
        semconv.USAGE_INPUT_TOKENS: "many",
        semconv.USAGE_OUTPUT_TOKENS: True,
        semconv.COST_TOTAL: float("nan"),
        semconv.OUTPUT_TOKENS_PER_SECOND: float("inf"),
        semconv.USAGE_ESTIMATED: "all",
        semconv.REQUEST_MODEL: ["a", "b"],
    }
    assert call(wrong) == Call("7", "['a', 'b']", "True")


def test_span_without_a_call() -> None:
    """A span that is no model call is none."""
    assert call({"http.request.method": "GET"}) is None
