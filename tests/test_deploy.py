"""docker-compose.yml, collector-config.yaml and deploy/ hold together, as far as that shows without an engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parent.parent

# What the images listen on inside the network of the compose file, by their own defaults or by the files mounted into them.
LISTENS: dict[str, set[int]] = {"jaeger": {4317, 4318, 16686}, "tempo": {3200, 4317, 4318}, "otel-collector": {4317, 4318, 13133}}


def load(name: str) -> dict[str, Any]:
    """The YAML file of that name, which must be a mapping."""
    content = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(content, dict)
    return content  # pyright: ignore[reportUnknownVariableType]


def expand(text: str, environment: dict[str, str]) -> str:
    """``${env:NAME:-default}`` as the collector reads it, with that environment."""
    return re.sub(r"\$\{env:(\w+):-([^}]*)\}", lambda found: environment.get(found[1], found[2]), text)


COMPOSE = load("docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
COLLECTOR = load("collector-config.yaml")


def test_the_compose_file_follows_the_compose_specification() -> None:
    """check-jsonschema, with the schema it ships, finds nothing wrong in docker-compose.yml."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    assert subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False).stdout == "ok -- validation done\n"


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_version(name: str) -> None:
    """An image is named with a full version, so that a stack that works today works tomorrow."""
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    """What holds prompts and asks for no password is out of reach for other machines, and every port is listened on."""
    for port in SERVICES[name].get("ports", []):
        host, published, inside = port.split(":")
        assert (host, published) == ("127.0.0.1", inside)
        assert int(inside) in LISTENS[name]


def test_no_two_services_publish_the_same_port() -> None:
    """The collector and the backends all speak OTLP, and only one of them may have its port on the machine."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(set(published)) == len(published)


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_and_volumes_exist(name: str) -> None:
    """A bind mount names a readable file of this repository, anything else a volume that the compose file declares."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).is_file()
            assert (ROOT / source).stat().st_mode & 0o004, "the containers do not run as root"
        else:
            assert source in COMPOSE["volumes"]


def test_only_an_image_with_a_shell_has_a_healthcheck() -> None:
    """The images of the collector and of Tempo cannot run a check inside, and would be unhealthy for ever."""
    assert [name for name, service in SERVICES.items() if "healthcheck" in service] == ["jaeger"]


def test_every_component_of_a_pipeline_is_defined_and_used() -> None:
    """The collector stops at an undefined name, and a defined one that no pipeline uses is a mistake."""
    pipelines = COLLECTOR["service"]["pipelines"]
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == set(COLLECTOR[kind])
    assert set(COLLECTOR["service"]["extensions"]) == set(COLLECTOR["extensions"])


def test_every_signal_has_a_pipeline_so_that_no_export_is_answered_404() -> None:
    """The SDK may send all three signals to one endpoint; a signal without a pipeline makes it log an error for every batch."""
    assert set(COLLECTOR["service"]["pipelines"]) == {"traces", "logs", "metrics"}


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_the_memory_limiter_comes_first(signal: str) -> None:
    """Memory is guarded before any other work is done on a batch."""
    assert COLLECTOR["service"]["pipelines"][signal]["processors"][0] == "memory_limiter"


@pytest.mark.parametrize("name", [name for name, exporter in COLLECTOR["exporters"].items() if "endpoint" in exporter])
def test_exporters_reach_a_service_of_the_compose_file(name: str) -> None:
    """With the environment of the compose file, an exporter's endpoint is a service there and a port that it listens on."""
    endpoint = urlsplit(expand(COLLECTOR["exporters"][name]["endpoint"], SERVICES["otel-collector"]["environment"]))
    assert endpoint.hostname in SERVICES["otel-collector"]["depends_on"]
    assert endpoint.port in LISTENS[str(endpoint.hostname)]


def addresses(environment: dict[str, str]) -> list[str]:
    """Every address that the collector's file names, with that environment."""
    receivers = COLLECTOR["receivers"]["otlp"]["protocols"].values()
    extensions, exporters = COLLECTOR["extensions"].values(), COLLECTOR["exporters"].values()
    return [expand(part["endpoint"], environment) for part in (*receivers, *extensions, *exporters) if "endpoint" in part]


def test_the_collector_stays_on_loopback_outside_of_compose() -> None:
    """With no environment at all the same file listens on loopback, and sends there."""
    hosts = [urlsplit(address if "//" in address else f"//{address}").hostname for address in addresses({})]
    assert hosts
    assert set(hosts) == {"127.0.0.1"}


def test_the_collector_listens_for_other_containers_in_compose() -> None:
    """Loopback inside a container would be reached by nobody."""
    assert "0.0.0.0:4318" in addresses(SERVICES["otel-collector"]["environment"])


def test_large_batches_pass_every_hop() -> None:
    """Prompts and answers outgrow the 4 MiB of gRPC's default, so every receiver takes 16 MiB, and no batch is made larger."""
    protocols = COLLECTOR["receivers"]["otlp"]["protocols"]
    tempo = load("deploy/tempo.yaml")["distributor"]["receivers"]["otlp"]["protocols"]
    assert protocols["grpc"]["max_recv_msg_size_mib"] == tempo["grpc"]["max_recv_msg_size_mib"] == 16
    assert protocols["http"]["max_request_body_size"] == 16 * 2**20
    for exporter in (COLLECTOR["exporters"][name] for name in COLLECTOR["service"]["pipelines"]["traces"]["exporters"]):
        assert exporter["sending_queue"]["batch"]["sizer"] == "bytes"
        assert exporter["sending_queue"]["batch"]["max_size"] <= 16 * 2**20


def test_tempo_keeps_long_attributes_on_the_ports_we_name() -> None:
    """Tempo's default cuts values at 2048 bytes, in the middle of the messages' JSON."""
    tempo = load("deploy/tempo.yaml")
    assert tempo["distributor"]["max_attribute_bytes"] >= 65536
    assert tempo["server"]["http_listen_port"] in LISTENS["tempo"]
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    assert "ingester" not in tempo, "Tempo 3 refuses the configuration of Tempo 2"


def test_tempo_writes_into_its_volume() -> None:
    """Tempo runs as a user who can write nowhere else."""
    trace = load("deploy/tempo.yaml")["storage"]["trace"]
    assert {part["path"].startswith("/var/tempo/") for part in (trace["wal"], trace["local"])} == {True}
    assert "tempo-data:/var/tempo" in SERVICES["tempo"]["volumes"]
