"""What the page asks for, as JSON and as a stream of events; see API.md."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from streamspan.version import __version__
from streamspan.viewer import export, queries
from streamspan.viewer.database import StoreError
from streamspan.viewer.inbox import Inbox, News
from streamspan.viewer.queries import Query, QueryError

PAGE: Final = Path(__file__).with_name("page")
_BEAT: Final = 0.25
_BEATS_BETWEEN_HEARTBEATS: Final = 60
_CONFIRMED: Final = "x-streamspan"

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes of the page and of its data."""

    def __init__(self, inbox: Inbox, about: Mapping[str, Any]) -> None:
        self._inbox = inbox
        self._store = inbox.store
        self._about = {"name": "streamspan", "version": __version__, **about}
        self._is_closing = False

    def routes(self) -> list[BaseRoute]:
        """Of the page, its files and its data."""
        return [
            Route("/", self.page),
            Route("/calls/{trace_id}/{span_id}", self.page),
            Mount("/static", StaticFiles(directory=PAGE, check_dir=False)),
            Route("/api/about", self.about),
            Route("/api/calls", answering(self.calls), methods=["GET"]),
            Route("/api/calls", answering(self.clear), methods=["DELETE"]),
            Route("/api/running", answering(self.running)),
            Route("/api/calls/{trace_id}/{span_id}", answering(self.call)),
            Route("/api/calls/{trace_id}/{span_id}/export", answering(self.export)),
            Route("/api/traces/{trace_id}", answering(self.trace)),
            Route("/api/totals", answering(self.totals)),
            Route("/api/stream", self.stream),
        ]

    def close(self) -> None:
        """Have the streams of events end."""
        self._is_closing = True

    async def page(self, _: Request) -> Response:
        """The page: the same for the list and for one call."""
        index = PAGE / "index.html"
        return FileResponse(index) if index.exists() else PlainTextResponse("this installation has no page", 404)

    async def about(self, _: Request) -> Response:
        """Who this is."""
        return JSONResponse(self._about)

    def calls(self, request: Request) -> Response:
        """Finished calls."""
        return JSONResponse(queries.calls(self._store, Query.of(request.query_params)))

    def running(self, _: Request) -> Response:
        """Running calls."""
        return JSONResponse({"calls": self._inbox.running()})

    def call(self, request: Request) -> Response:
        """One call, running or finished."""
        found = self._detail(request)
        return JSONResponse(found) if found else _no_such_call()

    def export(self, request: Request) -> Response:
        """One call as a file."""
        found = self._detail(request)
        if found is None:
            return _no_such_call()
        wanted = request.query_params.get("format", "json")
        if wanted not in export.FORMATS:
            raise QueryError(f"format={wanted!r} is none of {', '.join(export.FORMATS)}")
        media_type, ending, write = export.FORMATS[wanted]
        name = f"call-{found['summary']['span_id']}.{ending}"
        return Response(write(found), media_type=media_type, headers={"content-disposition": f'inline; filename="{name}"'})

    def trace(self, request: Request) -> Response:
        """The spans of a trace."""
        return JSONResponse({"spans": queries.trace(self._store, request.path_params["trace_id"])})

    def totals(self, request: Request) -> Response:
        """Sums by model and day."""
        since = queries.number("since_ms", request.query_params.get("since_ms") or "0")
        return JSONResponse(queries.totals(self._store, since))

    def clear(self, request: Request) -> Response:
        """Forget all calls."""
        if _CONFIRMED not in request.headers:
            return JSONResponse({"error": "this needs the header X-Streamspan: 1"}, 403)
        self._inbox.clear()
        return JSONResponse({"cleared": True})

    async def stream(self, _: Request) -> Response:
        """What happens, as it happens."""
        return StreamingResponse(self._events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _events(self) -> AsyncIterator[str]:
        mark = self._inbox.mark()
        yield "retry: 1000\n: hello\n\n"
        silent = 0
        while not self._is_closing:
            news = await run_in_threadpool(self._inbox.since, mark)
            text = _written(news)
            silent = 0 if text else silent + 1
            if text or silent % _BEATS_BETWEEN_HEARTBEATS == 0:
                yield text or ": still here\n\n"
            mark = news.mark
            await asyncio.sleep(_BEAT)

    def _detail(self, request: Request) -> dict[str, Any] | None:
        return self._inbox.detail((request.path_params["trace_id"], request.path_params["span_id"]))


def answering(handler: Callable[[Request], Response]) -> Handler:
    """The handler in a thread, as it reads the store; its errors as answers."""

    async def answer(request: Request) -> Response:
        try:
            return await run_in_threadpool(handler, request)
        except QueryError as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": str(error)}, 503)

    return answer


def _no_such_call() -> Response:
    return JSONResponse({"error": "there is no such call"}, 404)


def _written(news: News) -> str:
    events: list[tuple[str, dict[str, Any]]] = [("cleared", {})] if news.cleared else []
    events += [("running", found) for found in news.running]
    events += [("ended", found) for found in news.ended]
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
