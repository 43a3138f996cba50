"""docker-compose.yml, the collector's files and deploy/ hold together, as far as that shows without an engine.

tests/stack/test_configs.py asks the programs themselves.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from stack import programs
from stack.tempo2 import as_tempo_2
from streamspan.batches import REQUEST_BYTES

ROOT = Path(__file__).parent.parent
MIB = 2**20


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = (ROOT / "docs" / "deploy.md").read_text()


@cache
def load(name: str) -> dict[str, Any]:
    """The YAML file of that name, which must be a mapping."""
    content = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(content, dict)
    return content  # pyright: ignore[reportUnknownVariableType]


def expand(text: str, environment: dict[str, str]) -> str:
    """``${env:NAME:-default}`` as the collector reads it, and ``${NAME:-default}`` as the others do, with that environment."""
    return re.sub(r"\$\{(?:env:)?(\w+):-([^}]*)\}", lambda found: environment.get(found[1], found[2]), text)


def texts(content: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        parts: Any = content.values() if isinstance(content, dict) else content  # pyright: ignore[reportUnknownVariableType]
        for part in parts:
            yield from texts(part)


SERVICES: dict[str, Any] = load("docker-compose.yml")["services"]
COLLECTOR = load("collector-config.yaml")
COLLECTOR_FILES = [
    "collector-config.yaml",
    *(
        f"deploy/{path.name}"
        for pattern in ("collector-*", "tail-*")
        for path in sorted((ROOT / "deploy").glob(f"{pattern}.yaml"))
    ),
]
OVERLAYS = [name for name in COLLECTOR_FILES if re.search(r"-(private|kafka)\.yaml$", name)]
"""Files that are given beside another one."""
CONFIGURED = {
    "otel-collector": "collector-config.yaml",
    "jaeger": "deploy/jaeger.yaml",
    "tempo": "deploy/tempo.yaml",
    "loki": "deploy/loki.yaml",
}
"""The file that says what a service does, beside its environment."""
BY_DEFAULT = {"grafana": {3000}, "prometheus": {9090}}
"""What the other images listen on."""


def listens(service: str) -> set[int]:
    """The ports that a service listens on inside its container."""
    if service in BY_DEFAULT:
        return BY_DEFAULT[service]
    text = expand((ROOT / CONFIGURED[service]).read_text(), SERVICES[service]["environment"])
    found = re.findall(r"(?:0\.0\.0\.0:|port: |listen_port: )(\d+)", text)
    return {int(port) for port in found}


# --- docker-compose.yml ------------------------------------------------------------------------------------------------


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
    for port in SERVICES[name]["ports"]:
        host, published, inside = port.split(":")
        assert (host, published) == ("127.0.0.1", inside)
        assert int(inside) in listens(name)


def test_no_two_services_publish_the_same_port() -> None:
    """The collector and the backends all speak OTLP, and only one of them may have its port on the machine."""
    published = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(set(published)) == len(published)


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_and_volumes_exist(name: str) -> None:
    """A bind mount names a readable file or folder of this repository, anything else a volume that the compose file declares."""
    for mount in SERVICES[name]["volumes"]:
        source = mount.split(":")[0]
        if source.startswith("."):
            assert mount.endswith(":ro")
            assert (ROOT / source).exists()
            assert (ROOT / source).stat().st_mode & 0o004, "the containers do not run as root"
        else:
            assert source in load("docker-compose.yml")["volumes"]


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_service_reads_the_file_that_is_mounted_into_it(name: str) -> None:
    """Its command names the path where its own file is."""
    [mounted] = [mount.split(":")[1] for mount in SERVICES[name]["volumes"] if mount.startswith(f"./{CONFIGURED[name]}")]
    assert any(word.endswith(f"={mounted}") for word in SERVICES[name]["command"])


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_service_is_given_only_variables_that_its_file_reads(name: str) -> None:
    """A variable with a slip in its name would change nothing; GOMEMLIMIT is read by every program in Go."""
    read = set(re.findall(r"\$\{(?:env:)?(\w+)", (ROOT / CONFIGURED[name]).read_text()))
    assert set(SERVICES[name]["environment"]) - {"GOMEMLIMIT"} <= read


@pytest.mark.parametrize("name", ["tempo", "loki"])
def test_variables_are_put_into_the_files_that_have_some(name: str) -> None:
    """Tempo and Loki leave them as they are unless they are told."""
    assert "-config.expand-env=true" in SERVICES[name]["command"]


def test_only_an_image_with_a_shell_has_a_healthcheck() -> None:
    """The images of the collector, Tempo and Loki cannot run a check inside, and would be unhealthy for ever."""
    assert [name for name, service in SERVICES.items() if "healthcheck" in service] == ["jaeger"]
    [_, *_, url] = SERVICES["jaeger"]["healthcheck"]["test"]
    assert urlsplit(str(url)).port in listens("jaeger")


def test_prometheus_is_asked_for() -> None:
    """Everything else works without it; its profile and the variable that sends metrics to it are named where a reader looks."""
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["prometheus"]
    assert SERVICES["prometheus"]["profiles"] == ["metrics"]
    head = (ROOT / "docker-compose.yml").read_text().split("\nname:")[0]
    for text in (head, PAGE):
        assert "METRICS_EXPORTER=otlp_http/prometheus docker compose --profile metrics up -d" in text


DIFFERENT = {
    "jaeger": "the modules of Jaeger 2 are numbered as version 1: 1.76.0 is what 2.13 was built of, and no newer one is at the proxy",
    "tempo": "Tempo 3 has no Go module; what can be had is 2.8",
}
"""Programs that are built in another version than their image has, and why."""


RENUMBERED = {"prometheus": ("0.315.0", "3.15.0")}
"""Modules that have another number than the release that is made of them: that of the module, and that of the release."""


@pytest.mark.parametrize("name", programs.names())
def test_what_is_built_is_what_the_images_hold(name: str) -> None:
    """The versions in deploy/programs/ are those of the images, but for the ones that are explained here."""
    image = SERVICES["otel-collector" if name == "collector" else name]["image"].split(":")[1].removeprefix("v")
    built = programs.recipe(name).version
    assert (image in (built, *RENUMBERED.get(name, ()))) != (name in DIFFERENT)
    assert name not in RENUMBERED or RENUMBERED[name] == (built, image)


# --- what Grafana finds ------------------------------------------------------------------------------------------------

DATASOURCES: list[dict[str, Any]] = load("deploy/grafana/datasources.yaml")["datasources"]


def test_the_data_sources_have_the_ids_that_dashboards_name() -> None:
    """An id that changes would leave every panel without data."""
    assert {source["uid"]: source["type"] for source in DATASOURCES} == {
        name: name for name in ("tempo", "loki", "jaeger", "prometheus")
    }


@pytest.mark.parametrize("source", DATASOURCES, ids=[source["uid"] for source in DATASOURCES])
def test_a_data_source_is_a_service_of_the_compose_file(source: dict[str, Any]) -> None:
    """Its address is a service and a port that this listens on, and what it links to exists."""
    address = urlsplit(str(source["url"]))
    assert address.port in listens(str(address.hostname))
    linked = re.findall(r"datasourceUid: (\w+)", yaml.safe_dump(source["jsonData"]))
    assert set(linked) <= {other["uid"] for other in DATASOURCES}


def test_dollars_reach_grafana() -> None:
    """Grafana puts variables of its environment into this file, so a dollar that is meant is doubled."""
    for text in texts(DATASOURCES):
        assert "$" not in text.replace("$$", "")


def test_dashboards_are_where_grafana_looks() -> None:
    """The folder that the provider reads is the one into which the compose file mounts them."""
    [provider] = load("deploy/grafana/dashboards.yaml")["providers"]
    folder = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "deploy/grafana/dashboards" / home.removeprefix(f"{folder}/")).is_file()


# --- the collector's files ---------------------------------------------------------------------------------------------

KINDS = ("receivers", "processors", "exporters")
CHOSEN = {"otlp_http/prometheus", "nop"}
"""Exporters of which METRICS_EXPORTER names one."""


@pytest.mark.parametrize("name", [name for name in COLLECTOR_FILES if name not in OVERLAYS])
def test_every_component_of_a_pipeline_is_defined_and_used(name: str) -> None:
    """The collector stops at an undefined name, and a defined one that no pipeline uses is a mistake."""
    content = load(name)
    pipelines = content["service"]["pipelines"]
    for kind in KINDS:
        used = {expand(part, {}) for pipeline in pipelines.values() for part in pipeline[kind]}
        defined = set(content[kind])
        assert used <= defined
        assert defined - used <= CHOSEN
    assert set(content["service"].get("extensions", [])) == set(content.get("extensions", {}))


def test_every_signal_has_a_pipeline_so_that_no_export_is_answered_404() -> None:
    """The SDK may send all three signals to one endpoint; a signal without a pipeline makes it log an error for every batch."""
    for name in ("collector-config.yaml", "deploy/collector-fleet.yaml"):
        assert set(load(name)["service"]["pipelines"]) == {"traces", "logs", "metrics"}


@pytest.mark.parametrize("name", COLLECTOR_FILES)
def test_the_memory_limiter_comes_first(name: str) -> None:
    """Memory is guarded before any other work is done on a batch."""
    for pipeline in load(name)["service"]["pipelines"].values():
        assert pipeline.get("processors", ["memory_limiter"])[0] == "memory_limiter"


@pytest.mark.parametrize("name", [name for name, exporter in COLLECTOR["exporters"].items() if "endpoint" in exporter])
def test_exporters_reach_a_service_of_the_compose_file(name: str) -> None:
    """With the environment of the compose file, an exporter's endpoint is a service there and a port that it listens on."""
    endpoint = urlsplit(expand(COLLECTOR["exporters"][name]["endpoint"], SERVICES["otel-collector"]["environment"]))
    assert str(endpoint.hostname) in SERVICES["otel-collector"]["depends_on"] or "profiles" in SERVICES[str(endpoint.hostname)]
    assert endpoint.port in listens(str(endpoint.hostname))


