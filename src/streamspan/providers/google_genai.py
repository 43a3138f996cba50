"""Google's ``generateContent``, of the Gemini API and of Vertex AI.

https://ai.google.dev/api/generate-content

The SDK's objects spell fields in snake_case, the wire in camelCase; both are read.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, plain, request_attributes, sequence
from streamspan.wire import fields as plain_fields

_calls = count()
"""Numbers for function calls: they come whole, often without an id, and one may be made twice."""


def fields(value: Any) -> dict[str, Any]:
    """The fields of one level under their snake_case names; keys below it, such as those of arguments, stay as they are."""
    if type(value) is dict:
        return {_snake(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return plain_fields(value)


@cache
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def read(chunk: Any, into: Sink) -> None:
    """Reads a ``GenerateContentResponse``: a chunk of a stream, or a whole one."""
    try:  # what a stream is made of: one candidate with one piece of text and nothing else, and the usage so far
        top = chunk.__dict__
        (candidate,) = top["candidates"]
        state = candidate.__dict__
        (part,) = state["content"].__dict__["parts"]
        said = part.__dict__
        text, total = said["text"], top["usage_metadata"].__dict__
        only_text = (
            type(text) is str
            and not said["thought"]
            and state["finish_reason"] is None
            and (state["index"] or 0) == into.text_index  # the first text comes with who answers
            and top["prompt_feedback"] is None
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        _read_anything(chunk, into)
        return
    if only_text and text and total.get("prompt_token_count") is not None:
        into.text(into.text_index, text)
        into.usage_so_far(read_usage, total)
    else:
        _read_anything(chunk, into)


def _read_anything(chunk: Any, into: Sink) -> None:
    top = fields(chunk)
    if (error := top.get("error")) and (error := fields(error)):
        into.error(str(error.get("status") or error.get("code") or "error"), str(error.get("message") or ""))
    for candidate in top.get("candidates") or ():
        _read_candidate(fields(candidate), into)
    if (feedback := top.get("prompt_feedback")) and (blocked := fields(feedback).get("block_reason")):
        into.finish(0, word(blocked))
    if (usage := top.get("usage_metadata")) is not None:
        into.usage(read_usage(fields(usage)))
    if not into.response_id:
        into.identity(top.get("response_id"), top.get("model_version"))


def _read_candidate(candidate: dict[str, Any], into: Sink) -> None:
    index = candidate.get("index") or 0
    for part in fields(candidate.get("content")).get("parts") or ():
        said = fields(part)
        if text := said.get("text"):
            (into.reasoning if said.get("thought") else into.text)(index, text)
        elif call := said.get("function_call"):
            _read_call(index, fields(call), into)
        elif other := _other(said):
            into.part(index, other)
    if reason := candidate.get("finish_reason"):
        into.finish(index, word(reason))


def _read_call(index: int, call: dict[str, Any], into: Sink) -> None:
    arguments = call.get("args")
    into.tool_call(index, next(_calls), call.get("name"), dump_json(arguments) if arguments else "", call.get("id"))


def word(value: Any) -> str:
    """An enum's value, or a string, as the provider spells it."""
    return str(getattr(value, "value", value))


# --- usage -----------------------------------------------------------------------------------------------------------


def read_usage(usage: dict[str, Any]) -> Usage:
    """``usageMetadata``, a running total: the prompt includes what was cached, but not the results of tools; candidates do not
    include thoughts.
    """  # noqa: D205 - one sentence
    return Usage(
        input_tokens=_add(usage.get("prompt_token_count"), usage.get("tool_use_prompt_token_count")),
        cache_read_tokens=usage.get("cached_content_token_count"),
        cached_audio_tokens=_cached_audio(usage.get("cache_tokens_details")),
        input_audio_tokens=_tokens_of(usage.get("prompt_tokens_details"), _AUDIO),
        input_image_tokens=_tokens_of(usage.get("prompt_tokens_details"), _IMAGE),
        input_video_tokens=_tokens_of(usage.get("prompt_tokens_details"), _VIDEO),
        output_tokens=_add(usage.get("candidates_token_count"), usage.get("thoughts_token_count")),
        reasoning_tokens=usage.get("thoughts_token_count"),
        output_audio_tokens=_tokens_of(usage.get("candidates_tokens_details"), _AUDIO),
        output_image_tokens=_tokens_of(usage.get("candidates_tokens_details"), _IMAGE),
        output_video_tokens=_tokens_of(usage.get("candidates_tokens_details"), _VIDEO),
        tier=_TIERS.get(word(usage.get("traffic_type"))),
    )


