"""The test servers themselves: a broken server would make every other test lie."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from collector import Collector
from loopback import (
    CUT,
    RESET,
    Cut,
    Loopback,
    Piece,
    Reply,
    Request,
    Tool,
    anthropic_events,
    anthropic_usage,
    anthropic_whole,
    openai_chunks,
    openai_usage,
    openai_whole,
    sse,
)


def get(server: Loopback, path: str = "/") -> bytes:
    """Asks once, on a connection of its own, and returns the body."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def data(events: list[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON of each event, without [DONE]."""
    for event in events:
        payload = event.partition(b"data: ")[2].strip()
        if payload != b"[DONE]":
            yield json.loads(payload)


@pytest.fixture
def threads() -> Iterator[None]:
    """Fails the test when it leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def test_request_is_recorded_and_whole_reply_is_sent(threads: None) -> None:
    """A request is recorded as it arrived, and a whole reply has a content-length and the headers of the script."""
    with Loopback(Reply.of({"text": "Grüße"}, 429, retry_after="3")) as server:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
            connection.request("POST", "/v1/x?beta=true", b'{"a": 1}', {"X-Key": "secret"})
            response = connection.getresponse()
            answer = (response.status, dict(response.getheaders()), json.loads(response.read()))
        request = server.requests[0]
    assert answer == (
        429,
        {"content-type": "application/json", "content-length": "18", "retry-after": "3"},
        {"text": "Grüße"},
    )
    assert (request.method, request.path, request.headers["x-key"], request.json) == (
        "POST",
        "/v1/x?beta=true",
        "secret",
        {"a": 1},
    )


def test_one_connection_serves_many_requests(threads: None) -> None:
    """A connection is kept alive from one reply to the next, whole or chunked."""
    replies = [Reply(body=b"one"), Reply(body=[b"t", b"", 0.001, b"wo"]), Reply(body=b"three")]
    with Loopback(replies) as server, closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        bodies: list[bytes] = []
        for _ in range(4):
            connection.request("GET", "/")
            bodies.append(connection.getresponse().read())
        assert server.connections == 1
    assert bodies[:3] == [b"one", b"two", b"three"]
    assert b"no reply left" in bodies[3]


def test_connections_are_served_at_once(threads: None) -> None:
    """A reply that waits for its event does not hold up another one, and goes on when the event is set."""
    gate = threading.Event()

    def answer(request: Request) -> Reply:
        return Reply(body=[b"a", gate, b"b"]) if request.path == "/slow" else Reply(body=b"fast")

    with Loopback(answer) as server, closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as slow:
        slow.request("GET", "/slow")
        response = slow.getresponse()
        assert (response.read(1), get(server)) == (b"a", b"fast")
        gate.set()
        assert response.read() == b"b"


@pytest.mark.parametrize(("cut", "error"), [(CUT, http.client.IncompleteRead), (RESET, ConnectionResetError)])
def test_cut_ends_the_connection_in_mid_body(threads: None, cut: Cut, error: type[Exception]) -> None:
    """A cut body reaches the client as one that was not finished, and ends its connection."""
    with Loopback(Reply(body=[b"partial", 0.05, cut])) as server:
        with pytest.raises(error):
            get(server)
        server.wait_for_connections(0)


def test_client_that_leaves_is_noticed(threads: None) -> None:
    """A body that waits ends when its client has gone."""
    with Loopback(Reply(body=[b"a", threading.Event()])) as server:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
            connection.request("GET", "/")
            with connection.getresponse() as response:
                response.read(1)
        server.wait_for_connections(0, timeout=5)


def test_exit_does_not_wait_for_bodies(threads: None) -> None:
    """Leaving the block ends replies that pause, wait or are not read, and their threads."""
    bodies: dict[str, list[Piece]] = {
        "/pauses": [b"a", 60.0],
        "/waits": [b"a", threading.Event()],
        "/never-read": [b"x" * 65536] * 1000,
    }
    with Loopback(lambda request: Reply(body=bodies[request.path])) as server:
        connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=5) for _ in bodies]
        for path, connection in zip(bodies, connections, strict=True):
            connection.request("GET", path)
        responses = [connection.getresponse() for connection in connections]
    for connection, response in zip(connections, responses, strict=True):
        response.close()
        connection.close()


def test_event_is_spelled_as_on_the_wire() -> None:
    """Events are compact UTF-8 JSON; strings go out untouched and lone surrogates escaped."""
    assert [sse("ping", {"type": "ping"}), sse(None, {"t": "ü"}), sse(None, {"t": "\ud83d"}), sse(None, "[DONE]")] == [
        b'event: ping\ndata: {"type":"ping"}\n\n',
        'data: {"t":"ü"}\n\n'.encode(),
        b'data: {"t":"\\ud83d"}\n\n',
        b"data: [DONE]\n\n",
    ]


def test_openai_stream_says_what_it_was_given() -> None:
    """Chunks carry role, text, tool fragments and the finish reason of every choice, then the usage, then [DONE]."""
    usage = openai_usage(12, 5, cached=3)
    events = openai_chunks(["Hi"], finish="tool_calls", usage=usage, tool_calls=[Tool("f", ["{", "}"], "c1")], n=2)
    deltas = [(choice["index"], choice["delta"], choice["finish_reason"]) for c in data(events) for choice in c["choices"]]
    start = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    expected: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": None, "refusal": None}, None),
        ({"content": "Hi"}, None),
        ({"tool_calls": [start]}, None),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, None),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, None),
        ({}, "tool_calls"),
    ]
    assert deltas == [(index, delta, finish) for delta, finish in expected for index in (0, 1)]
    assert [chunk["usage"] for chunk in data(events)] == [None] * 12 + [usage]
    assert events[-1] == b"data: [DONE]\n\n"


def test_anthropic_stream_says_what_it_was_given() -> None:
    """Events carry the message, each block with its deltas, and the running total of the usage."""
    events = list(
        data(
            anthropic_events(
                ["Hi"], thinking=["hm"], tool=Tool("f", ["{}"]), usage=anthropic_usage(9, 7, cache_read=2), stop_reason="tool_use"
            )
        )
    )
    assert [event["type"] for event in events] == [
        "message_start",
        *("content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"] == anthropic_usage(9, 1, cache_read=2)
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 7},
    }


def test_whole_answers_carry_tools() -> None:
    """Whole answers hold the joined arguments, as a string at OpenAI and as an object at Anthropic."""
    call = openai_whole(None, tool_calls=[Tool()])["choices"][0]["message"]["tool_calls"][0]
    block = anthropic_whole(None, tool=Tool())["content"][0]
    assert (call["function"], block) == (
        {"name": "get_weather", "arguments": '{"city":"Lima"}'},
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Lima"}},
    )


def test_collector_decodes_what_an_exporter_sends(threads: None) -> None:
    """A span sent by the OTLP/HTTP exporter arrives whole, gzip or not."""
    with Collector() as collector:
        provider = TracerProvider(resource=Resource({"service.name": "s"}), shutdown_on_exit=False)
        for compression in (Compression.NoCompression, Compression.Gzip):
            exporter = OTLPSpanExporter(collector.traces_endpoint, compression=compression)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("scope", "1.0").start_as_current_span("parent") as parent:
            pass
        child = provider.get_tracer("scope").start_span("chat m", set_span_in_context(parent), SpanKind.CLIENT, start_time=1)
        child.set_attributes({"text": "ü", "list": ["a", "b"], "count": 3, "rate": 0.5, "yes": True})
        child.add_event("chunk", {"index": 0}, timestamp=2)
        child.set_status(Status(StatusCode.ERROR, "cut"))
        child.end(end_time=3)
        provider.shutdown()
        *_, plain, zipped = collector.wait_for(4)
    assert plain == zipped
    assert plain == {
        "name": "chat m",
        "kind": "CLIENT",
        "status": "ERROR",
        "status_message": "cut",
        "attributes": {"text": "ü", "list": ("a", "b"), "count": 3, "rate": 0.5, "yes": True},
        "events": [{"name": "chunk", "attributes": {"index": 0}, "time": 2}],
        "trace_id": f"{parent.get_span_context().trace_id:032x}",
        "span_id": f"{child.get_span_context().span_id:016x}",
        "parent_span_id": f"{parent.get_span_context().span_id:016x}",
        "start": 1,
        "end": 3,
        "scope": "scope",
        "scope_version": "",
        "schema_url": "",
        "resource": {"service.name": "s"},
    }


def test_collector_says_when_spans_do_not_come(threads: None) -> None:
    """Waiting for spans that never arrive is a TimeoutError that names the numbers."""
    with Collector() as collector, pytest.raises(TimeoutError, match="0 spans arrived"):
        collector.wait_for(1, timeout=0.02)
