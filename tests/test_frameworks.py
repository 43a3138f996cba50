"""Web frameworks which pass an answer on as it comes, on real servers, and visitors who leave half-way (docs/frameworks.md)."""

import importlib.util
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from socketserver import ThreadingMixIn
from types import ModuleType
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
import uvicorn
import werkzeug.serving

from streamspan import Client, live

from conftest import Recorder
from loopback import Loopback, Piece, Reply, Request, anthropic_events, openai_chunk, openai_chunks, sse
from surfaces import OpenAISurface

EXAMPLES = Path(__file__).parent.parent / "examples"
TEXTS = ["Lima ", "is "]
WHOLE = "".join(TEXTS)
MANY: Final = 500


# --- servers ---------------------------------------------------------------------------------------------------------


class Wsgi(ThreadingMixIn, WSGIServer):
    """The standard library's server, one thread for each visitor, as Django's runserver has it."""

    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


class QuietWerkzeug(werkzeug.serving.WSGIRequestHandler):
    """Likewise."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def served(server: Any) -> Generator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def wsgiref(app: Any) -> Generator[int]:
    server = Wsgi(("127.0.0.1", 0), Quiet)
    server.set_app(app)
    with served(server) as port:
        yield port


@contextmanager
def werkzeug_threaded(app: Any) -> Generator[int]:
    with served(werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietWerkzeug)) as port:
        yield port


@contextmanager
def uvicorn_loop(app: Any) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


# --- the examples on them --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """One view of an example."""

    program: str
    app: str
    serve: Callable[[Any], Any]
    path: str

    @property
    def is_asgi(self) -> bool:
        """Whether the server notices it also while the model is silent; the others notice when they write."""
        return self.serve is uvicorn_loop

    def __str__(self) -> str:
        return f"{self.program}-{self.serve.__name__}-{self.path}"


SITES = (
    Site("web_django", "wsgi", wsgiref, "chat"),
    Site("web_django", "asgi", uvicorn_loop, "achat"),
    Site("web_fastapi", "app", uvicorn_loop, "chat"),
    Site("web_fastapi", "app", uvicorn_loop, "events"),
    Site("web_anthropic", "app", uvicorn_loop, "chat"),
    Site("web_flask", "app", werkzeug_threaded, "chat"),
)
each_site = pytest.mark.parametrize("site", SITES, ids=str)


def load(name: str) -> ModuleType:
    """The example as a module, once: Django can be set up once in a process."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Web:
    """The examples on their servers, and the model they ask."""

    def __init__(self, model: Loopback, stack: ExitStack) -> None:
        self.model = model
        self._stack = stack
        self._ports: dict[tuple[str, str], int] = {}

    def port(self, site: Site) -> int:
        """Where the site is served, from the first time it is asked for."""
        key = site.program, site.app
        if key not in self._ports:
            self._ports[key] = self._stack.enter_context(site.serve(getattr(load(site.program), site.app)))
        return self._ports[key]

    def ask(self, site: Site, question: str) -> socket.socket:
        """A visitor's connection, with the question sent."""
        visitor = socket.create_connection(("127.0.0.1", self.port(site)), timeout=30)
        request = f"GET /{site.path}?question={question} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        visitor.sendall(request.encode())
        return visitor

    def visit(self, site: Site, question: str) -> socket.socket:
        """The same, once the first words of the answer are there."""
        visitor = self.ask(site, question)
        seen = b""
        while b"is " not in seen:
            seen += (got := visitor.recv(65536))
            assert got, seen
        return visitor


def open_files() -> int:
    """How many this process has open, sockets among them."""
    return len(os.listdir("/dev/fd"))