@pytest.mark.parametrize("name", ["collector-config.yaml", "deploy/jaeger.yaml", "deploy/tempo.yaml", "deploy/loki.yaml"])
def test_every_program_stays_on_loopback_outside_of_compose(name: str) -> None:
    """With no environment at all the same files listen on loopback, and send there."""
    addresses = re.findall(r"(?:endpoint|host|listen_address): (.+)", expand((ROOT / name).read_text(), {}))
    hosts = {urlsplit(address if "//" in address else f"//{address}").hostname for address in addresses}
    assert hosts == {"127.0.0.1"}


def test_the_programs_find_each_other_outside_of_compose() -> None:
    """Where the collector sends with no environment is where the backends listen with none."""
    backends = {
        "otlp_http/jaeger": "deploy/jaeger.yaml",
        "otlp_http/tempo": "deploy/tempo.yaml",
        "otlp_http/loki": "deploy/loki.yaml",
    }
    for exporter, name in backends.items():
        port = urlsplit(expand(COLLECTOR["exporters"][exporter]["endpoint"], {})).port
        assert re.search(rf"(?:127\.0\.0\.1:|listen_port: ){port}\b", expand((ROOT / name).read_text(), {}))


def test_the_collector_listens_for_other_containers_in_compose() -> None:
    """Loopback inside a container would be reached by nobody."""
    environment = SERVICES["otel-collector"]["environment"]
    assert expand(COLLECTOR["receivers"]["otlp"]["protocols"]["http"]["endpoint"], environment) == "0.0.0.0:4318"


