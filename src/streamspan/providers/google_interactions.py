"""Google's interactions, which keep the conversation on the server.

https://ai.google.dev/api/interactions-api

Since May 2026 an interaction is a list of steps; before, which is what google-genai 1 speaks, a list of outputs. Both are read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, fields, plain, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole interaction."""
    top = fields(event)
    kind = top.get("event_type")
    if kind == "step.delta" or kind == "content.delta":
        _read_delta(top, into)
    elif type(kind) is str:
        if reader := _READERS.get(kind):
            reader(top, into)
    elif "status" in top:
        _read_interaction(top, into)


# --- the pieces of a stream ------------------------------------------------------------------------------------------


def _read_delta(event: dict[str, Any], into: Sink) -> None:
    delta = fields(event.get("delta"))
    kind = delta.get("type")
    if kind == "text":
        into.text(0, str(delta.get("text") or ""))
    elif kind == "thought_summary":
        into.reasoning(0, str(fields(delta.get("content")).get("text") or ""))
    elif kind == "arguments_delta":
        into.tool_call(0, event.get("index") or 0, None, str(delta.get("arguments") or ""))
    else:
        _read_content(event.get("index") or 0, delta, into)
    if (metadata := event.get("metadata")) is not None:
        _read_usage(fields(metadata).get("total_usage"), into)


def _read_start(event: dict[str, Any], into: Sink) -> None:
    """The head of a step; of what a tool of Google's does, the deltas tell."""
    into.boundary(0)
    content = fields(event.get("step") or event.get("content"))
    if content.get("type") in _STREAMED:
        _read_content(event.get("index") or 0, content, into)


def _read_stop(event: dict[str, Any], into: Sink) -> None:
    _read_usage(event.get("usage"), into)


def _read_status_update(event: dict[str, Any], into: Sink) -> None:
    into.identity(event.get("interaction_id"), None)
    _read_usage(event.get("usage"), into)
    _read_status(event, into)


def _read_created(event: dict[str, Any], into: Sink) -> None:
    interaction = fields(event.get("interaction"))
    into.identity(interaction.get("id"), interaction.get("model"))


def _read_completed(event: dict[str, Any], into: Sink) -> None:
    _read_interaction(fields(event.get("interaction")), into)
    into.done()


def _read_error(event: dict[str, Any], into: Sink) -> None:
    error = fields(event.get("error"))
    into.error(str(error.get("code") or "error"), str(error.get("message") or ""))


_READERS = {
    "interaction.created": _read_created,
    "interaction.start": _read_created,
    "interaction.status_update": _read_status_update,
    "interaction.completed": _read_completed,
    "interaction.complete": _read_completed,
    "step.start": _read_start,
    "content.start": _read_start,
    "step.stop": _read_stop,
    "error": _read_error,
}
"""By event type, of both generations."""


# --- the whole -------------------------------------------------------------------------------------------------------


def _read_interaction(interaction: dict[str, Any], into: Sink) -> None:
    into.identity(interaction.get("id"), interaction.get("model"))
    if not into.kinds:  # the end of a stream may repeat what was streamed
        for index, step in enumerate(sequence(interaction.get("steps") or interaction.get("outputs"))):
            _read_content(index, fields(step), into)
    _read_usage(interaction.get("usage"), into)
    _read_status(interaction, into)
    if interaction.get("status") in _RUNNING:
        into.background()


def _read_status(said: dict[str, Any], into: Sink) -> None:
    status = said.get("status")
    if status in _FAILURES:
        error = next(iter(sequence(said.get("errors"))), None)
        into.error(str(fields(error).get("code") or status), str(fields(error).get("message") or f"the interaction is {status}"))
    elif isinstance(status, str) and status not in _RUNNING:
        into.finish(0, status)


_FAILURES = ("failed", "budget_exceeded")
_RUNNING = ("in_progress", "queued")
_STREAMED = ("text", "thought", "function_call", "model_output")


def _read_content(index: int, content: dict[str, Any], into: Sink) -> None:
    """A whole step, or a piece of its content."""
    match content.get("type"):
        case "text":
            into.text(0, str(content.get("text") or ""))
        case "thought":
            for summary in map(fields, sequence(content.get("summary"))):
                into.boundary(0)
                into.reasoning(0, str(summary.get("text") or ""))
        case "model_output":
            for part in map(fields, sequence(content.get("content"))):
                into.boundary(0)
                _read_content(index, part, into)
        case "function_call":
            arguments = content.get("arguments")
            into.tool_call(0, index, content.get("name"), dump_json(arguments) if arguments else "", content.get("id"))
        case "thought_signature" | "text_annotation" | "text_annotation_delta" | "user_input" | None:
            pass
        case _:
            into.part(0, _part(content))


def _read_usage(usage: Any, into: Sink) -> None:
    if usage is not None:
        into.usage(read_usage(fields(usage)))


def read_usage(usage: dict[str, Any]) -> Usage:
    """Running totals: the input includes what was cached, but not the results of tools; the output does not include thoughts."""
    return Usage(
        input_tokens=_add(usage.get("total_input_tokens"), usage.get("total_tool_use_tokens")),
        cache_read_tokens=usage.get("total_cached_tokens"),
        cached_audio_tokens=_cached_audio(usage.get("cached_tokens_by_modality")),
        input_audio_tokens=_tokens_of("audio", usage.get("input_tokens_by_modality")),
        input_image_tokens=_tokens_of("image", usage.get("input_tokens_by_modality")),
        input_video_tokens=_tokens_of("video", usage.get("input_tokens_by_modality")),
        output_tokens=_add(usage.get("total_output_tokens"), usage.get("total_thought_tokens")),
        reasoning_tokens=usage.get("total_thought_tokens"),
        output_audio_tokens=_tokens_of("audio", usage.get("output_tokens_by_modality")),
        output_image_tokens=_tokens_of("image", usage.get("output_tokens_by_modality")),
        output_video_tokens=_tokens_of("video", usage.get("output_tokens_by_modality")),
    )