def _add(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _tokens_of(details: Any, modalities: frozenset[str]) -> int | None:
    """Tokens of a kind that may have a price of its own."""
    if not details:
        return None
    counts = [of.get("token_count") or 0 for of in map(fields, details) if word(of.get("modality")) in modalities]
    return sum(counts) if counts else None


def _cached_audio(details: Any) -> int | None:
    """Those of what was cached, where it says of what kind that is; none of another kind are 0 of this one."""
    return (_tokens_of(details, _AUDIO) or 0) if details else None


_AUDIO, _IMAGE, _VIDEO = frozenset({"AUDIO"}), frozenset({"IMAGE", "DOCUMENT"}), frozenset({"VIDEO"})
_TIERS = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
"""What Vertex AI calls the tiers that have prices of their own; the Gemini API does not say."""


# --- parts, of an answer or of a prompt ------------------------------------------------------------------------------


def _part(part: Any) -> dict[str, Any]:
    """A part of a prompt in the conventions' JSON."""
    if isinstance(part, str):
        return shapes.text(part)
    said = fields(part)
    if (text := said.get("text")) is not None:
        return (shapes.reasoning if said.get("thought") else shapes.text)(text)
    if call := fields(said.get("function_call")):
        return shapes.tool_call(call.get("id"), call.get("name"), call.get("args") or {})
    return _other(said) or shapes.other(type(part).__name__)


def _other(said: dict[str, Any]) -> dict[str, Any] | None:
    """A part that is neither text nor a call to a function; bytes stay where they are."""
    for name, convert in _OTHERS.items():
        if (found := said.get(name)) and (found := fields(found)):
            return convert(found)
    if uri := said.get("uri"):  # an uploaded file, given as it is
        return _file({"file_uri": uri, **said})
    return None


def _blob(blob: dict[str, Any]) -> dict[str, Any]:
    return shapes.media(blob.get("data"), blob.get("mime_type"), name=blob.get("display_name"))


def _file(file: dict[str, Any]) -> dict[str, Any]:
    return shapes.media(file.get("file_uri"), file.get("mime_type"), name=file.get("display_name"))


def _response(response: dict[str, Any]) -> dict[str, Any]:
    shown = [_other(fields(part)) for part in sequence(response.get("parts"))]
    given = plain(response.get("response"))
    return shapes.tool_call_response(response.get("id"), [given, *shown] if shown else given)


def _code(code: dict[str, Any]) -> dict[str, Any]:
    said = {"type": _CODE, "language": word(code.get("language")), "code": code.get("code")}
    return shapes.server_tool_call(code.get("id"), _CODE, said)


def _result(result: dict[str, Any]) -> dict[str, Any]:
    said = {"type": _CODE, "outcome": word(result.get("outcome")), "output": result.get("output")}
    return shapes.server_tool_call_response(result.get("id"), said)


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
    name = word(call.get("tool_type")).lower()
    return shapes.server_tool_call(call.get("id"), name, {"type": name, "arguments": plain(call.get("args"))})


def _tool_result(response: dict[str, Any]) -> dict[str, Any]:
    said = {"type": word(response.get("tool_type")).lower(), "response": plain(response.get("response"))}
    return shapes.server_tool_call_response(response.get("id"), said)


_CODE = "code_execution"
_OTHERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "inline_data": _blob,
    "file_data": _file,
    "function_response": _response,
    "executable_code": _code,
    "code_execution_result": _result,
    "tool_call": _tool_use,
    "tool_response": _tool_result,
}


# --- the request -----------------------------------------------------------------------------------------------------


def _level(config: Any) -> str:
    level = fields(config).get("thinking_level")
    if level is None:
        raise ValueError(config)  # a budget, or nothing: no level
    return word(level)


