"""Google's embeddings: tokens where they are told, cost, and no output."""

from typing import Any

import pytest
from google.genai import types
from opentelemetry.trace import SpanKind

from streamspan.providers.google_embeddings import prompt

from conftest import Recorder
from loopback import Loopback, Reply, Request
from surfaces import GOOGLE, GoogleSurface, Surface, vertex

VALUES = {"values": [0.5, -0.5]}
GEMINI = {"embeddings": [VALUES, VALUES]}
COUNTED = {**GEMINI, "usageMetadata": {"promptTokenCount": 9}}
PREDICTED = {
    "predictions": [{"embeddings": {**VALUES, "statistics": {"token_count": count, "truncated": False}}} for count in (4, 5)],
    "metadata": {"billableCharacterCount": 20},
}
EMBEDDED = {"embedding": VALUES, "usageMetadata": {"promptTokenCount": 9}}
EXPECTED: dict[str, Any] = {
    "gen_ai.operation.name": "embeddings",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": "gemini-embedding-001",
    "gen_ai.embeddings.dimension.count": 2,
    "gen_ai.usage.input_tokens": 9,
    "server.address": "127.0.0.1",
    "streamspan.cost.input": pytest.approx(9 * 0.15e-6),
    "streamspan.cost.output": 0.0,
    "streamspan.cost.total": pytest.approx(9 * 0.15e-6),
    "gen_ai.usage.cost": pytest.approx(9 * 0.15e-6),
    "streamspan.outcome": "completed",
}
UNPRICED = {key: value for key, value in EXPECTED.items() if "cost" not in key} | {"streamspan.cost.unpriced": True}


async def embed(surface: Surface, client: Any, model: str, contents: Any) -> Any:
    result = client.models.embed_content(model=model, contents=contents, config={"output_dimensionality": 2})
    return await result if surface.is_async else result


ON_VERTEX = {"gen_ai.provider.name": "gcp.vertex_ai"}
PREDICTING = {"gen_ai.request.model": "text-embedding-005"}
COST = ("streamspan.cost.input", "streamspan.cost.total", "gen_ai.usage.cost")
NEWER = {"gen_ai.request.model": "gemini-embedding-2", **dict.fromkeys(COST, pytest.approx(9 * 0.20e-6))}
LONG = "publishers/google/models/gemini-embedding-001"


@pytest.mark.parametrize(
    ("at_vertex", "model", "body", "expected"),
    [
        pytest.param(False, "gemini-embedding-001", COUNTED, EXPECTED, id="gemini"),
        pytest.param(True, "text-embedding-005", PREDICTED, {**UNPRICED, **ON_VERTEX, **PREDICTING}, id="prediction"),
        pytest.param(True, "gemini-embedding-2", EMBEDDED, {**EXPECTED, **ON_VERTEX, **NEWER}, id="embedContent"),
        pytest.param(True, LONG, EMBEDDED, {**EXPECTED, **ON_VERTEX, "gen_ai.request.model": LONG}, id="path"),
    ],
)
@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_embeddings(
    surface: GoogleSurface, at_vertex: bool, model: str, body: dict[str, Any], expected: dict[str, Any], observed: Recorder
) -> None:
    """Each API that has embeddings gives one span: the tokens it tells, their price, the model as it was asked, no output."""
    one = body is EMBEDDED  # this API takes one text at a time
    with Loopback(lambda _: Reply.of(body)) as server:
        client = vertex(surface, server) if at_vertex else surface.client(server)
        answer = await embed(surface, client, model, "Lima" if one else ["Lima", "Peru"])
        await surface.shut(client)
        port = server.port

    span = observed.span()
    attributes = dict(span.attributes or {})
    source = str(attributes.pop("streamspan.cost.source", "genai-prices "))
    if body is COUNTED and not hasattr(answer, "usage_metadata"):  # 1.x drops it
        assert attributes["streamspan.usage.estimated"] == ("input_tokens",)
        return
    assert [embedding.values for embedding in answer.embeddings] == [VALUES["values"]] * (1 if one else 2)
    assert attributes == {**expected, "server.port": port}
    assert source.startswith("genai-prices ")
    assert (span.name, span.kind) == (f"embeddings {model}", SpanKind.CLIENT)


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_tokens_that_are_not_told(surface: Surface, observed: Recorder) -> None:
    """Where no tokens are told they are estimated from the text, and flagged."""
    with Loopback(Reply.of(GEMINI)) as server:
        client = surface.client(server)
        await embed(surface, client, "gemini-embedding-001", ["The capital of Peru is Lima.", "x"])
        await surface.shut(client)

    attributes = observed.attributes()
    assert attributes["streamspan.usage.estimated"] == ("input_tokens",)
    assert attributes["gen_ai.usage.input_tokens"] == 7
    assert "gen_ai.usage.output_tokens" not in attributes


def refuse(_: Request) -> Reply:
    return Reply.of({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)


@pytest.mark.parametrize("surface", GOOGLE, ids=repr)
async def test_refused(surface: Surface, observed: Recorder) -> None:
    """A refused request is a failure with the provider's word for it, and costs nothing."""
    with Loopback(refuse) as server:
        client = surface.client(server)
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            await embed(surface, client, "gemini-embedding-001", "x")
        await surface.shut(client)

    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["error.type"]) == ("failed", "INVALID_ARGUMENT")
    assert "gen_ai.usage.input_tokens" not in attributes


@pytest.mark.parametrize(
    ("contents", "texts"),
    [
        ("a", ["a"]),
        (["a", types.Part(text="b"), {"text": "c"}], ["a", "b", "c"]),
        (types.Content(parts=[types.Part(text="a"), types.Part(inline_data=types.Blob(data=b"x"))]), ["a"]),
        (None, []),
    ],
)
def test_contents_in_every_form(contents: Any, texts: list[str]) -> None:
    """What there is of text in contents is found, for estimating their tokens."""
    assert prompt({"contents": contents}).texts == texts
