"""What Jaeger, Tempo and Loki say when they are asked through their own APIs."""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any, Final, TypedDict, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode

from stack.processes import read

Found = TypeVar("Found")
PATIENCE: Final = 60.0
"""Seconds; Tempo's search may hide what is new for half a minute."""


class SpanFound(TypedDict):
    """A span as a backend has it; ids in hex, "" for no parent."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    status: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def wait_for(ask: Callable[[], Found], enough: Callable[[Found], object] = bool) -> Found:
    """The first answer that is enough, which by default is one with something in it; when the time is up, the last answer."""
    deadline = time.monotonic() + PATIENCE
    while not enough(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def jaeger_trace(url: str, trace_id: str) -> dict[str, SpanFound]:
    """The spans of a trace, by their ids; none while Jaeger does not know it."""
    found = _ask(f"{url}/api/v3/traces/{trace_id}")
    return {span["span_id"]: span for span in _spans(found.get("result", {}))}


def tempo_trace(url: str, trace_id: str) -> dict[str, SpanFound]:
    """The spans of a trace, by their ids; none while Tempo does not know it."""
    found = _ask(f"{url}/api/v2/traces/{trace_id}")
    return {span["span_id"]: span for span in _spans(found.get("trace", {}))}


def tempo_search(url: str, query: str) -> set[str]:
    """Ids of the traces that a TraceQL query finds in the last hour."""
    now = int(time.time())
    asked = urlencode({"q": query, "start": now - 3600, "end": now + 60, "limit": 500})
    found: list[dict[str, str]] = _ask(f"{url}/api/search?{asked}").get("traces") or []
    return {trace["traceID"].zfill(32) for trace in found}


def loki_lines(url: str, query: str) -> list[tuple[dict[str, str], str]]:
    """Labels (structured metadata among them) and text of each line that a LogQL query finds in the last hour, oldest first."""
    now = time.time_ns()
    asked = urlencode(
        {"query": query, "start": now - 3600 * 10**9, "end": now + 60 * 10**9, "limit": 5000, "direction": "forward"}
    )
    found = _ask(f"{url}/loki/api/v1/query_range?{asked}")
    streams: list[dict[str, Any]] = found.get("data", {}).get("result", [])
    lines = [(value[0], stream["stream"], value[1]) for stream in streams for value in stream["values"]]
    return [(labels, text) for _, labels, text in sorted(lines, key=lambda line: int(line[0]))]


def _ask(url: str) -> dict[str, Any]:
    """The JSON at that address; nothing where there is nothing yet."""
    try:
        answer: dict[str, Any] = json.loads(read(url) or "{}")
    except HTTPError as error:
        if error.code == 404:
            return {}
        raise AssertionError(f"{url}: {error.code} {error.read().decode(errors='replace')}") from None
    return answer


def _spans(traces: dict[str, Any]) -> Iterator[SpanFound]:
    """The spans of OTLP's JSON, which Jaeger and Tempo both speak, with ids in hex or in base64."""
    for resource in traces.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            yield from map(_span, scope["spans"])


def _span(span: dict[str, Any]) -> SpanFound:
    return {
        "name": span["name"],
        "kind": _enum(span["kind"], "SPAN_KIND_", ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
        "trace_id": _ident(span["traceId"], 16),
        "span_id": _ident(span["spanId"], 8),
        "parent_id": _ident(span.get("parentSpanId", ""), 8),
        "status": _enum(span.get("status", {}).get("code", 0), "STATUS_CODE_", ["UNSET", "OK", "ERROR"]),
        "attributes": _attributes(span),
        "events": [(event["name"], _attributes(event)) for event in span.get("events", [])],
    }


def _enum(value: int | str, prefix: str, names: list[str]) -> str:
    return names[value] if isinstance(value, int) else value.removeprefix(prefix)


def _ident(text: str, size: int) -> str:
    return text if len(text) in (0, 2 * size) else b64decode(text).hex()


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in owner.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:
    kind, content = next(iter(value.items()))
    if kind == "arrayValue":
        return [_value(item) for item in content.get("values", [])]
    if kind == "intValue":  # which JSON has as text, as it may be larger than its numbers
        return int(content)
    return content
