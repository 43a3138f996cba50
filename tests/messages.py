"""Whether the messages on a span have the shape that tests/schemas/messages.json says."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator

from streamspan import semconv

_SCHEMA: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "schemas" / "messages.json").read_text())
_VALIDATORS: Final = {
    key: Draft7Validator({**_SCHEMA, "allOf": [{"$ref": f"#/definitions/{name}"}]})
    for key, name in {
        semconv.INPUT_MESSAGES: "input_messages",
        semconv.OUTPUT_MESSAGES: "output_messages",
        semconv.SYSTEM_INSTRUCTIONS: "system_instructions",
        semconv.TOOL_DEFINITIONS: "tool_definitions",
    }.items()
}


def misshapen(attributes: Mapping[str, Any]) -> list[str]:
    """What is wrong with the messages among these attributes; they may be JSON strings, or what these hold."""
    return [f"{key}{where}: {what}" for key in _VALIDATORS if key in attributes for where, what in _errors(key, attributes[key])]


def _errors(key: str, value: Any) -> Iterator[tuple[str, str]]:
    for error in _VALIDATORS[key].iter_errors(json.loads(value) if isinstance(value, str) else value):  # pyright: ignore[reportUnknownMemberType]
        yield error.json_path.removeprefix("$"), error.message
