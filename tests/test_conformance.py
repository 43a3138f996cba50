"""What providers send, as files, replayed through the real SDKs; the whole span is compared with the file beside each."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

import streamspan

from conformance import ALL, CASES, FOLDER, FORMATS, Case, differ, overlay, tell
from conftest import Recorder
from loopback import Loopback, Reply
from wire_surfaces import connect

PLAYED = [
    pytest.param(case, way, is_async, id=f"{case.format}-{case.name}-{way}-{'async' if is_async else 'sync'}")
    for case in CASES
    for way in case.ways
    for is_async in (False, True)
]


class Stage:
    """One server, one place where spans go, and one client per surface and host, for all cases; asynchronous ones in one loop."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.runner = asyncio.Runner()
        self.reply = Reply()
        self.server = Loopback(lambda _: self.reply)
        self._clients: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        self._settings: dict[str, Any] | None = None

    def play(self, case: Case, way: str, *, is_async: bool) -> ReadableSpan:
        """Calls once, and returns the span; what the SDK raises is its own affair."""
        self.recorder.started.clear()
        self.recorder.ended.clear()
        self._instrument(case.settings)
        key = (case.surface, is_async, case.base_url)
        if key not in self._clients:
            surface = case.surface(is_async=is_async)
            self._clients[key] = surface, connect(surface, self.server, case.base_url)
        surface, client = self._clients[key]
        self.reply = case.reply
        with suppress(Exception):
            self.runner.run(case.ways[way](surface, client, case.arguments))
        (span,) = self.recorder.ended  # all was read: nothing waits for the garbage collector
        assert self.recorder.started == [span.name]
        return span

    def _instrument(self, settings: dict[str, Any]) -> None:
        """As the case wants it; left on for the next, as it takes longer than a call."""
        if settings != self._settings:
            streamspan.uninstrument()
            streamspan.instrument(tracer_provider=self.recorder.provider, **settings)
            self._settings = settings

    def close(self) -> None:
        """Closes the clients and the loop."""
        streamspan.uninstrument()
        for surface, client in self._clients.values():
            self.runner.run(surface.shut(client))
        self.runner.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Shared by the cases."""
    stage = Stage()
    with stage.server:
        yield stage
        stage.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old models
@pytest.mark.parametrize(("case", "way", "is_async"), PLAYED)
def test_span(case: Case, way: str, is_async: bool, stage: Stage, request: pytest.FixtureRequest) -> None:
    """One call is one span, and the span says all that its file says, and nothing else."""
    told = tell(stage.play(case, way, is_async=is_async))
    if request.config.getoption("--write-spans"):
        write(case, way, told)
    assert told == overlay(json.loads(case.span.read_text()), way)


def write(case: Case, way: str, told: dict[str, Any]) -> None:
    """Writes what is expected from now on: what the first way told, and what the others told otherwise."""
    expected: dict[str, Any] = told
    if way != next(iter(case.ways)):
        expected = json.loads(case.span.read_text())
        ways = {name: said for name, said in expected.pop("ways", {}).items() if name != way}
        if differing := differ(told, overlay(expected, way)):
            ways[way] = differing
        expected |= {"ways": ways} if ways else {}
    case.span.write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n")


def test_files() -> None:
    """Every body has its span, every folder is of a format that we know, and no file stands beside them whose body is missing."""
    named = {(path.parent.name, path.name.partition(".")[0]) for path in FOLDER.glob("*/*")}
    assert named == {(case.format, case.name) for case in ALL}
    assert {case.format for case in ALL} == {*FORMATS}
    assert [case.body for case in ALL if not case.span.exists()] == []
