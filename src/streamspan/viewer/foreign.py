"""Spans that others wrote of model calls, in our names: so there is one way to read a call, whoever observed it.

Read are the GenAI conventions, the older ones with the messages as events included; OpenLLMetry's attributes; OpenInference's.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from streamspan import semconv

_NO_CALLS: Final = frozenset({"create_agent", "execute_tool", "invoke_agent", "invoke_workflow", "plan", "retrieval", "rerank"})
_CONTENT: Final = (
    semconv.INPUT_MESSAGES,
    semconv.OUTPUT_MESSAGES,
    semconv.SYSTEM_INSTRUCTIONS,
    semconv.TOOL_DEFINITIONS,
)
_DEEPEST: Final = 8
_KINDS: Final = {"LLM": semconv.CHAT, "EMBEDDING": semconv.EMBEDDINGS}
_TYPES: Final = {"chat": semconv.CHAT, "completion": semconv.TEXT_COMPLETION, "embedding": semconv.EMBEDDINGS, "rerank": "rerank"}

# Ours, and where others have the same: of several the first that is there.
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    semconv.PROVIDER_NAME: ("gen_ai system", "llm provider", "llm system"),
    semconv.REQUEST_MODEL: ("llm request model_name", "llm model_name", "embedding model_name", "llm request model"),
    semconv.RESPONSE_MODEL: ("llm response model_name", "llm response model"),
    semconv.USAGE_INPUT_TOKENS: ("gen_ai usage prompt_tokens", "llm usage prompt_tokens", "llm token_count prompt"),
    semconv.USAGE_OUTPUT_TOKENS: ("gen_ai usage completion_tokens", "llm usage completion_tokens", "llm token_count completion"),
    semconv.USAGE_CACHE_READ_INPUT_TOKENS: (
        "llm token_count prompt_details cache_read",
        "gen_ai usage cache_read_input_tokens",
        "gen_ai usage details cache_read_tokens",
    ),
    semconv.USAGE_REASONING_OUTPUT_TOKENS: (
        "llm token_count completion_details reasoning",
        "gen_ai usage reasoning_tokens",
        "llm usage reasoning_tokens",
    ),
    semconv.USAGE_COST: ("llm cost total", "gen_ai cost total_cost", "operation cost"),
    semconv.USER_ID: ("llm user", "gen_ai user", "traceloop association properties user_id", "enduser id"),
    semconv.SESSION_ID: ("traceloop association properties session_id",),
    semconv.TAGS: ("tag tags",),
}


def is_call(found: Mapping[str, Any]) -> bool:
    """Whether these attributes, `renamed`, are those of a model call."""
    return semconv.OPERATION_NAME in found and found[semconv.OPERATION_NAME] not in _NO_CALLS


def renamed(attributes: dict[str, Any], events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The attributes, and beside them under our names what only others' names say."""
    if semconv.OUTCOME in attributes:
        return attributes
    tree = _tree(attributes)
    operation = _operation(attributes, tree)
    if operation is None:
        return attributes
    events = list(events)
    found = {ours: value for ours, places in _PLACES.items() if (value := _first(tree, places)) is not None}
    found |= _asked_for(tree) | _failure(events) | _messages(tree, events) | {semconv.OPERATION_NAME: operation}
    return {**found, **attributes}


def content(event: str, attributes: Mapping[str, Any], body: Any) -> dict[str, Any]:
    """What a log event says of a call's messages, as attributes; nothing if it is another one."""
    if event == semconv.DETAILS_EVENT:
        return {name: attributes[name] for name in _CONTENT if name in attributes}
    return _of_event(event, body if isinstance(body, dict) else attributes)  # pyright: ignore[reportUnknownArgumentType]


