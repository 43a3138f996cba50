"""Over TLS a stream is aborted as over plain HTTP: also while its reader waits for a chunk that does not come."""

import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

import streamspan

from conftest import Recorder
from loopback import Loopback, Piece
from surfaces import AnthropicSurface, OpenAISurface, Surface

TEXTS = ["Lima ", "is ", "in ", "Peru."]
SURFACES = [kind(is_async=is_async) for kind in (OpenAISurface, AnthropicSurface) for is_async in (False, True)]


@pytest.fixture(scope="module")
def certificate() -> ssl.SSLContext:
    """A server's, of the test's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued: Any = trustme.CA().issue_cert("127.0.0.1")
    issued.configure_cert(context)
    return context


def forward(source: socket.socket, target: socket.socket) -> None:
    """Passes on what one side says; once it has left, the other side is left, too."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for side in (source, target):
        with suppress(OSError):
            socket.socket.shutdown(side, socket.SHUT_RDWR)


@contextmanager
def behind_tls(server: Loopback, certificate: ssl.SSLContext) -> Generator[Any]:
    """The same server, spoken to over TLS, for one connection."""

    def serve() -> None:
        connection, _ = listener.accept()
        with certificate.wrap_socket(connection, server_side=True) as outer, socket.create_connection(address) as inner:
            back = threading.Thread(target=forward, args=(inner, outer))
            back.start()
            forward(outer, inner)
            back.join()

    address = "127.0.0.1", server.port
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield SimpleNamespace(url=f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_abort_wakes_a_stalled_reader(
    surface: Surface, certificate: ssl.SSLContext, never: threading.Event, observed: Recorder
) -> None:
    """The reader gets the end of the stream, the server sees the client leave, the span has what had come."""
    body: list[Piece] = [*surface.wire(TEXTS, terminal=False), never]
    with Loopback(surface.streams(body)) as server, behind_tls(server, certificate) as secure:
        client = surface.client(secure)
        stream = await surface.open(client)
        held = streamspan.handle(stream)
        iterator = surface.iterator(stream)
        while held.text != "".join(TEXTS):
            await surface.next(iterator)
        threading.Timer(0.1, held.abort).start()
        await surface.take(iterator)
        result = held.result.result(timeout=10)
        server.wait_for_connections(0)
        await surface.shut(client)
    assert (result.outcome, result.error, result.text) == ("aborted", None, "Lima is in Peru.")
    assert observed.attributes()["streamspan.outcome"] == "aborted"
