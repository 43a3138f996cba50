"""The page of ``streamspan view`` in Debian's chromium: a real viewer, a real application, real keys and clicks."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from browser import stored
from browser.conftest import STORED, TIMEOUT, Opener
from browser.processes import App, Viewer, says, viewing

pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: pip install --group browser, or the page is not tested")
from playwright.sync_api import Page, expect

SCREENSHOTS: Final = os.environ.get("SCREENSHOTS")
"""A folder that pictures of the page are written to."""
HOSTILE: Final = (
    "<script>window.struck = 1</script><img src=x onerror='window.struck = 2'>"
    "<svg onload='window.struck = 3'></svg>[link](javascript:window.struck=4) \x1b[2J\x1b[31m\x1b]8;;http://evil.example\x07ANSI \u202edrow"
)
HARMLESS: Final = HOSTILE.replace("\x1b", "\u241b").replace("\x07", "\u2407").replace("\u202e", "\u27e8U+202E\u27e9")

# Three processes and a browser start, at worst on a machine that is busy with the other tests.
pytestmark = pytest.mark.timeout(150)
expect.set_options(timeout=TIMEOUT)


# --- before anything has happened ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("app")  # which starts meanwhile
def test_nothing_yet_and_disconnected(open_page: Opener) -> None:
    """An empty viewer says what to run; one that is gone is missed, and found again when it is back."""
    with viewing() as first:
        page = open_page(first.url, allowed=("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE"))
        lines = page.locator(".lines pre")
        expect(lines).to_have_text(
            re.compile(rf"pip install .*\nexport OTEL_EXPORTER_OTLP_ENDPOINT={first.url}\nopentelemetry-instrument python")
        )
        expect(page.locator("#filters")).to_be_hidden()
        page.get_by_role("button", name="Copy").click()
        assert page.evaluate("navigator.clipboard.readText()") == lines.text_content()
        picture(page, "empty")
        port = int(first.url.rpartition(":")[2])
    expect(page.locator("#notice")).to_contain_text("does not answer")
    expect(page.locator("#line")).to_have_attribute("data-state", "lost")
    with viewing(port):
        expect(page.locator("#line")).to_have_attribute("data-state", "live")
        expect(page.locator("#notice")).to_be_hidden()


# --- while calls run ------------------------------------------------------------------------------------------------


def test_text_grows(viewer: Viewer, app: App, open_page: Opener) -> None:
    """The text of a call is seen before the call ends; numbers tick, a stall is marked, and then it is among the finished ones."""
    go_on, end = threading.Event(), threading.Event()
    page = open_page(viewer.url)
    app.ask(
        "Where is Lima?",
        says("Lima is the ", "capital ", go_on, "of Peru, ", end, "on the coast."),
        user_id="ada",
        session_id="s-1",
    )
    card = page.locator(".card")
    expect(card.locator(".text")).to_have_text("Lima is the capital ")
    expect(card.locator(".model")).to_have_text("gpt-4o-mini")
    expect(page).to_have_title("(1) streamspan")
    elapsed = card.locator(".elapsed").text_content()
    expect(card.locator(".elapsed")).not_to_have_text(elapsed or "")
    expect(card).to_have_attribute("data-state", "stalled")
    assert [text != "\u2013" for text in card.locator("dd").all_text_contents()] == [True] * 4
    go_on.set()
    expect(card.locator(".text")).to_have_text("Lima is the capital of Peru, ")
    card.click()
    panel = page.locator("#panel")
    expect(panel.locator(".growing")).to_have_text("Lima is the capital of Peru, ")
    expect(page).to_have_url(re.compile(r"/calls/[0-9a-f]{32}/[0-9a-f]{16}$"))
    end.set()
    expect(panel.locator(".turn[data-output] .said")).to_have_text("Lima is the capital of Peru, on the coast.")
    expect(panel.locator(".turn h3")).to_have_text(["System", "User", "Assistant"])
    row = page.locator(".body .row[data-selected]")
    expect(row.locator(".cell.outcome")).to_have_text("completed")
    expect(row.locator(".cell.tokens")).to_have_text("31 \u2192 12")
    expect(page.locator(".card")).to_have_count(0)
    expect(page).to_have_title("streamspan")


def test_pause(viewer: Viewer, app: App, open_page: Opener) -> None:
    """While paused nothing moves and the selection stays; what came meanwhile is counted, and shown afterwards."""
    app.ask("One?", says("one"), tags=["paused"])
    page = open_page(f"{viewer.url}/?tag=paused")
    rows = page.locator(".body .row")
    expect(rows).to_have_count(1)
    page.keyboard.press("j")
    expect(rows.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")
    app.ask("Two?", says("two"), tags=["paused"])
    expect(page.get_by_role("button", name="Resume")).to_have_text(re.compile("1 new"))
    expect(rows.locator(".preview")).to_have_text(["one"])
    page.keyboard.press("p")
    expect(rows.locator(".preview")).to_have_text(["two", "one"])
    expect(page.locator(".row[aria-current]").locator(".preview")).to_have_text("one")


def test_hostile_text(viewer: Viewer, app: App, open_page: Opener) -> None:
    """Scripts, pictures and escapes that a model writes are text, while it speaks and afterwards, in every part of the page."""
    end = threading.Event()
    page = open_page(f"{viewer.url}/?tag=hostile")
    app.ask(
        HOSTILE,
        says(HOSTILE, end, "\n```html\n", HOSTILE, "\n```"),
        model="gpt-4o<b>",
        user_id=HOSTILE,
        tags=["hostile", HOSTILE],
    )
    expect(page.locator(".card .text")).to_have_text(HARMLESS)
    end.set()
    row = page.locator(".body .row")
    expect(row.locator(".preview")).to_contain_text(HARMLESS[:300])
    row.click()
    expect(page.locator(".turn[data-output] p").first).to_have_text(HARMLESS)
    expect(page.locator(".turn[data-output] pre")).to_have_text(HARMLESS)
    for tab in ("Usage and timing", "Trace", "Attributes"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel")).not_to_have_text("Loading")
    expect(page.locator(".pair", has=page.get_by_text("streamspan.preview", exact=True)).locator("dd")).to_contain_text(HARMLESS)
    page.keyboard.press("g")
    expect(page.locator(".by-model")).to_contain_text("gpt-4o<b>")
    assert page.evaluate("window.struck") is None
    assert page.locator("body :is(script, img, iframe, [onerror], [onload], [style*=url])").count() == 0
    assert [href for href in page.evaluate("[...document.links].map((a) => a.protocol)") if href != "http:"] == []


def test_a_megabyte(viewer: Viewer, open_page: Opener) -> None:
    """A long answer, with words and without, is shown whole, in pieces that are laid out once they are in sight; none cuts a character."""
    long = "Words that fill a megabyte. " * 36_000 + "x" * 50_001 + "\U0001f600" * 25_000
    found = {"gen_ai.request.model": "long", "gen_ai.output.messages": stored.messages("assistant", long)}
    stored.send(viewer.url, stored.call(0xB16, time.time_ns(), 900, found))
    page = open_page(f"{viewer.url}/calls/{0xB16:032x}/{1:016x}")
    expect(page.locator(".turn[data-output] .piece").nth(200)).to_be_attached()
    pieces = page.evaluate("[...document.querySelectorAll('.turn[data-output] .piece')].map((piece) => piece.textContent)")
    assert ("".join(pieces) == long, max(map(len, pieces)) <= 4000) == (True, True)
    page.keyboard.press("m")
    expect(page.locator(".turn[data-output] .piece").nth(200)).to_be_attached()


# --- 5,000 calls ----------------------------------------------------------------------------------------------------


def test_thousands(week: Viewer, open_page: Opener, record_property: Any) -> None:
    """5,000 stored calls: a few dozen rows are in the page, the last one is a scroll away, and answers come at once."""
    page = open_page(week.url)
    expect(page.locator(".body .row:not(.blank)").first).to_be_visible()
    seen = "performance.getEntriesByName('{}')[0].startTime"
    figures = {
        "first paint": page.evaluate(seen.format("first-contentful-paint")),
        "calls shown": page.evaluate(seen.format("calls")),
    }
    total = page.locator("#total")
    stored_now = week.ask("/api/calls?limit=1")["total"]
    assert stored_now >= STORED
    expect(total).to_have_text(f"{stored_now:,}")
    for name, act in (
        ("filter by model", lambda: page.get_by_label("Model", exact=True).select_option("gpt-4.1")),
        ("search a word", lambda: page.get_by_label("Search").fill("ticket")),
        ("sort by cost", lambda: page.get_by_role("columnheader", name="Cost").get_by_role("button").click()),
    ):
        figures[name] = until_loaded(page, act)
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(total).to_have_text(f"{stored_now:,}")
    started = time.perf_counter()
    page.evaluate("document.getElementById('list').scrollTop = 1e9")
    expect(page.locator(f".row[aria-rowindex='{stored_now + 1}'] .model a")).to_be_visible()
    figures["scroll to the last"] = (time.perf_counter() - started) * 1000
    assert page.locator(".body .row").count() < 80
    for name, ms in figures.items():
        record_property(name, round(ms))
    print({name: f"{ms:.0f} ms" for name, ms in figures.items()})


Fits: TypeAlias = Callable[[Any], bool]
FILTERS: Final[Mapping[str, tuple[str, str, Fits]]] = {
    "model": ("model", "gpt-4.1", lambda call: call["model"] == "gpt-4.1"),
    "user": ("user", "user-3", lambda call: call["user_id"] == "user-3"),
    "session": ("session", "s-007", lambda call: call["session_id"] == "s-007"),
    "tag": ("tag", "beta", lambda call: "beta" in call["tags"]),
    "project": ("project", "reports", lambda call: call["project"] == "reports"),
    "least cost": ("min_cost", "0.02", lambda call: call["cost"] >= 0.02),
    "greatest cost": ("max_cost", "0.0005", lambda call: call["cost"] <= 0.0005),
    "outcome": ("outcome", "truncated", lambda call: call["outcome"] == "truncated"),
    "text": ("q", "divisor root", lambda call: "no divisor" in call["preview"]),
    "time": ("within", "24h", lambda call: call["started_ms"] > (time.time() - 86_500) * 1000),
}


def test_filters(week: Viewer, open_page: Opener) -> None:
    """Each filter narrows the table to what it says, and to all of that; it is in the address, and x removes it."""
    page = open_page(week.url)
    total = page.locator("#total")
    everything = week.ask("/api/calls?limit=1")["total"]
    expect(total).to_have_text(f"{everything:,}")
    for label, (name, value, fits) in FILTERS.items():
        choose(page, label, name, value)
        expect(page).to_have_url(re.compile(rf"[?&]{name}={value.replace(' ', '.')}"))
        said = f"since_ms={int((time.time() - 86_400) * 1000)}" if name == "within" else f"{name}={value.replace(' ', '%20')}"
        found = week.ask(f"/api/calls?{said}&limit=1000")
        assert 0 < found["total"] < everything, label
        assert all(map(fits, found["calls"])), label
        if name != "within":
            expect(total).to_have_text(f"{found['total']:,}")
        expect(page.locator(".body .row").first.locator(".model")).to_contain_text(found["calls"][0]["model"])
        page.locator("#filters .reset").click()
        expect(total).to_have_text(f"{everything:,}")


def test_filters_together(week: Viewer, open_page: Opener) -> None:
    """Filters and order come from the address; where nothing fits, the page says so and offers a way back."""
    page = open_page(f"{week.url}/?model=gpt-4.1&outcome=failed&sort=cost&order=asc")
    expect(page.get_by_label("Model", exact=True)).to_have_value("gpt-4.1")
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "ascending")
    costs = [float(text.strip("$~")) for text in page.locator(".body .row .cell.cost").all_text_contents()]
    assert costs == sorted(costs)
    assert set(page.locator(".body .row .cell.outcome").all_text_contents()) == {"failed"}
    page.get_by_role("columnheader", name="Duration").get_by_role("button").click()
    expect(page).to_have_url(re.compile("sort=duration"))
    expect(page.get_by_role("columnheader", name="Duration")).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Search").fill("no such words anywhere")
    expect(page.locator("#list-state")).to_contain_text("No call matches")
    page.locator("#list-state").get_by_role("button").click()
    expect(page.locator(".body .row").first).to_be_visible()


# --- one call -------------------------------------------------------------------------------------------------------


def test_a_call_by_its_link(week: Viewer, open_page: Opener) -> None:
    """A link opens the same call on the same tab; the parts of the page show usage, cost, gaps, trace and attributes."""
    whole_call(week)
    page = open_page(f"{week.url}/calls/{'c' * 32}/{'2':0>16}?tab=timing")
    panel = page.locator("#panel")
    expect(panel.locator("h2 .model")).to_have_text("claude-sonnet-4-6")
    expect(page.get_by_role("tab", name="Usage and timing")).to_have_attribute("aria-selected", "true")
    expect(panel.locator(".usage tbody tr")).to_have_text(
        [
            "Input2,460$0.00185",
            "not from a cache412",
            "read from the cache2,048",
            "Output188$0.00282",
            "answer150",
            "reasoning38",
            "Total2,648$0.00467",
        ]
    )
    expect(panel.locator(".chart canvas").first).to_be_visible()
    expect(panel.locator(".chart").first).to_have_attribute("aria-label", re.compile(r"Gaps between chunks\. Longest 1\.20 s"))
    page.keyboard.press("3")
    expect(panel.locator(".spans li")).to_have_text(
        [re.compile("^POST /chat"), re.compile("^chat claude-sonnet-4-6"), re.compile("^chat gpt-4o-mini failed")]
    )
    panel.get_by_role("link", name="chat gpt-4o-mini").click()
    expect(panel.locator("h2 .model")).to_have_text("gpt-4o-mini")
    expect(panel.locator(".error")).to_have_text("overloaded_error: Overloaded")
    page.go_back()
    expect(panel.locator("h2 .model")).to_have_text("claude-sonnet-4-6")
    page.keyboard.press("4")
    page.get_by_label("Find an attribute").fill("cost.total")
    expect(panel.locator(".pair:visible dd")).to_have_text(["0.00467"])
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(panel.locator(".turn h3")).to_have_text(["System", "User", "Assistant"])
    expect(panel.locator(".thought")).to_be_hidden()
    expect(panel.locator(".turn[data-output] strong")).to_have_text("blue")
    page.keyboard.press("m")
    expect(panel.locator(".turn[data-output]")).to_contain_text("Air scatters **blue** light most.")
    panel.get_by_text("Reasoning").click()
    expect(panel.locator(".thought")).to_have_text("The user wants it short.")
    expect(panel.locator(".call")).to_contain_text('"topic": "rayleigh"')


def test_copy(week: Viewer, open_page: Opener) -> None:
    """A call is copied as Markdown, as JSON and as a link, by buttons and by keys."""
    whole_call(week)
    link = f"{week.url}/calls/{'c' * 32}/{'2':0>16}"
    page = open_page(link)
    toast = page.locator("#toast")
    wanted = {
        "Copy as Markdown": ("c", "# chat claude-sonnet-4-6"),
        "Copy as JSON": ("C", '"span_id"'),
        "Copy a link to this call": ("l", link),
    }
    for name, (key, part) in wanted.items():
        for does in ("click", "press"):
            page.evaluate("navigator.clipboard.writeText('')")
            toast.evaluate("(node) => node.replaceChildren()")
            page.get_by_role("button", name=name).click() if does == "click" else page.keyboard.press(key)
            expect(toast).to_contain_text("copied")
            text = page.evaluate("navigator.clipboard.readText()")
            assert part in text
            assert text == link or "Why is the sky blue?" in text


def test_no_such_call(week: Viewer, open_page: Opener) -> None:
    """A link to a call that is not stored says so, beside the table, which works as ever."""
    page = open_page(f"{week.url}/calls/{'d' * 32}/{'d' * 16}", allowed=("404",))
    expect(page.locator("#panel")).to_contain_text("Not stored, or not any more")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator(".body .row").first).to_be_visible()


# --- for everybody --------------------------------------------------------------------------------------------------


def test_keyboard(week: Viewer, open_page: Opener) -> None:
    """Everything can be reached by keys, which ? explains; the focus goes back where it was."""
    page = open_page(week.url)
    expect(page.locator(".body .row").first).to_be_visible()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The next call")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.press("Escape")
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator(".body .row").nth(1).locator("a")).to_be_focused()
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel).to_be_visible()
    first = page.url
    page.keyboard.press("j")
    expect(page).not_to_have_url(first)
    page.keyboard.press("k")
    expect(page).to_have_url(first)
    page.keyboard.press("2")
    expect(page.get_by_role("tab", name="Usage and timing")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator(".body .row").nth(1).locator("a")).to_be_focused()
    page.keyboard.press("g")
    expect(page.locator(".tiles")).to_be_visible()
    page.keyboard.press("g")
    expect(page.locator(".body .row").first).to_be_visible()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_looks(width: int, scheme: str, week: Viewer, app: App, open_page: Opener) -> None:
    """On a desk and on a phone, light and dark: nothing is wider than the window, all text can be read, all controls have names."""
    end = threading.Event()
    whole_call(week)
    app.ask(
        "Looks?",
        says("Sunlight holds every colour, and air scatters the short blue waves far more than the long red ones. ", end, "So."),
        user_id="ada",
    )
    page = open_page(week.url, width=width, height=860 if width > 1000 else 844, scheme=scheme)
    expect(page.locator(".card .text")).to_contain_text("Sunlight")
    expect(page.locator(".body .row:not(.blank)").first).to_be_visible()
    for name, key, ready in (
        ("calls", "Escape", ".body .row"),
        ("conversation", "1", ".turn[data-output]"),
        ("timing", "2", "#panel .chart canvas"),
        ("trace", "3", ".spans li"),
        ("attributes", "4", ".pair"),
        ("totals", "g", "#totals-view .chart canvas"),
    ):
        if name == "conversation":
            page.goto(f"{week.url}/calls/{'c' * 32}/{'2':0>16}")
        page.keyboard.press(key)
        expect(page.locator(ready).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(UNREADABLE) == [], name
        assert page.evaluate(UNNAMED) == [], name
        picture(page, f"{name}-{width}-{scheme}")
        end.set()


def test_delete_all(viewer: Viewer, open_page: Opener) -> None:
    """All stored calls are deleted by two clicks; one alone only asks."""
    stored.store(viewer.url, 3)
    page = open_page(f"{viewer.url}/?view=totals")
    page.get_by_role("button", name="Delete all calls").click()
    page.get_by_role("button", name="Really delete all?").click()
    expect(page.locator("#totals-view")).to_contain_text("Nothing to add up yet")
    assert viewer.ask("/api/calls")["total"] == 0
    page.keyboard.press("g")
    expect(page.locator("#list-state")).to_contain_text("Waiting for the first call")


UNNAMED: Final = """() => [...document.querySelectorAll("button, a, input, select, [role=tab]")]
  .filter((node) => node.checkVisibility() && !(node.ariaLabel || node.labels?.length || node.textContent.trim() || node.title))
  .map((node) => node.outerHTML)"""

# The contrast of every visible text with what is behind it, as WCAG counts it; 4.5 is what AA asks for.
UNREADABLE: Final = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgba(getComputedStyle(node).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ opacityProperty: true }) || node.closest(".unseen, .skip, option, [data-over]")) continue;
    const [light, dark] = [luminance(rgba(getComputedStyle(node).color)), luminance(behind(node))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.add(`${node.tagName}.${node.className} ${contrast.toFixed(2)} ${walker.currentNode.data.slice(0, 30)}`);
  }
  return [...found];
}"""


