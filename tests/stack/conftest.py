"""What the tests of the stack share: one stack, which is started once, and a list of the programs that took part."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from stack.assembly import Stack
from stack.assembly import stack as start

_TOOK_PART = pytest.StashKey[set[str]]()
_MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def took_part(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with name and version of a real program that a test runs; scripts/stack-test names them in its closing lines."""
    return request.config.stash.setdefault(_TOOK_PART, set()).add


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with a sentence that has a figure in it; scripts/stack-test prints it at its end."""
    return request.config.stash.setdefault(_MEASURED, []).append


@pytest.fixture(scope="session")
def stack(took_part: Callable[[str], None]) -> Generator[Stack]:
    """Collector, Jaeger, Tempo and Loki, as docker-compose.yml puts them together."""
    with start() as ready:
        for version in ready.versions:
            took_part(version)
        yield ready


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Write what was measured, and what took part, to the file named by STACK_REPORT."""
    if path := os.environ.get("STACK_REPORT"):
        took_part = ", ".join(sorted(config.stash.get(_TOOK_PART, set[str]()))) or "nothing"
        Path(path).write_text("\n".join([*config.stash.get(_MEASURED, list[str]()), f"Took part: {took_part}", ""]))
