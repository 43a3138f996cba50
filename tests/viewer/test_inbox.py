"""What arrives, in any order, and what is then known: running calls, finished ones, and the news of both."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from streamspan import semconv
from streamspan.viewer import queries, running
from streamspan.viewer.inbox import Inbox
from streamspan.viewer.queries import Query
from streamspan.viewer.store import Store
from streamspan.viewer.summary import detail

from arriving import SPAN, START, TRACE, log, ours, progress, span

PENDING = "aaaaaaaaaaaaaaaa"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """One over a store in memory."""
    made = Inbox(Store(":memory:"))
    yield made
    made.close()
    made.store.close()


def finished(inbox: Inbox, **parameters: str) -> list[dict[str, Any]]:
    """The summaries of the finished calls."""
    return queries.calls(inbox.store, Query.of(parameters))["calls"]


def outcomes(inbox: Inbox) -> tuple[list[str], list[str]]:
    """Of the running calls the state, of the finished ones the outcome."""
    return [found["state"] for found in inbox.running()], [found["outcome"] for found in finished(inbox)]


def test_running_call_and_its_end(inbox: Inbox) -> None:
    """A call is seen growing from its log events, and is finished when its span comes; the news tell of both."""
    mark = inbox.mark()
    inbox.logs(progress("Lima", 500, 1))
    inbox.logs(progress("Lima is the", 1000, 2))
    [found] = inbox.running()
    wanted = {
        "outcome": "running", "model": "gpt-4.1", "preview": "Lima is the", "output_tokens": 4, "characters": 11, "chunks": 2,
        "time_to_first_content_ms": 500, "duration_ms": 1000.0, "tokens_per_second": 8.0, "service": "shop", "stalled_ms": None,
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    news = inbox.since(mark)
    assert ([each["text"] for each in news.running], news.ended, news.cleared) == (["Lima is the"], [], False)

    inbox.traces(span(ours(**{semconv.PREVIEW: "Lima is the capital."})))
    assert outcomes(inbox) == ([], ["completed"])
    later = inbox.since(news.mark)
    assert (later.running, [each["preview"] for each in later.ended]) == ([], ["Lima is the capital."])
    assert inbox.since(later.mark).ended == []


@pytest.mark.parametrize("last", ["running", "completed"])
def test_progress_is_kept_with_the_span(inbox: Inbox, last: str) -> None:
    """The detail of a finished call has the text as it was seen to grow, whether the last event or the span was faster."""
    inbox.logs(progress("Li", 500, 1))
    inbox.logs(progress("Lima", 1000, 2, last))
    inbox.traces(span(ours()))
    found = inbox.store.find(TRACE, SPAN)
    assert found
    shown = detail(*found, START)
    assert [(round(mark["at_ms"]), mark["text"], mark["chars"]) for mark in shown["progress"]] == [
        (500, "Li", 2),
        (1000, "Lima", 4),
    ]


def test_span_before_its_progress(inbox: Inbox) -> None:
    """Log events that come after the span change nothing."""
    inbox.traces(span(ours()))
    inbox.logs(progress("Lima", 1000, 2))
    assert outcomes(inbox) == ([], ["completed"])


def test_events_that_overtake_each_other(inbox: Inbox) -> None:
    """What is shown is the latest, by the numbers of the events."""
    inbox.logs(progress("Lima is the", 1000, 2))
    inbox.logs(progress("Lima", 500, 1))
    assert [found["preview"] for found in inbox.running()] == ["Lima is the"]


def test_stalled_call(inbox: Inbox) -> None:
    """A stream that stands still says for how long; when it goes on, it does not."""
    inbox.logs(progress("Lima", 1000, 1, "stalled"))
    assert [found["stalled_ms"] for found in inbox.running()] == [3000]
    inbox.logs(progress("Lima is", 1500, 2))
    assert [found["stalled_ms"] for found in inbox.running()] == [None]


def test_last_event_without_a_span(inbox: Inbox) -> None:
    """The last event ends the call with what it says; the span, if it comes, says it better."""
    inbox.logs(progress("Lima", 1000, 3, "aborted"))
    assert outcomes(inbox) == ([], ["aborted"])
    assert finished(inbox)[0]["duration_ms"] == 1000
    inbox.traces(span(ours("aborted"), ms=800))  # shorter, by another clock
    assert [(found["outcome"], found["duration_ms"]) for found in finished(inbox)] == [("aborted", 800)]


def test_call_whose_end_never_comes(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time it is kept as lost, with what it said; should it go on, it runs; its span has the last word."""
    inbox.logs(progress("Lima", 1000, 1))
    monkeypatch.setattr("streamspan.viewer.inbox._SECONDS_BETWEEN_CHECKS", 0)
    assert outcomes(inbox) == (["running"], [])
    monkeypatch.setattr(running, "LOST_AFTER", -1)
    assert outcomes(inbox) == ([], ["lost"])
    assert finished(inbox)[0]["preview"] == "Lima"
    monkeypatch.setattr(running, "LOST_AFTER", 60)
    inbox.logs(progress("Lima is", 1500, 2))
    assert outcomes(inbox) == (["running"], ["lost"])
    inbox.traces(span(ours()))
    assert outcomes(inbox) == ([], ["completed"])


