"""The google-genai SDK, 1.75 and newer.

The choke points are the private methods of ``google.genai.models`` that send one HTTP request each: chats, automatic function
calling and continuation go through them once per request. The application holds the SDK's own generator, made over what these
methods return, so a generator of ours in their place is not seen.

Interactions have a client of their own, which is loaded when the application first asks for it: one made by Speakeasy since 2.x,
by Stainless before. It sends one request for each hop of a continuation, too.
"""

import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any
from urllib.parse import urlsplit

from streamspan import live, semconv
from streamspan.awaited import announce
from streamspan.call import Call
from streamspan.errors import guard
from streamspan.providers import google_embeddings
from streamspan.providers import google_interactions as interactions
from streamspan.providers.google_genai import FORMAT, body
from streamspan.request import Request
from streamspan.sdks.deferred import find_who
from streamspan.sdks.google_functions import find_parent, make_wrappers
from streamspan.sdks.patching import Target
from streamspan.sdks.sending import begin
from streamspan.sdks.stainless import Describe, choke_points, watch
from streamspan.tap import AsyncTap, Tap, agenerate, generate
from streamspan.wire import WireFormat, fields

PACKAGE = "google.genai"
_END: Any = object()


def _describe(models: Any, kwargs: dict[str, Any], *, streamed: bool) -> Request:
    return _describe_as(FORMAT, models, kwargs, streamed=streamed)


def _describe_as(wire: WireFormat, models: Any, kwargs: dict[str, Any], *, streamed: bool) -> Request:
    client = models._api_client
    sent = body(kwargs.get("model"), kwargs.get("contents"), kwargs.get("config"))
    url = str(_base_url(client, kwargs.get("config")) or "")
    return _request(wire, url, sent, vertex=getattr(client, "vertexai", False), streamed=streamed)


def _request(wire: WireFormat, base_url: str, sent: dict[str, Any], *, vertex: bool, streamed: bool) -> Request:
    url = urlsplit(base_url)
    told, scopes = find_who()
    return Request(
        wire=wire,
        provider=semconv.GCP_VERTEX_AI if vertex else semconv.GCP_GEMINI,
        address=url.hostname or "",
        port=url.port or (80 if url.scheme == "http" else 443),
        body=sent,
        streamed=streamed,
        context=find_parent(),
        who=told,
        scopes=scopes,
    )


def _base_url(client: Any, config: Any) -> Any:
    """Where the request goes: a request's own options win."""
    own = body(None, None, config).get("http_options")
    return body(None, None, own).get("base_url") or getattr(getattr(client, "_http_options", None), "base_url", None)


# --- whole answers ---------------------------------------------------------------------------------------------------


def _describe_embedding(models: Any, kwargs: dict[str, Any]) -> Request:
    """The SDK gives what it embeds under one of three names, by the API that the model has."""
    given = (kwargs.get(name) for name in ("contents", "content", "batch_contents"))
    contents = next((contents for contents in given if contents is not None), None)
    return _describe_as(google_embeddings.FORMAT, models, {**kwargs, "contents": contents}, streamed=False)


