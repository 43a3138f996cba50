"""The running calls of a process, and the thread that looks after them."""

import threading
import time
from collections.abc import Iterator

import pytest

from streamspan import live

from conftest import Recorder
from loopback import Loopback, Reply
from surfaces import MESSAGES, OpenAISurface


class FakeCall:
    """Something that runs."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.looks = 0
        self.fails = False

    def abandon(self, at: float) -> None:
        if live.claim(self):
            self.ends.append(at)

    def look(self, now: float) -> None:
        self.looks += 1
        if self.fails:
            raise ZeroDivisionError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread that looks often and lingers briefly, started for this test."""
    live.end_all()
    monkeypatch.setattr(live, "interval", 0.01)
    yield
    live.end_all()


def wait_until(seen: threading.Event | None = None, **conditions: object) -> None:
    deadline = time.monotonic() + 5
    (condition,) = conditions.values()
    while not condition():  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_one_claim_only() -> None:
    """Of many who want to end a call, one may."""
    call = FakeCall()
    live.add(call)
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(live.claim(call))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claims) == [False] * 19 + [True]


@pytest.mark.usefixtures("quick")
def test_dropped_calls_are_ended_by_the_thread() -> None:
    """A finalizer only leaves a note; the thread ends the call, once."""
    call = FakeCall()
    live.add(call)
    live.watch()
    live.drop(call)
    live.drop(call)
    wait_until(ended=lambda: call.ends)
    live.settle()

    assert len(call.ends) == 1


@pytest.mark.usefixtures("quick")
def test_thread_ends_when_nothing_runs_and_comes_back() -> None:
    """The thread is there while calls run, goes some time after the last, and is started again by the next stream."""
    first, second = FakeCall(), FakeCall()
    live.add(first)
    live.watch()
    wait_until(looked=lambda: first.looks > 2)
    live.claim(first)
    wait_until(gone=lambda: not [thread for thread in threading.enumerate() if thread.name == "streamspan"])
    live.add(second)
    live.watch()
    wait_until(looked=lambda: second.looks)
    live.claim(second)


@pytest.mark.usefixtures("quick")
def test_a_call_that_fails_to_be_looked_at_does_not_stop_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect at one call is reported, and the others are still looked after."""
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    bad, good = FakeCall(), FakeCall()
    bad.fails = True
    live.add(bad)
    live.add(good)
    live.watch()
    wait_until(looked=lambda: bad.looks > 3 and good.looks > 3)
    live.claim(bad)
    live.claim(good)


@pytest.mark.usefixtures("quick")
def test_marks_of_a_growing_stream(observed: Recorder) -> None:
    """A stream that takes its time leaves marks of its growth on the span, at most 32, in order and never standing still."""
    surface = OpenAISurface(is_async=False)
    body = [piece for event in surface.wire(["Lima "] * 60) for piece in (event, 0.012)]
    with Loopback(Reply(body=body)) as server, surface.client(server) as client:
        list(client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True))

    marks = [dict(event.attributes or {}) for event in observed.span().events if event.name == "streamspan.progress"]
    chunks = [int(str(mark["chunks"])) for mark in marks]
    assert 5 < len(marks) <= 32
    assert chunks == sorted(set(chunks))
    assert all(mark.keys() == {"offset", "characters", "chunks"} for mark in marks)
