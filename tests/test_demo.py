"""The demonstration, run as a user runs it, with everything in the environment that could break it."""

import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from streamspan.demo import tour
from streamspan.demo.scenes import SCENES

HOSTILE = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "streamspan-openai,streamspan-anthropic",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "all_proxy": "socks5://127.0.0.1:9",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OPENAI_API_KEY": "sk-secret",
    "ANTHROPIC_API_KEY": "sk-secret",
}

CALLS = {
    ("gpt-4o-mini", "completed"): 4,
    ("gpt-4o-mini", "aborted"): 3,
    ("gpt-4o-mini", "abandoned"): 3,
    ("gpt-4o-mini", "truncated"): 1,
    ("gpt-4o-mini", "failed"): 2,
    ("gpt-5-mini", "completed"): 1,
    ("gpt-4.1", "completed"): 2,
    ("gpt-4.1", "cancelled"): 1,
    ("claude-sonnet-4-6", "completed"): 3,
    ("claude-sonnet-4-6", "cancelled"): 1,
    ("claude-haiku-4-5", "completed"): 3,
    ("claude-haiku-4-5", "aborted"): 1,
    ("claude-haiku-4-5", "failed"): 1,
}


TREE = r"prepare a lesson.*\n.*physics.*\n.*chat gpt-4o-mini.*\n.*geography.*\n.*chat claude-haiku-4-5"
"""The spans of the program that has some of its own, as a tree."""


@pytest.mark.timeout(120)
def test_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the programs arrives with its outcome, whatever the user has exported; no key is shown."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    file = io.StringIO()
    code = tour.tour(Console(file=file, width=120, markup=False, highlight=False), pace=0.4)
    output = file.getvalue()
    assert code == 0, output
    assert Counter(re.findall(r"^● (\S+)  (\w+)  ", output, re.MULTILINE)) == CALLS, output
    assert "sk-secret" not in output
    assert re.search(TREE, output), output
    assert output.endswith(f"\n{tour.NEXT}\n")
    assert f"{sum(CALLS.values())} calls" in output


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise SystemExit(3)", ["no.py ended with exit code 3", "no span arrived"]),
        ("print('nothing to see')", ["no span arrived"]),
    ],
)
def test_tour_of_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: list[str]) -> None:
    """A program that fails, and one that makes no call, are told in a line each, and the exit code is 1."""
    (tmp_path / "no.py").write_text(source)
    monkeypatch.setattr(tour, "PROGRAMS", ("no.py",))
    monkeypatch.setattr(tour, "program", tmp_path.joinpath)
    file = io.StringIO()
    assert tour.tour(Console(file=file, width=120)) == 1
    failures = [line for line in file.getvalue().splitlines() if line.startswith("The demonstration failed: ")]
    assert [
        line.removeprefix("The demonstration failed: ")[: len(part)] for line, part in zip(failures, told, strict=True)
    ] == told


def test_environment_of_a_replay() -> None:
    """With the replay server nothing of the user's reaches the programs that could lead them elsewhere."""
    made = tour.environment(HOSTILE | {"HOME": "/home/me"}, "http://127.0.0.1:1", "http://127.0.0.1:2")
    assert made == {
        "HOME": "/home/me",
        "OPENAI_BASE_URL": "http://127.0.0.1:2/v1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:2",
        "OPENAI_API_KEY": "no-key-needed-here",
        "ANTHROPIC_API_KEY": "no-key-needed-here",
        "NO_PROXY": "127.0.0.1,localhost",
        **OPENTELEMETRY,
    }


def test_environment_of_the_real_services() -> None:
    """Without one the user's keys, addresses and proxies stay as they are."""
    inherited = {name: value for name, value in HOSTILE.items() if not name.startswith("OTEL_")} | {"no_proxy": "intern"}
    made = tour.environment(HOSTILE | inherited, "http://127.0.0.1:1", None)
    assert made == inherited | {"NO_PROXY": "127.0.0.1,localhost,intern", **OPENTELEMETRY}


OPENTELEMETRY = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_SERVICE_NAME": "streamspan-demo",
    "OTEL_PYTHON_DISTRO": "streamspan",
    "OTEL_PYTHON_CONFIGURATOR": "streamspan",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
}


@pytest.mark.parametrize("name", tour.PROGRAMS)
def test_programs_are_plain(name: str) -> None:
    """The examples import the two SDKs and the standard library; only the one with spans of its own knows OpenTelemetry, and none us."""
    source = tour.program(name).read_text()
    imported = set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE))
    own = {"opentelemetry"} if name == "own_spans.py" else set[str]()
    assert imported - sys.stdlib_module_names == {"openai", "anthropic"} | own


@pytest.mark.parametrize("name", tour.PROGRAMS)
def test_programs_ask_what_the_server_knows(name: str) -> None:
    """Every question in the examples has a scene."""
    source = tour.program(name).read_text()
    asked = re.findall(
        r'(?:ask\("[\w.-]+", |STORY = |ask\(client[^"\n]*, |ask_claude\(client, |ask_openai\(|ask_anthropic\(|question in \()"([^"]+)"',
        source,
    )
    assert asked
    assert [question for question in asked if question not in SCENES] == []


@pytest.mark.parametrize("name", tour.PROGRAMS)
def test_programs_without_keys(name: str) -> None:
    """Without a key a program says so, one line for each provider, and ends well."""
    done = subprocess.run([sys.executable, tour.program(name)], capture_output=True, text=True, check=False, env={}, timeout=30)
    lines = [f"{key} is not set: skipping that provider." for key in tour.KEYS]
    assert (done.returncode, sorted(done.stdout.splitlines()), done.stderr) == (0, sorted(lines), "")
