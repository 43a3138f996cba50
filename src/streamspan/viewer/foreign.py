"""Spans that others wrote of model calls, in our names: so there is one way to read a call, whoever observed it."""

from collections.abc import Iterable, Mapping
from typing import Any

from streamspan import semconv


def is_call(found: Mapping[str, Any]) -> bool:
    """Whether these attributes, `renamed`, are those of a model call."""
    return semconv.OPERATION_NAME in found


def renamed(attributes: dict[str, Any], events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The attributes, and beside them under our names what only others' names say."""
    del events
    return attributes


def content(event: str, attributes: Mapping[str, Any], body: Any) -> dict[str, Any]:
    """What a log event says of a call's messages, as attributes; nothing if it is another one."""
    del body
    if event != semconv.DETAILS_EVENT:
        return {}
    return {name: value for name, value in attributes.items() if name in _CONTENT}


def join(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what another event says of the same call."""
    known |= more


_CONTENT = {semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS, semconv.TOOL_DEFINITIONS}
