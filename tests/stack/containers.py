"""The stack of the images that docker-compose.yml names, where there is a Docker engine."""

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from stack.assembly import HOST, METRICS, ROOT, Stack, services
from stack.processes import read

PATIENCE: Final = 300.0
"""Seconds for all of it to answer: images may have to be fetched."""
_READY: Final = {
    "collector": ":13133",
    "jaeger": ":16686/api/services",
    "tempo": ":3200/ready",
    "loki": ":3100/ready",
    "prometheus": ":9090/-/ready",
}


def has_engine() -> bool:
    """Whether a Docker engine with compose answers here."""
    docker = shutil.which("docker")
    asked = (["info"], ["compose", "version"])
    return bool(docker) and all(
        subprocess.run([docker, *words], capture_output=True, check=False).returncode == 0 for words in asked
    )


@contextmanager
def composed() -> Generator[Stack]:
    """docker-compose.yml under a project name of its own, on the ports that it publishes; its volumes go with it."""
    compose = ["docker", "compose", "--profile=metrics", "--project-name=streamspan-test", f"--project-directory={ROOT}"]
    try:
        subprocess.run([*compose, "up", "--detach", "--quiet-pull"], check=True, env=os.environ | {"METRICS_EXPORTER": METRICS})
        for path in _READY.values():
            _wait_for(f"http://{HOST}{path}")
        yield Stack(
            otlp=f"http://{HOST}:4318",
            otlp_grpc=f"http://{HOST}:4317",
            collector_metrics=f"http://{HOST}:8888/metrics",
            backends={name: f"http://{HOST}:{path[1:].split('/')[0]}" for name, path in _READY.items()},
            versions=[service["image"] for service in services().values()],
        )
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=False)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            read(url)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
