"""OpenAI chat completions, and the many servers that speak it.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Cost, Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, request_attributes, sequence, strings


def read(chunk: Any, into: Sink) -> None:
    """Reads a ``chat.completion.chunk`` or a whole ``chat.completion``."""
    try:  # what a stream is made of: one choice with some text and nothing else
        top = chunk.__dict__
        (choice,) = top["choices"]
        state = choice.__dict__
        said = state["delta"].__dict__
        text = said["content"]
        only_text = (
            type(text) is str
            and state["finish_reason"] is None
            and said["tool_calls"] is None
            and said["refusal"] is None
            and top["usage"] is None
            and said["function_call"] is None
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        _read_anything(chunk, into)
        return
    # Only where text goes on: the first of it may come with the last of the reasoning, or on the chunk that says who answers. To
    # look for reasoning beside every piece of text would cost an eighth more, for what no server is known to send.
    if only_text and text and state["index"] == into.text_index:
        into.text(into.text_index, text)
    else:
        _read_anything(chunk, into)


def _read_anything(chunk: Any, into: Sink) -> None:
    top = fields(chunk)
    choices = top.get("choices")
    if (not choices or type(chunk) is dict) and (error := fields(top.get("error") or extras(chunk).get("error"))):
        into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))
    for choice in sequence(choices):
        _read_choice(fields(choice), chunk, into)
    if (usage := top.get("usage")) is not None:
        extra = extras(usage)
        into.usage(read_usage(fields(usage), extra))
        if "cost" in extra and (cost := read_cost(extra)):
            into.cost(cost)
    if not into.response_id:  # every chunk repeats it; Azure's first has an empty one
        _read_head(top, into)


def _read_choice(choice: dict[str, Any], chunk: Any, into: Sink) -> None:
    delta = choice.get("delta") or choice.get("message")
    said, index, content = fields(delta), choice.get("index") or 0, fields(delta).get("content")
    extra = extras(delta)
    _read_reasoning(index, extra, into)
    if audio := said.get("audio") or extra.get("audio"):
        into.text(index, str(fields(audio).get("transcript") or ""))  # what is spoken; the sound stays where it is
    if isinstance(content, str) and content:
        into.text(index, content)
    _read_parts(index, content, into)
    if said.get("tool_calls") or said.get("function_call") or said.get("refusal"):
        _read_rest(index, said, into)
    if reason := choice.get("finish_reason"):
        into.finish(index, reason)
        _read_groq_usage(extras(chunk), into)


def _read_reasoning(index: int, extra: dict[str, Any], into: Sink) -> None:
    thought = extra.get("reasoning_content") or extra.get("reasoning")
    if thought and isinstance(thought, str):
        into.reasoning(index, thought)


def _read_parts(index: int, content: Any, into: Sink) -> None:
    """Content that comes as a list of parts, as some compatible servers send it (Mistral's thinking models)."""
    for part in sequence(content):
        piece = fields(part)
        if isinstance(text := piece.get("text"), str):
            into.text(index, text)
        for thought in sequence(piece.get("thinking")):
            into.reasoning(index, str(fields(thought).get("text") or ""))


def _read_rest(index: int, said: dict[str, Any], into: Sink) -> None:
    if refusal := said.get("refusal"):
        into.refusal(index, str(refusal))
    if call := fields(said.get("function_call")):
        into.tool_call(index, "function_call", call.get("name"), call.get("arguments") or "")
    calls = sequence(said.get("tool_calls"))
    whole = "role" in said and _is_whole(calls)
    for position, tool in enumerate(calls):
        _read_tool_call(index, tool, into, position if whole else None)


def _is_whole(calls: list[Any]) -> bool:
    """Whether these are the calls of a whole message, which carry no index; fragments of a stream nearly always do."""
    return all("index" not in fields(call) and fields(call).get("id") for call in calls)


def _read_tool_call(index: int, tool: Any, into: Sink, position: int | None) -> None:
    call = fields(tool)
    function = fields(call.get("function"))
    custom = fields(call.get("custom") or extras(tool).get("custom"))  # for which the SDK's chunks have no name
    key = next((key for key in (call.get("index"), position, call.get("id")) if key is not None), None)
    name = function.get("name") or custom.get("name")
    into.tool_call(index, key, name, function.get("arguments") or custom.get("input") or "", call.get("id"))


def _read_head(top: dict[str, Any], into: Sink) -> None:
    into.identity(top.get("id"), top.get("model"))
    for key, attribute in _RESPONSE.items():
        if (value := top.get(key)) and isinstance(value, str):
            into.attribute(attribute, value)


_RESPONSE = {
    "service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
    "system_fingerprint": semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
}


def _read_groq_usage(extra: dict[str, Any], into: Sink) -> None:
    """Groq reports a stream's usage beside the last finish reason, under a name of its own."""
    if usage := fields(fields(extra.get("x_groq")).get("usage")):
        into.usage(read_usage(usage, usage))


def read_usage(usage: dict[str, Any], extra: dict[str, Any]) -> Usage:
    """The ``usage`` object: prompt tokens include cached ones, completion tokens include reasoning."""
    prompt = fields(usage.get("prompt_tokens_details"))
    completion = fields(usage.get("completion_tokens_details"))
    cached = prompt.get("cached_tokens")
    output, reasoning = usage.get("completion_tokens"), completion.get("reasoning_tokens")
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        cache_read_tokens=extra.get("prompt_cache_hit_tokens") if cached is None else cached,
        cache_write_tokens=prompt.get("cache_write_tokens"),
        input_audio_tokens=prompt.get("audio_tokens"),
        output_tokens=_add_reasoning(output, reasoning, usage),
        reasoning_tokens=reasoning,
        output_audio_tokens=completion.get("audio_tokens"),
        web_searches=extra.get("num_search_queries"),
    )


