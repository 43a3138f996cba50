"""Cohere's first chat API, with which command-r speaks on Amazon Bedrock, and its embeddings.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from collections.abc import Mapping
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, count, fields, request_attributes, sequence, strings


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole answer.

    The last event repeats the whole answer as its ``response``, of which only what was not streamed is read.
    """
    top = fields(event)
    kind = top.get("event_type")
    whole = fields(top.get("response")) if kind == "stream-end" else top
    if kind in (None, "text-generation") and (text := top.get("text")):
        into.text(0, str(text))
    if kind in (None, "tool-calls-generation"):
        for key, call in enumerate(map(fields, sequence(top.get("tool_calls")))):
            into.tool_call(0, key, call.get("name"), dump_json(call.get("parameters") or {}))
    if reason := top.get("finish_reason"):
        into.finish(0, str(reason))
        into.identity(whole.get("response_id") or whole.get("generation_id"), None)
        into.usage(read_usage(fields(whole.get("meta"))))


def read_usage(meta: dict[str, Any]) -> Usage:
    """The ``meta`` object: what is billed, where it says so."""
    counts = fields(meta.get("billed_units") or meta.get("tokens"))
    return Usage(input_tokens=count(counts.get("input_tokens")), output_tokens=count(counts.get("output_tokens")))


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, int),
    "temperature": (semconv.REQUEST_TEMPERATURE, float),
    "p": (semconv.REQUEST_TOP_P, float),
    "k": (semconv.REQUEST_TOP_K, int),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, strings),
    "seed": (semconv.REQUEST_SEED, int),
    "frequency_penalty": (semconv.REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (semconv.REQUEST_PRESENCE_PENALTY, float),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, _REQUEST)
    if fields(body.get("response_format")).get("type") == "json_object":
        attributes[semconv.OUTPUT_TYPE] = "json"
    return attributes


_ROLES = {"CHATBOT": "assistant", "USER": "user", "SYSTEM": "system", "TOOL": "tool"}


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The conversation so far, and what the user says now."""
    history = [_message(fields(message)) for message in sequence(body.get("chat_history"))]
    results = [part for result in sequence(body.get("tool_results")) for part in _result(fields(result))]
    asked = [{"role": "tool", "parts": results}] if results else []
    if text := body.get("message"):
        asked.append({"role": "user", "parts": [shapes.text(text)]})
    preamble = body.get("preamble")
    return Prompt(
        messages=history + asked,
        system=[shapes.text(preamble)] if preamble else None,
        tools=[_tool(fields(tool)) for tool in sequence(body.get("tools"))] or None,
    )


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = str(message.get("role") or "USER")
    parts = [shapes.text(text)] if (text := message.get("message")) else list[dict[str, Any]]()
    parts += [_call(fields(call)) for call in sequence(message.get("tool_calls"))]
    parts += [part for result in sequence(message.get("tool_results")) for part in _result(fields(result))]
    return {"role": _ROLES.get(role, role.lower()), "parts": parts}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    return shapes.tool_call(None, call.get("name"), call.get("parameters"))


def _result(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of one call, which is repeated with them instead of being named by an id."""
    return [shapes.tool_call_response(None, result.get("outputs"))]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.get("name"),
        "description": tool.get("description"),
        "parameters": _schema(fields(tool.get("parameter_definitions"))),
    }


_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
"""Cohere spells types as Python does."""


def _schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool's parameters as the schema that the conventions ask for."""
    given = {name: fields(parameter) for name, parameter in parameters.items()}
    return {
        "type": "object",
        "properties": {name: _property(parameter) for name, parameter in given.items()},
        "required": [name for name, parameter in given.items() if parameter.get("required")],
    }


def _property(parameter: dict[str, Any]) -> dict[str, Any]:
    told = {"type": _TYPES.get(str(parameter.get("type"))), "description": parameter.get("description")}
    return {key: value for key, value in told.items() if value is not None}


# --- embeddings ------------------------------------------------------------------------------------------------------


def read_embeddings(response: Any, into: Sink) -> None:
    """Reads who made the embeddings, and of how many tokens where it is told."""
    top = fields(response)
    into.identity(top.get("id"), None)
    into.usage(read_usage(fields(top.get("meta"))))


_EMBEDDINGS = {
    "output_dimension": (semconv.EMBEDDINGS_DIMENSION_COUNT, int),
    "embedding_types": (semconv.REQUEST_ENCODING_FORMATS, strings),
}


def request_embeddings(body: Mapping[str, Any]) -> Attributes:
    """The parameters of a request for embeddings."""
    return request_attributes(body, _EMBEDDINGS)


def prompt_embeddings(body: Mapping[str, Any]) -> Prompt:
    """What is to be embedded; it is no message to anybody."""
    return Prompt(texts=[text for text in sequence(body.get("texts")) if isinstance(text, str)])


FORMAT = WireFormat("botocore", "", semconv.CHAT, read, request, prompt)
EMBEDDINGS = WireFormat(
    "botocore", "", semconv.EMBEDDINGS, read_embeddings, request_embeddings, prompt_embeddings, generates=False
)
