"""The parts of a message, and what stands for what is never written."""

import base64
import json
from typing import Any

import pytest

from streamspan import shapes

DATA = bytes(range(256))
BASE64 = base64.b64encode(DATA).decode()
IMAGE = {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 256}
UNKNOWN = {"type": "blob_reference", "modality": "document", "size": 256}


@pytest.mark.parametrize(
    ("given", "mime_type", "part"),
    [
        (DATA, "image/png", IMAGE),
        (BASE64, "image/png", IMAGE),
        (base64.encodebytes(DATA).decode(), "image/png", IMAGE),
        (f"data:image/png;base64,{BASE64}", None, IMAGE),
        ("data:text/plain,two%20words", None, {"type": "blob_reference", "modality": "document", "mime_type": "text/plain", "size": 9}),
        (object(), "audio/wav", {"type": "blob_reference", "modality": "audio", "mime_type": "audio/wav"}),
        ("https://example.com/a.png", "image/png", {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"}),
        ("gs://bucket/a", None, {"type": "uri", "modality": "document", "uri": "gs://bucket/a"}),
    ],
    ids=["bytes", "base64", "base64 in lines", "data URL", "data URL of text", "a file", "URL", "a bucket"],
)  # fmt: skip
def test_media(given: Any, mime_type: str | None, part: dict[str, Any]) -> None:
    """Bytes become a reference with their size, in whatever way they are given; a URL stays one."""
    assert shapes.media(given, mime_type) == part


def test_a_file_that_the_provider_has() -> None:
    """It is known by its id."""
    assert shapes.media(None, modality="image", file_id="f") == {"type": "file", "modality": "image", "file_id": "f"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"mimeType": "image/png", "data": "AAAA"}, {**IMAGE, "size": 3}),
        ([{"picture": BASE64}], [{"picture": UNKNOWN}]),
        (DATA, UNKNOWN),
        (f"![](data:image/png;base64,{BASE64}) so", "![](data:image/png;base64,[256 bytes left out]) so"),
        (json.dumps({"a": BASE64}), '{"a": "[256 bytes left out]"}'),
        (json.dumps(json.dumps({"a": BASE64})), json.dumps(json.dumps({"a": "[256 bytes left out]"}))),
        ("ACGT" * 100, "ACGT" * 100),
        ("0123456789abcdef" * 32, "0123456789abcdef" * 32),
        ("It is Lima. " * 100, "It is Lima. " * 100),
        ({"data": "text", "none": None, "n": 1}, {"data": "text", "none": None, "n": 1}),
    ],
    ids=["with a type", "base64", "bytes", "in Markdown", "in JSON", "in JSON in JSON", "a gene", "a hash", "prose", "plain"],
)
def test_binaries_among_other_things(value: Any, written: Any) -> None:
    """What is binary is left out of tools' arguments and results, and nothing else is."""
    assert shapes.without_binaries(value) == written
