"""The benchmarks run and print what they promise; what they measure is no test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY = ["--seeds", "1", "--rounds", "1", "--chunks", "20", "--calls", "1", "--peers", "none"]

pytest.importorskip("openai")
pytest.importorskip("anthropic")
pytest.importorskip("aiobotocore")

pytestmark = pytest.mark.timeout(240)  # each starts processes that import both SDKs, on machines that may be busy


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs one of the scripts to its end, as a user would."""
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"})


@pytest.mark.parametrize(
    "surface", ["openai-async", "responses-sync", "anthropic-helper", "google-async", "bedrock-async", "bedrock-invoke"]
)
def test_overhead_prints_a_table_and_the_bars(surface: str, tmp_path: Path):
    """Each surface gets a table with a row for streamspan, whose span holds the output, and the bars beside the figures."""
    samples = tmp_path / "samples.json"

    done = run("overhead.py", *TINY, "--only", surface, "--json", str(samples))

    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if line.startswith("|")]
    assert [(row[1], row[-2]) for row in rows[2:]] == [("nothing (noise)", "no span"), ("streamspan", "yes")]
    assert "- per chunk at most" in done.stdout
    assert "- per call at most" in done.stdout
    sample = json.loads(samples.read_text())["cpu"][surface]["streamspan"][0]
    assert (sample["spans"], sample["holds_output"], sample["spans_when_off"]) == (1, True, 0)


def test_memory_answers_with_the_peak():
    """One process measures one tracer at one stream length."""
    done = run("memory.py", '{"surface": "anthropic-sync", "tracer": "streamspan", "chunks": 20}')

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == {"bare", "beyond"}


def test_instructions_runs_what_valgrind_counts():
    """The stream that is counted also runs without valgrind."""
    done = run("instructions.py", '{"surface": "openai-sync", "tracer": "streamspan", "lengths": [10, 20], "read": 20}')

    assert (done.returncode, done.stdout) == (0, "20\n")


def test_unknown_surface_is_named():
    """A typing error costs no five minutes."""
    done = run("overhead.py", "--only", "openai-sink")

    assert done.returncode == 2
    assert "openai-sink: not one of openai-sync, openai-async" in done.stderr
