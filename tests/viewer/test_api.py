"""What the page gets: lists, filters, details, exports, totals, and the stream of events."""

import http.client
import json
from typing import Any

import pytest

from streamspan import semconv

from arriving import SPAN, START, TRACE, ours, progress, span
from viewing import Running

CALLS: list[dict[str, Any]] = [
    {
        semconv.REQUEST_MODEL: "a",
        semconv.USER_ID: "u1",
        semconv.SESSION_ID: "s1",
        semconv.TAGS: ["x", "y"],
        semconv.COST_TOTAL: 0.5,
    },
    {semconv.REQUEST_MODEL: "b", semconv.USER_ID: "u2", semconv.SESSION_ID: "s1", semconv.TAGS: ["x"], semconv.COST_TOTAL: 0.1},
    {semconv.REQUEST_MODEL: "b", semconv.OUTCOME: "failed", semconv.PROJECT: "p1", semconv.PREVIEW: "Grüße AUS Lima\nund mehr"},
]
QUESTION = json.dumps([{"role": "user", "parts": [{"type": "text", "content": 'Where is "Lima"?\nÄh'}]}])


def fill(viewer: Running) -> None:
    """The three calls, numbered 0 to 2 by the last digit of their span."""
    for number, more in enumerate(CALLS):
        attributes = {**ours(), semconv.INPUT_MESSAGES: QUESTION if number == 0 else "[]", **more}
        ident = f"{'a' * 15}{number}"
        assert viewer.send(span(attributes, span_id=ident, start=START + number, failed=number == 2)) == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "210"),
        ("sort=cost", "012"),
        ("sort=cost&order=asc", "102"),
        ("model=b", "21"),
        ("model=b&outcome=failed", "2"),
        ("user=u1", "0"),
        ("session=s1", "10"),
        ("tag=x", "10"),
        ("tag=y&model=b", ""),
        ("service=shop&project=p1", "2"),
        ("min_cost=0.2", "0"),
        ("max_cost=0.2", "1"),
        pytest.param(f"since_ms={(START + 10**9) / 1e6}", "", id="since-a-second-after"),
        ("q=lima", "20"),
        ("q=GR%C3%BCSSE+lima", "2"),
        ("q=%22Lima%22%3F", "0"),
        ("q=%C3%A4H", "0"),
        ("q=100%25", ""),
        ("limit=1", "2"),
        ("limit=1&offset=1", "1"),
        ("model=&q=", "210"),
        ("model=%27+OR+1%3D1", ""),
    ],
)
def test_filters(viewer: Running, query: str, found: str) -> None:
    """Each filter alone and together; text wherever it is, without regard to case."""
    fill(viewer)
    assert "".join(call["span_id"][-1] for call in viewer.get(f"/api/calls?{query}")["calls"]) == found


def test_facets(viewer: Running) -> None:
    """A facet counts what the other filters let through."""
    fill(viewer)
    answer = viewer.get("/api/calls?model=b&limit=1")
    assert answer["total"] == 2
    assert answer["facets"] == {
        "model": {"b": 2, "a": 1},
        "outcome": {"completed": 1, "failed": 1},
        "user": {"u2": 1},
        "session": {"s1": 1},
        "service": {"shop": 2},
        "project": {"p1": 1},
        "tag": {"x": 1},
    }


@pytest.mark.parametrize(
    "query", ["min_cost=x", "limit=-1", "limit=1e3", "offset=%C2%B2", "sort=id;DROP", "order=up", "limit=99999999999999999999"]
)
def test_parameters_that_cannot_be_read(viewer: Running, query: str) -> None:
    """They are refused by name."""
    status, _, body = viewer.request("GET", f"/api/calls?{query}")
    assert (status, query.split("=", maxsplit=1)[0] in json.loads(body)["error"]) == (400, True)


