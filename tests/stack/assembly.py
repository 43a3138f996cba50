"""The whole stack, as docker-compose.yml describes it: with its images where there is a Docker engine, else with programs built here.

Both read the same files of the checkout; only ports and the folders for data differ, by the variables that those files name.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from stack import programs
from stack.processes import PATIENCE, free_ports, read, running
from stack.tempo2 import as_tempo_2

ROOT: Final = Path(__file__).parents[2]
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running stack is reached."""

    otlp: str
    """The collector's OTLP over HTTP, without a path."""
    otlp_grpc: str
    jaeger: str
    tempo: str
    loki: str
    collector_metrics: str
    versions: tuple[str, ...]
    """Name and version of each program that takes part."""


@contextmanager
def stack() -> Generator[Stack]:
    """The stack while the block runs: of containers if there is an engine, else of programs."""
    with composed() if has_engine() else built() as ready:
        yield ready


def has_engine() -> bool:
    """Whether a Docker engine with compose answers here."""
    docker = shutil.which("docker")
    asked = (["info"], ["compose", "version"])
    return bool(docker) and all(
        subprocess.run([docker, *words], capture_output=True, check=False).returncode == 0 for words in asked
    )


# --- with containers ---------------------------------------------------------------------------------------------------


@contextmanager
def composed() -> Generator[Stack]:
    """docker-compose.yml under a project name of its own, on the ports that it publishes; its volumes go with it."""
    compose = ["docker", "compose", "--project-name=streamspan-test", f"--project-directory={ROOT}"]
    try:
        subprocess.run([*compose, "up", "--detach", "--quiet-pull"], check=True)
        ready = Stack(
            otlp=f"http://{_HOST}:4318",
            otlp_grpc=f"http://{_HOST}:4317",
            jaeger=f"http://{_HOST}:16686",
            tempo=f"http://{_HOST}:3200",
            loki=f"http://{_HOST}:3100",
            collector_metrics=f"http://{_HOST}:8888/metrics",
            versions=tuple(_images()),
        )
        for url in (f"http://{_HOST}:13133", f"{ready.jaeger}/api/services", f"{ready.tempo}/ready", f"{ready.loki}/ready"):
            _wait_for(url)
        yield ready
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=False)


def _images() -> Generator[str]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    yield from (service["image"] for service in services.values() if "profiles" not in service)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 3 * PATIENCE  # an image may have to be fetched first
    while True:
        try:
            read(url)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


# --- with programs that were built here --------------------------------------------------------------------------------


@contextmanager
def built() -> Generator[Stack]:
    """The programs of deploy/programs/ with the files that the containers mount, on free ports of loopback.

    One that could not be built skips the tests, which CI does not allow.
    """
    with ExitStack() as started:
        data = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="streamspan-")))
        jaeger = _start_jaeger(started)
        tempo = _start_tempo(started, data)
        loki = _start_loki(started, data)
        yield _start_collector(started, jaeger, tempo, loki)


def _start(
    started: ExitStack, name: str, arguments: list[str], ports: Mapping[str, int], more: Mapping[str, str], ready: str
) -> None:
    variables = {key: str(port) for key, port in ports.items()} | dict(more)
    started.enter_context(running([str(programs.find(name)), *arguments], variables, ready))


def _ports(*variables: str) -> dict[str, int]:
    return dict(zip(variables, free_ports(len(variables)), strict=True))


def _start_jaeger(started: ExitStack) -> dict[str, int]:
    kinds = ("OTLP_HTTP", "OTLP_GRPC", "QUERY", "QUERY_GRPC", "HEALTH", "TELEMETRY")
    ports = _ports(*(f"JAEGER_{kind}_PORT" for kind in kinds))
    health = f"http://{_HOST}:{ports['JAEGER_HEALTH_PORT']}/status"
    _start(started, "jaeger", [f"--config={ROOT}/deploy/jaeger.yaml"], ports, {}, health)
    return ports


def _start_tempo(started: ExitStack, data: Path) -> dict[str, int]:
    ports = _ports("TEMPO_HTTP_PORT", "TEMPO_GRPC_PORT", "TEMPO_OTLP_HTTP_PORT", "TEMPO_OTLP_GRPC_PORT")
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "tempo.yaml").read_text())
    file = data / "tempo.yaml"
    file.write_text(yaml.safe_dump(as_tempo_2(config)))  # of Tempo 3 there is no Go module
    arguments = ["-target=all", f"-config.file={file}", "-config.expand-env=true"]
    ready = f"http://{_HOST}:{ports['TEMPO_HTTP_PORT']}/ready"
    _start(started, "tempo", arguments, ports, {"TEMPO_DATA": str(data / "tempo")}, ready)
    return ports


def _start_loki(started: ExitStack, data: Path) -> dict[str, int]:
    ports = _ports("LOKI_HTTP_PORT", "LOKI_GRPC_PORT")
    arguments = [f"-config.file={ROOT}/deploy/loki.yaml", "-config.expand-env=true"]
    ready = f"http://{_HOST}:{ports['LOKI_HTTP_PORT']}/ready"
    _start(started, "loki", arguments, ports, {"LOKI_DATA": str(data / "loki")}, ready)
    return ports


def _start_collector(started: ExitStack, jaeger: dict[str, int], tempo: dict[str, int], loki: dict[str, int]) -> Stack:
    ports = _ports("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "HEALTH_PORT", "TELEMETRY_PORT")
    base = f"http://{_HOST}"
    backends = {
        "JAEGER_OTLP": f"{base}:{jaeger['JAEGER_OTLP_HTTP_PORT']}",
        "TEMPO_OTLP": f"{base}:{tempo['TEMPO_OTLP_HTTP_PORT']}",
        "LOKI_OTLP": f"{base}:{loki['LOKI_HTTP_PORT']}/otlp",
    }
    _start(started, "collector", [f"--config={ROOT}/collector-config.yaml"], ports, backends, f"{base}:{ports['HEALTH_PORT']}")
    return Stack(
        otlp=f"{base}:{ports['OTLP_HTTP_PORT']}",
        otlp_grpc=f"{base}:{ports['OTLP_GRPC_PORT']}",
        jaeger=f"{base}:{jaeger['JAEGER_QUERY_PORT']}",
        tempo=f"{base}:{tempo['TEMPO_HTTP_PORT']}",
        loki=f"{base}:{loki['LOKI_HTTP_PORT']}",
        collector_metrics=f"{base}:{ports['TELEMETRY_PORT']}/metrics",
        versions=tuple(f"{name} {programs.recipe(name).version}" for name in ("collector", "jaeger", "tempo", "loki")),
    )
