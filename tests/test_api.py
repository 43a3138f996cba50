"""What is public is documented, and typed as those who use it need it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import streamspan

import api_page

TYPED = Path(__file__).parent / "typed_api.py"


def test_page_is_up_to_date(request: pytest.FixtureRequest) -> None:
    """docs/api.md says what the signatures and docstrings say."""
    if request.config.getoption("--write-api"):
        api_page.PAGE.write_text(api_page.page())
    assert api_page.PAGE.read_text() == api_page.page(), "write it again: pytest tests/test_api.py --write-api"


@pytest.mark.parametrize("public", [pytest.param(found, id=found.name) for found in api_page.public()])
def test_what_is_public_is_documented(public: api_page.Documented) -> None:
    """Every parameter, exception, attribute and unit is told of, and every function has an example."""
    assert list(public.lacks()) == []


SAMPLE = '''
def function(city, /, *places, limit: float = 1.0, **others) -> None:
    """Does.

    Args:
        city: Where:
            there.
        **others: More.
    """
    raise ValueError("no")

def silent() -> None:
    """Does. It raises nothing.

    Example:
        >>> silent()
    """

class Kind:
    """Is.

    Args:
        a: One.
    """

    seconds: float
    """Many."""
    name: str

    def __init__(self, a, b): ...

    @property
    def cost(self) -> float | None:
        """How much, in US dollars."""

    def method(self, city): ...

    def same(self, city):
        """The same as `method`."""

    alias = same

    def _private(self): ...
'''


def test_what_is_not_documented_is_found() -> None:
    """The rule itself works, with what a docstring says and what it does not."""
    module = ast.parse(SAMPLE)

    assert list(api_page.read("function", module).lacks()) == [
        "function: Args: limit",
        "function: Args: *places",
        "function: Raises: ValueError",
        "function: Example",
        "function: Raises, or that it raises nothing",
    ]
    assert list(api_page.read("silent", module).lacks()) == []
    assert list(api_page.read("module.Kind", module).lacks()) == [
        "module.Kind: Args: b",
        "module.Kind.seconds: a unit",
        "module.Kind.name: a docstring",
        "module.Kind.method: a docstring",
    ]


def test_signatures_are_shown_as_they_are_written() -> None:
    """Overloads each, positional-only and keyword-only parameters, defaults, names that look ahead, and no ``self``."""
    module = ast.parse("""
class Kind:
    @overload
    def method(self, a: int, /, b: "Kind" = 1, *, c) -> "Kind": ...
    @overload
    async def method(self, *args: str, **more: Any): ...
    def method(self, *args, **more): ...
""")
    (method,) = api_page.read("Kind", module).members

    assert method.signatures == ("method(a: int, /, b: Kind = 1, *, c) -> Kind", "async method(*args: str, **more: Any)")


# --- types -----------------------------------------------------------------------------------------------------------


def test_every_public_name_is_used_in_the_typed_file() -> None:
    """What type checkers read misses nothing of the interface."""
    text = TYPED.read_text()
    names = [
        *(f"streamspan.{name}" for name in streamspan.__all__),
        *(name for names in api_page.BESIDE.values() for name in names),
    ]

    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []


def test_pyright_accepts_right_uses_and_no_wrong_one(tmp_path: Path) -> None:
    """With the strict rules, and that of ignored errors that are none."""
    rules = {
        "include": [os.path.relpath(TYPED, tmp_path)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,  # they are for mypy
        "pythonVersion": "3.11",
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(rules))

    found = json.loads(run("pyright", "--outputjson", "--project", str(config), "--pythonpath", sys.executable))

    assert found["generalDiagnostics"] == []
    assert found["summary"]["filesAnalyzed"] == 1


def test_mypy_accepts_right_uses_and_no_wrong_one(tmp_path: Path) -> None:
    """Strict, too, which warns of ignored errors that are none."""
    options = ["--strict", "--python-version=3.11", "--config-file=", f"--cache-dir={tmp_path}"]

    assert run("mypy", *options, str(TYPED)) == "Success: no issues found in 1 source file\n"


def run(*command: str) -> str:
    """What a type checker says."""
    environ = {**os.environ, "PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT": "1", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    there = TYPED.parents[1]
    return subprocess.run(
        [sys.executable, "-m", *command], check=False, cwd=there, env=environ, capture_output=True, text=True
    ).stdout