def join(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what another event says of the same call: messages after messages; what is there is not overwritten."""
    for name, value in more.items():
        before = known.get(name)
        known[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else before or value


def _operation(attributes: Mapping[str, Any], tree: Mapping[str, Any]) -> Any:
    """What is done; None where nothing says that a model is asked."""
    if semconv.OPERATION_NAME in attributes:
        return attributes[semconv.OPERATION_NAME]
    if (kind := attributes.get(semconv.OPENINFERENCE_SPAN_KIND)) is not None:
        return _KINDS.get(str(kind).upper())
    if (of_type := _at(tree, "llm request type")) is not None:
        return _TYPES.get(str(of_type), semconv.CHAT)
    return semconv.CHAT if semconv.REQUEST_MODEL in attributes else None


def _asked_for(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The model that was asked for, from the parameters of the request: what OpenInference names is the one that answered."""
    model = _fields(_read(_at(tree, "llm invocation_parameters"))).get("model")
    if not isinstance(model, str):
        return {}
    answered = _first(tree, ("llm response model_name", "llm model_name"))
    return {semconv.REQUEST_MODEL: model} | ({semconv.RESPONSE_MODEL: answered} if answered is not None else {})


def _failure(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """What an exception on the span says, where the span itself has no word for it."""
    raised = [said for name, said in events if name == "exception"]
    return {semconv.ERROR_TYPE: raised[-1][semconv.EXCEPTION_TYPE]} if raised and semconv.EXCEPTION_TYPE in raised[-1] else {}


# --- messages --------------------------------------------------------------------------------------------------------


def _messages(tree: Mapping[str, Any], events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, said in events:
        join(found, _of_event(name, said))
    asked = _numbered(tree, "llm input_messages") or _numbered(tree, "gen_ai prompt")
    answered = _numbered(tree, "llm output_messages") or _numbered(tree, "gen_ai completion")
    tools = _numbered(tree, "llm tools") or _numbered(tree, "llm request functions")
    written = {
        semconv.INPUT_MESSAGES: [_message(each, "user") for each in asked] or _whole(tree, "input value", "user"),
        semconv.OUTPUT_MESSAGES: [_message(each, "assistant") for each in answered] or _whole(tree, "output value", "assistant"),
        semconv.TOOL_DEFINITIONS: [_tool(each) for each in tools],
    }
    return {name: messages for name, messages in written.items() if messages} | found


def _of_event(event: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The message that an event is, in one of the shapes that the conventions once had."""
    match event.split("."):
        case ["gen_ai", ("system" | "user" | "assistant" | "tool") as role, "message"]:
            return {semconv.INPUT_MESSAGES: [_message(said, role)]}
        case ["gen_ai", "choice"]:
            answer = {**(_fields(_read(said.get("message"))) or said), "finish_reason": said.get("finish_reason")}
            return {semconv.OUTPUT_MESSAGES: [_message(answer, "assistant")]}
        case ["gen_ai", "content", ("prompt" | "completion") as side]:
            ours, role = _SIDES[side]
            listed = _read(said.get(event.replace("content.", "")))
            return {ours: [_message(_fields(each), role) for each in _list(listed)]}
        case _:
            return {}


_SIDES: Final = {"prompt": (semconv.INPUT_MESSAGES, "user"), "completion": (semconv.OUTPUT_MESSAGES, "assistant")}


def _message(said: Mapping[str, Any], role: str) -> dict[str, Any]:
    """One message in our shape, whoever's it is."""
    said = _fields(said.get("message")) or said
    calls = said.get("tool_calls")
    parts = _parts(said.get("contents") or said.get("content"))
    parts += [call for each in _each(_read(calls)) if (call := _call(each)) not in parts]
    role = str(said.get("role") or role)
    if role == "tool":
        parts = [
            {"type": "tool_call_response", "id": said.get("tool_call_id") or said.get("id"), "response": said.get("content")}
        ]
    reason = said.get("finish_reason")
    return {"role": role, "parts": parts} | ({"finish_reason": reason} if reason else {})


def _parts(content: Any) -> list[dict[str, Any]]:
    """What is said: a text, or a list of parts, also as JSON."""
    read = _read(content) if isinstance(content, str) and content.startswith("[") else content
    if read is None or read == "":
        return []
    if isinstance(read, dict | list) and (each := [part for part in _each(read) if _is_part(part)]):
        return [_part(part) for part in each]
    return [{"type": "text", "content": content if isinstance(content, str) else json.dumps(content)}]


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and ("type" in part or "message_content" in part or "text" in part)


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if "tool_call" in part:  # as OpenInference has it, again, among what Anthropic's models say
        return _call(part)
    said = _fields(part.get("message_content", part))
    text = said.get("text", said.get("content"))
    return {"type": "text", "content": text} if isinstance(text, str) else dict(said)


def _call(said: Any) -> dict[str, Any]:
    """A tool call, with its function inside or beside."""
    call = _fields(_fields(said).get("tool_call", said))
    function = _fields(call.get("function", call))
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": _read(function.get("arguments")),
    }


def _tool(said: Mapping[str, Any]) -> Any:
    schema = _fields(said.get("tool")).get("json_schema")
    return _read(schema) if schema is not None else {"type": "function", **said, "parameters": _read(said.get("parameters"))}


def _whole(tree: Mapping[str, Any], place: str, role: str) -> list[dict[str, Any]]:
    """A message of a span that has only the request, or the response, as one text."""
    text = _at(tree, place)
    return [{"role": role, "parts": [{"type": "text", "content": text}]}] if isinstance(text, str) and text else []


# --- names with dots as a tree ----------------------------------------------------------------------------------------


def _tree(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``; a value beside which there are longer names is under ``""``."""
    root: dict[str, Any] = {}
    for name, value in attributes.items():
        branch = root
        *path, leaf = name.split(".", _DEEPEST)
        for step in path:
            below = branch.get(step)
            inner = cast("dict[str, Any]", below) if isinstance(below, dict) else {} if below is None else {"": below}
            branch[step] = inner
            branch = inner
        branch[leaf] = {**branch[leaf], "": value} if isinstance(branch.get(leaf), dict) else value
    return root


def _at(tree: Mapping[str, Any], place: str) -> Any:
    found: Any = tree
    for step in place.split():
        found = cast("dict[str, Any]", found).get(step) if isinstance(found, dict) else None
    return found


def _first(tree: Mapping[str, Any], places: Iterable[str]) -> Any:
    values = (_at(tree, place) for place in places)
    return next((value for value in values if value is not None and not isinstance(value, dict)), None)


def _numbered(tree: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The entries under ``place.0``, ``place.1``, ... in their order."""
    return [entry for entry in _each(_at(tree, place)) if isinstance(entry, dict)]


def _each(value: Any) -> list[Any]:
    """The entries of a list, or of a tree whose names are numbers."""
    if isinstance(value, dict):
        tree = cast("dict[str, Any]", value)
        return [tree[key] for key in sorted((key for key in tree if key.isdecimal() and len(key) < 9), key=int)]
    return _list(value)


def _fields(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _read(value: Any) -> Any:
    """What JSON says, if it is JSON; else the value as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
