"""Who may speak to the viewer, and who may not."""

from collections.abc import Callable
from typing import Any

import pytest

from streamspan.viewer.guard import HEADERS, Access

from arriving import ours, span
from viewing import Running

ROUTES = [
    ("GET", "/"),
    ("GET", "/static/app.js"),
    ("GET", "/api/calls"),
    ("GET", "/api/stream"),
    ("DELETE", "/api/calls"),
    ("POST", "/v1/traces"),
    ("POST", "/v1/logs"),
    ("POST", "/v1/metrics"),
    ("GET", "/nowhere"),
]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:4318"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "192.168.1.5:4318"}, 421),
        ({"host": ""}, 421),
        ({"host": "["}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, 403),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"}, 403),
    ],
)
def test_other_pages(viewer: Running, headers: dict[str, str], status: int) -> None:
    """A page of another site, by its own name or by ours, is refused on every route."""
    assert {viewer.request(method, path, b"", **headers)[0] for method, path in ROUTES} == {status}


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "[::1]", "app.localhost"])
def test_own_names(viewer: Running, name: str) -> None:
    """This machine's names do, at any port, as a tunnel may have another one; and our own origin does."""
    host = f"{name}:7777"
    assert viewer.request("GET", "/api/running", host=host, origin=f"http://{host}")[0] == 200
    assert viewer.request("GET", "/api/running", host=host, sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200


def test_further_name(start: Callable[..., Running]) -> None:
    """A name that was allowed does."""
    assert start(hosts=("host.docker.internal",)).request("GET", "/api/running", host="host.docker.internal:4318")[0] == 200


def test_headers(viewer: Running) -> None:
    """Every answer, also a refusal, tells the browser what it must not do; nothing is kept in its cache."""
    for method, path in (("GET", "/"), ("GET", "/api/calls"), ("GET", "/nowhere"), ("POST", "/v1/traces")):
        _, headers, _ = viewer.request(method, path)
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
    assert "script-src 'self';" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]


@pytest.fixture
def guarded(start: Callable[..., Running]) -> Running:
    """A viewer that asks for a token."""
    return start(token="hush")


def test_token(guarded: Running) -> None:
    """Without it nothing is to be had; the URL brings it, from then on the cookie; programs send it as a header."""
    assert guarded.page == f"{guarded.address}/?token=hush"
    assert {guarded.request(method, path)[0] for method, path in ROUTES} == {401}
    assert guarded.request("GET", "/?token=wrong")[0] == 401
    status, headers, _ = guarded.request("GET", "/calls/a/b?token=hush&x=1")
    assert (status, headers["location"]) == (303, "/calls/a/b?x=1")
    assert guarded.request("GET", "//evil.example/?token=hush")[1]["location"] == "/evil.example/"
    assert all(part in headers["set-cookie"] for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    cookie = headers["set-cookie"].partition(";")[0]
    assert guarded.request("GET", "/api/calls", cookie=cookie)[0] == 200
    assert guarded.request("GET", "/api/calls", cookie=cookie, origin="http://evil.example")[0] == 403
    assert guarded.send(span(ours())) == 401
    assert guarded.send(span(ours()), authorization="Bearer hush") == 200
    assert guarded.send(span(ours()), authorization="Bearer hush\u00e9") == 401


def test_listening_for_other_machines(start: Callable[..., Running]) -> None:
    """Then there is a token, unasked, which nobody can guess; names are those of this machine, and its addresses."""
    opened = start(host="0.0.0.0")  # noqa: S104 - with a token
    assert len(opened.token) >= 32
    assert opened.request("GET", "/api/calls")[0] == 401
    assert opened.request("GET", "/api/calls", authorization=f"Bearer {opened.token}", host="192.0.2.7:4318")[0] == 200
    assert opened.request("GET", "/api/calls", authorization=f"Bearer {opened.token}", host="evil.example")[0] == 421


@pytest.mark.parametrize(
    ("host", "has_token"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("box", True)],  # noqa: S104
)
def test_when_there_is_a_token(host: str, *, has_token: bool) -> None:
    """Always, but on loopback."""
    assert bool(Access.to(host).token) == has_token


def test_oversized_and_malformed(viewer: Running) -> None:
    """Nonsense is refused, and what is stored stays."""
    viewer.send(span(ours()))
    wrong: list[dict[str, Any]] = [
        {"body": b"\xff" * 100, "content_type": "application/x-protobuf"},
        {"body": b"{" * 5000, "content_type": "application/json"},
        {"body": b"x", "content_type": "text/html"},
        {"body": b"x", "content_type": "application/json", "content_encoding": "gzip"},
    ]
    assert [viewer.request("POST", "/v1/traces", **each)[0] for each in wrong] == [400, 400, 415, 400]
    assert viewer.get("/api/calls")["total"] == 1