def _add(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _tokens_of(modality: str, modalities: Any) -> int | None:
    """Tokens of a kind that may have a price of its own."""
    return next((of.get("tokens") for of in map(fields, sequence(modalities)) if of.get("modality") == modality), None)


def _cached_audio(modalities: Any) -> int | None:
    """Those of what was cached, where it says of what kind that is; none of another kind are 0 of this one."""
    return (_tokens_of("audio", modalities) or 0) if modalities else None


# --- parts, of an answer or of a prompt ------------------------------------------------------------------------------


def _part(content: dict[str, Any]) -> dict[str, Any]:
    """A part in the conventions' JSON."""
    match str(content.get("type")):
        case "text":
            return shapes.text(content.get("text"))
        case "image" | "audio" | "video" | "document" as modality:
            return shapes.media(content.get("uri") or content.get("data"), content.get("mime_type"), modality)
        case "function_call":
            return shapes.tool_call(content.get("id"), content.get("name"), content.get("arguments") or {})
        case "function_result":
            return shapes.tool_call_response(content.get("call_id"), plain(content.get("result")))
        case kind if kind.endswith("_call"):
            name = kind.removesuffix("_call")
            return shapes.server_tool_call(content.get("id"), name, _said(name, content))
        case kind if kind.endswith("_result"):
            name = kind.removesuffix("_result")
            return shapes.server_tool_call_response(content.get("call_id"), _said(name, content))
        case kind:
            return shapes.other(kind)


_DULL = frozenset({"id", "call_id", "type", "signature"})


def _said(name: str, content: dict[str, Any]) -> dict[str, Any]:
    said = {key: plain(value) for key, value in content.items() if value is not None and key not in _DULL}
    return {"type": name, **said}


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "agent": (semconv.AGENT_NAME, str),
    "previous_interaction_id": (semconv.REQUEST_PREVIOUS_RESPONSE_ID, str),
}
_GENERATION = {
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "max_output_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, list),
    "seed": (semconv.REQUEST_SEED, int),
    "thinking_level": (semconv.REQUEST_REASONING_LEVEL, str),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST) | request_attributes(fields(body.get("generation_config")), _GENERATION)
    if body.get("response_mime_type") == "application/json":
        attributes[semconv.OUTPUT_TYPE] = "json"
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The input, the system's instruction, and the tools."""
    system = body.get("system_instruction")
    return Prompt(
        messages=_messages(body.get("input")),
        system=[shapes.text(system)] if isinstance(system, str) else None,
        tools=[_tool(fields(tool)) for tool in sequence(body.get("tools"))] or None,
    )


def _messages(given: Any) -> list[dict[str, Any]]:
    """The input in every form: a text, a content or several, which are one message of the user's, or steps, or turns."""
    if given is None:
        return []
    items = [fields(item) for item in (sequence(given) if isinstance(given, list | tuple) else [_text(given)])]
    if any("content" in item or item.get("type") in _ROLES for item in items):
        return [_message(item) for item in items]
    return [{"role": "user", "parts": [_part({"type": "text", **item}) for item in items]}] if items else []


def _text(given: Any) -> Any:
    return {"type": "text", "text": given} if isinstance(given, str) else given


_ROLES = {
    "user_input": "user",
    "model_output": "assistant",
    "thought": "assistant",
    "function_call": "assistant",
    "function_result": "tool",
}


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """One step, or one turn, as a message of its own."""
    kind, role = item.get("type"), item.get("role")
    if "content" in item:
        content = item["content"]
        parts = [_part(fields(_text(part))) for part in (sequence(content) if not isinstance(content, str) else [content])]
    elif kind == "thought":
        parts = [shapes.reasoning(fields(part).get("text")) for part in sequence(item.get("summary"))]
    else:
        parts = [_part(item)]
    return {"role": "assistant" if role == "model" else role or _ROLES.get(str(kind), "assistant"), "parts": parts}


_TOOL = ("type", "name", "description", "parameters")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool's definition; not the keys with which the provider is to reach an MCP server."""
    kind = tool.get("type")
    return {"type": kind, "name": kind, **{key: plain(tool[key]) for key in _TOOL if tool.get(key) is not None}}


FORMAT = WireFormat("google.genai", "/interactions", semconv.GENERATE_CONTENT, read, request, prompt, ends_with_event=True)
FETCH = WireFormat(
    "google.genai",
    "/interactions/{id}",
    semconv.FETCH_RESPONSE,
    read,
    request,
    prompt,
    ends_with_event=True,
    method="get",
    fetches=True,
)
"""An interaction that another request made, read again."""
AWAIT = replace(FETCH, fetches=False)
"""The same of one that was made in the background, and is not paid for on any span yet."""


def is_running(interaction: Any) -> bool | None:
    """Whether a whole interaction is still being made; ``None`` for what is no whole interaction."""
    status = fields(interaction).get("status")
    return None if status is None else status in _RUNNING
