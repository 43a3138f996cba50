"""The stack of the programs that deploy/programs/ builds, with the files that the containers mount, on free ports of loopback."""

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import yaml

from stack import programs
from stack.assembly import HOST, METRICS, ROOT, Stack, services
from stack.processes import Program, free_ports, launched
from stack.tempo2 import as_tempo_2

_FILES: Final = ("collector-config.yaml", "deploy/jaeger.yaml", "deploy/tempo.yaml", "deploy/loki.yaml")


class Start(NamedTuple):
    """How one program is started."""

    arguments: list[str]
    ready: str
    """The variable of the port, and the path, at which it says that it is ready."""
    api: str
    """The variable of the port at which it is asked."""


@contextmanager
def built() -> Generator[Stack]:
    """The stack while the block runs. A backend that could not be built is not part of it; without a collector there is none."""
    ports = {variable: str(port) for variable, port in _free().items()}
    with tempfile.TemporaryDirectory(prefix="streamspan-") as folder, ExitStack() as programs_running:
        data = Path(folder)
        starts = _starts(data, ports)
        environment = ports | _backends(ports) | {"TEMPO_DATA": f"{data}/tempo", "LOKI_DATA": f"{data}/loki"}
        running = {
            name: programs_running.enter_context(_launched(name, start, environment))
            for name, start in starts.items()
            if programs.place(name).exists()
        }
        if "collector" not in running:
            pytest.skip("NOT BUILT: collector")
        for program in running.values():  # together: Tempo and Loki take some ten seconds each
            program.wait()
        yield Stack(
            otlp=_base(ports, "OTLP_HTTP_PORT"),
            otlp_grpc=_base(ports, "OTLP_GRPC_PORT"),
            collector_metrics=_base(ports, "TELEMETRY_PORT") + "/metrics",
            backends={name: _base(ports, starts[name].api) for name in running},
            versions=[f"{name} {programs.recipe(name).version}" for name in running],
        )


def _launched(name: str, start: Start, environment: Mapping[str, str]) -> AbstractContextManager[Program]:
    variable, slash, path = start.ready.partition("/")
    return launched([str(programs.place(name)), *start.arguments], environment, _base(environment, variable) + slash + path)


def _base(ports: Mapping[str, str], variable: str) -> str:
    return f"http://{HOST}:{ports[variable]}"


def _free() -> dict[str, int]:
    """A free port for each variable that our files take a port from, and for Prometheus, whose file has none."""
    texts = [(ROOT / name).read_text() for name in _FILES]
    variables = sorted({name for text in texts for name in re.findall(r"\$\{(?:env:)?(\w+_PORT):-", text)})
    variables.append("PROMETHEUS_PORT")
    return dict(zip(variables, free_ports(len(variables)), strict=True))


def _backends(ports: Mapping[str, str]) -> dict[str, str]:
    """Where the collector finds them."""
    return {
        "JAEGER_OTLP": _base(ports, "JAEGER_OTLP_HTTP_PORT"),
        "TEMPO_OTLP": _base(ports, "TEMPO_OTLP_HTTP_PORT"),
        "LOKI_OTLP": _base(ports, "LOKI_HTTP_PORT") + "/otlp",
        "PROMETHEUS_OTLP": _base(ports, "PROMETHEUS_PORT") + "/api/v1/otlp",
        "METRICS_EXPORTER": METRICS,
    }


def _starts(data: Path, ports: Mapping[str, str]) -> dict[str, Start]:
    """Each program's arguments, which are those of the containers with the places of this machine."""
    tempo = data / "tempo.yaml"
    tempo.write_text(_for_tempo_2())
    listen = [f"--web.listen-address={HOST}:{ports['PROMETHEUS_PORT']}", f"--storage.tsdb.path={data}/prometheus"]
    return {
        "jaeger": Start([f"--config={ROOT}/deploy/jaeger.yaml"], "JAEGER_HEALTH_PORT/status", "JAEGER_QUERY_PORT"),
        "tempo": Start(
            ["-target=all", f"-config.file={tempo}", "-config.expand-env=true"], "TEMPO_HTTP_PORT/ready", "TEMPO_HTTP_PORT"
        ),
        "loki": Start(
            [f"-config.file={ROOT}/deploy/loki.yaml", "-config.expand-env=true"], "LOKI_HTTP_PORT/ready", "LOKI_HTTP_PORT"
        ),
        "prometheus": Start([*_prometheus(), *listen], "PROMETHEUS_PORT/-/ready", "PROMETHEUS_PORT"),
        "collector": Start([f"--config={ROOT}/collector-config.yaml"], "HEALTH_PORT", "HEALTH_PORT"),
    }


def _prometheus() -> list[str]:
    arguments: list[str] = services()["prometheus"]["command"]
    return [argument.replace("/etc/prometheus/", f"{ROOT}/deploy/") for argument in arguments]


def _for_tempo_2() -> str:
    """deploy/tempo.yaml for the Tempo that can be built: of Tempo 3 there is no Go module."""
    return yaml.safe_dump(as_tempo_2(yaml.safe_load((ROOT / "deploy" / "tempo.yaml").read_text())))
