"""Anthropic messages.

https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, fields, plain, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole ``message``."""
    try:  # what a stream is made of: a delta of text
        delta = event.__dict__["delta"].__dict__
        text = delta["text"] if delta["type"] == "text_delta" else None
    except (AttributeError, KeyError):
        text = None
    if text and type(text) is str:
        into.text(0, text)
        return
    top = fields(event)
    kind = top.get("type")
    if isinstance(kind, str) and (reader := _READERS.get(kind)):
        reader(top, into)


def _read_block_delta(event: dict[str, Any], into: Sink) -> None:
    _read_delta(event.get("index") or 0, fields(event.get("delta")), into)


def _read_delta(index: int, delta: dict[str, Any], into: Sink) -> None:
    match delta.get("type"):
        case "text_delta":
            into.text(0, str(delta.get("text") or ""))
        case "input_json_delta":
            into.tool_call(0, index, None, str(delta.get("partial_json") or ""))
        case "thinking_delta":
            into.reasoning(0, str(delta.get("thinking") or ""))
        case "compaction_delta":
            into.part(0, shapes.compaction(delta.get("content")))
        case _:
            pass  # signature_delta, citations_delta: nothing that the model says


def _read_message_start(event: dict[str, Any], into: Sink) -> None:
    message = fields(event.get("message"))
    _read_content(message, into)
    usage = read_usage(fields(message.get("usage")))
    usage.output_tokens = None  # a placeholder: counting starts with message_delta
    into.usage(usage)


def _read_message(message: dict[str, Any], into: Sink) -> None:
    _read_content(message, into)
    into.usage(read_usage(fields(message.get("usage"))))
    into.done()


def _read_content(message: dict[str, Any], into: Sink) -> None:
    into.identity(message.get("id"), message.get("model"))
    for index, block in enumerate(sequence(message.get("content"))):
        _read_block(index, fields(block), into, begins=False)
    if reason := message.get("stop_reason"):
        into.finish(0, reason)


def _read_message_delta(event: dict[str, Any], into: Sink) -> None:
    if reason := fields(event.get("delta")).get("stop_reason"):
        into.finish(0, reason)
    into.usage(read_usage(fields(event.get("usage"))))


def _read_block_start(event: dict[str, Any], into: Sink) -> None:
    _read_block(event.get("index") or 0, fields(event.get("content_block")), into, begins=True)


def _read_message_stop(event: dict[str, Any], into: Sink) -> None:  # noqa: ARG001 - it says nothing but that it is there
    into.done()


def _read_error(event: dict[str, Any], into: Sink) -> None:
    error = fields(event.get("error"))
    into.error(str(error.get("type") or "error"), str(error.get("message") or ""))


_READERS = {
    "message_start": _read_message_start,
    "content_block_start": _read_block_start,
    "content_block_delta": _read_block_delta,
    "message_delta": _read_message_delta,
    "message_stop": _read_message_stop,
    "message": _read_message,
    "error": _read_error,
}
"""By event type; content_block_stop, ping and what is not invented yet say nothing."""


def _read_block(index: int, block: dict[str, Any], into: Sink, *, begins: bool) -> None:
    """A content block: whole, or (``begins``) the head of one whose deltas follow."""
    into.boundary(0)
    match block.get("type"):
        case "text":
            if text := block.get("text"):
                into.text(0, str(text))
        case "thinking":
            if thought := block.get("thinking"):
                into.reasoning(0, str(thought))
        case "tool_use" | "server_tool_use" | "mcp_tool_use" as kind:
            arguments = "" if begins else dump_json(block.get("input") or {})
            into.tool_call(0, index, block.get("name"), arguments, block.get("id"), server=_server(kind, block))
        case "compaction" if begins:
            pass  # its only delta has all of it
        case None:
            pass
        case kind:
            into.part(0, _other(kind, block))


def _server(kind: str, block: dict[str, Any]) -> dict[str, Any] | None:
    """What is special about a call that Anthropic makes itself; nothing of one that the application is to make."""
    match kind:
        case "server_tool_use":
            return {"type": str(block.get("name"))}
        case "mcp_tool_use":
            return {"type": "mcp", "server_name": str(block.get("server_name"))}
        case _:
            return None


def _other(kind: str, block: dict[str, Any]) -> dict[str, Any]:
    """A block that is none of those of every conversation, of an answer or of a prompt."""
    if "tool_use_id" in block:
        return shapes.server_tool_call_response(
            block["tool_use_id"], {"type": kind, "content": _result(plain(block.get("content")))}
        )
    match kind:
        case "redacted_thinking":
            return shapes.redacted_reasoning()
        case "compaction":
            return shapes.compaction(block.get("content"))
        case "container_upload":
            return shapes.media(None, modality="document", file_id=block.get("file_id"))
        case _:
            return shapes.other(kind)


