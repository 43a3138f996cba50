"""An application, and a collector that writes all it takes to files, to see what is between them when something fails."""

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import yaml

from stack import programs
from stack.processes import PATIENCE, Program, free_ports

from loopback import Loopback, Piece, Reply, Request, openai_chunks, openai_usage

_INSTRUMENT: Final = (sys.executable, "-P", "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")
_NOISE: Final = re.compile(r"Configuration of \w+ not loaded.*\n")
"""What OpenTelemetry says where a second distribution is installed, as it is for tests."""


# --- the collector -------------------------------------------------------------------------------------------------------


class Writing:
    """A collector that writes spans, log records and metrics to files as it takes them.

    Args:
        folder: Where the files are.
        change: Changes its configuration.
    """

    def __init__(self, folder: Path, change: Callable[[dict[str, Any]], object] = lambda _config: None) -> None:
        self._folder = folder
        port, grpc, health = free_ports(3)
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.grpc_endpoint = f"http://127.0.0.1:{grpc}"
        config = _configuration(folder, port, grpc, health)
        change(config)
        (folder / "collector.yaml").write_text(yaml.safe_dump(config))
        command = [str(programs.find("collector")), f"--config={folder / 'collector.yaml'}"]
        self._program = Program(command, {"GOMEMLIMIT": "400MiB"}, f"http://127.0.0.1:{health}", folder)
        self.start, self.kill, self.stop = self._program.start, self._program.kill, self._program.stop

    @property
    def log(self) -> str:
        """What it says."""
        return self._program.log

    def spans(self) -> Counter[str]:
        """How often each span has arrived, by its id."""
        return Counter(re.findall(r'"spanId":"(\w{16})"', self._written("traces")))

    def log_records(self) -> Counter[str]:
        """How often each log record has arrived: by its span, and which of its events it is."""
        return Counter(
            record["spanId"] + " " + _attribute(record, "streamspan.sequence")
            for line in self._written("logs").splitlines()
            for resource in json.loads(line)["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        )

    def calls_counted(self) -> int:
        """How many calls the newest metrics have."""
        newest = self._written("metrics").splitlines()[-1:]
        return sum(
            int(point["asInt"])
            for line in newest
            for resource in json.loads(line)["resourceMetrics"]
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
            if metric["name"] == "streamspan.client.outcomes"
            for point in metric["sum"]["dataPoints"]
        )

    def wait_for_spans(self, count: int) -> Counter[str]:
        """The spans, once there are that many; or those that there are when the time is up."""
        wait_until(lambda: len(self.spans()) >= count)
        return self.spans()

    def _written(self, signal: str) -> str:
        path = self._folder / signal
        return path.read_text() if path.exists() else ""


def _configuration(folder: Path, port: int, grpc: int, health: int) -> dict[str, Any]:
    signals = ("traces", "logs", "metrics")
    return {
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}, "grpc": {"endpoint": f"127.0.0.1:{grpc}"}}}
        },
        "exporters": {
            f"file/{signal}": {"path": str(folder / signal), "append": True, "flush_interval": "5ms"} for signal in signals
        },
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {signal: {"receivers": ["otlp"], "exporters": [f"file/{signal}"]} for signal in signals},
        },
    }


def _attribute(record: Mapping[str, Any], key: str) -> str:
    found: list[dict[str, Any]] = [pair["value"] for pair in record["attributes"] if pair["key"] == key]
    return str(next(iter(found[0].values()))) if found else ""


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Returns once it holds, or when the time is up."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


# --- the application -----------------------------------------------------------------------------------------------------

PROGRAM: Final = textwrap.dedent(
    """
    import json, openai, re, statistics, sys, time
    client = openai.OpenAI()
    slowest, each = 0, []
    for line in sys.stdin:
        question, count = json.loads(line)
        for _ in range(count):
            began = last = time.perf_counter()
            characters = chunks = 0
            stream = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
            )
            for chunk in stream:
                characters += len(chunk.choices[0].delta.content or "") if chunk.choices else 0
                now = time.perf_counter()
                slowest, last, chunks = max(slowest, now - last), now, chunks + 1
            each.append(1e3 * (last - began) / chunks)
        print(question, count, characters, flush=True)
    peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024  # getrusage's has the parent's in it
    facts = {"ms_per_chunk": statistics.median(each), "slowest_ms": 1e3 * slowest, "peak_mib": peak}
    json.dump(facts, open(FACTS, "w"))
    """
)
"""For each line of its input it asks a question so many times, and says how much was answered."""


