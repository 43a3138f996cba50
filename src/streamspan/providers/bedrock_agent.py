"""Amazon Bedrock's agents: one question, and behind the answer as many requests to models as the agent finds necessary.

What the models read and wrote is told in the trace alone, request by request, which comes if it is asked for (``enableTrace``),
and is summed. Without it the tokens are unknown, and stay so: what the agent says is a small part of what its models wrote.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html
https://docs.aws.amazon.com/bedrock/latest/userguide/trace-events.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink, dump_json
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, count, fields, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of the answer."""
    for kind, value in fields(event).items():
        if reader := _READERS.get(kind):
            reader(fields(value), into)


def _read_chunk(chunk: dict[str, Any], into: Sink) -> None:
    """A piece of the answer; all of it, if it does not stream."""
    if isinstance(data := chunk.get("bytes"), bytes):
        into.text(0, data.decode("utf-8", "replace"))


def _read_trace(part: dict[str, Any], into: Sink) -> None:
    """One step of the agent, or of an agent that works for it.

    Only an answer of a model has the tokens of one request; other steps may sum up what came before.
    """
    for step in map(fields, fields(part.get("trace")).values()):
        if model := fields(step.get("modelInvocationInput")).get("foundationModel"):
            into.worker(str(model))
        if usage := fields(fields(fields(step.get("modelInvocationOutput")).get("metadata")).get("usage")):
            into.more_usage(Usage(input_tokens=count(usage.get("inputTokens")), output_tokens=count(usage.get("outputTokens"))))


def _read_control(control: dict[str, Any], into: Sink) -> None:
    """What the application is to do for the agent: functions of its action groups."""
    for index, asked in enumerate(map(fields, sequence(control.get("invocationInputs")))):
        call = fields(asked.get("functionInvocationInput") or asked.get("apiInvocationInput"))
        given = {str(said.get("name")): said.get("value") for said in map(fields, _parameters(call))}
        into.tool_call(0, index, _name(call), dump_json(given), control.get("invocationId"))


def _parameters(call: dict[str, Any]) -> list[Any]:
    """The parameters of a function, or those of an HTTP request, in its path and in its body."""
    content = fields(fields(call.get("requestBody")).get("content"))
    return [*sequence(call.get("parameters")), *(said for body in content.values() for said in sequence(body))]


def _name(call: dict[str, Any]) -> str:
    """A function's name in its group, as the application knows it."""
    asked = call.get("function") or f"{call.get('httpMethod')} {call.get('apiPath')}"
    return f"{call.get('actionGroup')}.{asked}"


def _read_files(part: dict[str, Any], into: Sink) -> None:
    """Files that the agent made; their bytes stay where they are."""
    for file in map(fields, sequence(part.get("files"))):
        into.part(0, shapes.media(file.get("bytes"), file.get("type"), name=file.get("name")))


_READERS = {"chunk": _read_chunk, "trace": _read_trace, "returnControl": _read_control, "files": _read_files}


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {
    "agentId": (semconv.AGENT_ID, str),
    "agentName": (semconv.AGENT_NAME, str),
    "sessionId": (semconv.CONVERSATION_ID, str),
    "foundationModel": (semconv.REQUEST_MODEL, str),
}
_GUARDRAIL = {
    "guardrailIdentifier": (semconv.AWS_BEDROCK_GUARDRAIL_ID, str),
    "guardrailVersion": (semconv.AWS_BEDROCK_GUARDRAIL_VERSION, str),
}


def request(body: Mapping[str, Any]) -> Attributes:
    """Which agent is asked, in which conversation; of an agent that exists for this request only, its model too."""
    guardrail = fields(body.get("guardrailConfiguration"))
    return {**request_attributes(body, _REQUEST), **request_attributes(guardrail, _GUARDRAIL)}


def prompt(body: Mapping[str, Any]) -> Prompt:
    """What the agent is asked, or what the application has done for it since."""
    state = fields(body.get("sessionState") or body.get("inlineSessionState"))
    done = [_result(state, fields(result)) for result in sequence(state.get("returnControlInvocationResults"))]
    asked = [{"role": "tool", "parts": done}] if done else []
    if text := body.get("inputText"):
        asked.append({"role": "user", "parts": [shapes.text(text)]})
    instruction = body.get("instruction")
    return Prompt(messages=asked, system=[shapes.text(instruction)] if instruction else None)


def _result(state: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    given = fields(result.get("functionResult") or result.get("apiResult"))
    return shapes.tool_call_response(state.get("invocationId"), given.get("responseBody"))


FORMAT = WireFormat(
    "botocore",
    "/bedrock-agent-runtime/InvokeAgent",
    semconv.INVOKE_AGENT,
    read,
    request,
    prompt,
    subject="agentName",
    opaque=True,
)
INLINE = replace(FORMAT, path="/bedrock-agent-runtime/InvokeInlineAgent")
