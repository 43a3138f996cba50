"""Calls by the thousand, as OTLP: what a viewer that was open for a week has stored."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.request import Request, urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MODELS: Final = {
    "gpt-4o-mini": ("openai", 0.15, 0.6),
    "gpt-4.1": ("openai", 2.0, 8.0),
    "gpt-5-mini": ("openai", 0.25, 2.0),
    "claude-sonnet-4-6": ("anthropic", 3.0, 15.0),
    "claude-haiku-4-5": ("anthropic", 1.0, 5.0),
    "gemini-2.5-flash": ("gcp.gemini", 0.3, 2.5),
}
QUESTIONS: Final = (
    ("Why is the sky blue?", "Sunlight holds every colour, and air scatters the short blue waves far more than the long red ones."),
    ("Summarise this ticket for the on-call engineer.", "Checkout fails for customers with a saved card since 14:02; a retry works."),
    ("Name three rivers that flow north.", "The Nile, the Rhine and the Yenisei all flow north."),
    ("Write a query for the weekly report.", "Here it is:\n\n```sql\nselect week, sum(total)\nfrom orders\ngroup by week\n```\n\nIt leaves out `refunds`."),
    ("Is 2027 a prime number?", "Yes. 2027 has no divisor up to its square root, which is about 45."),
    ("Translate the release notes into German.", "Neu: Streams werden gezeigt, w\u00e4hrend sie laufen. Behoben: Abbr\u00fcche z\u00e4hlen nicht mehr doppelt."),
)  # fmt: skip
OUTCOMES: Final = ("completed",) * 34 + ("aborted",) * 2 + ("failed",) * 2 + ("truncated", "cancelled")
_BATCH: Final = 500
_DAY_NS: Final = 86_400 * 10**9


def store(url: str, count: int, *, days: float = 7.0, seed: int = 5) -> None:
    """Send ``count`` calls of the last ``days`` days, which are the same for the same seed, but for the time."""
    spans = list(_spans(count, days, random.Random(seed)))
    for start in range(0, count, _BATCH):
        send(url, *spans[start : start + _BATCH])


def send(url: str, *spans: Span, service: str = "shop") -> None:
    """Send these spans."""
    message = ExportTraceServiceRequest()
    of_resource = message.resource_spans.add()
    of_resource.resource.attributes.extend(attributes({"service.name": service, "telemetry.sdk.language": "python"}))
    of_resource.scope_spans.add().spans.extend(spans)
    headers = {"content-type": "application/x-protobuf"}
    with urlopen(Request(f"{url}/v1/traces", message.SerializeToString(), headers), timeout=30) as answer:
        assert answer.status == 200


def call(trace: int, started_ns: int, duration_ms: float, found: Mapping[str, Any], *, span_id: int = 1, parent: int = 0) -> Span:
    """The span of one call."""
    span = Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=span_id.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=f"chat {found.get('gen_ai.request.model', '')}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=started_ns,
        end_time_unix_nano=started_ns + int(duration_ms * 1e6),
    )
    span.attributes.extend(attributes({"gen_ai.operation.name": "chat", "streamspan.outcome": "completed", **found}))
    if found.get("error.type"):
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = str(found.get("error.message", ""))
    return span


def attributes(found: Mapping[str, Any]) -> list[KeyValue]:
    """As OTLP has them."""
    return [KeyValue(key=key, value=_value(value)) for key, value in found.items()]


def messages(role: str, text: str, **more: Any) -> str:
    """One message of one text, as its attribute has it."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}])


def _spans(count: int, days: float, chance: random.Random) -> Iterator[Span]:
    now = time.time_ns()
    for number in range(count):
        question, answer = QUESTIONS[number % len(QUESTIONS)]
        model = chance.choices(list(MODELS), (40, 12, 14, 16, 10, 8))[0]
        outcome = chance.choice(OUTCOMES)
        duration = chance.lognormvariate(7.4, 0.7)
        age = int(days * _DAY_NS * (number / count) ** 1.5)
        yield call(
            (1 << 100) + number, now - age - int(duration * 1e6), duration, _described(model, outcome, duration, question, answer, number, chance)
        )  # fmt: skip


def _described(
    model: str, outcome: str, duration: float, question: str, answer: str, number: int, chance: random.Random
) -> dict[str, Any]:
    provider, input_price, output_price = MODELS[model]
    taken, given = chance.randrange(40, 6000), 0 if outcome == "failed" else chance.randrange(20, 900)
    cached = taken // 2 if chance.random() < 0.3 else 0
    first = duration * chance.uniform(0.1, 0.4)
    costs = taken * input_price / 1e6, given * output_price / 1e6
    found = {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.request.stream": True,
        "gen_ai.input.messages": messages("user", f"{question} (#{number})"),
        "gen_ai.usage.input_tokens": taken,
        "gen_ai.usage.output_tokens": given,
        "streamspan.outcome": outcome,
        "streamspan.cost.input": costs[0],
        "streamspan.cost.output": costs[1],
        "streamspan.cost.total": sum(costs),
        "streamspan.cost.source": "genai-prices 0.2.3",
        "user.id": f"user-{number % 7}",
        "session.id": f"s-{number % 40:03}",
        "streamspan.project": ("support", "search", "reports")[number % 3],
        "streamspan.tags": ["beta"] if number % 5 == 0 else ["stable"],
    }
    if cached:
        found["gen_ai.usage.cache_read.input_tokens"] = cached
    if outcome == "failed":
        return found | {"error.type": "rate_limit_exceeded", "error.message": "Too many requests: try again in 20 s."}
    return found | {
        "gen_ai.output.messages": messages("assistant", answer, finish_reason="stop"),
        "streamspan.preview": answer,
        "streamspan.chunks": given,
        "streamspan.longest_gap_ms": int(duration / 12),
        "streamspan.time_to_first_content_ms": int(first),
        "streamspan.output_tokens_per_second": given / max(0.2, (duration - first) / 1000),
        **({"error.type": "truncated"} if outcome == "truncated" else {}),
    }


def _value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return AnyValue(string_value=str(value))
