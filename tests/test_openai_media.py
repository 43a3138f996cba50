"""Images and sound through the OpenAI SDK: what is asked, said and charged is on the span; pictures and recordings never are."""

import inspect
import json
from typing import Any

import pytest

from conftest import Recorder
from loopback import CUT, Loopback, Piece, Reply, sse
from surfaces import OpenAISurface

SURFACES = [OpenAISurface(is_async=is_async) for is_async in (False, True)]
HIDDEN = "aGlkZGVu"
FILE = ("a.png", b"hidden", "image/png")
MEASURED = {
    "server.port",
    "gen_ai.response.time_to_first_chunk",
    "streamspan.longest_gap_ms",
    "streamspan.time_to_first_content_ms",
    "streamspan.output_tokens_per_second",
    "streamspan.cost.source",
}
WAYS = ["whole", "raw", "stream", "raw stream", "lines"]

IMAGE_USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"text_tokens": 400, "image_tokens": 600},
    "output_tokens": 100,
    "total_tokens": 1100,
}
IMAGE_CHARGES = {
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    # 400 at $5, 600 of images at $10 and 100 at $40 a million
    "streamspan.cost.total": pytest.approx(0.012),
    "streamspan.cost.input": pytest.approx(0.008),
    "streamspan.cost.output": pytest.approx(0.004),
    "gen_ai.usage.cost": pytest.approx(0.012),
}
SOUND_USAGE = {
    "type": "tokens",
    "input_tokens": 1000,
    "input_token_details": {"audio_tokens": 990, "text_tokens": 10},
    "output_tokens": 100,
    "total_tokens": 1100,
}
SOUND_CHARGES = {
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    # 10 at $2.50, 990 of sound at $6 and 100 at $10 a million
    "streamspan.cost.total": pytest.approx(0.006965),
    "streamspan.cost.input": pytest.approx(0.005965),
    "streamspan.cost.output": pytest.approx(0.001),
    "gen_ai.usage.cost": pytest.approx(0.006965),
}


async def done(result: Any) -> Any:
    """``result``, awaited if it has to be."""
    return await result if inspect.isawaitable(result) else result


async def ask(surface: OpenAISurface, resource: Any, verb: str, way: str, **arguments: Any) -> Any:
    """Calls ``verb`` in one of the SDK's ways, and takes all that comes."""
    if way == "lines":
        async with surface.within(getattr(resource.with_streaming_response, verb)(stream=True, **arguments)) as response:
            return await surface.take(response.iter_lines())
    options = {"stream": True} if way.endswith("stream") else {}
    owner = resource.with_raw_response if way.startswith("raw") else resource
    result = await done(getattr(owner, verb)(**options, **arguments))
    parsed = result.parse() if way.startswith("raw") else result
    return await surface.take(parsed) if way.endswith("stream") else parsed


def streamed(way: str, chunks: int) -> dict[str, Any]:
    """What a span has if its call was streamed."""
    return {"gen_ai.request.stream": True, "streamspan.chunks": chunks} if "stream" in way or way == "lines" else {}


def comparable(observed: Recorder) -> dict[str, Any]:
    """The attributes of the only span: JSON as what it says, without what the machine says; the hidden is not among them."""
    attributes: dict[str, Any] = {key: value for key, value in observed.attributes().items() if key not in MEASURED}
    assert HIDDEN not in str(attributes)
    assert "hidden" not in str(attributes)
    assert not any(HIDDEN in str(event.attributes) for event in observed.span().events)
    return {key: json.loads(value) if key.endswith(".messages") else value for key, value in attributes.items()}


def said(text: str) -> list[dict[str, Any]]:
    """A prompt, as it is on the span."""
    return [{"role": "user", "parts": [{"type": "text", "content": text}]}]


