"""One span event per chunk, when asked for."""

import json

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

import streamspan

from conftest import Recorder
from loopback import Loopback, Reply, Tool
from surfaces import BEDROCK, SURFACES, AnthropicSurface, OpenAISurface, Surface


@pytest.mark.settings(capture_stream_chunks=True)
@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_one_event_per_chunk(surface: Surface, observed: Recorder) -> None:
    """Each chunk that the application gets is one event, in order, with its text and its true time."""
    with Loopback(surface.streams(surface.wire(["Lima ", "is in ", "Peru."]))) as server:
        client = surface.client(server)
        chunks = await surface.take(await surface.open(client))
        await surface.shut(client)

    span = observed.span()
    events = [event for event in span.events if event.name == "streamspan.chunk"]
    said = [dict(event.attributes or {}) for event in events]
    assert [event["index"] for event in said] == list(range(len(chunks)))
    assert [event["text"] for event in said if "text" in event] == ["Lima ", "is in ", "Peru."]
    assert span.start_time is not None
    assert span.end_time is not None
    times = [event.timestamp for event in events]
    assert times == sorted(times)
    assert all(span.start_time <= time <= span.end_time for time in times)
    offsets = [round((time - span.start_time) / 1e9, 3) for time in times]
    assert offsets == [pytest.approx(event["offset"], abs=0.002) for event in said]


@pytest.mark.settings(capture_stream_chunks=True)
@pytest.mark.parametrize("limit", [None, 1, 40, 128, 5000])
def test_nothing_is_lost_past_the_event_limit(limit: int | None) -> None:
    """With more chunks than events allowed, consecutive chunks share an event: every character is there, and none was dropped."""
    texts = [f"w{number} " for number in range(1000)]
    recorder = Recorder()
    recorder.provider = TracerProvider(span_limits=SpanLimits(max_events=SpanLimits.UNSET if limit is None else limit))
    recorder.provider.add_span_processor(recorder)
    surface = OpenAISurface(is_async=False)
    streamspan.instrument(tracer_provider=recorder.provider, capture_stream_chunks=True)
    with Loopback(Reply(body=surface.wire(texts))) as server, surface.client(server) as client:
        chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
    streamspan.uninstrument()

    span = recorder.span()
    events = [dict(event.attributes or {}) for event in span.events if event.name == "streamspan.chunk"]
    assert "".join(str(event.get("text", "")) for event in events) == "".join(texts)
    assert sum(int(str(event.get("count", 1))) for event in events) == len(chunks)
    assert span.dropped_events == 0
    recorder.provider.shutdown()


@pytest.mark.settings(capture_stream_chunks=True)
def test_reasoning_and_tool_calls_have_keys_of_their_own(observed: Recorder) -> None:
    """What a chunk says is under ``text``, ``reasoning`` or ``tool_call``."""
    surface = AnthropicSurface(is_async=False)
    body = surface.wire(["Hm."], thinking=["why ", "not"], tool=Tool(), stop_reason="tool_use")
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        list(client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=True))

    said = [dict(event.attributes or {}) for event in observed.span().events]
    assert "".join(str(event.get("reasoning", "")) for event in said) == "why not"
    assert "".join(str(event.get("text", "")) for event in said) == "Hm."
    assert "".join(str(event.get("tool_call", "")) for event in said) == 'get_weather: {"city":"Lima"}'


@pytest.mark.settings(capture_stream_chunks=True, capture_content=False)
def test_no_text_in_events_when_capture_is_off(observed: Recorder) -> None:
    """With content capture off an event says only that a chunk came, and when."""
    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=surface.wire(["secret"]))) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))

    events = [event for event in observed.span().events if event.name == "streamspan.chunk"]  # a slow machine has marks, too
    assert events
    assert all((event.attributes or {}).keys() == {"index", "offset"} for event in events)
    assert "secret" not in json.dumps(observed.span().to_json())


def test_no_events_unless_asked(observed: Recorder) -> None:
    """By default a stream that is quickly over has no events."""
    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=surface.wire(["a", "b"]))) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))

    assert observed.span().events == ()
