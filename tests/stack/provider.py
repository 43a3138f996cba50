"""A provider on loopback whose streams wait, half-way through, for a test to let them go on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from streamspan.demo import chat_completions
from streamspan.demo.scenes import Line, Turn
from streamspan.viewer.server import listen, serving

_TICK: Final = 0.02


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that runs."""

    url: str
    go_on: threading.Event
    """Set, and every stream is told to its end."""


@contextmanager
def holding(answer: str) -> Generator[Provider]:
    """OpenAI's chat completions on loopback, with that answer to every question; each waits in the middle."""
    go_on = threading.Event()

    async def body(model: str) -> AsyncIterator[str]:
        turn = Turn("held", 1_700_000_000, model, Line(answer), input_tokens=12, with_usage=True)
        events = list(chat_completions.stream(turn))
        for event in events[: len(events) // 2]:
            yield event
        while not go_on.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(_TICK)
        for event in events[len(events) // 2 :]:
            yield event

    async def answers(request: Request) -> StreamingResponse:
        return StreamingResponse(body((await request.json())["model"]), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", answers, methods=["POST"])])
    with serving(app, listen("127.0.0.1", 0)) as url:
        try:
            yield Provider(url, go_on)
        finally:
            go_on.set()
