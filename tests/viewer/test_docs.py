"""docs/viewer.md, checked: its commands and options exist, its example runs, its numbers are true."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from streamspan import cli, semconv
from streamspan.commands.view import TOKEN
from streamspan.viewer import forward, running
from streamspan.viewer.store import Bounds

from arriving import ours, span
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
