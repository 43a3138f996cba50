"""Recorded-style answers of providers, and what a span should say of each: ``tests/wire/<format>/<case>.*``.

A case is files beside each other; to add one takes no code.

- ``<case>.sse`` (a stream of server-sent events) or ``<case>.json`` (a whole answer): the body, byte for byte.
- ``<case>.span.json``: the span, all of it. ``pytest tests/test_conformance.py --write-spans`` writes it; then read what it wrote.
- ``<case>.request.json``, where the call is not the format's plain one:

  - ``arguments``: of the call, in place of or beside the format's own;
  - ``surface``: another of the format's surfaces than its first;
  - ``base_url``: another host; all requests go there through a proxy, which is our server;
  - ``settings``: what streamspan is instrumented with;
  - ``status``, ``headers``: of the answer;
  - ``ends``: ``cut``, if the connection breaks after the body;
  - ``ways``: the only ways in which this is called (see `WAYS`);
  - ``needs``: the oldest major version of an SDK that can do this.
"""

import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import openai
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from streamspan import semconv

from loopback import CUT, Loopback, Piece, Reply
from surfaces import (
    AnthropicSurface,
    CompletionsSurface,
    GoogleSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

FOLDER: Final = Path(__file__).parent / "wire"
BODIES: Final = {".sse": True, ".json": False}
"""The kinds of bodies, and whether that is a stream."""
SLICE: Final = 499
"""Bytes per network chunk: events, and letters of several bytes, are cut anywhere, as on a real line."""


# --- the surfaces ----------------------------------------------------------------------------------------------------


class EmbeddingsSurface(OpenAISurface):
    """OpenAI embeddings, which are never streamed."""

    name = "embeddings"
    model = "text-embedding-3-small"
    has_helper = False

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.embeddings, {"model": self.model, "input": "Lima is the capital of Peru."}


class AzureSurface(OpenAISurface):
    """Chat completions of Azure OpenAI."""

    name = "azure"

    def client(self, server: Loopback, **options: Any) -> Any:
        return open_azure(self, options)


class AzureResponsesSurface(ResponsesSurface):
    """Responses of Azure OpenAI."""

    name = "azure_responses"

    def client(self, server: Loopback, **options: Any) -> Any:
        return open_azure(self, options)


def open_azure(surface: Surface, options: dict[str, Any]) -> Any:
    """A client of the OpenAI SDK for Azure."""
    kind: Any = openai.AsyncAzureOpenAI if surface.is_async else openai.AzureOpenAI
    endpoint = options.pop("base_url")
    return kind(azure_endpoint=endpoint, api_version="2024-10-21", api_key="none", max_retries=0, **options)


class VertexSurface(GoogleSurface):
    """Google's models on Vertex AI."""

    name = "vertex"

    def client(self, server: Loopback, **options: Any) -> Any:
        return super().client(server, vertexai=True, **options)


FORMATS: Final[dict[str, tuple[type[Surface], ...]]] = {
    "openai_chat": (OpenAISurface, AzureSurface),
    "openai_responses": (ResponsesSurface, AzureResponsesSurface),
    "openai_completions": (CompletionsSurface,),
    "openai_embeddings": (EmbeddingsSurface,),
    "anthropic_messages": (AnthropicSurface,),
    "google_genai": (GoogleSurface, VertexSurface),
}
"""By folder: the surfaces that speak this format, the plain one first."""

HOSTS: Final = {
    "openai": "http://api.openai.com/v1",
    "anthropic": "http://api.anthropic.com",
    "google.genai": "http://generativelanguage.googleapis.com",
}


def connect(surface: Surface, server: Loopback, base_url: str) -> Any:
    """A client whose requests to ``base_url`` go through the server, as a proxy."""
    if isinstance(surface, GoogleSurface):
        proxied = {"verify": False, "proxy": server.url}
        http = {"base_url": base_url, "client_args": proxied, "async_client_args": proxied}
        return surface.client(server, http_options=http)
    sdk: Any = import_module(surface.sdk)
    http = (sdk.DefaultAsyncHttpxClient if surface.is_async else sdk.DefaultHttpxClient)(verify=False, proxy=server.url)
    return surface.client(server, base_url=base_url, http_client=http)


# --- the ways to call ------------------------------------------------------------------------------------------------

Way = Callable[[Surface, Any, dict[str, Any]], Coroutine[Any, Any, None]]


async def create_stream(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``create(stream=True)``, read in a loop."""
    await surface.take(await surface.open(client, **arguments))


async def parse_stream(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``with_raw_response.create(stream=True).parse()``."""
    raw = await surface.open(client, via="with_raw_response", **arguments)
    await surface.take(await surface.parse(raw))


async def read_lines(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``with_streaming_response.create(stream=True)``, whose lines are read."""
    async with surface.within(await surface.open(client, via="with_streaming_response", **arguments)) as response:
        await surface.take(response.iter_lines())


async def create_whole(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``create()``."""
    await surface.create(client, **arguments)


async def parse_whole(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``with_raw_response.create().parse()``."""
    await surface.parse(await surface.create(client, via="with_raw_response", **arguments))


async def read_whole(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``with_streaming_response.create()``, whose bytes are read."""
    async with surface.within(await surface.create(client, via="with_streaming_response", **arguments)) as response:
        await surface.take(response.iter_bytes())


STREAMED: Final[dict[str, Way]] = {"create": create_stream, "raw": parse_stream, "lines": read_lines}
WHOLE: Final[dict[str, Way]] = {"create": create_whole, "raw": parse_whole, "lines": read_whole}


# --- the cases -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One answer, and how it is asked for."""

    body: Path
    asked: Mapping[str, Any]

    @property
    def format(self) -> str:
        """The wire format: the folder's name."""
        return self.body.parent.name

    @property
    def name(self) -> str:
        """What is special about it."""
        return self.body.stem

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is a stream."""
        return BODIES[self.body.suffix]

    @property
    def span(self) -> Path:
        """Where the expected span stands."""
        return self.body.with_suffix(".span.json")

    @property
    def surface(self) -> type[Surface]:
        """Who calls."""
        surfaces = FORMATS[self.format]
        return next((kind for kind in surfaces if kind.name == self.asked.get("surface")), surfaces[0])

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the call."""
        return dict(self.asked.get("arguments", {}))

    @property
    def base_url(self) -> str:
        """Where the request goes."""
        return self.asked.get("base_url") or HOSTS[self.surface.sdk]

    @property
    def settings(self) -> dict[str, Any]:
        """Of streamspan."""
        return dict(self.asked.get("settings", {}))

    @property
    def ways(self) -> dict[str, Way]:
        """How it can be called."""
        ways = STREAMED if self.is_streamed else WHOLE
        names = self.asked.get("ways") or (["create"] if issubclass(self.surface, GoogleSurface) else ways)
        return {name: ways[name] for name in names}

    @property
    def reply(self) -> Reply:
        """What the server sends."""
        data = self.body.read_bytes()
        status, headers = self.asked.get("status", 200), self.asked.get("headers", {})
        if not self.is_streamed:
            return Reply(status, headers, data)
        pieces: list[Piece] = [data[at : at + SLICE] for at in range(0, len(data), SLICE)]
        return Reply(status, headers, [*pieces, 0.02, CUT] if self.asked.get("ends") == "cut" else pieces)


def load() -> Iterator[Case]:
    """Every case that the installed SDKs can play."""
    for body in sorted(FOLDER.glob("*/*")):
        if body.suffix in BODIES and "." not in body.stem:
            request = body.with_suffix(".request.json")
            asked: dict[str, Any] = json.loads(request.read_text()) if request.exists() else {}
            if all(major(sdk) >= int(needed) for sdk, needed in asked.get("needs", {}).items()):
                yield Case(body, asked)


@cache
def major(distribution: str) -> int:
    """The major version that is installed; -1 for none."""
    try:
        return int(version(distribution).partition(".")[0])
    except PackageNotFoundError:
        return -1


CASES: Final = list(load())


# --- the span, as its file has it -----------------------------------------------------------------------------------

MEASURED: Final = {
    semconv.LONGEST_GAP_MS,
    semconv.TIME_TO_FIRST_CONTENT_MS,
    semconv.OUTPUT_TOKENS_PER_SECOND,
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    semconv.COST_SOURCE,
    semconv.CHUNK_OFFSET,
}
"""Attributes whose value is the machine's: their type is told in its place."""
JSON: Final = {semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS, semconv.TOOL_DEFINITIONS}


def tell(span: ReadableSpan) -> dict[str, Any]:
    """All that a span says, as JSON that can be read and compared."""
    attributes, status = tell_attributes(span.attributes or {}), span.status
    events = [
        {"name": event.name, **tell_attributes(event.attributes or {})}
        for event in span.events
        if event.name != semconv.PROGRESS_EVENT  # there is one when the machine is slow
    ]
    told: dict[str, Any] = {"name": span.name, "kind": span.kind.name, "status": status.status_code.name}
    if status.status_code is StatusCode.ERROR and attributes.get(semconv.ERROR_TYPE) != EXCEPTION:
        told["description"] = status.description
    return {**told, "attributes": attributes, **({"events": events} if events else {})}


def tell_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON, in the order of their names."""
    return {key: tell_value(key, value) for key, value in sorted(attributes.items())}


EXCEPTION: Final = "<the HTTP library's exception>"


def tell_value(key: str, value: Any) -> Any:
    """One attribute as JSON."""
    if key in MEASURED:
        return f"<{type(value).__name__}>"
    if key in JSON:
        return json.loads(value)
    if key == semconv.ERROR_TYPE and "." in value:
        return EXCEPTION  # each generation of the SDKs has another one
    if isinstance(value, float):
        return round(value, 12)
    return [*value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


def overlay(expected: dict[str, Any], way: str) -> dict[str, Any]:
    """What is expected of one way to call: the span, with what this way has otherwise (``null``: has not)."""
    differing = expected.get("ways", {}).get(way, {})
    span = {key: value for key, value in expected.items() if key != "ways"} | differing
    attributes = expected["attributes"] | differing.get("attributes", {})
    span["attributes"] = {key: value for key, value in attributes.items() if value is not None}
    return {key: value for key, value in span.items() if value is not None}


def differ(told: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """What `overlay` needs to make ``told`` of ``base``."""
    changed = {key: told.get(key) for key in {**base, **told} if told.get(key) != base.get(key)}
    if "attributes" in changed:
        mine, theirs = told["attributes"], base["attributes"]
        changed["attributes"] = {key: mine.get(key) for key in sorted({**theirs, **mine}) if mine.get(key) != theirs.get(key)}
    return changed
