"""What is asked of a model, in no provider's spelling, checked before anything is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from streamspan.client.messages import Message

ToolChoice = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call."""

    name: str
    description: str | None
    parameters: Any
    """The JSON schema of its arguments, the caller's own object; ``None`` if it takes none."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else the caller says of it, such as ``strict``."""


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The choice of one tool."""

    name: str


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """That the answer has to be JSON."""

    schema: Any = None
    """Which JSON; ``None`` for any object."""
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a model."""

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | NamedTool | None = None
    response_format: JsonFormat | None = None
    timeout: float | None = None
    """Seconds."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """More arguments of the SDK's method, in the provider's own spelling; they win."""


def given(**options: Any) -> dict[str, Any]:
    """The options that are set at all."""
    return {name: value for name, value in options.items() if value is not None}


# --- reading what the caller wrote -----------------------------------------------------------------------------------


def read_stop(stop: str | Iterable[str] | None, stop_sequences: str | Iterable[str] | None) -> tuple[str, ...]:
    """The texts at which the model shall stop, under either of two names."""
    if stop is not None and stop_sequences is not None:
        raise ValueError("stop and stop_sequences are the same: give one of them")
    chosen = stop_sequences if stop is None else stop
    return (chosen,) if isinstance(chosen, str) else tuple(chosen or ())


def read_tools(tools: Iterable[Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """The tools; each is ``{"name", "description", "parameters"}``, or the same inside of OpenAI's ``{"function": ...}``."""
    return tuple(_read_tool(tool, f"tools[{position}]") for position, tool in enumerate(tools or ()))


def _read_tool(given_tool: Any, where: str) -> Tool:
    if not isinstance(given_tool, Mapping):
        message = f"{where} is {type(given_tool).__name__}, where a dict belongs"
        raise ValueError(message)
    whole = cast("Mapping[str, Any]", given_tool)
    inner = cast("Mapping[str, Any]", whole["function"]) if isinstance(whole.get("function"), Mapping) else whole
    name = inner.get("name")
    if not (isinstance(name, str) and name):
        message = f"{where} has no name"
        raise ValueError(message)
    more = {key: value for key, value in inner.items() if key not in {"type", "name", "description", "parameters"}}
    return Tool(name, inner.get("description"), inner.get("parameters"), more)


def read_tool_choice(choice: Any, tools: tuple[Tool, ...]) -> ToolChoice | NamedTool | None:
    """``"auto"``, ``"none"``, ``"required"``, or ``{"name": ...}`` for one of ``tools``, also as OpenAI spells it."""
    if choice is None:
        return None
    if not tools:
        raise ValueError("tool_choice is given, and no tools to choose from")
    if choice in ("auto", "none", "required"):
        return choice
    if isinstance(choice, Mapping):
        whole = cast("Mapping[str, Any]", choice)
        name = cast("Mapping[str, Any]", whole.get("function") or whole).get("name")
        if any(tool.name == name for tool in tools):
            return NamedTool(str(name))
        message = f"tool_choice names {name!r}, which is none of the tools"
        raise ValueError(message)
    message = f'tool_choice is {choice!r}; it is "auto", "none", "required" or {{"name": ...}}'
    raise ValueError(message)


def read_response_format(wanted: Any) -> JsonFormat | None:
    """``{"type": "json_schema", ...}``, ``{"type": "json_object"}`` or ``{"type": "text"}``, or the type alone.

    The schema, with ``name``, ``description`` and ``strict``, stands beside the type or, as OpenAI has it, in ``json_schema``.
    """
    known: Any = {"type": wanted} if isinstance(wanted, str) else wanted
    match known:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return JsonFormat()
        case {"type": "json_schema", "json_schema": {"schema": Mapping()} as inner}:
            return _read_schema(cast("Mapping[str, Any]", inner))
        case {"type": "json_schema", "schema": Mapping()}:
            return _read_schema(known)
        case _:
            message = (
                f"response_format is {wanted!r}, which is none of"
                ' {"type": "json_schema", "schema": {...}}, {"type": "json_object"}, {"type": "text"}'
            )
            raise ValueError(message)


def _read_schema(format: Mapping[str, Any]) -> JsonFormat:  # noqa: A002 - what it is called everywhere
    return JsonFormat(format["schema"], format.get("name"), format.get("description"), format.get("strict"))
