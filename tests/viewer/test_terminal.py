"""Lines where there is no terminal, and a short load."""

import io
import re
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from rich.console import Console

from streamspan import semconv
from streamspan.viewer.calls import rows
from streamspan.viewer.terminal import Lines

from arriving import ours, progress, span
from viewing import Running, posted, read

BAD = "\x1b[2J\x1b]0;owned\x07[red]Lima\u202e"


def test_lines() -> None:
    """Without a terminal: one plain line for each finished call, once."""
    file = io.StringIO()
    lines = Lines(Console(file=file, width=120, markup=False))
    more: dict[str, Any] = {semconv.PREVIEW: f"In Peru.\n{BAD}", semconv.COST_TOTAL: 0.5, semconv.USAGE_OUTPUT_TOKENS: 7}
    for _ in range(2):
        lines.show(list(rows(span(ours(**more)))))
    lines.show(list(rows(span(name="GET", span_id="c" * 16))))
    assert file.getvalue() == "gpt-4.1 | completed | 1.50 s | out 7 · $0.500000 | 0af76519 | In Peru. [red]Lima\n"


def test_output_that_is_closed(capfd: pytest.CaptureFixture[str]) -> None:
    """`streamspan view | head`: who sends is answered as before, and the page goes on."""
    command = [sys.executable, "-m", "streamspan.cli", "view", "--port", "0", "--db", ":memory:"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        [address] = re.findall(r"http://[\d.]+:\d+", process.stdout.readline())
        process.stdout.close()
        assert [posted(address, span(ours(), span_id=f"{number:016x}")) for number in (1, 2)] == [200, 200]
        assert read(address, "/api/totals")["stored"]["calls"] == 2
        process.terminate()
    assert capfd.readouterr().err == ""


def test_many_at_once(viewer: Running) -> None:
    """Four senders and thirty streams: no call is lost, whatever a page asks meanwhile (benchmarks/viewer.py is the long run)."""

    def sending(sender: int) -> None:
        for number in range(50):
            ident = 1000 * sender + number + 1
            assert viewer.send(span(ours(), trace_id=f"{ident:032x}", span_id=f"{ident:016x}", start=time.time_ns())) == 200

    threads = [threading.Thread(target=sending, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for stream in range(30):
        viewer.send(progress("x", 500, 1, span_id=f"f{stream:015x}"))
        assert viewer.get("/api/calls?q=gpt&limit=5")["calls"] is not None
    for thread in threads:
        thread.join()
    assert viewer.get("/api/totals")["stored"]["calls"] == 200
    assert len(viewer.get("/api/running")["calls"]) == 30
