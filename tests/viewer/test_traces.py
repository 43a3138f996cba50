from streamspan.viewer.calls import Call, Row
from streamspan.viewer.traces import SPANS_KEPT, TRACES_KEPT, News, Traces

CALL = Call("chat", "m", "completed")


def row(span_id: str, parent_id: str = "", *, call: Call | None = None, trace_id: str = "t", end: int = 1) -> Row:
    """A span with what matters here."""
    return Row(trace_id, span_id, parent_id, span_id, "", 0, end, False, call)


def test_children_before_their_parent() -> None:
    """Calls are news at once; their trace is when the last gap closes."""
    traces = Traces()
    first, second, root = row("a", "root", call=CALL), row("b", "root", call=CALL), row("root")
    assert traces.add([first]) == News([first], [])
    assert traces.add([second]) == News([second], [])
    assert list(traces.unfinished()) == [[first, second]]
    assert traces.add([root]) == News([], [[first, second, root]])
    assert list(traces.unfinished()) == []


def test_one_batch_with_two_traces() -> None:
    """Traces are kept apart, and a call on its own is no tree."""
    alone, child, root = row("x", trace_id="u", call=CALL), row("a", "root", call=CALL), row("root")
    assert Traces().add([alone, child, root]) == News([alone, child], [[child, root]])


def test_trace_without_a_call() -> None:
    """A trace in which no model was asked is nobody's news."""
    assert Traces().add([row("a", "root"), row("root")]) == News([], [])


def test_span_that_comes_twice() -> None:
    """A second copy is no news; of the two the one that ends later is kept."""
    traces = Traces()
    short, long = row("a", "root", call=CALL, end=1), row("a", "root", call=CALL, end=2)
    assert traces.add([short]) == News([short], [])
    assert traces.add([long]) == News([], [])
    assert traces.add([short]) == News([], [])
    assert traces.add([row("root")]) == News([], [[long, row("root")]])


def test_number_of_traces_is_bounded() -> None:
    """The oldest traces make room."""
    traces = Traces()
    traces.add(row("a", "lost", trace_id=str(number), call=CALL) for number in range(TRACES_KEPT + 5))
    traces.add(row("b", "lost", trace_id=str(number), call=CALL) for number in range(5, TRACES_KEPT + 5))
    assert [trace[0].trace_id for trace in traces.unfinished()] == [str(number) for number in range(5, TRACES_KEPT + 5)]


def test_number_of_spans_is_bounded() -> None:
    """A trace without end stops growing."""
    traces = Traces()
    news = traces.add(row(str(number), call=CALL) for number in range(SPANS_KEPT + 5))
    assert (len(news.calls), [len(trace) for trace in news.traces]) == (SPANS_KEPT, [SPANS_KEPT])