def _result(value: Any) -> Any:
    """A result without what is encrypted for the model only, such as the text of a web page."""
    if isinstance(value, list):
        return [_result(item) for item in sequence(value)]
    kept = {key: _result(item) for key, item in fields(value).items() if not key.startswith("encrypted")}
    return kept or value


def read_usage(usage: dict[str, Any]) -> Usage:
    """The ``usage`` object: its input tokens exclude the cache, and each report is the total so far."""
    created, tools = fields(usage.get("cache_creation")), fields(usage.get("server_tool_use"))
    return Usage(
        uncached_input_tokens=usage.get("input_tokens"),
        cache_read_tokens=usage.get("cache_read_input_tokens"),
        cache_write_tokens=usage.get("cache_creation_input_tokens"),
        cache_write_1h_tokens=created.get("ephemeral_1h_input_tokens"),
        output_tokens=usage.get("output_tokens"),
        reasoning_tokens=fields(usage.get("output_tokens_details")).get("thinking_tokens"),
        web_searches=tools.get("web_search_requests"),
        tier=_tier(usage.get("speed"), usage.get("service_tier")),
    )


def _tier(speed: object, tier: object) -> str | None:
    """How it was served, where it says that this was not the usual way, or that it was though another was asked for."""
    if speed == "fast":
        return "fast"
    if isinstance(tier, str) and tier != _STANDARD:
        return tier
    return _STANDARD if speed == _STANDARD else None


_STANDARD = "standard"


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "top_k": (semconv.REQUEST_TOP_K, int),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, list),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST)
    output = fields(body.get("output_config"))
    if effort := output.get("effort"):
        attributes[semconv.REQUEST_REASONING_LEVEL] = str(effort)
    if body.get("output_format") or output.get("format"):
        attributes[semconv.OUTPUT_TYPE] = "json"
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The conversation, the system prompt beside it, and the tools."""
    return Prompt(
        messages=[_message(fields(message)) for message in sequence(body.get("messages"))],
        system=_content(body.get("system")) or None,
        tools=[_tool(fields(tool)) for tool in sequence(body.get("tools"))] or None,
    )


def _message(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message.get("role", "user"), "parts": _content(message.get("content"))}


def _content(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [shapes.text(content)]
    return [_content_part(fields(part)) for part in sequence(content)]


def _content_part(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "text":
            return shapes.text(part.get("text"))
        case "thinking":
            return shapes.reasoning(part.get("thinking"))
        case "tool_use" | "server_tool_use" | "mcp_tool_use" as kind:
            return _call(part, _server(kind, part))
        case "tool_result":
            return shapes.tool_call_response(part.get("tool_use_id"), _response(part.get("content")))
        case "image" | "document" as modality:
            return _source(modality, fields(part.get("source")))
        case kind:
            return _other(str(kind), part)


def _call(part: dict[str, Any], server: dict[str, Any] | None) -> dict[str, Any]:
    call_id, name, given = part.get("id"), part.get("name"), part.get("input")
    if server is None:
        return shapes.tool_call(call_id, name, given)
    return shapes.server_tool_call(call_id, name, {**server, **fields(given), **server})


def _response(content: Any) -> Any:
    return content if isinstance(content, str) or content is None else _content(content)


def _source(modality: str, source: dict[str, Any]) -> dict[str, Any]:
    match source.get("type"):
        case "url":
            return shapes.media(source.get("url"), modality=modality)
        case "file":
            return shapes.media(None, modality=modality, file_id=source.get("file_id"))
        case "text":
            return shapes.text(source.get("data"))
        case "content" if isinstance(said := source.get("content"), str):
            return shapes.text(said)
        case "content":
            return shapes.text("".join(str(fields(part).get("text") or "") for part in sequence(source.get("content"))))
        case _:
            return shapes.media(source.get("data"), source.get("media_type"), modality)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        kind = tool.get("type", "function")
        return {"type": kind, "name": tool.get("name") or tool.get("mcp_server_name") or kind}
    return {
        "type": "function",
        "name": tool.get("name"),
        "description": tool.get("description"),
        "parameters": tool.get("input_schema"),
    }


FORMAT = WireFormat("anthropic", "/v1/messages", semconv.CHAT, read, request, prompt, ends_with_event=True)