def test_detail_and_exports(viewer: Running) -> None:
    """One call with its conversation; as Markdown it can be read."""
    output = [{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "In Peru."}]}]
    more = {semconv.INPUT_MESSAGES: QUESTION, semconv.OUTPUT_MESSAGES: json.dumps(output), semconv.COST_TOTAL: 0.5}
    viewer.send(span({**ours(), **more}))
    found = viewer.get(f"/api/calls/{TRACE}/{SPAN}")
    assert (found["summary"]["model"], found["input"], found["output"]) == ("gpt-4.1", json.loads(QUESTION), output)
    assert (found["resource"], semconv.COST_TOTAL in found["attributes"]) == ({"service.name": "shop"}, True)
    assert viewer.get(f"/api/calls/{TRACE}/{SPAN}/export?format=json") == found
    status, headers, body = viewer.request("GET", f"/api/calls/{TRACE}/{SPAN}/export?format=markdown")
    assert (status, headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert body.decode() == (
        "# chat gpt-4.1\n\n- model: gpt-4.1\n- outcome: completed\n- duration: 1.50 s\n- cost (USD): 0.5\n"
        f'- trace: {TRACE}\n- span: {SPAN}\n\n## User\n\nWhere is "Lima"?\nÄh\n\n## Assistant\n\n> hm\n\nIn Peru.\n'
    )
    assert viewer.request("GET", f"/api/calls/{TRACE}/{SPAN}/export?format=exe")[0] == 400
    assert viewer.request("GET", f"/api/calls/{TRACE}/ffffffffffffffff")[0] == 404


def test_running_detail(viewer: Running) -> None:
    """A call that runs can be opened, too."""
    viewer.send(progress("In Pe", 500, 1))
    assert [call["preview"] for call in viewer.get("/api/running")["calls"]] == ["In Pe"]
    found = viewer.get(f"/api/calls/{TRACE}/{SPAN}")
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "In Pe"}]}]
    assert (found["summary"]["outcome"], found["output"]) == ("running", said)


def test_trace_and_totals(viewer: Running) -> None:
    """The spans of a trace, oldest first; sums by model and day."""
    fill(viewer)
    viewer.send(span(name="checkout", span_id="c" * 16, start=START - 1, ms=5000))
    spans = viewer.get(f"/api/traces/{TRACE}")["spans"]
    assert [(each["name"], each["is_call"]) for each in spans] == [("checkout", False), *[("chat gpt-4.1", True)] * 3]
    totals = viewer.get("/api/totals")
    assert [(each["model"], each["calls"], each["cost"], each["failed"]) for each in totals["by_model"]] == [
        ("b", 2, 0.1, 1), ("a", 1, 0.5, 0),
    ]  # fmt: skip
    assert (len(totals["by_day"]), totals["stored"]["calls"], totals["stored"]["bytes"] > 0) == (1, 3, True)
    assert viewer.get(f"/api/totals?since_ms={START / 1e6 + 1e6}")["by_model"] == []


def test_stream(viewer: Running) -> None:
    """A call that runs and ends is seen to do so; then all is cleared, which needs a header."""
    connection = http.client.HTTPConnection(viewer.address.removeprefix("http://"), timeout=20)
    connection.request("GET", "/api/stream")
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    viewer.send(progress("In Pe", 500, 1))
    assert event(answer) == ("running", "In Pe")
    viewer.send(span(ours()))
    assert event(answer) == ("ended", None)
    assert viewer.request("DELETE", "/api/calls")[0] == 403
    assert viewer.get("/api/calls")["total"] == 1
    assert viewer.request("DELETE", "/api/calls", x_streamspan="1")[0] == 200
    assert event(answer) == ("cleared", None)
    assert viewer.get("/api/calls")["total"] == 0
    answer.close()
    connection.close()


def event(answer: http.client.HTTPResponse) -> tuple[str, Any]:
    """The next event's name, and its text if it has one."""
    line = answer.readline()
    while not line.startswith(b"event: "):
        line = answer.readline()
    data = json.loads(answer.readline().removeprefix(b"data: "))
    return line.decode().removeprefix("event: ").strip(), data.get("text")


def test_page_and_its_files(viewer: Running) -> None:
    """The same page for the list and for one call; no file from outside its folder."""
    assert viewer.request("GET", "/")[::2] == viewer.request("GET", f"/calls/{TRACE}/{SPAN}")[::2]
    for path in ("/static/../api.py", "/static/%2e%2e/api.py", "/static//etc/passwd", "/static/..%2fapi.py"):
        assert viewer.request("GET", path)[0] == 404
    assert viewer.get("/api/about")["name"] == "streamspan"
