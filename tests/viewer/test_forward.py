"""Passing everything on, to a receiver that is there, is not there, or is there later."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamspan.viewer.database import StoreError
from streamspan.viewer.forward import Forward

from arriving import ours, progress, span
from viewing import Running


class Backend:
    """A receiver that keeps what it gets: (path, headers, body)."""

    def __init__(self, port: int = 0, status: int = 200) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.changed = threading.Condition()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                with backend.changed:
                    backend.got.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                    backend.changed.notify()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count: int) -> None:
        """Returns when there are so many requests."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, 20), self.got

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    """One that takes everything."""
    made = Backend()
    yield made
    made.close()


def test_everything_goes_on(start: Callable[..., Running], backend: Backend) -> None:
    """Traces, logs and metrics, as they came: path, headers, compressed bytes."""
    viewer = start(forward=backend.url + "/")
    traces, logs = span(ours()).SerializeToString(), progress("x", 1, 1).SerializeToString()
    headers = {"content_type": "application/x-protobuf", "content_encoding": "gzip", "x_scope": "me"}
    sent = [("/v1/traces", gzip.compress(traces)), ("/v1/logs", gzip.compress(logs)), ("/v1/metrics", gzip.compress(b""))]
    for path, body in sent:
        assert viewer.request("POST", path, body, **headers)[0] == 200
    assert viewer.request("POST", "/v1/traces", b"\xff", content_type="application/x-protobuf")[0] == 400
    backend.wait_for(3)
    assert [(path, body) for path, _, body in backend.got] == sent
    assert {(had["content-encoding"], had["x-scope"], had["host"]) for _, had, _ in backend.got} == {
        ("gzip", "me", backend.url.removeprefix("http://"))
    }
    assert viewer.said == []


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_backend_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be sent waits, in its order; that it cannot, and that it can again, is said once."""
    monkeypatch.setattr("streamspan.viewer.forward._LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("streamspan.viewer.forward._FIRST_PAUSE", 0.05)
    port = free_port()
    said: list[str] = []
    heard = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        heard.set()

    forward = Forward(f"http://127.0.0.1:{port}", say)
    for number in range(3):
        forward.put(f"/{number}", {}, b"x")
    assert heard.wait(20)
    backend = Backend(port)
    backend.wait_for(3)
    forward.close()
    assert [path for path, _, _ in backend.got] == ["/0", "/1", "/2"]
    assert [line.split(" ", 2)[2].partition(" (")[0] for line in said] == ["cannot be reached", "takes again"]
    backend.close()


def test_queue_is_bounded() -> None:
    """The oldest make room, by number and by size; who sends never waits."""
    said: list[str] = []
    forward = Forward(f"http://127.0.0.1:{free_port()}", said.append, most=10, most_bytes=1000)
    for number in range(500):
        forward.put(f"/{number}", {}, b"x" * 300)
    with forward._changed:
        waiting = [parcel.path for parcel in forward._waiting]
    assert len(waiting) <= 4
    assert waiting[-1] == "/499"
    forward.close(0)
    assert len(said) <= 4


def test_backend_that_refuses() -> None:
    """What is refused for good is not sent again, and said once."""
    backend = Backend(status=404)
    said: list[str] = []
    forward = Forward(backend.url, said.append)
    for _ in range(3):
        forward.put("/v1/logs", {}, b"x")
    backend.wait_for(3)
    forward.close()
    assert (len(backend.got), said) == (3, [f"forwarding: {backend.url}/v1/logs answers 404: what it refuses is shown here only"])
    backend.close()


def test_store_that_is_full(start: Callable[..., Running], backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept here goes on all the same, once: the sender is not told to try again."""
    viewer = start(forward=backend.url)

    def full(*_: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(viewer.inbox.store, "add", full)
    assert viewer.send(span(ours())) == 200
    backend.wait_for(1)
    alone = start()
    monkeypatch.setattr(alone.inbox.store, "add", full)
    assert alone.send(span(ours())) == 503
