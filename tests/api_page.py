"""docs/api.md, out of the signatures and docstrings of what is public."""

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from inspect import cleandoc, getsource
from pathlib import Path
from typing import Any, Final

import streamspan

PAGE: Final = Path(__file__).parents[1] / "docs" / "api.md"

BESIDE: Final = {
    "streamspan.client": ("Options", "Session"),
    "streamspan.setting_arguments": ("SettingArguments",),
    "streamspan.upload": ("FileUpload", "Upload", "UploadedContent"),
    "streamspan.batches": ("SizedSpanExporter", "SizedLogRecordExporter"),
}
"""What is public in modules of its own."""

SETTINGS: Final = ("Settings", "streamspan.setting_arguments.SettingArguments")
"""Whose fields have a page of their own."""
SECTIONS: Final = ("Args", "Returns", "Yields", "Raises", "Example")
SAME: Final = re.compile(r"the same as `+\w", re.IGNORECASE)
"""What stands for the arguments, where another one takes the same."""
SILENT: Final = ("raises nothing", "never raises")
"""What stands for a section Raises where there is nothing to raise."""
MOST: Final = 80
"""How long the parameters may be on one line."""
UNITS: Final = re.compile(r"seconds|dollars|without a unit", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Docstring:
    """A docstring in Google's style."""

    raw: str

    @cached_property
    def sections(self) -> dict[str, str]:
        """The text under each heading; what comes before them is under an empty one."""
        found, heading = {"": list[str]()}, ""
        for line in cleandoc(self.raw).splitlines():
            if (name := line.removesuffix(":")) in SECTIONS and line.endswith(":"):
                found[heading := name] = []
            else:
                found[heading].append(line)
        return {name: textwrap.dedent("\n".join(lines)).strip() for name, lines in found.items()}

    def entries(self, section: str) -> dict[str, str]:
        """The entries of Args or Raises: what each says, by name."""
        blocks = re.split(r"\n(?=\S)", self.sections.get(section, ""))
        return {name: text.strip() for name, colon, text in (block.partition(":") for block in blocks) if colon}

    @property
    def summary(self) -> str:
        """The first sentence."""
        first = " ".join(self.sections[""].partition("\n\n")[0].split())
        return re.split(r"(?<=[.])\s(?=[A-Z])", first)[0]


@dataclass(frozen=True)
class Documented:
    """A function, a method, a property, an attribute or a class."""

    name: str
    doc: Docstring
    kind: str = "attribute"
    signatures: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    raised: frozenset[str] = frozenset()
    is_number: bool = False
    members: list["Documented"] = field(default_factory=list["Documented"])

    def lacks(self) -> Iterator[str]:
        """What its docstring does not say, and should."""
        if not self.doc.raw:
            yield f"{self.name}: a docstring"
            return
        for parameter in self.parameters:
            if parameter not in self.doc.entries("Args") and not SAME.search(self.doc.raw):
                yield f"{self.name}: Args: {parameter}"
        for error in sorted(self.raised - self.doc.entries("Raises").keys()):
            yield f"{self.name}: Raises: {error}"
        if self.is_number and not UNITS.search(self.doc.raw):
            yield f"{self.name}: a unit"
        if self.kind == "function":
            yield from self._lacks_of_a_function()
        for member in self.members:
            yield from (f"{self.name}.{lack}" for lack in member.lacks())

    def _lacks_of_a_function(self) -> Iterator[str]:
        if not re.search(r">>> |```", self.doc.sections.get("Example", "")):
            yield f"{self.name}: Example"
        if "Raises" not in self.doc.sections and not any(words in self.doc.raw.lower() for words in SILENT):
            yield f"{self.name}: Raises, or that it raises nothing"


# --- reading the source ----------------------------------------------------------------------------------------------


@cache
def _module(name: str) -> ast.Module:
    return ast.parse(getsource(sys.modules[name]))


@cache
def _homes() -> dict[str, str]:
    """The modules that ``streamspan`` has its names from."""
    imports = [node for node in ast.walk(_module("streamspan")) if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def public() -> list[Documented]:
    """All that is public."""
    ours = [_document(name, getattr(streamspan, name), _homes()[name]) for name in sorted(streamspan.__all__, key=str.lower)]
    beside = [
        _document(f"{module}.{name}", getattr(import_module(module), name), module)
        for module, names in BESIDE.items()
        for name in names
    ]
    return ours + beside


def _document(path: str, thing: Any, module: str) -> Documented:
    home: str = getattr(thing, "__module__", module)
    found = read(path, _module(home), [kind for kind in _ours(thing) if kind is not thing])
    if path in SETTINGS:
        found.members[:] = [member for member in found.members if member.kind == "method"]
    return found


def _ours(thing: Any) -> list[type]:
    return [kind for kind in thing.__mro__ if kind.__module__.startswith("streamspan.")] if isinstance(thing, type) else []


def read(path: str, module: ast.Module, bases: Iterable[type] = ()) -> Documented:
    """What a module says of one of its names.

    Args:
        path: The name, with what comes before it.
        module: The module.
        bases: The classes of ours that a class inherits from.
    """
    name = path.rpartition(".")[2]
    named = [node for node in module.body if getattr(node, "name", None) == name]
    if not named:
        return next(found for found in _attributes(module.body) if found.name == name)
    if isinstance(node := named[-1], ast.ClassDef):
        return _class(path, node, bases)
    return _function(path, [node for node in named if isinstance(node, Function)], "function")


def _class(path: str, node: ast.ClassDef, bases: Iterable[type]) -> Documented:
    doc = Docstring(ast.get_docstring(node) or "")
    made = (
        [init for init in node.body if isinstance(init, Function) and init.name == "__init__"] if "Args" in doc.sections else []
    )
    members = {member.name: member for member in _members(node)}
    for base in bases:
        inherited = next(found for found in _module(base.__module__).body if getattr(found, "name", "") == base.__name__)
        assert isinstance(inherited, ast.ClassDef)
        members = {member.name: member for member in _members(inherited)} | members
    return Documented(
        path,
        doc,
        "class",
        tuple(f"{path}({_arguments(init)})" for init in made),
        tuple(name for init in made for name in _parameters(init)),
        members=list(members.values()),
    )


def _members(node: ast.ClassDef) -> Iterator[Documented]:
    yield from _attributes(node.body)
    methods: dict[str, list[Function]] = {}
    for found in node.body:
        if isinstance(found, Function):
            methods.setdefault(found.name, []).append(found)
    yield from (found for init in methods.get("__init__", ()) for found in _attributes(init.body))
    yield from (_function(name, found, "method") for name, found in methods.items() if not name.startswith("_"))


def _attributes(body: list[ast.stmt]) -> Iterator[Documented]:
    """The public attributes that a body sets, and the strings under them."""
    for node, under in zip(body, [*body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        doc = under.value.value if isinstance(under, ast.Expr) and isinstance(under.value, ast.Constant) else ""
        annotation = _typed(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        for target in targets:
            name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else "_"
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                doc = doc or f"The same as `{node.value.id}`."
            if not name.startswith("_") or name == "__version__":
                yield Documented(name, Docstring(str(doc)), signatures=(annotation,), is_number=_is_float(annotation))


def _is_float(annotation: str) -> bool:
    return "float" in re.findall(r"\w+", annotation)


def _function(path: str, nodes: list[Function], kind: str) -> Documented:
    """A function, and its overloads."""
    node = nodes[-1]
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    is_property = bool({"property", "cached_property"} & decorators)
    returned = _typed(node.returns)
    return Documented(
        path,
        Docstring(ast.get_docstring(node) or ""),
        "attribute" if is_property else kind,
        (returned,) if is_property else tuple(_signature(path, found) for found in (nodes[:-1] or nodes)),
        tuple(_parameters(node)),
        frozenset(_raised(node)),
        is_number=is_property and _is_float(returned),
    )


def _signature(path: str, node: Function) -> str:
    word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    returned = f" -> {_typed(node.returns)}" if node.returns else ""
    return f"{word}{path}({_arguments(node)}){returned}"


def _arguments(node: Function) -> str:
    """The parameters, without ``self``; each on its line if there are many."""
    parts = list(_parts(node.args))
    one_line = ", ".join(parts)
    return one_line if len(one_line) <= MOST else "\n" + "".join(f"    {part},\n" for part in parts)


def _parts(given: ast.arguments) -> Iterator[str]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(plain) - len(given.defaults)), *given.defaults]
    for at, (argument, default) in enumerate(zip(plain, defaults, strict=True)):
        if argument.arg not in {"self", "cls"}:
            yield _part("", argument, default)
        if at + 1 == len(given.posonlyargs) and argument.arg not in {"self", "cls"}:
            yield "/"
    if given.vararg or given.kwonlyargs:
        yield _part("*", given.vararg) if given.vararg else "*"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _part("", argument, default)
    if given.kwarg:
        yield _part("**", given.kwarg)


def _part(stars: str, argument: ast.arg, default: ast.expr | None = None) -> str:
    typed = f": {_typed(argument.annotation)}" if argument.annotation else ""
    return f"{stars}{argument.arg}{typed}{f' = {ast.unparse(default)}' if default else ''}"


def _typed(annotation: ast.expr | None) -> str:
    """An annotation; one that looks ahead without its quotes."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation) if annotation else ""


def _parameters(node: Function) -> Iterator[str]:
    """The names of the parameters, as a docstring has them."""
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.arg not in {"self", "cls"}:
            yield argument.arg
    for stars, argument in (("*", arguments.vararg), ("**", arguments.kwarg)):
        if argument is not None and argument.arg != "_":
            yield stars + argument.arg


def _raised(node: Function) -> Iterator[str]:
    """The exceptions that the function itself raises by name."""
    for found in ast.walk(node):
        if isinstance(found, ast.Raise) and isinstance(found.exc, ast.Call):
            yield ast.unparse(found.exc.func)


# --- writing the page ------------------------------------------------------------------------------------------------


def lines() -> Iterator[str]:
    """The page."""
    names = public()
    yield "# What is public"
    yield ""
    yield "Written by `pytest tests/test_api.py --write-api` out of signatures and docstrings; a test fails where it is stale."
    yield "What is not here may change without notice. All of it is typed, for pyright and mypy."
    yield ""
    for found, anchor in zip(names, _anchors(found.name for found in names), strict=True):
        yield from _wrapped(f"[`{found.name}`](#{anchor}): {found.doc.summary}", "- ", "  ")
    for found in names:
        yield ""
        yield f"## `{found.name}`"
        yield from _described(found)
        if found.name in SETTINGS:
            yield from ("", "Its fields are in [settings.md](settings.md).")
        yield from _attributes_of(found)
        for member in found.members:
            if member.kind == "method":
                yield ""
                yield f"### `{found.name}.{member.name}`"
                yield from _described(member)


def _anchors(names: Iterable[str]) -> Iterator[str]:
    """As GitHub makes them: the second of the same letters is numbered."""
    made: list[str] = []
    for name in names:
        anchor = re.sub(r"[^\w-]", "", name.lower())
        yield f"{anchor}-{made.count(anchor)}" if anchor in made else anchor
        made.append(anchor)


def _attributes_of(found: Documented) -> Iterator[str]:
    attributes = [member for member in found.members if member.kind == "attribute"]
    if attributes:
        yield from ("", "Attributes:", "")
    for member in attributes:
        typed = f" (`{member.signatures[0]}`)" if member.signatures[0] else ""
        yield from _wrapped(f"`{member.name}`{typed}: {member.doc.sections['']}", "- ", "  ")


def _described(found: Documented) -> Iterator[str]:
    if found.kind != "attribute" and found.signatures:
        yield from ("", "```python", *"\n".join(found.signatures).splitlines(), "```")
    sections = found.doc.sections
    for paragraph in sections[""].split("\n\n"):
        yield ""
        yield from _wrapped(paragraph)
    yield from _entries("Arguments", found.doc.entries("Args"))
    for section in ("Returns", "Yields"):
        if text := sections.get(section):
            yield ""
            yield from _wrapped(f"{section}: {text}")
    yield from _entries("Raises", found.doc.entries("Raises"))
    if example := sections.get("Example"):
        yield from ("", "```python", *_code(example), "```")


def _entries(heading: str, entries: dict[str, str]) -> Iterator[str]:
    if entries:
        yield from ("", f"{heading}:", "")
    for name, text in entries.items():
        yield from _wrapped(f"`{name}`: {text}", "- ", "  ")


def _code(example: str) -> Iterator[str]:
    """An example as it would stand in a program; what a line gives is a comment."""
    is_fenced = example.startswith("```")
    for line in example.splitlines():
        prompt = re.match(r"(>>>|\.\.\.)( |$)", line)
        if prompt:
            yield line[prompt.end() :]
        elif not is_fenced:
            yield f"# {line}"
        elif not line.startswith("```"):
            yield line


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    said = " ".join(text.split()).replace("``", "`")
    return textwrap.wrap(said, 130, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """The whole page as text."""
    return "\n".join(lines()) + "\n"
