"""The connection that a stream is read from, broken off by somebody who is not its reader."""

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

_UNDER = ("network_stream", "raw", "_raw_stream", "_connection", "connection", "sock", "transport")
"""Where HTTP libraries, and botocore, keep what is under a response or a stream."""


def break_off(response: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    """Ends the connection under a response: who is reading from it wakes up at once, in whichever thread or task.

    A connection that other streams share, as HTTP/2 has it, is left open: who reads this one wakes up when anything comes on it.

    Args:
        response: The response of any HTTP library that the SDKs use, or an SDK's stream that has one.
        loop: Where an asynchronous response is to be closed.
    """
    if (streams := _others_too(response)) is not None:
        _end_alone(streams, response)
        return
    for found in _sockets(response):
        with suppress(OSError):
            _shut(found)
    _close(response, loop)


def _others_too(response: Any) -> dict[int, list[Any]] | None:
    """What is waiting to be read by the streams of an HTTP/2 connection, if there are others than this one."""
    if getattr(response, "http_version", "") != "HTTP/2":
        return None
    streams: dict[int, list[Any]] = getattr(_http2_connection(response), "_events", {})
    return streams if len(streams) > 1 else None


def _end_alone(streams: dict[int, list[Any]], response: Any) -> None:
    """Has one stream end for its reader, as if the server had reset it."""
    waiting = streams.get(response.extensions.get("stream_id"))
    if waiting is not None:
        waiting.append(import_module("h2.events").StreamReset(stream_id=response.extensions["stream_id"]))


def _http2_connection(response: Any) -> Any:
    """What httpcore keeps of the connection, by stream; it is some five layers down."""
    holder = response
    while holder is not None and not hasattr(holder, "_h2_state"):
        holder = next((found for name in _LAYERS if (found := getattr(holder, name, None)) is not None), None)
    return holder


_LAYERS = ("_inner", "_httpcore_stream", "_stream", "_connection", "stream")
"""Where our `Body`, httpx and httpcore keep what is under them."""


def _sockets(response: Any) -> Iterator[Any]:
    seen: list[Any] = [response]
    for holder in seen:
        if hasattr(holder, "shutdown") and hasattr(holder, "getsockname"):
            yield holder
            continue
        extensions: dict[str, Any] = getattr(holder, "extensions", None) or {}
        under: list[Any] = [_get_socket(holder), extensions.get("network_stream")]
        under += [getattr(holder, name, None) for name in _UNDER]
        seen.extend(found for found in under if found is not None and not any(found is other for other in seen))


def _get_socket(stream: Any) -> Any:
    return stream.get_extra_info("socket") if hasattr(stream, "get_extra_info") else None


def _shut(found: Any) -> None:
    if isinstance(found, socket.socket):
        # By the base class: an SSL socket's own would take the encryption away under a thread that reads.
        socket.socket.shutdown(found, socket.SHUT_RDWR)
    else:  # what asyncio hands out
        found.shutdown(socket.SHUT_RDWR)


def _close(response: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    """Has the library let go of the connection; if somebody is reading, it does so by itself as the read ends."""
    close: Callable[[], Any] = getattr(response, "aclose" if loop is not None else "close", None) or response.close
    if loop is None:
        with suppress(Exception):
            close()
    elif not loop.is_closed():
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(_close_in_loop, close)


def _close_in_loop(close: Callable[[], Any]) -> None:
    async def finish() -> None:
        with suppress(Exception):
            result = close()
            if inspect.isawaitable(result):
                await result

    task = asyncio.ensure_future(finish())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing = set["asyncio.Future[None]"]()
"""Tasks that nobody else refers to: asyncio itself would let them be collected half-way."""
