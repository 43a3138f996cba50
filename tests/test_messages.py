"""The messages of every answer have the shape of the conventions, and never hold a picture, a sound or a document."""

import json

import pytest

from streamspan import semconv

from conformance import ALL, Case, overlay
from messages import misshapen


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.format}-{case.name}")
def test_messages_have_their_shape(case: Case) -> None:
    """Messages, instructions and tools are valid, and each part is of a type that is known."""
    expected = json.loads(case.span.read_text())
    ways = [overlay(expected, way) for way in ("", *expected.get("ways", ()))]
    assert [error for span in ways for error in misshapen(span["attributes"])] == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text"},
        {"type": "text", "content": None},
        {"type": "tool_call", "id": "1", "arguments": {}},
        {"type": "server_tool_call", "name": "web_search", "server_tool_call": {"query": "Lima"}},
        {"type": "blob", "modality": "image", "content": "AAAA"},
        {"type": "uri", "modality": "image", "uri": "data:image/png;base64,AAAA"},
        {"type": "file", "modality": "image", "file_id": None},
        {"type": "hologram"},
    ],
    ids=str,
)
def test_a_wrong_part_is_found(part: dict[str, object]) -> None:
    """The schema is strict: what the conventions would take for a generic part is not valid here."""
    message = {"role": "assistant", "parts": [part]}
    assert misshapen({semconv.OUTPUT_MESSAGES: json.dumps([message])})
    assert misshapen({semconv.OUTPUT_MESSAGES: [{**message, "parts": [{"type": "text", "content": "Lima."}]}]}) == []
