"""docs/viewer.md, checked: its commands and options exist, its example runs, its numbers are true."""

import contextlib
import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from streamspan import cli, semconv
from streamspan.commands.view import TOKEN
from streamspan.viewer import forward, running
from streamspan.viewer.board import Board, Calls
from streamspan.viewer.calls import rows
from streamspan.viewer.live_screen import LiveScreen
from streamspan.viewer.store import Bounds
from streamspan.viewer.terminal import Lines

from arriving import ours, progress, span
from viewing import Running

PAGE = (Path(__file__).parents[2] / "docs" / "viewer.md").read_text()


@pytest.mark.parametrize("command", ["view", "run"])
def test_options_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option in the page is one of the command, and none of `view` is missing."""
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    there = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert there <= named
    if command == "view":
        assert named - {"--end"} == there


def called(number: int, model: str, outcome: Any = "completed", **more: Any) -> Any:
    """A call that ended in the afternoon of some day."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": "What is the capital of Peru?"}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "The capital of Peru is Lima."}]}]
    tokens = {semconv.USAGE_INPUT_TOKENS: 1204 - number, semconv.USAGE_OUTPUT_TOKENS: 70 + number}
    times = {semconv.TIME_TO_FIRST_CONTENT_MS: 312, semconv.OUTPUT_TOKENS_PER_SECOND: 48.5}
    contents: dict[str, Any] = (
        {semconv.INPUT_MESSAGES: json.dumps(asked), semconv.OUTPUT_MESSAGES: json.dumps(said)} | tokens | times
    )
    found = ours(outcome, model, **(more if outcome == "failed" else contents | more))
    start = int(datetime(2026, 11, 2, 14, 3, 10 + number).astimezone().timestamp()) * 1_000_000_000
    return span(found, trace_id=f"{number:032x}", span_id=f"{number:016x}", start=start, failed=outcome == "failed")


def finished() -> list[Any]:
    """What has ended in the examples."""
    return [
        called(1, "gpt-4.1", **{semconv.COST_TOTAL: 0.002968}),
        called(2, "claude-sonnet-4-6", "failed", **{semconv.ERROR_TYPE: "overloaded_error"}),
        called(3, "gpt-4.1-mini", **{semconv.COST_TOTAL: 0.000596, semconv.USER_ID: "ann", semconv.TAGS: ["eu"]}),
    ]


def test_table(viewer: Running) -> None:
    """The table is the one of these calls."""
    for each in finished():
        viewer.send(each)
    viewer.send(progress("Light is scattered by the air, and the short waves of it more than", 2400, 9, span_id="a" * 16))
    viewer.send(progress("A river that", 4000, 2, "stalled", span_id="b" * 16))
    board = Board(viewer.inbox)
    told = {"heard_ms_ago": 0, "tokens_per_second": 41.0, "time_to_first_content_ms": 380}
    board._now = Calls([{**found, **told} for found in board.calls.running], board.calls.finished)
    screen = LiveScreen(Console(width=80, height=22, file=io.StringIO()), board, "http://127.0.0.1:4318")
    screen.press("down")
    drawn = "\n".join("".join(segment.text for segment in line).rstrip() for line in screen.frame().lines)
    assert f"```text\n{drawn}\n```" in PAGE, drawn


def test_lines() -> None:
    """The lines are those of these calls."""
    file = io.StringIO()
    lines = Lines(Console(file=file, width=120, markup=False))
    for each in finished():
        lines.show(list(rows(each)))
    assert f"```text\n{file.getvalue()}```" in PAGE, file.getvalue()


def test_numbers() -> None:
    """Bounds, times and names are those of the code."""
    bounds = Bounds()
    for told in (f"{bounds.calls:,} calls, {bounds.bytes >> 30} GiB, {bounds.days:.0f} days", TOKEN, "three minutes"):
        assert told in PAGE
    assert f"{forward.MOST:,} requests or {forward.MOST_BYTES >> 20} MiB" in PAGE
    assert running.LOST_AFTER == 180


def test_example(viewer: Running) -> None:
    """It prints the failed calls, the dearest first."""
    for number, cost in enumerate((0.1, 0.5)):
        attributes = {**ours("failed"), semconv.ERROR_TYPE: "overloaded", semconv.COST_TOTAL: cost}
        viewer.send(span(attributes, span_id=f"{number + 1:016x}", failed=True))
    [source] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(source.replace("http://127.0.0.1:4318", viewer.address), {})  # noqa: S102
    assert printed.getvalue() == "gpt-4.1 overloaded 0.5\ngpt-4.1 overloaded 0.1\n"
