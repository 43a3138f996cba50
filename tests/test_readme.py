"""The README, checked: its example runs and prints what it says, its commands and its tables are true."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
import uvicorn

from streamspan import Settings, cli, semconv
from streamspan.demo.replay import app
from streamspan.settings import PREFIX

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


@contextmanager
def replay() -> Generator[str]:
    """The server that plays the provider; its address."""
    server = uvicorn.Server(uvicorn.Config(app(), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def view(printed: list[str]) -> Generator[str]:
    """``streamspan view``, whose lines are kept; its address."""
    command = [sys.executable, "-m", "streamspan.cli", "view", "--port", "0", "--db", ":memory:"]
    environment = os.environ | {"COLUMNS": "120"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        yield re.findall(r"http://[\d.:]+\d", process.stdout.readline())[0]
        process.send_signal(signal.SIGINT)
        printed += process.stdout.read().splitlines()


def shape(text: str) -> list[str]:
    """Lines without what differs from run to run: seconds, rates and ids."""
    lines = [re.sub(r"\d+\.\d+ s|\d+ tok/s|\b[0-9a-f]{8}\b", "#", line.rstrip()) for line in text.splitlines()]
    return [line for line in lines if line]


def test_first_example_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """``app.py`` under ``opentelemetry-instrument`` prints its answer, and ``streamspan view`` the call as it stands in the README."""
    (tmp_path / "app.py").write_text(blocks("python")[0])
    printed: list[str] = []
    with replay() as provider, view(printed) as viewer:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": viewer,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        }
        command = [str(BIN / "opentelemetry-instrument"), sys.executable, "app.py"]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50, check=True)

    assert result.stdout.startswith("Sunlight holds every colour")
    assert [line for line in shape("\n".join(printed)) if line in shape(blocks("text")[0])] == shape(blocks("text")[0])


def test_programmatic_example_runs() -> None:
    """The second example runs as it is."""
    subprocess.run([sys.executable, "-c", blocks("python")[1]], check=True, timeout=50, env=os.environ)


def test_commands_exist() -> None:
    """Every command is a script of this repository, or one that the installation brings; their help can be asked for."""
    commands = {line.split()[0] for block in blocks("sh") for line in block.splitlines()}
    assert commands == {"scripts/demo", "scripts/test", "scripts/stack-test", "pip", "opentelemetry-instrument"}
    for script in ("scripts/demo", "scripts/test", "scripts/stack-test"):
        assert os.access(ROOT / script, os.X_OK)
    assert shutil.which("opentelemetry-instrument", path=str(BIN))
    with pytest.raises(SystemExit) as ended:
        cli.main(["view", "--help"])
    assert ended.value.code == 0


def test_extras_exist() -> None:
    """The extras that the README has installed are those of the project."""
    project = (ROOT / "pyproject.toml").read_text()
    (extras,) = re.findall(r"pip install '\.\[(.*?)\]'", README)

    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))


def test_settings_table_is_right() -> None:
    """Each setting that the README shows exists, with that variable and that default; docs/settings.md has them all."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `([\w.]+)` \|", README, re.MULTILINE)

    assert rows
    assert set(rows) <= {(field.name, PREFIX + field.name.upper(), repr(field.default)) for field in fields(Settings)}


def test_attributes_exist() -> None:
    """Every attribute that the README names is one that is written."""
    written = {value for value in vars(semconv).values() if isinstance(value, str)}
    named = set(re.findall(r"`(streamspan\.[a-z_.]+)`", README)) - {"streamspan.uninstrument", "streamspan.instrument"}

    assert named
    assert named <= written


def test_links_and_length() -> None:
    """Files that are linked exist, and the README stays a page: 150 lines at the most."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    assert len(README.splitlines()) <= 150