BUILT = {
    line.split()[2].rsplit("/", 1)[-1]
    for line in (ROOT / "deploy/programs/collector/builder.yaml").read_text().splitlines()
    if "gomod:" in line
}
MODULES = {
    "otlp_http": "otlphttpexporter",
    "otlp_grpc": "otlpexporter",
    "health_check": "healthcheckextension",
    "file_storage": "filestorage",
}
"""Components whose module is not called as they are."""
FOR_TESTS = {"debugexporter", "fileexporter", "otlpexporter"}
NOT_BUILT = {"kafkareceiver", "kafkaexporter"}
"""Six of the modules that these are made of are not at the proxy in version 0.161.0; the image has both."""


def modules(content: dict[str, Any]) -> Iterator[str]:
    """The last part of the name of each module that a collector's file needs."""
    for kind in (*KINDS, "extensions"):
        for component in content.get(kind, {}):
            name = component.split("/")[0]
            yield MODULES.get(name) or name.replace("_", "") + kind[:-1]


def test_the_builder_is_told_of_every_component_that_a_file_names() -> None:
    """A collector that is built by deploy/programs/collector/builder.yaml knows all of them, and has nothing that is not needed."""
    needed = {module for name in COLLECTOR_FILES for module in modules(load(name))}
    assert needed - NOT_BUILT == BUILT - (FOR_TESTS - needed)
    assert needed >= NOT_BUILT