def _add_reasoning(output: Any, reasoning: Any, usage: dict[str, Any]) -> Any:
    """All output: xAI leaves reasoning out of it, which its total tells."""
    try:
        apart = reasoning and usage["total_tokens"] == usage["prompt_tokens"] + output + reasoning
    except (KeyError, TypeError):
        return output
    return output + reasoning if apart else output


def read_cost(extra: dict[str, Any]) -> Cost | None:
    """What the provider says that it charges: OpenRouter in a number, Perplexity in an object."""
    parts = fields(extra.get("cost"))
    total = _dollars(parts.get("total_cost")) if parts else _read_openrouter_cost(extra)
    if total is None:
        return None
    return Cost(total, _dollars(parts.get("input_tokens_cost")), _dollars(parts.get("output_tokens_cost")))


def _read_openrouter_cost(extra: dict[str, Any]) -> Decimal | None:
    """Its fee alone, if the caller brought a key: then the provider behind it charges as well, and the cost is both."""
    fee, upstream = _dollars(extra.get("cost")), _dollars(fields(extra.get("cost_details")).get("upstream_inference_cost"))
    return fee + upstream if fee is not None and upstream is not None and extra.get("is_byok") is True else fee


def _dollars(amount: Any) -> Decimal | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
        return None
    return Decimal(str(amount))


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "model": (semconv.REQUEST_MODEL, str),
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "max_completion_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "top_p": (semconv.REQUEST_TOP_P, float),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, float),
    "stop": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "seed": (semconv.REQUEST_SEED, int),
    "n": (semconv.REQUEST_CHOICE_COUNT, int),
    "reasoning_effort": (semconv.REQUEST_REASONING_LEVEL, str),
    "service_tier": (semconv.OPENAI_REQUEST_SERVICE_TIER, str),
}
_OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST)
    attributes[semconv.OPENAI_API_TYPE] = "chat_completions"
    if attributes.get(semconv.OPENAI_REQUEST_SERVICE_TIER) == "auto":
        del attributes[semconv.OPENAI_REQUEST_SERVICE_TIER]
    if kind := _OUTPUT_TYPES.get(fields(body.get("response_format")).get("type", "")):
        attributes[semconv.OUTPUT_TYPE] = kind
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The conversation and the tools; system messages stay in it, as they are sent."""
    return Prompt(
        messages=[_message(fields(message)) for message in sequence(body.get("messages"))],
        tools=[_tool(fields(tool)) for tool in sequence(body.get("tools"))] or None,
    )


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role", "user")
    parts = _content(message.get("content"))
    if role == "tool":
        response = message.get("content")
        response = _content(response) if isinstance(response, list | tuple) else response
        parts = [shapes.tool_call_response(message.get("tool_call_id"), response)]
    parts += [_call(fields(call)) for call in sequence(message.get("tool_calls"))]
    named = {"name": message["name"]} if message.get("name") else {}
    return {"role": role, "parts": parts, **named}


def _content(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [shapes.text(content)]
    return [_content_part(fields(part)) for part in sequence(content)]


def _content_part(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "text":
            return shapes.text(part.get("text"))
        case "refusal":
            return shapes.refusal(part.get("refusal"))
        case "image_url" | "video_url" | "audio_url" as kind:
            given = part.get(kind)
            return shapes.media(fields(given).get("url", given), modality=kind.removesuffix("_url"))
        case "input_audio":
            audio = fields(part.get("input_audio"))
            return shapes.media(audio.get("data"), f"audio/{audio.get('format')}")
        case "file":
            file = fields(part.get("file"))
            return shapes.media(
                file.get("file_data"), modality="document", file_id=file.get("file_id"), name=file.get("filename")
            )
        case kind:
            return shapes.other(kind)


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = fields(call.get("function")) or fields(call.get("custom"))
    arguments = function.get("arguments", function.get("input"))
    return shapes.tool_call(call.get("id"), function.get("name"), arguments)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {"type": tool.get("type", "function"), **fields(tool.get("function") or tool.get("custom"))}


FORMAT = WireFormat("openai", "/chat/completions", semconv.CHAT, read, request, prompt)
