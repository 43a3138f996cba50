"""What the tests of the stack share: one stack, which is started once, and a list of the programs that took part."""

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from stack.assembly import Stack
from stack.built import built
from stack.calls import Made, application, read_made
from stack.containers import composed, has_engine
from streamspan.demo import replay
from streamspan.demo.tour import PROGRAMS, program
from streamspan.viewer.server import listen, serving

TOOK_PART: Final = "Took part: "


@pytest.fixture(scope="session")
def took_part() -> Callable[[str], None]:
    """Call it with name and version of a real program that a test runs; scripts/stack-test names them in its closing lines."""
    return lambda program: _note(TOOK_PART + program)


@pytest.fixture(scope="session")
def measured() -> Callable[[str], None]:
    """Call it with a sentence that has a figure in it; scripts/stack-test prints it at its end."""
    return _note


def _note(line: str) -> None:
    """Adds a line to the file named by STACK_REPORT, which several workers may write to."""
    if path := os.environ.get("STACK_REPORT"):
        with Path(path).open("a") as report:
            report.write(f"{line}\n")


@pytest.fixture(scope="session")
def stack(took_part: Callable[[str], None]) -> Generator[Stack]:
    """Collector, Jaeger, Tempo and Loki, as docker-compose.yml puts them together."""
    with composed() if has_engine() else built() as ready:
        for version in ready.versions:
            took_part(version)
        yield ready


@pytest.fixture(scope="session")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """The spans of the programs of `streamspan demo`, run against the stack."""
    folder = tmp_path_factory.mktemp("spans")
    with serving(replay.app(), listen("127.0.0.1", 0)) as services, ExitStack() as programs:
        running = [programs.enter_context(application(program(name), stack, services, folder / name)) for name in PROGRAMS]
        for process in running:
            output = process.communicate(timeout=60)[0]
            assert process.returncode == 0, output
    return [span for name in PROGRAMS for span in read_made(folder / name)]
