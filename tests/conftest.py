"""What every test has: defects of ours are raised, not logged, and spans are counted from start to end."""

import gc
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.util.types import AttributeValue

import streamspan
from streamspan import live

os.environ["STREAMSPAN_RAISE_ERRORS"] = "1"  # also for the programs that tests start
os.environ["XDG_CACHE_HOME"] = os.devnull  # the table of prices is the package's, whatever this user has fetched
os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"
for name in (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
):
    os.environ.pop(name, None)


class Recorder(SpanProcessor):
    """Keeps every span that starts and every one that ends."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self.provider.add_span_processor(self)
        self.started: list[str] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Counts."""
        self.started.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps."""
        self.ended.append(span)

    def wait_for(self, count: int) -> None:
        """Returns once dropped streams have been collected and ``count`` spans have ended, or will not end any more."""
        gc.collect()
        live.settle()
        deadline = time.monotonic() + 5
        while len(self.ended) < count and time.monotonic() < deadline:
            time.sleep(0.01)

    def spans(self, count: int = 1) -> list[ReadableSpan]:
        """All ended spans, after dropped streams have been collected and ended; there must be ``count``."""
        self.wait_for(count)
        assert [span.name for span in self.ended] == self.started
        assert len(self.ended) == count
        return self.ended

    def span(self) -> ReadableSpan:
        """The only span."""
        return self.spans(1)[0]

    def attributes(self) -> Mapping[str, AttributeValue]:
        """The attributes of the only span."""
        return dict(self.span().attributes or {})


def pytest_addoption(parser: pytest.Parser) -> None:
    """What rewrites files of the checkout that tests compare with; they are to be read before they are committed."""
    parser.addoption("--write-spans", action="store_true", help="write tests/wire/**/*.span.json")
    parser.addoption("--write-coverage", action="store_true", help="write docs/coverage.md")
    parser.addoption("--write-telemetry", action="store_true", help="write docs/telemetry.md")
    parser.addoption("--write-api", action="store_true", help="write docs/api.md")
    parser.addoption("--write-settings", action="store_true", help="write docs/settings.md")


@pytest.fixture(autouse=True)
def say_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged once per process is logged once per test."""
    monkeypatch.setattr("streamspan.errors._said", set[Any]())


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A tracer provider of its own for one test."""
    recorder = Recorder()
    yield recorder
    recorder.provider.shutdown()


@pytest.fixture
def observed(recorder: Recorder, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """The SDKs observed, with settings from ``@pytest.mark.settings(...)``; in the end no call may be left open."""
    freeze()
    marker = request.node.get_closest_marker("settings")
    settings: dict[str, Any] = dict(marker.kwargs) if marker else {}
    streamspan.instrument(tracer_provider=recorder.provider, **settings)
    yield recorder
    streamspan.uninstrument()
    gc.collect()
    live.settle()
    assert len(recorder.ended) == len(recorder.started), "a span was left open or ended twice"


def pytest_collection_finish() -> None:
    """The SDKs are imported by now; from here on garbage is collected where tests ask for it.

    What openai 1 leaves of a stream that is dropped must not be collected while httpcore holds the lock of its pool, which it takes
    to close it: that is a deadlock, without us too, and a shared client in the tests is a good place to meet it.
    """
    freeze()
    gc.disable()


def freeze() -> None:
    """Leaves all that is there out of later collections: tests collect often, and the SDKs are half a million objects."""
    gc.collect()
    gc.freeze()