def _strings(value: Any) -> list[str]:
    return [str(item) for item in sequence(value)]


_OUTPUT_TYPES = {"application/json": "json", "text/plain": "text"}

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "top_k": (semconv.REQUEST_TOP_K, int),
    "max_output_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, float),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, _strings),
    "seed": (semconv.REQUEST_SEED, int),
    "candidate_count": (semconv.REQUEST_CHOICE_COUNT, int),
    "thinking_config": (semconv.REQUEST_REASONING_LEVEL, _level),
}


def body(model: Any, contents: Any, config: Any) -> dict[str, Any]:
    """What the SDK's methods are given, as one mapping: the other functions here read that."""
    return {**fields(config), "model": model, "contents": contents}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST)
    if kind := _OUTPUT_TYPES.get(str(body.get("response_mime_type"))):
        attributes[semconv.OUTPUT_TYPE] = kind
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The conversation, the system's instruction, and the tools."""
    return Prompt(
        messages=_messages(body.get("contents")),
        system=[part for message in _messages(body.get("system_instruction")) for part in message["parts"]] or None,
        tools=[tool for given in sequence(body.get("tools")) for tool in _tools(given)] or None,
    )


def _messages(contents: Any) -> list[dict[str, Any]]:
    """Contents in every form that the SDK takes; parts that stand alone are one message of the user's, as in the SDK."""
    messages: list[dict[str, Any]] = []
    loose: list[dict[str, Any]] | None = None
    if not isinstance(contents, list | tuple):
        contents = [] if contents is None else [contents]
    for item in contents:  # pyright: ignore[reportUnknownVariableType]
        content = fields(item)
        if "parts" in content:
            messages.append(_message(content))
            loose = None
        elif loose is None:
            loose = [_part(item)]
            messages.append({"role": "user", "parts": loose})
        else:
            loose.append(_part(item))
    return messages


def _message(content: dict[str, Any]) -> dict[str, Any]:
    role = "assistant" if content.get("role") == "model" else content.get("role") or "user"
    return {"role": role, "parts": [_part(part) for part in sequence(content.get("parts"))]}


def _tools(tool: Any) -> list[dict[str, Any]]:
    """What one entry of ``tools`` offers: Python functions, declared functions, or something of Google's own."""
    if callable(tool):
        named = {"name": getattr(tool, "__name__", type(tool).__name__), "description": tool.__doc__}
        return [{"type": "function", **{key: value for key, value in named.items() if value}}]
    offered = {name: value for name, value in fields(tool).items() if value is not None and not name.startswith("_")}
    declared = offered.pop("function_declarations", None)
    return [*map(_declaration, map(fields, sequence(declared))), *({"type": name, "name": name} for name in offered)]


def _declaration(function: dict[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters_json_schema") or _schema(function.get("parameters"))
    named = {"name": function.get("name"), "description": function.get("description"), "parameters": parameters}
    return {"type": "function", **{key: value for key, value in named.items() if value}}


def _schema(schema: Any) -> Any:
    """Google's schema as a JSON schema: its types are in capitals, and the SDK's objects have its keywords in snake_case."""
    given = json.loads(schema.model_dump_json(exclude_none=True)) if hasattr(schema, "model_dump_json") else schema
    return {_camel(key): _keyword(key, value) for key, value in fields(given).items()} if isinstance(given, dict) else given


def _keyword(key: str, value: Any) -> Any:
    match key, value:
        case "type", str():
            return value.lower()
        case "properties" | "defs", dict():
            return {name: _schema(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case "any_of", list():
            return [_schema(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case "items" | "additional_properties", dict():
            return _schema(value)
        case _:
            return value


_CAMEL = re.compile(r"_(\w)")


def _camel(key: str) -> str:
    return {"defs": "$defs", "ref": "$ref"}.get(key) or _CAMEL.sub(lambda match: match[1].upper(), key)


FORMAT = WireFormat(
    "google.genai", ":generateContent", semconv.GENERATE_CONTENT, read, request, prompt, choices_key="candidate_count"
)
