"""What Amazon Bedrock really sent, replayed to the real SDKs: see test_cassettes.py, whose recordings and parser these are."""

import asyncio
import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from test_cassettes import FOLDER, MISSING, SLICE, Recording, read

from conftest import Recorder
from loopback import Loopback, Reply
from messages import misshapen
from surfaces import BEDROCK, BedrockSurface


def load() -> Iterator[Recording]:
    """Every recorded ``ConverseStream``."""
    for file in sorted((FOLDER / "bedrock").glob("*.yaml")):
        for number, interaction in enumerate(yaml.safe_load(file.read_text())["interactions"]):
            recording = read(f"{file.stem}-{number}", interaction)
            if recording.path.endswith("/converse-stream"):
                yield recording


RECORDINGS = list(load())


def frames(payload: bytes) -> Iterator[tuple[str, Any]]:
    """The events of a recorded stream, by name: a small parser that shares nothing with the SDK."""
    while payload:
        total, headers = struct.unpack("!II", payload[:8])
        names = payload[12 : 12 + headers]
        name = names.partition(b":event-type\x07")[2]
        length = int.from_bytes(name[:2], "big")
        yield name[2 : 2 + length].decode(), json.loads(payload[12 + headers : total - 4])
        payload = payload[total:]


def ask(recording: Recording) -> dict[str, Any]:
    """The arguments that give the recorded request."""
    return {"modelId": unquote(recording.path.split("/")[2]), **recording.request}


async def play(recording: Recording, surface: BedrockSurface) -> tuple[list[str], list[Any]]:
    """What the application hears, event by event, and what the server was sent."""
    slices = [recording.payload[at : at + SLICE] for at in range(0, len(recording.payload), SLICE)]
    headers = {"content-type": recording.content_type, "x-amzn-requestid": "req-1"}
    with Loopback(Reply(recording.status, headers, slices)) as server:
        client = surface.client(server)
        heard = [repr(event) for event in await surface.take(await surface.open(client, **ask(recording)))]
        await surface.shut(client)
        return heard, [(request.path, request.json) for request in server.requests]


def expect(recording: Recording) -> dict[str, Any]:
    """What the span should say, worked out from the recorded bytes."""
    said = list(frames(recording.payload))
    deltas = [(event["contentBlockIndex"], event["delta"]) for name, event in said if name == "contentBlockDelta"]
    starts = {event["contentBlockIndex"]: event["start"]["toolUse"] for name, event in said if name == "contentBlockStart"}
    (usage,) = (event["usage"] for name, event in said if name == "metadata")
    return {
        "text": "".join(delta.get("text", "") for _, delta in deltas),
        "reasoning": "".join(delta.get("reasoningContent", {}).get("text", "") for _, delta in deltas),
        "calls": [
            (
                start["toolUseId"],
                start["name"],
                json.loads("".join(delta["toolUse"]["input"] for index, delta in deltas if index == place)),
            )
            for place, start in starts.items()
        ],
        "reasons": tuple(event["stopReason"] for name, event in said if name == "messageStop"),
        "usage": (usage["inputTokens"], usage["outputTokens"]),
        "who": (ask(recording)["modelId"], "req-1"),
        "chunks": len(said),
    }


def told(attributes: dict[str, Any]) -> dict[str, Any]:
    """The same of a span."""
    assert misshapen(attributes) == []
    (message,) = json.loads(attributes["gen_ai.output.messages"])
    parts = message["parts"]
    return {
        "text": "".join(part["content"] for part in parts if part["type"] == "text"),
        "reasoning": "".join(part["content"] for part in parts if part["type"] == "reasoning"),
        "calls": [(part["id"], part["name"], part["arguments"]) for part in parts if part["type"] == "tool_call"],
        "reasons": attributes["gen_ai.response.finish_reasons"],
        "usage": (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]),
        "who": (attributes["gen_ai.request.model"], attributes["gen_ai.response.id"]),
        "chunks": attributes["streamspan.chunks"],
    }


@pytest.mark.skipif(not RECORDINGS, reason=MISSING)
@pytest.mark.parametrize("surface", BEDROCK, ids=repr)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_recording(recording: Recording, surface: BedrockSurface, recorder: Recorder) -> None:
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