def test_too_many_running_calls(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of running calls is bounded; those not heard of for longest are let go, and kept as lost."""
    monkeypatch.setattr("streamspan.viewer.inbox._SECONDS_BETWEEN_CHECKS", 0)
    monkeypatch.setattr(running, "MOST", 3)
    for number in range(5):
        inbox.logs(progress(str(number), 100, 1, span_id=f"{number + 1:016x}"))
    assert [found["preview"] for found in inbox.running()] == ["2", "3", "4"]
    assert sorted(found["preview"] for found in finished(inbox)) == ["0", "1"]


def test_viewer_that_ends(inbox: Inbox) -> None:
    """What still runs is kept."""
    inbox.logs(progress("Lima", 1000, 1))
    inbox.close()
    assert outcomes(inbox) == ([], ["lost"])


def test_pending_span(inbox: Inbox) -> None:
    """A span that announces a call makes it run, also without a log event, and is no span of its own."""
    told = {semconv.PENDING_NAME: "chat gpt-4.1", semconv.USER_ID: "u1"}
    inbox.traces(span(told, name=semconv.PENDING_SPAN, span_id=PENDING, parent_id=SPAN, ms=0))
    [found] = inbox.running()
    assert (found["span_id"], found["model"], found["operation"], found["user_id"]) == (SPAN, "gpt-4.1", "chat", "u1")
    inbox.traces(span(ours()))
    assert outcomes(inbox) == ([], ["completed"])
    assert [each["span_id"] for each in queries.trace(inbox.store, TRACE)] == [SPAN]


def test_copies_of_a_span(inbox: Inbox) -> None:
    """Of several copies the one that ends last is kept; the others are no news."""
    for ms in (1000, 3000, 2000, 3000):
        inbox.traces(span(ours(), ms=ms))
    assert [found["duration_ms"] for found in finished(inbox)] == [3000]
    assert [found["duration_ms"] for found in inbox.since((0, 0)).ended] == [1000, 3000]


@pytest.mark.parametrize("is_first", [True, False])
def test_content_as_a_log_event(inbox: Inbox, *, is_first: bool) -> None:
    """Messages that come as a log event stand in the call, whichever of the two comes first."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Where is Lima?"}]}]
    event = log({semconv.INPUT_MESSAGES: messages}, name=semconv.DETAILS_EVENT)
    for arriving in (1, 2):
        if is_first == (arriving == 1):
            inbox.logs(event)
        else:
            inbox.traces(span(ours()))
    found = inbox.store.find(TRACE, SPAN)
    assert found
    assert detail(*found, START)["input"] == messages
    assert len(finished(inbox, q="lima where")) == 1


def test_clear(inbox: Inbox) -> None:
    """Everything is forgotten, and who watches is told."""
    inbox.traces(span(ours()))
    inbox.logs(progress("x", 1, 1, span_id=PENDING))
    mark = inbox.mark()
    inbox.clear()
    assert (outcomes(inbox), inbox.since(mark).cleared) == (([], []), True)
    assert not inbox.since(inbox.mark()).cleared


def test_more_news_than_are_kept(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has missed something is told to ask again for all."""
    mark = inbox.mark()
    for number in range(2005):
        inbox._tell([row_of(number)])
    news = inbox.since(mark)
    assert (news.cleared, len(news.ended)) == (True, 2000)


def row_of(number: int) -> Any:
    """A row of a finished call."""
    from streamspan.viewer.calls import rows

    return next(rows(span(ours(), span_id=f"{number + 1:016x}")))


def test_hostile_values(inbox: Inbox) -> None:
    """Numbers that no database has, broken JSON, half a character, a span without ids: taken, and shown as far as it goes."""
    wild = {
        semconv.USAGE_OUTPUT_TOKENS: 2**62,
        semconv.COST_TOTAL: float("inf"),
        semconv.TAGS: ["a", "a"],
        semconv.INPUT_MESSAGES: "[{",
    }
    inbox.traces(
        span(
            ours(
                **wild, **{semconv.OUTPUT_MESSAGES: json.dumps([{"role": "x", "parts": [{"type": "text", "content": "\ud800"}]}])}
            )
        )
    )
    inbox.traces(span(ours(), span_id="", trace_id=""))
    inbox.traces(span(ours(), span_id=PENDING, start=2**64 - 1, ms=0))
    assert len(finished(inbox)) == 2
    [found] = [each for each in finished(inbox) if each["span_id"] == SPAN]
    assert (found["output_tokens"], found["cost"], found["tags"]) == (None, None, ["a"])
    kept = inbox.store.find(TRACE, SPAN)
    assert kept
    shown = detail(*kept, START)
    assert (shown["input"], shown["attributes"][semconv.INPUT_MESSAGES]) == ([], "[{")


def test_gaps(inbox: Inbox) -> None:
    """The waits between chunks are exact where chunks are on the span, else the mean between two marks."""
    chunks = [(semconv.CHUNK_EVENT, at, {semconv.CHUNK_OFFSET: at / 1e3}) for at in (100, 150, 400)]
    marks = [
        (semconv.PROGRESS_EVENT, at, {semconv.PROGRESS_OFFSET: at / 1e3, semconv.PROGRESS_CHUNKS: at // 50}) for at in (100, 400)
    ]
    inbox.traces(span(ours(), events=[*chunks, *marks]))
    inbox.traces(span(ours(), events=marks, span_id=PENDING))
    exact, mean = (detail(*found, START) for ident in (SPAN, PENDING) if (found := inbox.store.find(TRACE, ident)))
    assert (rounded(exact["gaps"]), exact["gaps_are_exact"]) == ([[150, 50], [400, 250]], True)
    assert (rounded(mean["gaps"]), mean["gaps_are_exact"]) == ([[400, 50]], False)
    assert [event["name"] for event in exact["chunks"]] == [semconv.CHUNK_EVENT] * 3


def rounded(pairs: list[list[float]]) -> list[list[int]]:
    """Whole milliseconds."""
    return [[round(value) for value in pair] for pair in pairs]
