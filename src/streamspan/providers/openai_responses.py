"""OpenAI responses.

https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, plain, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole ``response``."""
    try:
        top = event.__dict__
        kind = top["type"]
    except (AttributeError, KeyError):
        top = fields(event)
        kind = top.get("type")
    if kind == "response.output_text.delta":
        delta = top.get("delta")
        if delta and type(delta) is str:
            into.text(0, delta)
    elif type(kind) is str:
        if reader := _READERS.get(kind):
            reader(top, into)
    elif "output" in top:
        _read_response(top, into)


def fetch(event: Any, into: Sink) -> None:
    """Reads what `read` reads, of a response that another request made: its stream may begin in the middle."""
    if fields(event).get("type") in _TERMINAL:
        into.anew()
    read(event, into)


# --- the pieces of a stream ------------------------------------------------------------------------------------------


def _read_reasoning(event: dict[str, Any], into: Sink) -> None:
    into.reasoning(0, str(event.get("delta") or ""))


def _read_refusal(event: dict[str, Any], into: Sink) -> None:
    into.refusal(0, str(event.get("delta") or ""))


def _read_arguments(event: dict[str, Any], into: Sink) -> None:
    into.tool_call(0, event.get("output_index") or 0, None, str(event.get("delta") or ""))


def _read_item_added(event: dict[str, Any], into: Sink) -> None:
    """The head of an item, whose content follows; a built-in tool has something to say only once it is done."""
    item = fields(event.get("item"))
    if item.get("type") in _FUNCTIONS:
        into.tool_call(0, event.get("output_index") or 0, item.get("name"), "", item.get("call_id"))
    else:
        into.boundary(0)


def _read_item_done(event: dict[str, Any], into: Sink) -> None:
    """A whole item; of one that was streamed, nothing is new."""
    item = fields(event.get("item"))
    if item.get("type") not in _STREAMED:
        _read_item(0, item, into, _NOTHING)


def _read_boundary(event: dict[str, Any], into: Sink) -> None:  # noqa: ARG001 - it says nothing but that a part begins
    into.boundary(0)


def _read_head(event: dict[str, Any], into: Sink) -> None:
    _read_identity(fields(event.get("response")), into)


def _read_identity(response: dict[str, Any], into: Sink) -> None:
    into.identity(response.get("id"), response.get("model"))
    if response.get("background") is True:
        into.background()


def _read_terminal(event: dict[str, Any], into: Sink) -> None:
    _read_response(fields(event.get("response")), into)
    into.done()


def _read_error(event: dict[str, Any], into: Sink) -> None:
    """An error event, which has its code at the top or, as other APIs do, in ``error``."""
    error = fields(event.get("error")) or event
    into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))


_TERMINAL = ("response.completed", "response.incomplete", "response.failed")
_READERS = {
    "response.refusal.delta": _read_refusal,
    "response.reasoning_text.delta": _read_reasoning,
    "response.reasoning_summary_text.delta": _read_reasoning,
    "response.function_call_arguments.delta": _read_arguments,
    "response.custom_tool_call_input.delta": _read_arguments,
    "response.output_item.added": _read_item_added,
    "response.output_item.done": _read_item_done,
    "response.content_part.added": _read_boundary,
    "response.reasoning_summary_part.added": _read_boundary,
    "response.created": _read_head,
    "response.queued": _read_head,
    "response.in_progress": _read_head,
    **dict.fromkeys(_TERMINAL, _read_terminal),
    "error": _read_error,
}
"""By event type; the other ``done`` events repeat what was streamed, the progress of built-in tools is told by their item."""


# --- the whole -------------------------------------------------------------------------------------------------------


def _read_response(response: dict[str, Any], into: Sink) -> None:
    _read_identity(response, into)
    heard = into.kinds  # a terminal event repeats what was streamed, if the server streamed it
    for index, item in enumerate(sequence(response.get("output"))):
        _read_item(index, fields(item), into, heard)
    if usage := fields(response.get("usage")):
        into.usage(read_usage(usage))
    if (tools := response.get("tool_usage")) is not None:
        into.usage(Usage(web_searches=fields(fields(tools).get("web_search")).get("num_requests")))
    tier = response.get("service_tier")
    if isinstance(tier, str) and tier != "auto":  # which only repeats the request
        into.attribute(semconv.OPENAI_RESPONSE_SERVICE_TIER, tier)
    _read_status(response, into)


