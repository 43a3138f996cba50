"""Every configuration file, as the program that reads it takes it.

What can be seen without the programs is in tests/test_deploy.py.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack import programs
from stack.tempo2 import as_tempo_2

ROOT = Path(__file__).parents[2]


def check(program: str, *arguments: str) -> None:
    """Run the program's own check of its configuration; its complaint is the failure."""
    done = subprocess.run(
        [str(programs.find(program)), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def commands() -> list[tuple[str, ...]]:
    """The files of each command that starts a collector, in the documentation and in the heads of the files themselves."""
    places = [
        ROOT / "README.md",
        ROOT / "collector-config.yaml",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "deploy").glob("*.yaml"),
    ]
    found = re.findall(r"otelcol-contrib((?: --config [^\s`]+)+)", "\n".join(path.read_text() for path in places))
    return sorted({tuple(words.split(" --config ")[1:]) for words in found} | {("deploy/tail-sampling-by-attributes.yaml",)})


COMMANDS = commands()
WITH_KAFKA = [files for files in COMMANDS if "kafka" in files[-1]]


def test_every_file_is_in_a_command() -> None:
    """What is checked here is every file of a collector that there is."""
    there = {
        path.relative_to(ROOT).as_posix() for name in ("collector", "tail") for path in (ROOT / "deploy").glob(f"{name}-*.yaml")
    }
    assert {name for files in COMMANDS for name in files} == there | {"collector-config.yaml"}


@pytest.mark.parametrize("files", [files for files in COMMANDS if files not in WITH_KAFKA], ids=" ".join)
def test_the_collector_takes_its_files(files: tuple[str, ...]) -> None:
    """``validate`` knows every component and every setting, of each file alone and of those that are given together."""
    check("collector", "validate", *(f"--config={name}" for name in files))


@pytest.mark.parametrize("files", WITH_KAFKA, ids=" ".join)
def test_the_collector_takes_what_is_around_kafka(files: tuple[str, ...], tmp_path: Path) -> None:
    """Kafka's components cannot be built here, so their settings are not checked; with others in their place the rest is right."""
    overlay = yaml.safe_load((ROOT / files[-1]).read_text())
    stand_in: dict[str, Any] = (
        {"exporters": {"nop": None}} if "exporters" in overlay else {"receivers": {"otlp/2": {"protocols": {"grpc": None}}}}
    )
    [(kind, components)] = stand_in.items()
    assert list(overlay[kind]) == ["kafka"]
    overlay |= stand_in
    overlay["service"]["pipelines"]["traces"][kind] = list(components)
    other = tmp_path / "overlay.yaml"
    other.write_text(yaml.safe_dump(overlay))
    check("collector", "validate", *(f"--config={name}" for name in files[:-1]), f"--config={other}")


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
