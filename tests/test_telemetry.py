"""The page that lists all that we send is true and complete."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from streamspan import semconv

from conformance import ALL, JSON, Case, overlay
from telemetry_page import ATTRIBUTES, METRICS, NAMES, OTHERS, PAGE, VALUE, write


def test_page_is_fresh(request: pytest.FixtureRequest) -> None:
    """docs/telemetry.md is what semconv.py says."""
    page = write()
    if request.config.getoption("--write-telemetry"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "write it again: pytest tests/test_telemetry.py --write-telemetry"


def test_every_name_says_what_it_is() -> None:
    """Under every constant that is text stands its type and what it means, in the form that semconv.py describes."""
    assert [name.constant for name in NAMES if not name.is_sound] == []
    texts = {key for key, value in vars(semconv).items() if isinstance(value, str) and key.isupper()}
    assert {name.constant for name in NAMES} == texts


def test_values_are_of_attributes_that_there_are() -> None:
    """What an attribute can be is told of an attribute that is listed."""
    listed = {name.value for name in NAMES if name.type in ATTRIBUTES}
    assert {name.type.removeprefix(VALUE) for name in NAMES if name.type.startswith(VALUE)} <= listed


def test_a_name_is_of_one_type() -> None:
    """Two constants may spell one name, as events have attributes of their own, but not with two types."""
    types: dict[str, set[str]] = {}
    for name in NAMES:
        if name.type in ATTRIBUTES | METRICS | OTHERS:
            types.setdefault(name.value, set()).add(name.type)
    assert {value: kinds for value, kinds in types.items() if len(kinds) > 1} == {}


def attributes(case: Case) -> Iterator[tuple[str, Any]]:
    """Every attribute that a span of this case has, in any way to call it, and every one of its events."""
    expected = json.loads(case.span.read_text())
    for way in ("", *expected.get("ways", ())):
        span = overlay(expected, way)
        yield from span["attributes"].items()
        for event in span.get("events", ()):
            yield from ((key, value) for key, value in event.items() if key != "name")


TYPES = {str: "string", int: "int", float: "double", bool: "boolean", list: "string[]"}
MEASURED = {f"<{kind.__name__}>": name for kind, name in TYPES.items()}


def type_of(key: str, value: Any) -> str:
    """The type of an attribute, as the files of the spans have it."""
    return "json" if key in JSON else MEASURED.get(str(value), TYPES[type(value)])


def test_every_attribute_of_every_answer_is_listed() -> None:
    """No answer in tests/wire has an attribute that the page has not, or of another type."""
    listed = {(name.value, name.type) for name in NAMES}
    said = {(key, type_of(key, value)) for case in ALL for key, value in attributes(case)}
    assert said - listed == set()


def test_every_event_of_every_answer_is_listed() -> None:
    """No span has an event that the page has not."""
    listed = {name.value for name in NAMES if name.type.startswith("span event")}
    spans = [json.loads(case.span.read_text()) for case in ALL]
    assert {event["name"] for span in spans for event in span.get("events", ())} <= listed