def wait_until(holds: Callable[[], bool]) -> None:
    """Returns once it does; fails if it does not within 10 s."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass(frozen=True)
class Voice:
    """How a provider says something, piece by piece."""

    say: Callable[[str], bytes]
    whole: Sequence[bytes]
    start: Sequence[bytes] = ()


def say_delta(text: str) -> bytes:
    return sse("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


CLAUDE = Voice(say_delta, anthropic_events(TEXTS), anthropic_events(TEXTS)[:2])
GPT = Voice(lambda text: sse(None, openai_chunk({"content": text})), openai_chunks(TEXTS))


def answer(request: Request) -> Reply:
    """First words, and then what the question says."""
    voice = CLAUDE if request.path.endswith("/messages") else GPT
    asked = request.json["messages"][0]["content"]
    return Reply(headers={"connection": "close"}, body=voice.whole if asked == "whole" else drip(voice, asked))


WAKE: Final = threading.Event()


def drip(voice: Voice, asked: str) -> Generator[Piece]:
    """One word after another, or not until `WAKE`, or never; of a ``flood`` more than the sockets hold, if nobody reads."""
    yield from voice.start
    yield from map(voice.say, TEXTS)
    if asked == "silence":
        yield threading.Event()
    if asked == "later":
        yield WAKE
    for _ in range(2000):
        yield 0.005
        yield voice.say("so " * (20_000 if asked == "flood" else 1))


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """Servers and clients are shared, as they are in a program that serves."""
    with pytest.MonkeyPatch.context() as patch, Loopback(answer) as model, ExitStack() as stack:
        patch.setenv("OPENAI_API_KEY", "none")
        patch.setenv("OPENAI_BASE_URL", f"{model.url}/v1")
        patch.setenv("ANTHROPIC_API_KEY", "none")
        patch.setenv("ANTHROPIC_BASE_URL", model.url)
        yield Web(model, stack)


# --- tests -----------------------------------------------------------------------------------------------------------


LEAVING = [(site, answer) for site in SITES for answer in ("silence", "words", "flood") if answer != "silence" or site.is_asgi]


@pytest.mark.parametrize(("site", "answer"), LEAVING, ids=str)
def test_a_visitor_leaves(site: Site, answer: str, web: Web, observed: Recorder) -> None:
    """The connection to the model is closed, and the span has what was said by then and how it ended."""
    visitor = web.visit(site, answer)
    if answer != "words":
        time.sleep(0.1)  # by now the server waits for the model, or for the visitor; nothing depends on it but which one it is
    visitor.close()
    web.model.wait_for_connections(0)
    attributes = observed.attributes()
    said = str(attributes["streamspan.preview"])
    assert attributes["streamspan.outcome"] == "aborted"
    assert said.removeprefix(WHOLE).replace("so ", "") in {"", "o ", " "}  # of a flood it is the end
    assert said.startswith(WHOLE) or answer == "flood"
    assert live.running() == ()


@pytest.mark.parametrize("site", [site for site in SITES if not site.is_asgi], ids=str)
def test_wsgi_does_not_look_while_the_model_is_silent(site: Site, web: Web, observed: Recorder) -> None:
    """The call goes on although the visitor has left, and ends soon after the model speaks again."""
    WAKE.clear()
    web.visit(site, "later").close()
    time.sleep(0.1)
    assert len(live.running()) == web.model.connections == 1
    WAKE.set()
    web.model.wait_for_connections(0)
    assert observed.attributes()["streamspan.outcome"] == "aborted"


@each_site
def test_a_visitor_stays(site: Site, web: Web, observed: Recorder) -> None:
    """The whole answer is passed on, and the call is completed."""
    with web.ask(site, "whole") as visitor:
        seen = b"".join(iter(lambda: visitor.recv(65536), b""))
    assert all(text.strip().encode() in seen for text in TEXTS)
    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["streamspan.preview"] == WHOLE


# Garbage is collected here while the server's thread runs the loop, and may be in a generator that is to be finalized.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@each_site
def test_many_visitors_leave(site: Site, web: Web, observed: Recorder) -> None:
    """500 who leave half-way, 20 at a time: no connection stays open, to the model or to a visitor, no call, no span, no thread."""
    web.visit(site, "words").close()  # what is there from the first request on
    web.model.wait_for_connections(0)
    observed.wait_for(1)
    files, threads = open_files(), threading.active_count()

    def leave(number: int) -> None:
        web.visit(site, "silence" if site.is_asgi and number % 2 else "words").close()

    with ThreadPoolExecutor(20) as visitors:
        list(visitors.map(leave, range(MANY)))
    web.model.wait_for_connections(0)
    spans = observed.spans(MANY + 1)
    assert {str((span.attributes or {})["streamspan.outcome"]) for span in spans} == {"aborted"}
    assert live.running() == ()
    wait_until(lambda: open_files() <= files)
    wait_until(lambda: threading.active_count() <= threads)


def test_documented_django_view(web: Web, observed: Recorder) -> None:
    """The product's example of a Django view, as it is written; the visitor leaves after two chunks."""
    streaming_http_response: Any = import_module("django.http").StreamingHttpResponse  # Django comes without types
    request_factory: Any = import_module("django.test").RequestFactory
    load("web_django")  # which sets Django up
    openai = OpenAISurface(is_async=False)
    body = [*map(GPT.say, TEXTS), threading.Event()]
    with Loopback(Reply(body=body)) as model, openai.client(model) as given, Client(clients={"openai": given}) as client:

        def stream_view(request: Any) -> Any:
            message = request.POST.get("message")
            stream = client.run_local(
                model="gpt-4o",
                messages=[{"role": "user", "content": message}],
                stream=True,
            )

            def generate() -> Iterator[str]:
                for chunk in stream:  # noqa: UP028 - as it is documented
                    yield chunk

            return streaming_http_response(generate(), content_type="text/plain")

        response: Any = stream_view(request_factory().post("/", {"message": "Where is Lima?"}))
        chunks = iter(response)
        assert [next(chunks), next(chunks)] == [text.encode() for text in TEXTS]
        response.close()  # what a WSGI server does
        model.wait_for_connections(0)
        assert model.requests[0].json["messages"][0]["content"] == "Where is Lima?"
    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["streamspan.preview"]) == ("aborted", WHOLE)