def _read_status(response: dict[str, Any], into: Sink) -> None:
    """How the response ended; one that failed or is not complete is a failure, though nothing raises."""
    status = response.get("status")
    if status == "incomplete":
        reason = str(fields(response.get("incomplete_details")).get("reason") or status)
        into.finish(0, reason)
        into.error(reason, f"the response is incomplete: {reason}")
    elif status == "failed" or response.get("error"):
        _read_error({"type": "failed", "error": response.get("error")}, into)
    elif isinstance(status, str):
        into.finish(0, status)
    elif response.get("object") == "response.compaction":
        into.finish(0, "compaction")


_NOTHING: frozenset[str] = frozenset()
_FUNCTIONS = ("function_call", "custom_tool_call")
_STREAMED = ("message", "reasoning", None, *_FUNCTIONS)


def _read_item(index: int, item: dict[str, Any], into: Sink, heard: Collection[str]) -> None:
    """One item of the output, whole, without the kinds that were ``heard`` before."""
    match item.get("type"):
        case "message" | "reasoning":
            _read_texts([*sequence(item.get("summary")), *sequence(item.get("content"))], into, heard)
        case "function_call" | "custom_tool_call":
            if "tool_call" not in heard:
                arguments = item.get("arguments") or item.get("input") or ""
                into.tool_call(0, index, item.get("name"), str(arguments), item.get("call_id"))
        case None:
            pass
        case kind:
            if "other" not in heard:
                into.part(0, _tool_part(str(kind), item))


def _read_texts(parts: list[Any], into: Sink, heard: Collection[str]) -> None:
    for part in map(fields, parts):
        match part.get("type"):
            case "output_text" if "text" not in heard and (text := part.get("text")):
                into.boundary(0)
                into.text(0, str(text))
            case "refusal" if "refusal" not in heard:
                into.refusal(0, str(part.get("refusal") or ""))
            case "summary_text" | "reasoning_text" if "reasoning" not in heard:
                into.boundary(0)
                into.reasoning(0, str(part.get("text") or ""))
            case _:
                pass


_DULL = frozenset({"id", "call_id", "type", "status", "result", "encrypted_content"})
"""Fields of a built-in tool's item that say nothing, or are large and opaque, such as an image."""


