"""docs/telemetry.md, out of the names in semconv.py and what stands under each."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc, getsource
from pathlib import Path
from types import ModuleType
from typing import Final

from streamspan import outcome, semconv

from conformance import ALL, EXCEPTION

PAGE: Final = Path(__file__).parent.parent / "docs" / "telemetry.md"

ATTRIBUTES: Final = {"string", "string[]", "int", "double", "boolean", "json"}
METRICS: Final = {"histogram", "counter", "updowncounter", "gauge"}
OTHERS: Final = {"span", "span event", "log event", "span event, log event", "schema url"}
VALUE: Final = "value of "

SOURCES: Final = {
    "gen_ai.": "GenAI",
    "gen_ai.request.reasoning.level": "GenAI, after 1.41",
    "gen_ai.request.previous_response.id": "GenAI, after 1.41",
    "gen_ai.usage.cache_write.input_tokens": "GenAI, after 1.41",
    "gen_ai.usage.cost": "ours, as backends read it",
    "openai.": "GenAI, OpenAI's part",
    "aws.bedrock.": "GenAI, Amazon's part",
    "aws.bedrock.guardrail.version": "ours, beside Amazon's",
    "openinference.": "OpenInference",
    "streamspan.": "ours",
}
"""Who names what begins so; the longest that fits."""
GENERAL: Final = "general"
"""Of what has a dot and none of these beginnings."""


@dataclass(frozen=True)
class Name:
    """One name, and what stands under it."""

    constant: str
    value: str
    doc: str
    section: str

    @property
    def _parts(self) -> tuple[str, str, str]:
        match = re.fullmatch(r"(value of [\w.]+|[^:]+?)(?:, ([^:]+))??: (.+)", self.doc)
        if match and (match[1] in ATTRIBUTES | METRICS | OTHERS or match[1].startswith(VALUE)):
            return match[1], match[2] or "", match[3]
        return "", "", self.doc

    @property
    def type(self) -> str:
        """What it is; empty if what stands under it has not the form."""
        return self._parts[0]

    @property
    def unit(self) -> str:
        """Of what is measured."""
        return self._parts[1]

    @property
    def meaning(self) -> str:
        """What it says."""
        return self._parts[2]

    @property
    def source(self) -> str:
        """Who gave it this name."""
        fitting = [start for start in SOURCES if self.value.startswith(start)]
        return SOURCES[max(fitting, key=len)] if fitting else GENERAL if "." in self.value else "ours"

    @property
    def is_sound(self) -> bool:
        """Whether what stands under it has the form."""
        return bool(self.type) and self.meaning.endswith(".") and (self.type not in METRICS or bool(self.unit))


def documented(module: ModuleType) -> Iterator[Name]:
    """The names of a module that are text, in their order, each with its section and the string under it."""
    source = getsource(module)
    section, sections = "", dict[int, str]()
    for number, line in enumerate(source.splitlines(), 1):
        if match := re.fullmatch(r"# --- (.+?) -+", line):
            section = match[1]
        sections[number] = section
    body = ast.parse(source).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Constant):
            value, doc = node.value.value, _docstring(after)
            if isinstance(value, str) and node.target.id.isupper() and not node.target.id.startswith("_"):
                yield Name(node.target.id, value, doc, sections[node.lineno])


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(cleandoc(node.value.value).split())
    return ""


NAMES: Final = list(documented(semconv))


# --- the page --------------------------------------------------------------------------------------------------------


def write() -> str:
    """The page."""
    return "\n".join([*_head(), *_sections(), *_values(), *_outcomes(), *_errors(), ""])


def _head() -> Iterator[str]:
    yield "# What streamspan sends"
    yield ""
    yield "Every name that streamspan writes: attributes, events, spans and metrics. Written by"
    yield "`pytest tests/test_telemetry.py --write-telemetry` out of `semconv.py`; a test fails where it is stale, and where a replayed"
    yield "answer has an attribute that is not here, or one of another type."
    yield ""
    yield "The *source* of a name is who defined it: *GenAI* are the OpenTelemetry conventions for generative AI, *general* those for"
    yield "everything, *ours* is what no convention names. `json` is a string that holds JSON in the shape of the GenAI conventions; in log"
    yield "events, and on spans with `structured_messages`, it is the structure itself."
    yield ""
    for name in NAMES:
        if name.type == "schema url":
            yield f"Schema URL `{name.value}`: {name.meaning[0].lower()}{name.meaning[1:]}"


def _sections() -> Iterator[str]:
    shown = [name for name in NAMES if name.section and not name.type.startswith(VALUE) and name.type != "schema url"]
    for section in dict.fromkeys(name.section for name in shown):
        yield ""
        yield f"## {section[0].upper()}{section[1:]}"
        yield ""
        yield from _table(
            ("name", "type", "source", "what it says"),
            (
                (f"`{name.value}`", f"{name.type}, {name.unit}" if name.unit else name.type, name.source, name.meaning)
                for name in shown
                if name.section == section
            ),
        )


def _values() -> Iterator[str]:
    values = [name for name in NAMES if name.type.startswith(VALUE)]
    for of in dict.fromkeys(name.type.removeprefix(VALUE) for name in values):
        yield ""
        yield f"## {of}"
        yield ""
        yield from _table(
            ("value", "what it says"), ((f"`{name.value}`", name.meaning) for name in values if name.type == f"{VALUE}{of}")
        )


def _outcomes() -> Iterator[str]:
    yield ""
    yield f"## {semconv.OUTCOME}"
    yield ""
    yield "The status of the span is an error where the call failed or was truncated, and unset everywhere else."
    yield ""
    rows = ((f"`{name.value}`", name.doc.replace("``", "`")) for name in documented(outcome) if name.doc)
    yield from _table(("value", "what happened"), rows)


def _errors() -> Iterator[str]:
    codes = [f"`{code}`" for code in sorted(_codes()) if code != EXCEPTION]
    yield ""
    yield f"## {semconv.ERROR_TYPE}"
    yield ""
    yield "There is one on each call that failed or was truncated. It is the first of these that there is:"
    yield ""
    yield "1. the provider's own code: the `status` of Google's errors; else the `code`, else the `type`, as the error has it, be it an"
    yield "   answer, an event of the stream or an exception of Amazon's;"
    yield "2. the HTTP status;"
    yield "3. the name of the exception's class, with its module if that is not Python's;"
    yield f"4. `{outcome.TRUNCATED}`, where the stream ended without the provider's terminal event, and raised nothing."
    yield ""
    yield "The codes are the providers' to invent. Those of the answers in `tests/wire`:"
    yield f"{', '.join(codes)}."


def _codes() -> set[str]:
    spans = (json.loads(case.span.read_text()) for case in ALL if case.span.exists())
    return {said["attributes"][semconv.ERROR_TYPE] for said in spans if semconv.ERROR_TYPE in said["attributes"]}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
