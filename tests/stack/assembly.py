"""The whole stack, as docker-compose.yml describes it: with its images where there is a Docker engine, else with programs built here.

Both read the same files of the checkout; only ports and the folders for data differ, by the variables that those files name.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from stack import programs
from stack.processes import PATIENCE, free_ports, launched, read
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
    ports = _free()
    base = {name: f"http://{_HOST}:{port}" for name, port in ports.items()}
    backends = {
        "JAEGER_OTLP": base["JAEGER_OTLP_HTTP_PORT"],
        "TEMPO_OTLP": base["TEMPO_OTLP_HTTP_PORT"],
        "LOKI_OTLP": base["LOKI_HTTP_PORT"] + "/otlp",
    }
    with tempfile.TemporaryDirectory(prefix="streamspan-") as data, ExitStack() as started:
        tempo = Path(data, "tempo.yaml")
        tempo.write_text(_for_tempo_2())
        variables = {name: str(port) for name, port in ports.items()}
        variables |= backends | {"TEMPO_DATA": f"{data}/tempo", "LOKI_DATA": f"{data}/loki"}
        commands = {
            "jaeger": ([f"--config={ROOT}/deploy/jaeger.yaml"], base["JAEGER_HEALTH_PORT"] + "/status"),
            "tempo": (["-target=all", f"-config.file={tempo}", "-config.expand-env=true"], base["TEMPO_HTTP_PORT"] + "/ready"),
            "loki": ([f"-config.file={ROOT}/deploy/loki.yaml", "-config.expand-env=true"], base["LOKI_HTTP_PORT"] + "/ready"),
            "collector": ([f"--config={ROOT}/collector-config.yaml"], base["HEALTH_PORT"]),
        }
        running = [
            started.enter_context(launched([str(programs.find(name)), *arguments], variables, ready))
            for name, (arguments, ready) in commands.items()
        ]
        for program in running:  # together: Tempo and Loki take some ten seconds each
            program.wait()
        yield Stack(
            otlp=base["OTLP_HTTP_PORT"],
            otlp_grpc=base["OTLP_GRPC_PORT"],
            jaeger=base["JAEGER_QUERY_PORT"],
            tempo=base["TEMPO_HTTP_PORT"],
            loki=base["LOKI_HTTP_PORT"],
            collector_metrics=base["TELEMETRY_PORT"] + "/metrics",
            versions=tuple(f"{name} {programs.recipe(name).version}" for name in commands),
        )


def _free() -> dict[str, int]:
    """A free port for each variable that our files take a port from."""
    files = (ROOT / "collector-config.yaml", *(ROOT / "deploy" / f"{name}.yaml" for name in ("jaeger", "tempo", "loki")))
    variables = sorted({name for file in files for name in re.findall(r"\$\{(?:env:)?(\w+_PORT):-", file.read_text())})
    return dict(zip(variables, free_ports(len(variables)), strict=True))


def _for_tempo_2() -> str:
    """deploy/tempo.yaml for the Tempo that can be built: of Tempo 3 there is no Go module."""
    return yaml.safe_dump(as_tempo_2(yaml.safe_load((ROOT / "deploy" / "tempo.yaml").read_text())))
