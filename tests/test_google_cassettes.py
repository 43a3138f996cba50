"""What Gemini and Vertex AI really sent, replayed to the real SDK: see test_cassettes.py, whose recordings and parser these are."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from test_cassettes import FOLDER, MISSING, Recording, read

from conftest import Recorder
from loopback import Loopback
from messages import misshapen
from surfaces import GOOGLE, GoogleSurface


def load() -> Iterator[Recording]:
    """Every recorded ``streamGenerateContent``."""
    for provider in ("google-genai", "vertexai"):
        for file in sorted((FOLDER / provider).glob("*.yaml")):
            for number, interaction in enumerate(yaml.safe_load(file.read_text())["interactions"]):
                yield read(f"{provider}/{file.stem}-{number}", interaction)


RECORDINGS = list(load())


def ask(recording: Recording) -> dict[str, Any]:
    """The arguments that give the recorded request."""
    sent = recording.request
    config: dict[str, Any] = {**sent.get("generationConfig", {}), **({"tools": sent["tools"]} if "tools" in sent else {})}
    model = recording.path.rpartition("/")[2].partition(":")[0]
    return {"model": model, "contents": sent["contents"], "config": config}


async def play(recording: Recording, surface: GoogleSurface) -> tuple[list[str], list[Any]]:
    """What the application hears, chunk by chunk, and what the server was sent."""
    with Loopback(recording.reply) as server:
        client = surface.client(server, vertexai=recording.name.startswith("vertexai"))
        heard = [repr(chunk) for chunk in await surface.take(await surface.open(client, **ask(recording)))]
        await surface.shut(client)
        return heard, [request.json for request in server.requests]


def expect(recording: Recording) -> dict[str, Any]:
    """What the span should say, worked out from the recorded bytes."""
    events = list(recording.events())
    parts: list[dict[str, Any]] = [
        part for event in events for candidate in event["candidates"] for part in candidate["content"]["parts"]
    ]
    usage = events[-1]["usageMetadata"]
    return {
        "text": "".join(part.get("text", "") for part in parts if not part.get("thought")),
        "reasoning": "".join(part["text"] for part in parts if part.get("thought")),
        "calls": [part["functionCall"] for part in parts if "functionCall" in part],
        "reasons": (events[-1]["candidates"][0]["finishReason"],),
        "usage": (usage["promptTokenCount"], usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)),
        "who": (events[0]["responseId"], events[0]["modelVersion"]),
        "chunks": len(events),
    }


def told(attributes: dict[str, Any]) -> dict[str, Any]:
    """The same of a span."""
    assert misshapen(attributes) == []
    (message,) = json.loads(attributes["gen_ai.output.messages"])
    parts = message["parts"]
    return {
        "text": "".join(part["content"] for part in parts if part["type"] == "text"),
        "reasoning": "".join(part["content"] for part in parts if part["type"] == "reasoning"),
        "calls": [
            {"name": part["name"], "args": part["arguments"], "id": part["id"]} for part in parts if part["type"] == "tool_call"
        ],
        "reasons": attributes["gen_ai.response.finish_reasons"],
        "usage": (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]),
        "who": (attributes["gen_ai.response.id"], attributes["gen_ai.response.model"]),
        "chunks": attributes["streamspan.chunks"],
    }


@pytest.mark.skipif(not RECORDINGS, reason=MISSING)
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_recording(recording: Recording, surface: GoogleSurface, recorder: Recorder) -> None:
    """The application hears and sends exactly what it would without us, and one complete span tells what was recorded."""
    import streamspan

    alone = asyncio.run(play(recording, surface))
    streamspan.instrument(tracer_provider=recorder.provider)
    beside = asyncio.run(play(recording, surface))
    streamspan.uninstrument()

    attributes: dict[str, Any] = dict(recorder.attributes())
    assert beside == alone
    assert attributes["streamspan.outcome"] == "completed"
    assert told(attributes) == expect(recording)
