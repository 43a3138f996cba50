"""How much the viewer takes: calls that end, at a rate, while streams run, and a page watches.

    python benchmarks/viewer.py [seconds] [calls per second] [streams]

Says how many calls were sent and how many are there, how long the answers to their senders took, the processor time and the
memory of the viewer's process. Exits with 1 if a call is lost.
"""

import http.client
import json
import os
import queue
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from streamspan import semconv

import arriving as _arriving  # pyright: ignore[reportMissingImports]

arriving: Any = _arriving
_SENDERS: Final = 4
_ANSWER: Final = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "word " * 400}]}])
_QUESTION: Final = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "why? " * 400}]}])


class Load:
    """Senders that post what is put into a queue."""

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("http://")
        self._waiting: queue.Queue[tuple[str, bytes] | None] = queue.Queue(maxsize=1000)
        self.seconds: list[float] = []
        self.refused = 0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(_SENDERS)]
        for thread in self._threads:
            thread.start()

    def put(self, path: str, body: bytes) -> None:
        """Send this."""
        self._waiting.put((path, body))

    def finish(self) -> None:
        """Returns when everything is sent."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while (item := self._waiting.get()) is not None:
            path, body = item
            began = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            self.refused += answer.status != 200
            self.seconds.append(time.perf_counter() - began)


def main(seconds: float, rate: int, streams: int) -> int:
    """Run the load and print the figures; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "streamspan.cli", "view", "--port", "0", "--db", f"{folder}/view.db"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            [address] = re.findall(r"http://[\d.]+:\d+", process.stdout.readline())
            threading.Thread(target=process.stdout.read, daemon=True).start()
            before = memory(process.pid)
            figures = run(address, seconds, rate, streams)
            figures |= {"MB before": before, "MB after": memory(process.pid), "MB at most": memory(process.pid, "VmHWM")}
            figures["processor s"] = round(processor(process.pid), 1)
            figures["file MB"] = round(Path(folder, "view.db").stat().st_size / 1e6, 1)
            process.send_signal(signal.SIGTERM)
    print(json.dumps(figures, indent=2))
    return int(figures["calls stored"] != figures["calls sent"] or figures["refused"] > 0)


def run(address: str, seconds: float, rate: int, streams: int) -> dict[str, Any]:
    """Send for so long; what was sent, and what is there."""
    load = Load(address)
    events = [0, 0]
    threading.Thread(target=watch, args=(address, events), daemon=True).start()
    began = time.monotonic()
    sent = beats = 0
    while (elapsed := time.monotonic() - began) < seconds:
        while sent < elapsed * rate:
            load.put("/v1/traces", call(sent))
            sent += 1
        if streams and beats < elapsed * 2:  # twice a second, as streamspan itself does
            beats += 1
            for stream in range(streams):
                load.put("/v1/logs", beat(stream, beats))
        time.sleep(0.002)
    load.finish()
    took = time.monotonic() - began
    stored, running = get(address, "/api/totals")["stored"]["calls"], len(get(address, "/api/running")["calls"])
    times = sorted(load.seconds)
    return {
        "calls sent": sent, "calls stored": stored, "refused": load.refused, "streams running": running,
        "seconds": round(took, 1), "calls per second": round(sent / took),
        "answer ms (median)": round(1e3 * statistics.median(times), 1),
        "answer ms (99 %)": round(1e3 * times[int(0.99 * len(times))], 1), "events to the page": sum(events),
        "page: list ms": timed(address, "/api/calls?limit=100"), "page: search ms": timed(address, "/api/calls?q=why+word"),
    }  # fmt: skip


def call(number: int) -> bytes:
    """A finished call with some thousand characters of content."""
    said = {semconv.INPUT_MESSAGES: _QUESTION, semconv.OUTPUT_MESSAGES: _ANSWER, semconv.COST_TOTAL: 0.001}
    made = arriving.ours(model=f"model-{number % 7}", **said, **{semconv.USER_ID: f"user-{number % 50}"})
    return arriving.span(
        made, trace_id=f"{number + 1:032x}", span_id=f"{number + 1:016x}", start=time.time_ns() - 1500 * arriving.MS
    ).SerializeToString()


def beat(stream: int, number: int) -> bytes:
    """A progress event of a stream that runs."""
    ids = {"trace_id": f"f{stream:031x}", "span_id": f"f{stream:015x}"}
    return arriving.progress("word " * min(10 * number, 800), 500 * number, number, **ids).SerializeToString()


def watch(address: str, events: list[int]) -> None:
    """What a page does: take the stream of events, and count them."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    connection.request("GET", "/api/stream")
    answer = connection.getresponse()
    while line := answer.readline():
        events[line.startswith(b"event: ended")] += line.startswith(b"event: ")


def get(address: str, path: str) -> Any:
    """The JSON there."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def timed(address: str, path: str) -> float:
    """Milliseconds that the answer takes."""
    began = time.perf_counter()
    get(address, path)
    return round(1e3 * (time.perf_counter() - began), 1)


def memory(pid: int, name: str = "VmRSS") -> int:
    """Megabytes of a process."""
    return int(re.findall(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) // 1024


def processor(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    seconds, rate, streams = [*given, *(60.0, 200.0, 100.0)[len(given) :]]
    sys.exit(main(seconds, int(rate), int(streams)))
