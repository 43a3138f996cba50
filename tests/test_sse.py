"""Reading along with raw bytes: events and documents, however they are cut and packed."""

import gzip
import json
import zlib
from typing import Any

import pytest

from streamspan.sse import EventDecoder

from conftest import Recorder
from loopback import Loopback, Reply, openai_chunks, openai_whole, sse
from surfaces import MESSAGES, OpenAISurface

EVENTS: list[Any] = [{"a": 1}, {"b": "é"}, [3]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_events_in_pieces(end: str, size: int) -> None:
    """Events come out the same, wherever the text is cut and whatever ends its lines."""
    text = "".join(f"event: x{end}data: {json.dumps(event, ensure_ascii=False)}{end}{end}" for event in EVENTS)
    decoder = EventDecoder()

    assert [event for start in range(0, len(text), size) for event in decoder.feed(text[start : start + size])] == EVENTS


def test_what_is_no_event() -> None:
    """Comments, pings, ``[DONE]``, broken JSON and fields without meaning are passed over; data over several lines is joined."""
    text = ': hello\n\nretry: 3\n\ndata: [DONE]\n\ndata: {"a":\n\nevent: ping\ndata: {}\n\ndata: {"a":\ndata:  1}\n\n'

    assert list(EventDecoder().feed(text)) == [{"a": 1}]


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)


@pytest.mark.parametrize(
    ("encoding", "compress", "preview"),
    [("gzip", gzip.compress, "Hello"), ("deflate", raw_deflate, "Hello"), ("br", None, None)],
)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_compressed_bodies(encoding: str, compress: Any, preview: str | None, streamed: bool, observed: Recorder) -> None:
    """A compressed body is read along with; one in an encoding that we do not know passes, and its call is complete without content."""
    data = b"".join(openai_chunks(["Hel", "lo"])) if streamed else json.dumps(openai_whole("Hello")).encode()
    kind = "text/event-stream" if streamed else "application/json"
    body = compress(data) if compress else b"\x0b\x02\x80hello\x03"
    script = Reply(headers={"content-encoding": encoding, "content-type": kind}, body=[body[:20], body[20:]])
    surface = OpenAISurface(is_async=False)
    options: dict[str, Any] = {"stream": True} if streamed else {}
    with Loopback(script) as server, surface.client(server) as client:
        create = client.chat.completions.with_streaming_response.create
        with create(model="gpt-4o-mini", messages=MESSAGES, **options) as response:
            for _ in response.http_response.iter_raw():
                pass

    assert observed.attributes()["streamspan.outcome"] == "completed"
    assert observed.attributes().get("streamspan.preview") == preview


def test_body_that_is_no_json(observed: Recorder) -> None:
    """A 200 with a body that is no JSON is what the SDK makes of it; the span ends."""
    surface = OpenAISurface(is_async=False)
    reply = Reply(headers={"content-type": "text/html"}, body=b"<h1>Welcome to our proxy</h1>")
    with Loopback(reply) as server, surface.client(server) as client:
        assert isinstance(client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES), str)
        client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES)

    assert [dict(span.attributes or {})["streamspan.outcome"] for span in observed.spans(2)] == ["completed", "completed"]


def test_error_event_read_as_lines(observed: Recorder) -> None:
    """An error event that nobody raises, as the caller reads lines, makes the call failed all the same."""
    surface = OpenAISurface(is_async=False)
    body = [*openai_chunks(["Hel"], finish=None, done=False), sse(None, {"error": {"message": "no", "code": "boom"}})]
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        create = client.chat.completions.with_streaming_response.create
        with create(model="gpt-4o-mini", messages=MESSAGES, stream=True) as response:
            assert list(response.iter_lines())

    assert observed.attributes()["streamspan.outcome"] == "failed"
    assert observed.attributes()["error.type"] == "boom"
