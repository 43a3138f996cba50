"""How much a collector takes: spans a second on one core, and memory for what waits; the figures of docs/deploy.md.

    python benchmarks/collector.py [PROGRAM]

PROGRAM is a collector with the components of deploy/programs/collector/builder.yaml; without it the one that scripts/stack-test
built. Spans go through the files of this repository to a second collector that drops them. What is counted is the processor time
of the first, not the clock, so a busy machine makes little difference. Takes about two minutes.
"""

import copy
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import stack.processes as _processes  # noqa: E402 # pyright: ignore[reportMissingImports]
import stack.programs as _programs  # noqa: E402 # pyright: ignore[reportMissingImports]

processes: Any = _processes
programs: Any = _programs

PROSE: Final = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
SIZES: Final = {"no content": (0, 0, 500), "2 KB + 2 KB": (2000, 2000, 200), "50 KB + 10 KB": (50000, 10000, 40)}
"""Characters of the prompt and of the answer, and how many spans one request has."""
SPEND: Final = 2.0
"""Seconds of processor time for each figure."""
SINK: Final[dict[str, Any]] = {
    "receivers": {
        "otlp": {
            "protocols": {
                "http": {"endpoint": "127.0.0.1:${env:SINK_HTTP}", "max_request_body_size": 2**25},
                "grpc": {"endpoint": "127.0.0.1:${env:SINK_GRPC}", "max_recv_msg_size_mib": 32},
            }
        }
    },
    "exporters": {"nop": None},
    "extensions": {"health_check": {"endpoint": "127.0.0.1:${env:HEALTH_PORT}"}},
    "service": {
        "extensions": ["health_check"],
        "telemetry": {"metrics": {"level": "none"}},
        "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["nop"]}},
    },
}


def request(size: str) -> bytes:
    """One request with spans of calls, as streamspan writes them, each a trace of its own."""
    asked, answered, count = SIZES[size]
    written: dict[str, Any] = json.loads((ROOT / "tests" / "wire" / "openai_chat" / "normal.span.json").read_text())["attributes"]
    plain = {key: value for key, value in written.items() if not isinstance(value, list) and key != "streamspan.preview"}
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for _ in range(count):
        content = {"gen_ai.input.messages": messages("user", asked), "gen_ai.output.messages": messages("assistant", answered)}
        content["streamspan.preview"] = prose(min(answered, 4096))
        provider.get_tracer("streamspan").start_span("chat gpt-4o-mini", attributes=plain | (content if asked else {})).end()
    return encode_spans(kept.get_finished_spans()).SerializeToString()


def prose(length: int) -> str:
    """That much of the documentation, from anywhere in it."""
    start = random.randrange(len(PROSE) - length)  # noqa: S311
    return PROSE[start : start + length]


def messages(role: str, length: int) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": prose(length)}]}])


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


def files() -> Iterator[tuple[str, dict[str, Any]]]:
    """What is measured: configurations, with the doors open."""
    yield "collector-config.yaml", load("collector-config.yaml")
    compressing = load("collector-config.yaml")
    for name in ("otlp_http/jaeger", "otlp_http/tempo"):
        compressing["exporters"][name]["compression"] = "gzip"
    yield "collector-config.yaml with gzip", compressing
    fleet = load("deploy/collector-fleet.yaml")
    for protocol in fleet["receivers"]["otlp"]["protocols"].values():
        del protocol["tls"], protocol["auth"]
    fleet["service"]["extensions"] = ["health_check"]
    yield "collector-fleet.yaml", fleet
    unmasked = copy.deepcopy(fleet)
    unmasked["service"]["pipelines"]["traces"]["processors"] = ["memory_limiter"]
    yield "collector-fleet.yaml without redaction", unmasked


