"""The shape of the code: what is public, who spells names, how long functions are, who may import whom."""

import ast
import os
import re
import statistics
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamspan
from streamspan import semconv

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "streamspan"
MODULES = sorted(SOURCE.rglob("*.py"))

# One long flat function on the hot path may be longer than the rest; it is named here, with the reason.
LONG_BY_DESIGN: dict[str, str] = {}

# Calls whose argument is the name of a logger, a tracer or a module, and no attribute.
NAMING_CALLS = {"getLogger", "get_logger", "get_tracer", "get_meter", "getTracer", "import_module", "find_spec", "entry_points"}


def relative(path: Path) -> str:
    """A module's path under src/streamspan, for the test's id and its message."""
    return path.relative_to(SOURCE).as_posix()


def tree(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


# --- what is public --------------------------------------------------------------------------------------------------


def test_all_is_exactly_what_is_visible() -> None:
    """Every name without underscore in ``streamspan`` is in ``__all__``, but for submodules, which Python puts there."""
    visible = {name for name in dir(streamspan) if not name.startswith("_")}
    submodules = {path.stem for path in SOURCE.iterdir() if isinstance(getattr(streamspan, path.stem, None), types.ModuleType)}
    assert visible - submodules == {name for name in streamspan.__all__ if not name.startswith("_")}


def test_all_names_no_module_and_nothing_twice() -> None:
    """Modules are not the public interface, and every name in ``__all__`` exists."""
    assert len(set(streamspan.__all__)) == len(streamspan.__all__)
    assert [name for name in streamspan.__all__ if isinstance(getattr(streamspan, name), types.ModuleType)] == []


def test_the_package_is_marked_as_typed() -> None:
    """Type checkers of users read our annotations."""
    assert (Path(str(streamspan.__file__)).parent / "py.typed").is_file()


# --- who spells names ------------------------------------------------------------------------------------------------


def exempt_strings(module: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, and the arguments of calls that take the name of something else than an attribute."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr):
            yield node.value
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in NAMING_CALLS:
                yield from (*node.args, *(keyword.value for keyword in node.keywords))


def spelled_names(module: ast.Module) -> list[str]:
    """The string literals that are, or begin, the name of an attribute or event."""
    known = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str) and "." in value}
    exempt = {id(node) for node in exempt_strings(module)}
    strings = [node for node in ast.walk(module) if isinstance(node, ast.Constant) and id(node) not in exempt]
    values = [node.value for node in strings if isinstance(node.value, str)]
    return [value for value in values if value in known or re.fullmatch(r"(gen_ai|streamspan)\.[\w.]*", value)]


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "semconv.py"], ids=relative)
def test_attribute_names_are_spelled_in_semconv_only(path: Path) -> None:
    """The move to the next generation of names is one file."""
    assert spelled_names(tree(path)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('span.set_attribute("gen_ai.usage.cost", 1)', ["gen_ai.usage.cost"]),
        ('f"streamspan.{name}"', ["streamspan."]),
        ('x = "error.type"', ["error.type"]),
        ('log = logging.getLogger("streamspan.tap")', []),
        ('"""streamspan.tap"""', []),
        ('x = "streamspan"', []),
    ],
)
def test_the_search_for_names_finds_attributes_only(code: str, found: list[str]) -> None:
    """The rule itself works: attributes are found, in f-strings too; loggers and docstrings are not."""
    assert spelled_names(ast.parse(code)) == found


# --- how long functions are ------------------------------------------------------------------------------------------


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a module, and its length in lines of code: without signature, docstring, comments and blank lines."""
    lines = path.read_text().splitlines()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            code = lines[body[0].lineno - 1 : node.end_lineno] if body else []
            yield f"{relative(path)}:{node.name}", sum(not re.match(r"\s*(#|$)", line) for line in code)


LENGTHS = {name: length for path in MODULES for name, length in functions(path)}


def test_the_median_function_is_short() -> None:
    """Half of all functions have fewer than eight lines."""
    assert statistics.median(LENGTHS.values()) < 8


def test_no_function_is_long() -> None:
    """No function has more than sixty lines, but for the one that is long by design."""
    assert {name for name, length in LENGTHS.items() if length > 60} == set(LONG_BY_DESIGN)


# --- who may import whom ---------------------------------------------------------------------------------------------


def test_the_contracts_of_import_linter_are_kept() -> None:
    """Imports point down only, and wire formats know neither each other nor an SDK (pyproject.toml)."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    checkout = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}  # not a wheel, which also carries the examples
    lint = subprocess.run(command, cwd=ROOT, env=checkout, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr


def imported(module: ast.Module) -> Iterator[str]:
    """The modules that a module imports, anywhere in it."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", sorted((SOURCE / "providers").glob("*.py")), ids=relative)
def test_wire_formats_import_only_the_standard_library_and_us(path: Path) -> None:
    """A wire format can be read, tested and written with nothing installed."""
    roots = {name.partition(".")[0] for name in imported(tree(path))}
    assert roots - sys.stdlib_module_names == {"streamspan"}


def test_every_wire_format_stands_in_the_contract_of_independence() -> None:
    """A new file in providers/ is held to the same rule as the others."""
    contracts = (ROOT / "pyproject.toml").read_text()
    formats = {path.stem for path in (SOURCE / "providers").glob("*.py")} - {"__init__"}
    assert {name for name in formats if f'"streamspan.providers.{name}"' not in contracts} == set()


def test_modules_are_named_for_what_they_hold() -> None:
    """A module called utils is one whose place nobody knew."""
    homeless = re.compile(r"_?(utils?|helpers?|managers?|common|misc)$")
    assert [relative(path) for path in MODULES if homeless.match(path.stem)] == []