def media(operation: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What every span here has."""
    return {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "openai",
        "server.address": "127.0.0.1",
        "streamspan.outcome": "completed",
        "gen_ai.output.messages": [{"role": "assistant", "parts": parts}],
        **operation,
    }


def images(verb: str, way: str) -> Reply:
    """A server that draws: whole, or with a sketch before."""
    if not streamed(way, 0):
        return Reply.of({"created": 1760000000, "output_format": "webp", "data": [{"b64_json": HIDDEN}], "usage": IMAGE_USAGE})
    kind = "image_generation" if verb == "generate" else "image_edit"
    events: list[dict[str, Any]] = [
        {"type": f"{kind}.partial_image", "partial_image_index": 0},
        {"type": f"{kind}.completed", "usage": IMAGE_USAGE},
    ]
    return Reply(body=[sse(event["type"], {**event, "b64_json": HIDDEN, "output_format": "webp"}) for event in events])


@pytest.mark.settings(capture_stream_chunks=True)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["generate", "edit"])
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_images(verb: str, way: str, surface: OpenAISurface, observed: Recorder) -> None:
    """An image is a part of the output without its bytes; text and images that go in have their prices."""
    given: dict[str, Any] = {"image": FILE} if verb == "edit" else {}
    with Loopback(images(verb, way)) as server:
        client = surface.client(server)
        result = await ask(surface, client.images, verb, way, model="gpt-image-1", prompt="Lima at night", n=1, **given)
        await surface.shut(client)

    assert HIDDEN in str(result)
    assert observed.span().name == "generate_content gpt-image-1"
    assert comparable(observed) == media(
        {
            "gen_ai.request.model": "gpt-image-1",
            "gen_ai.output.type": "image",
            "gen_ai.input.messages": said("Lima at night"),
            **streamed(way, 2),
            **IMAGE_CHARGES,
        },
        [{"type": "blob_reference", "modality": "image", "mime_type": "image/webp", "size": 6}],
    )


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # of the SDK, about its older models
async def test_images_without_usage(observed: Recorder) -> None:
    """Models that count no tokens have no price that we know; where images are, and what was really drawn, is said."""
    data = [{"url": "https://example.com/1", "revised_prompt": "Lima, by night"}, {"url": "https://example.com/2"}]
    surface = SURFACES[0]
    with Loopback(Reply.of({"created": 1760000000, "data": data})) as server, surface.client(server) as client:
        client.images.create_variation(model="dall-e-2", image=FILE, n=2)

    assert comparable(observed) == media(
        {
            "gen_ai.request.model": "dall-e-2",
            "gen_ai.request.choice.count": 2,
            "gen_ai.output.type": "image",
            "streamspan.cost.unpriced": True,
        },
        [
            {"type": "uri", "modality": "image", "uri": "https://example.com/1", "revised_prompt": "Lima, by night"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/2"},
        ],
    )


@pytest.mark.parametrize(
    ("body", "outcome", "error"),
    [
        ([], "truncated", "truncated"),
        ([sse("error", {"type": "error", "error": {"type": "image_error", "code": "moderation_blocked", "message": "no"}})], "failed", "moderation_blocked"),
        ([sse("image_generation.partial_image", {"type": "image_generation.partial_image", "b64_json": HIDDEN}), 0.05, CUT], "failed", None),
    ],
)  # fmt: skip
async def test_images_that_never_come(body: list[Piece], outcome: str, error: str | None, observed: Recorder) -> None:
    """A stream that ends without its image has no tokens that anybody could estimate."""
    surface = SURFACES[0]
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        stream = client.images.generate(model="gpt-image-1", prompt="Lima", stream=True)
        try:
            list(stream)
        except Exception:
            assert outcome == "failed"

    attributes = comparable(observed)
    assert attributes["streamspan.outcome"] == outcome
    assert attributes["error.type"] == (error or attributes["error.type"])
    assert attributes["streamspan.cost.unpriced"]
    assert not any(key.startswith("gen_ai.usage") or key == "gen_ai.response.finish_reasons" for key in attributes)


def transcript(way: str) -> Reply:
    """A server that listens."""
    if not streamed(way, 0):
        return Reply.of({"text": "It is in Peru.", "usage": SOUND_USAGE})
    events: list[dict[str, Any]] = [{"type": "transcript.text.delta", "delta": text} for text in ("It ", "is in Peru.")]
    events.append({"type": "transcript.text.done", "text": "It is in Peru.", "usage": SOUND_USAGE})
    return Reply(body=[*(sse(None, event) for event in events), sse(None, "[DONE]")])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_transcriptions(way: str, surface: OpenAISurface, observed: Recorder) -> None:
    """What was heard is the output, each piece once; sound that goes in has its price."""
    request: Any = {"model": "gpt-4o-transcribe", "file": FILE, "prompt": "A city.", "temperature": 0}
    with Loopback(transcript(way)) as server:
        client = surface.client(server)
        result = await ask(surface, client.audio.transcriptions, "create", way, **request)
        await surface.shut(client)

    assert "is in Peru." in str(result)
    assert comparable(observed) == media(
        {
            "gen_ai.request.model": "gpt-4o-transcribe",
            "gen_ai.request.temperature": 0.0,
            "gen_ai.output.type": "text",
            "gen_ai.input.messages": said("A city."),
            "streamspan.preview": "It is in Peru.",
            **streamed(way, 3),
            **SOUND_CHARGES,
        },
        [{"type": "text", "content": "It is in Peru."}],
    )


VERBOSE: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": 2.5, "text": "Peru.", "segments": []}
THREE_SECONDS = {
    "streamspan.cost.total": 0.0003,
    "streamspan.cost.input": 0.0003,
    "streamspan.cost.output": 0.0,
    "gen_ai.usage.cost": 0.0003,
}
"""At 0.36 US dollars an hour."""
TEXTS = {
    "json": Reply.of({"text": "Peru."}),
    "text": Reply(headers={"content-type": "text/plain; charset=utf-8"}, body=b"Peru."),
    "vtt": Reply(headers={"content-type": "text/vtt"}, body=b"Peru."),
    "verbose_json": Reply.of({**VERBOSE, "usage": {"type": "duration", "seconds": 3}}),
}


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # of the SDK, about its older models
@pytest.mark.parametrize("way", ["whole", "raw"])
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("resource", ["transcriptions", "translations"])
async def test_texts_of_every_kind(kind: str, way: str, resource: str, observed: Recorder) -> None:
    """A text is read in whichever form the request wants it; it costs what its seconds do, in a form that tells them."""
    surface = SURFACES[0]
    with Loopback(TEXTS[kind]) as server, surface.client(server) as client:
        await ask(surface, getattr(client.audio, resource), "create", way, model="whisper-1", file=FILE, response_format=kind)

    assert comparable(observed) == media(
        {
            "gen_ai.request.model": "whisper-1",
            "gen_ai.output.type": "text",
            "streamspan.preview": "Peru.",
            **(THREE_SECONDS if kind == "verbose_json" else {"streamspan.cost.unpriced": True}),
        },
        [{"type": "text", "content": "Peru."}],
    )


def speech(kind: str) -> Reply:
    """A server that speaks."""
    if kind == "audio":
        return Reply(headers={"content-type": "audio/mpeg"}, body=[b"hidden \xff\xfe", b"\x00" * 1000])
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    events = [{"type": "speech.audio.delta", "audio": HIDDEN}, {"type": "speech.audio.done", "usage": usage}]
    return Reply(body=[sse(None, event) for event in events])


@pytest.mark.parametrize("way", ["whole", "raw", "bytes"])
@pytest.mark.parametrize("kind", ["audio", "sse"])
@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_speech(kind: str, way: str, surface: OpenAISurface, observed: Recorder) -> None:
    """What shall be said, and how, is the input; sound passes unread, and usage is known where it comes in events."""
    request: Any = {
        "model": "gpt-4o-mini-tts",
        "voice": "alloy",
        "input": "Peru.",
        "instructions": "Slowly.",
        "stream_format": kind,
    }
    with Loopback(speech(kind)) as server:
        client = surface.client(server)
        if way == "bytes":
            async with surface.within(client.audio.speech.with_streaming_response.create(**request)) as response:
                await surface.take(response.iter_bytes())
        else:
            owner = client.audio.speech.with_raw_response if way == "raw" else client.audio.speech
            assert len((await done(owner.create(**request))).content) > 100
        await surface.shut(client)

    attributes = comparable(observed)
    assert json.loads(attributes.pop("gen_ai.system_instructions")) == [{"type": "text", "content": "Slowly."}]
    charges: dict[str, Any] = {
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        # 1000 at $0.60 and 100 at $12 a million
        "streamspan.cost.total": pytest.approx(0.0018),
        "streamspan.cost.input": pytest.approx(0.0006),
        "streamspan.cost.output": pytest.approx(0.0012),
        "gen_ai.usage.cost": pytest.approx(0.0018),
    }
    assert attributes == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "openai",
        "server.address": "127.0.0.1",
        "streamspan.outcome": "completed",
        "gen_ai.request.model": "gpt-4o-mini-tts",
        "gen_ai.output.type": "speech",
        "gen_ai.input.messages": said("Peru."),
        **(charges if kind == "sse" else {"streamspan.cost.unpriced": True}),
    }


@pytest.mark.parametrize(("model", "total"), [("tts-1", 0.00018), ("gpt-4o-mini-tts", None)])
async def test_speech_that_is_paid_by_characters(model: str, total: float | None, observed: Recorder) -> None:
    """Nothing is reported, but the characters of the request can be counted: 12 at 15 US dollars a million; tokens cannot."""
    surface = SURFACES[0]
    with Loopback(speech("audio")) as server, surface.client(server) as client:
        client.audio.speech.create(model=model, voice="alloy", input="Lima, Perú. ")

    attributes = comparable(observed)
    assert (attributes.get("streamspan.cost.total"), attributes.get("streamspan.cost.unpriced")) == (
        (total, None) if total else (None, True)
    )


async def test_requests_without_a_model_span(observed: Recorder) -> None:
    """Moderations and files have none."""
    surface = SURFACES[0]
    with Loopback(Reply.of({"id": "modr-1", "model": "m", "results": []})) as server, surface.client(server) as client:
        client.moderations.create(input="Lima")
        client.batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")
        client.files.create(file=FILE, purpose="batch")

    assert observed.spans(0) == []