class Measured:
    """A collector that runs with one processor."""

    def __init__(self, started: ExitStack, program: Path, config: dict[str, Any], variables: dict[str, str]) -> None:
        names = ("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "HEALTH_PORT", "TELEMETRY_PORT", "SINK_HTTP", "SINK_GRPC")
        ports = dict(zip(names, map(str, processes.free_ports(len(names))), strict=True))
        self.ports = ports
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="streamspan-")))
        (folder / "config.yaml").write_text(yaml.safe_dump(config, width=1000))
        environment = {"GOMAXPROCS": "1", "OTLP_LISTEN_HOST": "127.0.0.1", "METRICS_EXPORTER": "nop", **ports, **variables}
        command = [str(program), f"--config={folder / 'config.yaml'}"]
        ready = f"http://127.0.0.1:{ports['HEALTH_PORT']}"
        self._pid = started.enter_context(processes.running(command, environment, ready)).pid

    def post(self, body: bytes) -> bool:
        """Whether it took the request."""
        url = f"http://127.0.0.1:{self.ports['OTLP_HTTP_PORT']}/v1/traces"
        try:
            urlopen(Request(url, body, {"content-type": "application/x-protobuf"}), timeout=60).close()
        except HTTPError:
            return False
        return True

    def processor_seconds(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """What it has in memory."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self._pid}/status").read_text())
        return int(found[1]) / 1000 if found else 0.0

    def settled_seconds(self) -> float:
        """What it has used once it does nothing more."""
        before = self.processor_seconds()
        while True:
            time.sleep(0.7)
            if (now := self.processor_seconds()) - before < 0.03:
                return now
            before = now


def throughput(program: Path, sink: Measured) -> None:
    """Print spans and megabytes for each second of one core."""
    stores = dict.fromkeys(("JAEGER_OTLP", "TEMPO_OTLP", "LOKI_OTLP"), f"http://127.0.0.1:{sink.ports['SINK_HTTP']}")
    variables = {**stores, "SAMPLERS": f"[127.0.0.1:{sink.ports['SINK_GRPC']}]"}
    for title, config in files():
        for size in SIZES:
            with ExitStack() as started:
                measured, body = Measured(started, program, config, variables), request(size)
                before, taken = measured.processor_seconds(), 0
                while measured.processor_seconds() - before < SPEND:
                    taken += measured.post(body)
                    time.sleep(0.02)
                spent = measured.settled_seconds() - before
                rate = taken / spent
                print(f"{title:40} {size:15} {rate * SIZES[size][2]:8.0f} spans/s {rate * len(body) / 1e6:7.1f} MB/s", flush=True)


def waiting(program: Path) -> None:
    """Print the memory of a full queue, and that of a sampler that waits."""
    nowhere = dict.fromkeys(("JAEGER_OTLP", "TEMPO_OTLP", "LOKI_OTLP"), "http://127.0.0.1:9")
    sampling = load("deploy/collector-fleet-sampling.yaml")
    sampling["receivers"]["otlp"]["protocols"]["http"] = {
        "endpoint": "127.0.0.1:${env:OTLP_HTTP_PORT}",
        "max_request_body_size": 2**24,
    }
    sampling["exporters"]["otlp_http/tempo"]["sending_queue"].pop("storage")
    sampling["extensions"].pop("file_storage")
    sampling["service"]["extensions"] = ["health_check"]
    cases = [("queues to two stores", load("collector-config.yaml"), 2), ("sampler", sampling, 1)]
    for title, config, copies in cases:
        for size in SIZES:
            with ExitStack() as started:
                measured, body = (
                    Measured(started, program, config, {**nowhere, "DECISION_WAIT_AFTER_ROOT": "500s"}),
                    request(size),
                )
                before, taken = measured.megabytes(), 0
                while taken * len(body) < 50e6 and measured.post(body):
                    taken += 1
                time.sleep(1)
                grown, sent = measured.megabytes() - before, taken * len(body) * copies / 1e6
                each = grown * 1000 / taken / SIZES[size][2]
                print(f"{title:40} {size:15} {grown / sent:8.1f} MB/MB {each:9.1f} KB/span", flush=True)


def main() -> None:
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else programs.place("collector")
    for size, (_, _, count) in SIZES.items():
        print(f"{'bytes of a span':40} {size:15} {len(request(size)) / count:8.0f}")
    with ExitStack() as started:
        throughput(program, Measured(started, program, SINK, {}))
    waiting(program)


if __name__ == "__main__":
    main()
