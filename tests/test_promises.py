"""docs/promises.md: each promise names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "promises.md"
ROWS = [
    line.strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("|") and not set(line) <= set("|- ")
]
PROMISES = [(cells[0].strip(), cells[-1]) for cells in ROWS if cells[0].strip() != "promise"]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests in a file."""
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("promise", "cell"), PROMISES, ids=range(1, len(PROMISES) + 1))
def test_a_promise_is_held(promise: str, cell: str) -> None:
    """By one test or several, none of which has been renamed or taken out."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)
    assert named, promise
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == [], promise
