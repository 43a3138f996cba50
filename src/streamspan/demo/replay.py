"""A server for demonstrations and tests: it answers like OpenAI and Anthropic, on loopback, from a book of scenes."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from random import Random
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from streamspan.demo import chat_completions, messages
from streamspan.demo.scenes import Fault, Scene, Turn, scene

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_WORTH_CACHING: Final = 1024


class HungUpError(Exception):
    """Raised inside a body to make the server drop the connection: the scene asks for it."""


class Wire(Protocol):
    """A wire format: what the modules `chat_completions` and `messages` have in common."""

    def stream(self, turn: Turn) -> Iterator[str]:
        """The server-sent events of one answer, in order."""
        ...

    def whole(self, turn: Turn) -> dict[str, Any]:
        """The same answer as one JSON document."""
        ...

    def too_many_requests(self, turn: Turn) -> dict[str, Any]:
        """The body of an HTTP 429."""
        ...

    def bad_request(self, message: str) -> dict[str, Any]:
        """The body of an HTTP 400."""
        ...

    def error_event(self) -> str:
        """What takes the place of the next event when the service fails under way."""
        ...


class Replay:
    """The server's side of every conversation: the scenes, their timing, and which prompts are already cached.

    Args:
        pace: factor on all waiting times; 0 answers at once.
        seed: of the jitter and of the ids, so that two runs look alike.
    """

    def __init__(self, pace: float = 1.0, seed: int = 7) -> None:
        self._pace = pace
        self._random = Random(seed)  # noqa: S311 - jitter and made-up ids, no secrets
        self._cached: set[str] = set()

    async def chat_completions(self, request: Request) -> Response:
        """``POST /v1/chat/completions``."""
        return await self._answer(request, chat_completions)

    async def messages(self, request: Request) -> Response:
        """``POST /v1/messages``."""
        return await self._answer(request, messages)

    async def _answer(self, request: Request, wire: Wire) -> Response:
        try:
            body: dict[str, Any] = json.loads(await request.body())
            question, tool_has_answered = _last_question(body["messages"])
            played = scene(question)
            turn = self._turn(body, played, tool_has_answered=tool_has_answered)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse(wire.bad_request(f"We could not read this request: {error!r}."), 400)
        response = await self._play(played, turn, wire, streamed=bool(body.get("stream")))
        response.headers.update({"request-id": f"req_{turn.ident}", "x-request-id": f"req_{turn.ident}"})
        return response

    async def _play(self, played: Scene, turn: Turn, wire: Wire, *, streamed: bool) -> Response:
        if played.fault is Fault.TOO_MANY_REQUESTS:
            await self._wait(0.1)
            return JSONResponse(wire.too_many_requests(turn), 429, {"retry-after": "2"})
        if streamed:
            events = _broken(played.fault, list(wire.stream(turn)), wire.error_event())
            return StreamingResponse(self._paced(events, played, turn), media_type="text/event-stream")
        await self._wait(played.seconds_to_first_token + turn.output_tokens * played.seconds_per_token)
        return JSONResponse(wire.whole(turn))

    def _turn(self, body: dict[str, Any], played: Scene, *, tool_has_answered: bool) -> Turn:
        asked = {key: body[key] for key in ("messages", "system", "tools") if key in body}
        options: dict[str, Any] = body.get("stream_options") or {}
        read, written = self._cache(_cacheable(body))
        return Turn(
            ident="".join(self._random.choices(_LETTERS, k=24)),
            created=int(time.time()),
            model=str(body["model"]),
            line=played.after_tool if tool_has_answered else played.line,
            input_tokens=max(len(json.dumps(asked)) // 4, read + written),
            cache_read_tokens=read,
            cache_written_tokens=written,
            with_usage=bool(options.get("include_usage")),
        )

    def _cache(self, prompt: str) -> tuple[int, int]:
        """Tokens read from the cache and tokens written to it, for this prompt."""
        size = len(prompt) // 4
        if size < _WORTH_CACHING:
            return 0, 0
        if prompt in self._cached:
            return size, 0
        self._cached.add(prompt)
        return 0, size

    async def _paced(self, events: Iterable[str], played: Scene, turn: Turn) -> AsyncIterator[str]:
        """The events with a model's timing: a long wait for the first ones, then a token at a time."""
        hidden = turn.thought_tokens * played.seconds_per_token if turn.model.startswith("gpt") else 0.0
        first = played.seconds_to_first_token + hidden
        waits = itertools.chain([0.7 * first, 0.3 * first], self._gaps(played.seconds_per_token))
        for wait, event in zip(waits, events, strict=False):
            await self._wait(wait)
            yield event

    def _gaps(self, mean: float) -> Iterator[float]:
        while True:
            yield mean * self._random.uniform(0.6, 1.4)

    async def _wait(self, seconds: float) -> None:
        if self._pace:
            await asyncio.sleep(self._pace * seconds)


def app(pace: float = 1.0, seed: int = 7) -> Starlette:
    """The replay server as an ASGI application; see `Replay` for the arguments."""
    replay = Replay(pace, seed)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", replay.chat_completions, methods=["POST"]),
            Route("/v1/messages", replay.messages, methods=["POST"]),
        ]
    )


def _last_question(conversation: list[Mapping[str, Any]]) -> tuple[str, bool]:
    """What the user asked last, and whether a tool's answer follows it."""
    tool_has_answered = False
    for message in reversed(conversation):
        text = _text(message.get("content")) if message["role"] == "user" else ""
        if text:
            return text, tool_has_answered
        tool_has_answered |= message["role"] in ("tool", "user")
    return "", tool_has_answered


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or [] if part.get("type") == "text")


def _cacheable(body: Mapping[str, Any]) -> str:
    """The part of the prompt that a provider caches: Anthropic's marked blocks, OpenAI's leading messages."""
    blocks: str | list[dict[str, Any]] = body.get("system") or []
    marked = [] if isinstance(blocks, str) else [block for block in blocks if "cache_control" in block]
    leading = [message for message in body["messages"] if message["role"] in ("system", "developer")]
    return _text(marked) + "".join(_text(message.get("content")) for message in leading)


def _broken(fault: Fault, events: list[str], error: str) -> Iterable[str]:
    """The events as far as the fault lets them through."""
    if fault is Fault.NONE:
        return events
    kept = events[: len(events) // 2]
    return {Fault.OVERLOADED: [*kept, error], Fault.HANG_UP: _hang_up(kept)}.get(fault, kept)


def _hang_up(events: Iterable[str]) -> Iterable[str]:
    yield from events
    raise HungUpError
