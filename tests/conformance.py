"""Recorded-style answers of providers, and what a span should say of each: ``tests/wire/<format>/<case>.*``.

A case is files beside each other; to add one takes no code.

- ``<case>.sse`` (a stream of server-sent events), ``<case>.json`` or ``<case>.bin`` (a whole answer): the body, byte for byte.
- ``<case>.jsonl``: a stream of Amazon's events, one a line: ``{"<its name>": {...}}``, or what a model says in ``InvokeModel``.
- ``<case>.span.json``: the span, all of it. ``pytest tests/test_conformance.py --write-spans`` writes it; then read what it wrote.
- ``<case>.request.json``, where the call is not the format's plain one:

  - ``arguments``: of the call, in place of or beside the format's own; bytes as ``{"$base64": "..."}``;
  - ``surface``: another of the format's surfaces than its first;
  - ``base_url``: another host; all requests go there through a proxy, which is our server;
  - ``settings``: what streamspan is instrumented with;
  - ``status``, ``headers``: of the answer;
  - ``ends``: ``cut``, if the connection breaks after the body;
  - ``ways``: the only ways in which this is called (see `WAYS`);
  - ``needs``, ``until``: the oldest and the newest version of an SDK that can do this, such as ``3`` or ``"1.44"``.
"""

import base64
import json
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from streamspan import semconv