# --- sizes -------------------------------------------------------------------------------------------------------------


def receivers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each receiver of OTLP in our files, with the file's name."""
    for name in [*COLLECTOR_FILES, "deploy/jaeger.yaml", "deploy/tempo.yaml"]:
        content = load(name)
        found: dict[str, Any] = content.get("distributor", content).get("receivers", {})
        if "otlp" in found:
            yield name, found["otlp"]["protocols"]


@pytest.mark.parametrize(("name", "protocols"), list(receivers()))
def test_large_batches_pass_every_hop(name: str, protocols: dict[str, Any]) -> None:
    """Prompts and answers outgrow the 4 MiB of gRPC's default, so every receiver takes 16 MiB, by both protocols."""
    assert protocols["grpc"]["max_recv_msg_size_mib"] == 16
    assert "http" not in protocols or protocols["http"]["max_request_body_size"] == 16 * MIB


def queues() -> Iterator[dict[str, Any]]:
    """Each queue before an exporter; the one that balances load has one for each that it sends to."""
    for name in COLLECTOR_FILES:
        exporters: dict[str, dict[str, Any]] = load(name).get("exporters", {})
        for exporter in exporters.values():
            each: dict[str, Any] = exporter["protocol"]["otlp"] if "protocol" in exporter else exporter
            if "sending_queue" in each:
                yield each["sending_queue"]


def test_batches_and_queues_are_measured_in_bytes() -> None:
    """No batch is made larger than half of what receivers take, and a queue is no larger for spans with content than without."""
    found = list(queues())
    assert found
    for queue in found:
        assert queue["sizer"] == "bytes"
        assert "batch" not in queue or (queue["batch"]["sizer"] == "bytes" and queue["batch"]["max_size"] <= 8 * MIB)


def test_tempo_cuts_nothing_that_streamspan_sends() -> None:
    """Tempo's default cuts values at 2048 bytes, in the middle of the messages' JSON, and refuses traces of more than 5 MB."""
    tempo = load("deploy/tempo.yaml")
    assert tempo["distributor"]["max_attribute_bytes"] > REQUEST_BYTES
    limits = tempo["overrides"]["defaults"]
    assert limits["global"]["max_bytes_per_trace"] >= 20 * REQUEST_BYTES
    assert limits["ingestion"]["burst_size_bytes"] >= 2 * 8 * MIB, "two batches at once"
    assert tempo["server"]["grpc_server_max_recv_msg_size"] >= limits["global"]["max_bytes_per_trace"]
    assert "ingester" not in tempo, "Tempo 3 refuses the configuration of Tempo 2"