class Application:
    """The program under ``opentelemetry-instrument``, which asks when it is told to."""

    def __init__(self, folder: Path, provider: str, endpoint: str, environment: Mapping[str, str]) -> None:
        self._facts = folder / "facts"
        self._errors = folder / "stderr"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "STREAMSPAN_", "PYTEST"))}
        variables = {
            **kept,
            "STREAMSPAN_RAISE_ERRORS": "1",
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_SERVICE_NAME": "failing",
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
            "STREAMSPAN_PROGRESS_INTERVAL": "0.1",
            **environment,
        }
        command = [*_INSTRUMENT, sys.executable, "-c", PROGRAM.replace("FACTS", repr(str(self._facts)))]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
            )
        self.output = list[str]()
        self.exit_seconds = 0.0

    def is_heard(self) -> bool:
        """Whether its log has a line."""
        return bool(self.log)

    def tell(self, question: str, count: int = 1) -> None:
        """Has it ask, and does not wait for it."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([question, count]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> None:
        """Waits until it has asked all of what it was told first."""
        assert self._process.stdout
        self.output.append(self._process.stdout.readline().rstrip())

    def ask(self, question: str, count: int = 1) -> None:
        """Has it ask, and waits until it has."""
        self.tell(question, count)
        self.hear()

    def end(self) -> int:
        """Lets it exit, and waits for that; the exit code."""
        assert self._process.stdin
        began = time.monotonic()
        self._process.stdin.close()
        code = self._process.wait(PATIENCE)
        self.exit_seconds = time.monotonic() - began
        return code

    def kill(self) -> None:
        """Ends it in any case."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    @property
    def log(self) -> list[str]:
        """The lines of its log, which is its standard error."""
        return _NOISE.sub("", self._errors.read_text()).splitlines()

    @property
    def facts(self) -> dict[str, float]:
        """What it has measured of itself: milliseconds per chunk (of the median call), for the slowest, and its peak memory in MiB."""
        return json.loads(self._facts.read_text())


# --- the provider --------------------------------------------------------------------------------------------------------


class Provider:
    """Answers each question: ``short`` in a few chunks, ``large`` with 100 KB, ``held`` in two parts, with `go_on` in between."""

    LARGE: Final = 100_000

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self._bodies: dict[str, list[Piece]] = {
            "short": list(openai_chunks(["word "] * 20, usage=openai_usage())),
            "large": list(openai_chunks(["x" * self.LARGE], usage=openai_usage())),
        }
        chunks = openai_chunks(["one ", "two "], usage=openai_usage())
        self._bodies["held"] = [*chunks[:2], self.go_on, *chunks[2:]]

    def answer(self, request: Request) -> Reply:
        """What it says to a request."""
        return Reply(body=self._bodies[request.json["messages"][-1]["content"]])


class Stage:
    """What a test runs: a provider, and applications of it, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.provider = Provider()
        self._server = Loopback(self.provider.answer)
        self._applications = list[Application]()

    def application(self, endpoint: str, **environment: str) -> Application:
        """An application that sends its telemetry there."""
        folder = self._folder / f"application-{len(self._applications)}"
        folder.mkdir()
        self._applications.append(Application(folder, self._server.url, endpoint, environment))
        return self._applications[-1]

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for application in self._applications:
            application.kill()
        self.provider.go_on.set()
        self._server.__exit__(None, None, None)


# --- the network ---------------------------------------------------------------------------------------------------------


class SlowNetwork:
    """The way to a port, which carries so many bytes a second towards it, however many connections there are."""

    _BEATS: Final = 20

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self._port = port
        self._piece = bytes_per_second // self._BEATS
        self._turn = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # what waits, waits in the sender
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_open = True
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if not self._is_open:
                near.close()
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._carry, args=(near, far, self._piece), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, None), daemon=True).start()

    def _carry(self, source: socket.socket, to: socket.socket, piece: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(piece or 65536):
                if piece:
                    with self._turn:
                        time.sleep(len(data) / piece / self._BEATS)
                to.sendall(data)
        with self._turn:
            for end in (source, to):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_open = False
        socket.create_connection(self._listener.getsockname()).close()  # wakes accept()
        self._acceptor.join()
        self._listener.close()