import wire_surfaces as more
from bedrock_bodies import chunk
from eventstream import EVENT_STREAM, event, exception
from loopback import CUT, Piece, Reply
from surfaces import (
    AnthropicSurface,
    BedrockSurface,
    CompletionsSurface,
    GoogleSurface,
    InteractionsSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

FOLDER: Final = Path(__file__).parent / "wire"
BODIES: Final = {".sse": True, ".jsonl": True, ".json": False, ".bin": False}
"""The kinds of bodies, and whether that is a stream."""
SLICE: Final = 499
"""Bytes per network chunk: events, and letters of several bytes, are cut anywhere, as on a real line."""


# --- the surfaces ----------------------------------------------------------------------------------------------------

FORMATS: Final[dict[str, tuple[type[Surface], ...]]] = {
    "openai_chat": (OpenAISurface, more.AzureSurface),
    "openai_responses": (ResponsesSurface, more.AzureResponsesSurface),
    "openai_completions": (CompletionsSurface,),
    "openai_embeddings": (more.EmbeddingsSurface,),
    "openai_images": (more.ImagesSurface,),
    "openai_audio": (more.TranscriptionsSurface, more.SpeechSurface),
    "anthropic_messages": (
        AnthropicSurface,
        more.BetaMessagesSurface,
        more.ClaudeOnBedrockSurface,
        more.ClaudeOnVertexSurface,
        more.ClaudeOnFoundrySurface,
    ),
    "anthropic_completions": (more.TextCompletionsSurface,),
    "google_genai": (GoogleSurface, more.VertexSurface),
    "google_embeddings": (more.ContentEmbeddingsSurface,),
    "google_interactions": (InteractionsSurface,),
    "bedrock_converse": (BedrockSurface,),
    "bedrock_invoke": (more.InvokeSurface,),
    "bedrock_agent": (more.AgentSurface,),
}
"""By folder: the surfaces that speak this format, the plain one first."""

HOSTS: Final = {
    "openai": "http://api.openai.com/v1",
    "anthropic": "http://api.anthropic.com",
    "google.genai": "http://generativelanguage.googleapis.com",
    "botocore": "http://bedrock-runtime.us-east-1.amazonaws.com",
}


# --- the ways to call ------------------------------------------------------------------------------------------------

Way = Callable[[Surface, Any, dict[str, Any]], Coroutine[Any, Any, None]]


async def create_stream(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``create(stream=True)``, read in a loop."""
    stream = await surface.open(client, **arguments)
    try:
        await surface.take(stream)
    finally:
        if isinstance(surface, BedrockSurface):  # else aiobotocore leaves the socket open
            await surface.close(stream)


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


async def use_helper(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``stream()``, read in a loop."""
    resource, plain = surface.call(client)
    async with surface.within(resource.stream(**{**plain, **arguments})) as stream:
        await surface.take(stream)


async def use_parse(surface: Surface, client: Any, arguments: dict[str, Any]) -> None:
    """``parse()``."""
    resource, plain = surface.call(client)
    parsed = resource.parse(**{**plain, **arguments})
    if surface.is_async:
        await parsed


STREAMED: Final[dict[str, Way]] = {"create": create_stream, "raw": parse_stream, "lines": read_lines, "stream": use_helper}
WHOLE: Final[dict[str, Way]] = {"create": create_whole, "raw": parse_whole, "lines": read_whole, "parse": use_parse}
HELPERS: Final = {"stream", "parse"}
PICKY: Final = {"tools", "functions", "response_format"}
"""What OpenAI's helpers take in forms of their own only."""


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
        names = self.asked.get("ways") or ["create"]
        if "ways" not in self.asked and not issubclass(self.surface, GoogleSurface | BedrockSurface):
            picky = self.surface.sdk == "openai" and PICKY & {*self.arguments}
            helped = self.surface.has_helper and not picky
            names = [name for name in ways if helped or name not in HELPERS]
        return {name: ways[name] for name in names}

    @property
    def data(self) -> bytes:
        """The body, as it is sent."""
        data = self.body.read_bytes()
        return b"".join(map(self.frame, data.splitlines())) if self.body.suffix == ".jsonl" else data

    def frame(self, line: bytes) -> bytes:
        """One event of Amazon's."""
        said = json.loads(line)
        if kind := said.get(":exception"):
            return exception(kind, said["message"])
        if not self.format.startswith("bedrock_") or self.format == "bedrock_invoke":
            return chunk(said)
        ((kind, payload),) = said.items()
        return event(kind, payload)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        default = EVENT_STREAM if self.body.suffix == ".jsonl" else {}
        return {**default, **self.asked.get("headers", {})}

    @property
    def status(self) -> int:
        """Of the answer."""
        return self.asked.get("status", 200)

    @property
    def reply(self) -> Reply:
        """What the server sends."""
        data = self.data
        if not self.is_streamed:
            return Reply(self.status, self.headers, data)
        pieces: list[Piece] = [data[at : at + SLICE] for at in range(0, len(data), SLICE)]
        return Reply(self.status, self.headers, [*pieces, 0.02, CUT] if self.asked.get("ends") == "cut" else pieces)


def load() -> Iterator[Case]:
    """Every case."""
    for body in sorted(FOLDER.glob("*/*")):
        if body.suffix in BODIES and "." not in body.stem:
            request = body.with_suffix(".request.json")
            yield Case(body, json.loads(request.read_text(), object_hook=_bytes) if request.exists() else {})


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$base64"]) if "$base64" in value else value


def is_playable(case: Case) -> bool:
    """Whether the installed SDKs can play it."""
    old = any(compare(sdk, needed) < 0 for sdk, needed in case.asked.get("needs", {}).items())
    new = any(compare(sdk, last) > 0 for sdk, last in case.asked.get("until", {}).items())
    return not (old or new)


def compare(sdk: str, wanted: int | str) -> int:
    """Whether the installed version is older (-1), newer (1) or as wanted, as far as it is told: ``3``, or ``"1.44"``."""
    parts = [int(part) for part in str(wanted).split(".")]
    have = [int(part) for part in installed(sdk).split(".")[: len(parts)]]
    return (have > parts) - (have < parts)


@cache
def installed(distribution: str) -> str:
    """The version that is installed; -1 for none."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "-1"


def major(distribution: str) -> int:
    """The major version that is installed; -1 for none."""
    return int(installed(distribution).partition(".")[0])


ALL: Final = list(load())
CASES: Final = [case for case in ALL if is_playable(case)]


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
COSTS: Final = {semconv.COST_TOTAL, semconv.COST_INPUT, semconv.COST_OUTPUT, semconv.USAGE_COST}
BY_THE_CLOCK: Final = {semconv.DEEPSEEK}
"""Providers whose prices change with the time of day: of their costs the type is told, too."""
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
    measured = MEASURED | COSTS if attributes.get(semconv.PROVIDER_NAME) in BY_THE_CLOCK else MEASURED
    return {key: tell_value(key, value, measured) for key, value in sorted(attributes.items())}


EXCEPTION: Final = "<a class of exceptions>"


def tell_value(key: str, value: Any, measured: Collection[str] = MEASURED) -> Any:
    """One attribute as JSON."""
    if key in measured:
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
