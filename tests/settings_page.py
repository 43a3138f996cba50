"""docs/settings.md, out of the docstrings of `streamspan.Settings`."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

from streamspan import Settings
from streamspan.settings import PREFIX

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"


def meanings() -> dict[str, str]:
    """What each setting does, by name: the string under its field."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(Settings))).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def lines() -> Iterator[str]:
    """The page."""
    said = meanings()
    yield "# Settings"
    yield ""
    yield "Written by `pytest tests/test_settings.py --write-settings` out of `streamspan.Settings`; a test fails where it is stale."
    yield ""
    yield "Each is a keyword of `streamspan.instrument()` and of every instrumentor, an environment variable, an option of"
    yield "`opentelemetry-instrument` (`--streamspan_idle_timeout 600`), in that order of strength. A wrong keyword raises `SettingsError`;"
    yield "a wrong variable is one line in the log, and the default holds."
    for field in fields(Settings):
        yield ""
        yield f"## `{field.name}`"
        yield ""
        yield f"`{PREFIX}{field.name.upper()}`, default `{field.default!r}`"
        yield ""
        yield from textwrap.wrap(said[field.name].replace("``", "`"), 130, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """The whole page as text."""
    return "\n".join(lines()) + "\n"
