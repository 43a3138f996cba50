"""The messages of every answer have the shape of the conventions, and never hold a picture, a sound or a document."""

import json

import pytest

from streamspan import semconv

from conformance import ALL, FORMATS, Case, overlay
from messages import misshapen


def test_messages_have_their_shape() -> None:
    """Messages, instructions and tools of every answer are valid, and each part is of a type that is known."""
    for case in ALL:
        expected = json.loads(case.span.read_text())
        for way in ("", *expected.get("ways", ())):
            assert misshapen(overlay(expected, way)["attributes"]) == [], case


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


MARKS = ("bmV2ZXItb24tYS1zcGFu", "never-on-a-span")
"""What each picture, sound and document in the files holds, in base64 and plain."""
HAS_NO_MEDIA = {"openai_completions", "openai_embeddings", "openai_audio", "anthropic_completions", "google_embeddings"}
"""Formats that take text only, or, as audio, send nothing else than bytes that nobody reads."""


def holds_media(case: Case) -> bool:
    """Whether the request or the answer has a picture, a sound or a document in it."""
    if case.name != "media":
        return False
    request = case.body.with_suffix(".request.json")
    said = case.body.read_text() + (request.read_text() if request.exists() else "")
    return any(mark in said for mark in MARKS)


def test_media_are_tried_with_every_format() -> None:
    """Each format that can have them has a file in which it has them."""
    assert {case.format for case in ALL if holds_media(case)} == {*FORMATS} - HAS_NO_MEDIA


def test_media_are_never_on_a_span() -> None:
    """Their bytes are in no attribute and no event, in whatever way they are sent; the reference has their modality and size."""
    spans = [case.span.read_text() for case in ALL if holds_media(case)]
    assert [mark for span in spans for mark in MARKS if mark in span] == []
    assert all('"size": 273' in span and '"modality": "image"' in span for span in spans)
