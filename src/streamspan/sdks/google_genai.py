"""The google-genai SDK, 1.75 and newer.

The choke points are the four private methods of ``google.genai.models`` that send one HTTP request each: chats, automatic
function calling and continuation go through them once per request. The application holds the SDK's own generator, made over what
these methods return, so a generator of ours in their place is not seen.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from streamspan import live, semconv
from streamspan.call import Call, Request
from streamspan.errors import guard
from streamspan.providers.google_genai import FORMAT, body
from streamspan.sdks.patching import Target
from streamspan.sdks.sending import begin
from streamspan.tap import AsyncTap, Tap, agenerate, generate

PACKAGE = "google.genai"
_END: Any = object()


def _describe(models: Any, kwargs: dict[str, Any], *, streamed: bool) -> Request:
    client = models._api_client
    url = urlsplit(str(_base_url(client, kwargs.get("config")) or ""))
    return Request(
        wire=FORMAT,
        provider=semconv.GCP_VERTEX_AI if getattr(client, "vertexai", False) else semconv.GCP_GEMINI,
        address=url.hostname or "",
        port=url.port or (80 if url.scheme == "http" else 443),
        body=body(kwargs.get("model"), kwargs.get("contents"), kwargs.get("config")),
        streamed=streamed,
    )


def _base_url(client: Any, config: Any) -> Any:
    """Where the request goes: a request's own options win."""
    own = body(None, None, config).get("http_options")
    return body(None, None, own).get("base_url") or getattr(getattr(client, "_http_options", None), "base_url", None)


# --- whole answers ---------------------------------------------------------------------------------------------------


def _send(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sending = begin(PACKAGE, _describe, models, kwargs, streamed=False)
    if sending is None:
        return wrapped(*args, **kwargs)
    return _answered(sending.send(wrapped, *args, **kwargs), sending.call)


async def _send_async(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sending = begin(PACKAGE, _describe, models, kwargs, streamed=False)
    if sending is None:
        return await wrapped(*args, **kwargs)
    return _answered(await sending.send_async(wrapped, *args, **kwargs), sending.call)


def _answered(response: Any, call: Call | None) -> Any:
    if call is not None:
        call.accepted = True
        call.answered(response)
    return response


# --- streams ---------------------------------------------------------------------------------------------------------


def _stream(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    """A generator, as the SDK's own: nothing happens before the first ``next``, here as there."""
    inner: Iterator[Any] = wrapped(*args, **kwargs)
    sending = begin(PACKAGE, _describe, models, kwargs, streamed=True)
    if sending is None:
        yield from inner
    elif sending.call is None:
        yield from _rest(sending.send(next, inner, _END), inner)
    else:
        _watch()
        yield from generate(Tap(inner, sending.call), sending.call, sending.send)


def _rest(first: Any, inner: Iterator[Any]) -> Iterator[Any]:
    if first is not _END:
        yield first
        yield from inner


async def _stream_async(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The SDK's coroutine sends the request, and returns an asynchronous generator of what comes back."""
    sending = begin(PACKAGE, _describe, models, kwargs, streamed=True)
    if sending is None:
        return await wrapped(*args, **kwargs)
    inner: AsyncIterator[Any] = await sending.send_async(wrapped, *args, **kwargs)
    if sending.call is None:
        return inner
    sending.call.accepted = True
    _watch()
    return agenerate(AsyncTap(inner, sending.call))


_watch = guard("observing a stream")(live.watch)

TARGETS = (
    Target(
        PACKAGE,
        "google.genai.models",
        {
            "Models._generate_content": _send,
            "Models._generate_content_stream": _stream,
            "AsyncModels._generate_content": _send_async,
            "AsyncModels._generate_content_stream": _stream_async,
        },
    ),
)
