"""An ASGI application behind a socket: bound first, so that a port in use is found out before anything starts."""

import errno
import socket
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager

import uvicorn
from starlette.types import ASGIApp


class CannotListenError(Exception):
    """The address cannot be had; the message says which and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListenError(
                f"port {port} on {host} is in use: stop what listens there or choose another with --port"
            ) from None
        raise CannotListenError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None


def is_free(host: str, port: int) -> bool:
    """Whether the port could be had now."""
    try:
        listen(host, port).close()
    except CannotListenError:
        return False
    return True


def url(listener: socket.socket) -> str:
    """The base address of what is served behind the socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Generator[str]:
    """Serve the application in a thread while the block runs, and close the socket with it; yields the base address."""
    # No logging of its own: what a client gets wrong it is told in the answer, and the terminal belongs to the calls.
    config = uvicorn.Config(
        app, log_config=None, log_level="critical", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    with closing(listener):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="streamspan-server", daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.005)
        try:
            yield url(listener)
        finally:
            server.should_exit = True
            thread.join()