def test_loki_refuses_nothing_that_streamspan_sends() -> None:
    """Its defaults throw records away that are longer than 64 KB, and batches of more than 6 MB."""
    loki = load("deploy/loki.yaml")
    limits = loki["limits_config"]
    for name in ("max_structured_metadata_size", "max_line_size"):
        assert int(limits[name].removesuffix("MB")) * MIB > REQUEST_BYTES
    assert limits["max_structured_metadata_entries_count"] == 0
    for rate in (limits["ingestion_burst_size_mb"], int(limits["per_stream_rate_limit_burst"].removesuffix("MB"))):
        assert rate * MIB >= 2 * 8 * MIB, "two batches at once"
    assert loki["server"]["grpc_server_max_recv_msg_size"] >= 16 * MIB


@pytest.mark.parametrize(("name", "folder"), [("tempo", "/var/tempo"), ("loki", "/loki")])
def test_data_is_written_into_the_volume(name: str, folder: str) -> None:
    """The programs run as a user who can write nowhere else in their containers."""
    assert f"{name}-data:{folder}" in SERVICES[name]["volumes"]
    paths = [text for text in texts(yaml.safe_load(expand((ROOT / CONFIGURED[name]).read_text(), {}))) if text.startswith("/")]
    assert paths
    assert [path for path in paths if not f"{path}/".startswith(f"{folder}/")] == []


def test_tempo_2_is_given_what_tempo_3_is_given() -> None:
    """What tests run differs from the file in what the two versions do not share, and in nothing else."""
    three = load("deploy/tempo.yaml")
    two = as_tempo_2(three)
    same = {"stream_over_http_enabled", "server", "distributor", "storage", "usage_report"}
    assert {name: two[name] for name in same} == {name: three[name] for name in same}
    assert set(two) - same == {"ingester", "metrics_generator", "overrides", "query_frontend"}
    assert set(three) - same == {"live_store", "backend_scheduler", "block_builder", "overrides", "query_frontend"}
    assert two["overrides"]["defaults"].items() >= three["overrides"]["defaults"].items()


# --- what the documentation says ---------------------------------------------------------------------------------------


def test_the_page_lists_every_service_with_its_image_and_its_ports() -> None:
    """The table of docs/deploy.md is the compose file's content."""
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|$", PAGE.split("\n## ")[1], re.MULTILINE))
    assert rows.keys() == SERVICES.keys()
    for name, row in rows.items():
        assert f"`{SERVICES[name]['image']}`" in row
        assert re.findall(r"(?<![\d.:-])\d{4,5}(?![\d.])", row.split("|")[1]) == [
            port.split(":")[1] for port in SERVICES[name]["ports"]
        ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    """A configuration that a page or a command names is there."""
    named = re.findall(r"(?<![\w/])(?:deploy/[\w./-]*\w|collector-config\.yaml|docker-compose\.yml)", document.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_is_named_on_the_page() -> None:
    """Whoever finds a file in deploy/ finds in docs/deploy.md what it is for."""
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "deploy").glob("*.y*ml")]
    assert [name for name in files if name not in PAGE] == []


@pytest.mark.parametrize("name", CONFIGURED)
def test_the_commands_without_docker_are_those_of_the_containers(name: str) -> None:
    """The page starts each program with its file and with what the compose file tells it beside that."""
    started = re.search(rf"^.*config[ =.\w]*{CONFIGURED[name]}.*$", PAGE.split("\n## ")[2], re.MULTILINE)
    assert started
    wanted = [word for word in SERVICES[name]["command"] if "/" not in word]
    assert [word for word in started[0].split() if word in wanted] == wanted


def test_addresses_in_the_readme_are_published() -> None:
    """A port of this machine that the README sends a reader to is one of the compose file's, or the viewer's."""
    named = {int(port) for port in re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", (ROOT / "README.md").read_text() + PAGE)}
    published = {int(port.split(":")[1]) for service in SERVICES.values() for port in service["ports"]}
    inside = {port for name in CONFIGURED for port in listens(name)}
    assert named <= published | inside