# --- what the tests share -------------------------------------------------------------------------------------------


def choose(page: Page, label: str, name: str, value: str) -> None:
    """Set one filter as a user does."""
    if name == "outcome":
        page.locator(".chip", has_text=value).click()
    elif name in ("q", "min_cost", "max_cost"):
        page.get_by_label({"q": "Search", "min_cost": "Least cost", "max_cost": "Greatest cost"}[name]).fill(value)
    else:
        page.locator("#filters").get_by_label({"within": "Time"}.get(name, label.capitalize()), exact=True).select_option(value)


def until_loaded(page: Page, act: Any) -> float:
    """Milliseconds from an act to the table that answers it."""
    with page.expect_response(lambda response: "/api/calls?" in response.url):
        started = time.perf_counter()
        act()
    expect(page.locator(".grid")).not_to_have_attribute("aria-busy", "true")
    return (time.perf_counter() - started) * 1000


def picture(page: Page, name: str) -> None:
    """Kept where somebody asked for pictures."""
    if SCREENSHOTS:
        page.wait_for_timeout(400)
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def whole_call(viewer: Viewer) -> None:
    """A trace with a call that has everything a call can have, and one that failed."""
    now = time.time_ns() - 8 * 10**9
    trace = int("c" * 32, 16)
    parts = [
        {"type": "reasoning", "content": "The user wants it short."},
        {"type": "text", "content": "Air scatters **blue** light most.\n\n```python\nprint(wavelength ** -4)\n```\n\nAt sunset the path through the air is long, so `red` remains."},
        {"type": "tool_call", "id": "toolu_01", "name": "lookup", "arguments": {"topic": "rayleigh", "limit": 3}},
    ]  # fmt: skip
    found = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-6",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Answer in three sentences."}]),
        "gen_ai.input.messages": stored.messages("user", "Why is the sky blue?"),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]),
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "lookup", "parameters": {"type": "object"}}]),
        "gen_ai.usage.input_tokens": 2460,
        "gen_ai.usage.cache_read.input_tokens": 2048,
        "gen_ai.usage.output_tokens": 188,
        "gen_ai.usage.reasoning.output_tokens": 38,
        "streamspan.cost.input": 0.00185,
        "streamspan.cost.output": 0.00282,
        "streamspan.cost.total": 0.00467,
        "streamspan.cost.source": "genai-prices 0.2.3",
        "streamspan.preview": "Air scatters blue light most.",
        "streamspan.time_to_first_content_ms": 480,
        "streamspan.longest_gap_ms": 1200,
        "streamspan.chunks": 70,
        "streamspan.output_tokens_per_second": 44.0,
        "user.id": "ada",
        "session.id": "s-7f3",
        "streamspan.project": "support",
        "streamspan.tags": ["beta"],
    }
    failed = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "streamspan.outcome": "failed",
        "error.type": "overloaded_error",
        "error.message": "Overloaded",
    }
    root = stored.call(trace, now - 200 * 10**6, 6200, {}, span_id=1)
    root.name = "POST /chat"
    del root.attributes[:]
    spoken = stored.call(trace, now, 4800, found, span_id=2, parent=1)
    offset = 0.48
    for index in range(70):
        offset += 1.2 if index == 41 else 0.03 + 0.02 * (index * 7 % 5)
        event = spoken.events.add(name="streamspan.chunk", time_unix_nano=now + int(offset * 1e9))
        event.attributes.extend(stored.attributes({"index": index, "offset": offset, "text": "word "}))
    stored.send(viewer.url, root, spoken, stored.call(trace, now + 4_900_000_000, 900, failed, span_id=3, parent=1))
