"""Every configuration file, as the program that reads it takes it.

What can be seen without the programs is in tests/test_deploy.py.
"""

import subprocess
from pathlib import Path

import pytest
import yaml

from stack import programs
from stack.tempo2 import as_tempo_2

ROOT = Path(__file__).parents[2]
FLEET = "deploy/collector-fleet.yaml"
SAMPLING = "deploy/collector-fleet-sampling.yaml"


def check(program: str, *arguments: str) -> None:
    """Run the program's own check of its configuration; its complaint is the failure."""
    done = subprocess.run(
        [str(programs.find(program)), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(
    "files",
    [
        ("collector-config.yaml",),
        ("deploy/tail-sampling.yaml",),
        ("deploy/tail-sampling-by-attributes.yaml",),
        (FLEET,),
        (FLEET, "deploy/collector-fleet-private.yaml"),
        (SAMPLING,),
    ],
    ids=" ".join,
)
def test_the_collector_takes_its_files(files: tuple[str, ...]) -> None:
    """``validate`` knows every component and every setting, of each file alone and of those that are given together."""
    check("collector", "validate", *(f"--config={name}" for name in files))


@pytest.mark.parametrize(
    "files", [(FLEET, "deploy/collector-fleet-kafka.yaml"), (SAMPLING, "deploy/collector-fleet-sampling-kafka.yaml")]
)
def test_of_the_files_with_kafka_only_kafka_is_unknown(files: tuple[str, ...]) -> None:
    """Kafka's components cannot be built here, so their settings are not checked; everything around them is."""
    arguments = [f"--config={name}" for name in files]
    done = subprocess.run(
        [str(programs.find("collector")), "validate", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if line.startswith("'")]
    assert len(complaints) == 1
    assert 'unknown type: "kafka" for id: "kafka"' in complaints[0]


def test_jaeger_takes_its_file() -> None:
    """Its ``validate`` is content."""
    check("jaeger", "validate", "--config=deploy/jaeger.yaml")


def test_loki_takes_its_file() -> None:
    """Its ``-verify-config`` is content."""
    check("loki", "-verify-config", "-config.expand-env=true", "-config.file=deploy/loki.yaml")


def test_tempo_takes_its_file(tmp_path: Path) -> None:
    """Tempo 2.8, which is what can be built, takes what is derived from the file for Tempo 3."""
    derived = tmp_path / "tempo.yaml"
    derived.write_text(yaml.safe_dump(as_tempo_2(yaml.safe_load((ROOT / "deploy" / "tempo.yaml").read_text()))))
    check("tempo", "-config.verify=true", "-config.expand-env=true", f"-config.file={derived}")