def _tool_part(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """A built-in tool as a part: it was run by the server, or, if it has a ``call_id``, is to be run by the application."""
    if kind == "compaction":
        return shapes.compaction(None, item.get("id"))
    if not kind.endswith("_call"):
        return shapes.other(kind)
    said = {key: plain(value) for key, value in item.items() if value is not None and key not in _DULL}
    name = kind.removesuffix("_call")
    if "call_id" in item:
        return shapes.tool_call(item["call_id"], name, said)
    if image := item.get("result"):
        said["result"] = shapes.media(image, f"image/{item.get('output_format') or 'png'}")
    return shapes.server_tool_call(item.get("id"), item.get("name") or name, {"type": name, **said})


def read_usage(usage: dict[str, Any]) -> Usage:
    """The ``usage`` object: input tokens include cached ones, output tokens include reasoning."""
    details = usage.get("input_tokens_details")
    inputs = {**extras(details), **fields(details)}  # older SDKs have no name for what is written to the cache
    return Usage(
        input_tokens=usage.get("input_tokens"),
        cache_read_tokens=inputs.get("cached_tokens"),
        cache_write_tokens=inputs.get("cache_write_tokens"),
        output_tokens=usage.get("output_tokens"),
        reasoning_tokens=fields(usage.get("output_tokens_details")).get("reasoning_tokens"),
    )


# --- the request -----------------------------------------------------------------------------------------------------


_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_output_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "service_tier": (semconv.OPENAI_REQUEST_SERVICE_TIER, str),
    "previous_response_id": (semconv.REQUEST_PREVIOUS_RESPONSE_ID, str),
}
_OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST)
    attributes[semconv.OPENAI_API_TYPE] = "responses"
    if attributes.get(semconv.OPENAI_REQUEST_SERVICE_TIER) == "auto":
        del attributes[semconv.OPENAI_REQUEST_SERVICE_TIER]
    if effort := fields(body.get("reasoning")).get("effort"):
        attributes[semconv.REQUEST_REASONING_LEVEL] = str(effort)
    conversation = body.get("conversation")
    if isinstance(name := fields(conversation).get("id", conversation), str):
        attributes[semconv.CONVERSATION_ID] = name
    if kind := _OUTPUT_TYPES.get(str(fields(fields(body.get("text")).get("format")).get("type"))):
        attributes[semconv.OUTPUT_TYPE] = kind
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The input, the instructions beside it, and the tools."""
    text = body.get("input")
    items = [{"role": "user", "content": text}] if isinstance(text, str) else sequence(text)
    return Prompt(
        messages=[_message(fields(item)) for item in items],
        system=_content(body.get("instructions")) or None,
        tools=[_tool(fields(tool)) for tool in sequence(body.get("tools"))] or None,
    )


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """One item of the input as a message of its own."""
    match item.get("type"):
        case "message" | None:
            return {"role": item.get("role", "user"), "parts": _content(item.get("content"))}
        case "reasoning":
            return {"role": "assistant", "parts": _content([*sequence(item.get("summary")), *sequence(item.get("content"))])}
        case "function_call" | "custom_tool_call":
            return {"role": "assistant", "parts": [_call(item)]}
        case kind if str(kind).endswith("_output"):
            return {"role": "tool", "parts": [shapes.tool_call_response(item.get("call_id"), _output(item.get("output")))]}
        case kind:
            return {"role": "assistant", "parts": [_tool_part(str(kind), item)]}


def _output(output: Any) -> Any:
    """What a tool gave: text, content, or, of a computer, a picture of its screen."""
    if isinstance(output, list):
        return _content(output)
    return _content_part(fields(output)) if fields(output).get("type") == "computer_screenshot" else plain(output)


def _call(item: dict[str, Any]) -> dict[str, Any]:
    arguments = item.get("arguments", item.get("input"))
    return shapes.tool_call(item.get("call_id"), item.get("name"), arguments)


def _content(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [shapes.text(content)]
    return [_content_part(fields(part)) for part in sequence(content)]


def _content_part(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return shapes.text(part.get("text"))
        case "summary_text" | "reasoning_text":
            return shapes.reasoning(part.get("text"))
        case "refusal":
            return shapes.refusal(part.get("refusal"))
        case "input_image" | "computer_screenshot":
            return shapes.media(part.get("image_url"), modality="image", file_id=part.get("file_id"))
        case "input_file":
            given = part.get("file_url") or part.get("file_data")
            return shapes.media(given, modality="document", file_id=part.get("file_id"), name=part.get("filename"))
        case "input_audio":
            audio = fields(part.get("input_audio"))
            return shapes.media(audio.get("data"), f"audio/{audio.get('format')}")
        case kind:
            return shapes.other(kind)


_TOOL = ("type", "name", "description", "parameters", "strict", "server_label")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool's definition; not the keys with which the provider is to reach an MCP server."""
    named = {"type": tool.get("type"), "name": tool.get("server_label") or tool.get("type")}
    return {**named, **{key: tool[key] for key in _TOOL if tool.get(key) is not None}}


def request_fetch(body: Mapping[str, Any]) -> Attributes:
    """Which response is asked for."""
    return {semconv.OPENAI_API_TYPE: "responses", semconv.RESPONSE_ID: str(body.get("id"))}


FORMAT = WireFormat("openai", "/responses", semconv.CHAT, read, request, prompt, ends_with_event=True)
COMPACT = replace(FORMAT, path="/responses/compact")
FETCH = WireFormat(
    "openai",
    "/responses/{id}",
    semconv.FETCH_RESPONSE,
    fetch,
    request_fetch,
    lambda _: Prompt(),
    ends_with_event=True,
    method="get",
    fetches=True,
)
