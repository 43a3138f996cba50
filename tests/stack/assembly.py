"""A running stack, as the tests see it: made of containers (containers.py) or of programs that were built here (built.py).

Both read the same files of the checkout; only ports and the folders for data differ, by the variables that those files name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
METRICS: Final = "otlp_http/prometheus"
"""METRICS_EXPORTER of collector-config.yaml: a Prometheus is part of the stack here."""


class Stack:
    """A running stack: where it is reached, and what takes part.

    Asking for a backend that could not be built skips the test, and says so.

    Args:
        otlp: the collector's OTLP over HTTP, without a path.
        otlp_grpc: the same over gRPC.
        collector_metrics: what the collector says of itself.
        backends: the base address of each backend's API, by its name.
        versions: name and version of each program.
    """

    def __init__(
        self, otlp: str, otlp_grpc: str, collector_metrics: str, backends: Mapping[str, str], versions: Sequence[str]
    ) -> None:
        self.otlp = otlp
        self.otlp_grpc = otlp_grpc
        self.collector_metrics = collector_metrics
        self.versions = versions
        self._backends = backends

    @property
    def jaeger(self) -> str:
        """The base address of Jaeger's APIs."""
        return self._reach("jaeger")

    @property
    def tempo(self) -> str:
        """The base address of Tempo's API."""
        return self._reach("tempo")

    @property
    def loki(self) -> str:
        """The base address of Loki's API."""
        return self._reach("loki")

    @property
    def prometheus(self) -> str:
        """The base address of Prometheus' API."""
        return self._reach("prometheus")

    def _reach(self, name: str) -> str:
        if name not in self._backends:
            pytest.skip(f"NOT BUILT: {name}")
        return self._backends[name]


def services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml, by their names."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