def _embed(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sending = begin(PACKAGE, _describe_embedding, models, kwargs)
    if sending is None:
        return wrapped(*args, **kwargs)
    return _answered(sending.send(wrapped, *args, **kwargs), sending.call)


async def _embed_async(wrapped: Callable[..., Any], models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sending = begin(PACKAGE, _describe_embedding, models, kwargs)
    if sending is None:
        return await wrapped(*args, **kwargs)
    return _answered(await sending.send_async(wrapped, *args, **kwargs), sending.call)


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
        tap = Tap(inner, sending.call)
        _watch(sending.call, tap)
        yield from generate(tap, sending.call, sending.send)


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
    tap = AsyncTap(inner, sending.call)
    _watch(sending.call, tap)
    return agenerate(tap)


@guard("observing a stream")
def _watch(call: Call, tap: Tap | AsyncTap) -> None:
    live.watch()
    call.connection = partial(_find_response, call, weakref.ref(tap))
    announce(call)


def _find_response(call: Call, tap: "weakref.ref[Tap | AsyncTap]") -> Any:
    """The HTTP response that the SDK's generators read from: only they have it, and only while they rest it can be seen there."""
    seen: list[Any] = [reading] if (reading := tap()) is not None else []
    for holder in seen:
        if (response := getattr(holder, "response_stream", None)) is not None:
            call.connection = weakref.ref(response)
            return response
        seen.extend(found for found in gc.get_referents(holder) if _leads_there(found))
    return None


def _leads_there(found: object) -> bool:
    return isinstance(found, GeneratorType | AsyncGeneratorType) or hasattr(found, "response_stream")


# --- interactions ----------------------------------------------------------------------------------------------------


def _describe_create(resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:  # noqa: ARG001 - as `Describe`
    sent = dict(fields(fields(kwargs.get("request")).get("body")) or kwargs) | fields(kwargs.get("extra_body"))
    return _request_of(resource, interactions.FORMAT, sent)


def _describe_get(resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    sent = {"id": args[0] if args else kwargs.get("id"), "stream": kwargs.get("stream")}
    return _request_of(resource, interactions.AWAIT if sent["id"] in _awaited else interactions.FETCH, sent)


_awaited: dict[Any, None] = {}
"""The ids of the newest interactions that were started in the background, and whose end nobody has read yet: the usage of such a
one belongs to the first request that does."""
_MOST_AWAITED = 10_000


@guard("noting an interaction")
def _note(result: Any) -> None:
    """Remembers an interaction that goes on in the background, and forgets one that is over."""
    running, key = interactions.is_running(result), fields(result).get("id")
    if running:
        _awaited[key] = None
        if len(_awaited) > _MOST_AWAITED:
            _awaited.pop(next(iter(_awaited)), None)
    elif running is False:
        _awaited.pop(key, None)


def _request_of(resource: Any, wire: WireFormat, sent: dict[str, Any]) -> Request:
    configuration = resource.sdk_configuration
    version = str(fields(getattr(configuration, "globals", None)).get("api_version"))
    vertex = "/projects/" in version
    return _request(wire, str(configuration.server_url or ""), sent, vertex=vertex, streamed=sent.get("stream") is True)


def _interact(
    describe: Describe, wrapped: Callable[..., Any], resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    sending = begin(PACKAGE, describe, resource, args, kwargs)
    if sending is None:
        return wrapped(*args, **kwargs)
    return _received(sending.send(wrapped, *args, **kwargs), sending.call)


async def _interact_async(
    describe: Describe, wrapped: Callable[..., Any], resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    sending = begin(PACKAGE, describe, resource, args, kwargs)
    if sending is None:
        return await wrapped(*args, **kwargs)
    return _received(await sending.send_async(wrapped, *args, **kwargs), sending.call)


def _received(result: Any, call: Call | None) -> Any:
    if interactions.is_running(result) is None:
        return watch(result, call)
    _note(result)  # a whole interaction, even where a stream was asked for
    return _answered(result, call)


def _describe_stainless(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    """A request of the client that 1.x has."""
    options = kwargs["options"] if "options" in kwargs else args[1]
    method, path = options.method.lower(), options.url.partition("?")[0].strip("/")
    *_, parent, last = "", *path.split("/")
    streamed, base_url, vertex = bool(kwargs.get("stream")), str(client.base_url), "/projects/" in f"/{path}"
    if method == "post" and last == "interactions":
        sent = {**fields(options.json_data), **fields(options.extra_json)}
        return _request(interactions.FORMAT, base_url, sent, vertex=vertex, streamed=streamed)
    if method == "get" and parent == "interactions":
        return _request(interactions.FETCH, base_url, {"id": last}, vertex=vertex, streamed=streamed)
    return None


INTERACTIONS = Target(
    PACKAGE,
    "google.genai._gaos.interactions",
    {
        "Interactions.create": partial(_interact, _describe_create),
        "Interactions.get": partial(_interact, _describe_get),
        "AsyncInteractions.create": partial(_interact_async, _describe_create),
        "AsyncInteractions.get": partial(_interact_async, _describe_get),
    },
)

TARGETS = (
    Target(
        PACKAGE,
        "google.genai.models",
        {
            **make_wrappers(PACKAGE, "Models", "generate_content"),
            "Models._generate_content": _send,
            "Models._generate_content_stream": _stream,
            "Models._embed_content": _embed,
            "AsyncModels._generate_content": _send_async,
            "AsyncModels._generate_content_stream": _stream_async,
            "AsyncModels._embed_content": _embed_async,
        },
    ),
    Target(PACKAGE, "google.genai.chats", make_wrappers(PACKAGE, "Chat", "send_message")),
    INTERACTIONS,
    Target(PACKAGE, "google.genai._interactions._base_client", choke_points(PACKAGE, _describe_stainless)),
)
