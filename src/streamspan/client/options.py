"""What a caller may say of one call, and what is made of it before anything is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Required, TypedDict

from opentelemetry.context import Context

from streamspan.client.linkage import parent_context
from streamspan.client.messages import read_messages
from streamspan.client.question import Question, ToolChoice, read_response_format, read_stop, read_tool_choice, read_tools
from streamspan.client.routing import Provider, provider_of


class Options(TypedDict, total=False):
    """What a caller may say of one call."""

    model: Required[str]
    """The model's id, which goes to the provider as it is."""
    messages: Required[Iterable[Mapping[str, Any]]]
    """``{"role": ..., "content": text or parts}``, and `RunLocalResult.message`; by system, developer, user, assistant, tool.

    A part is ``{"type": "text", "text": ...}``, ``{"type": "image", "url": ...}`` or ``{"type": "image", "data": bytes or base64,
    "mime_type": ...}``. A message of a tool has ``tool_call_id``, ``tool_name`` and ``content``.
    """
    provider: str | None
    """``openai``, ``anthropic``, ``google`` or ``amazon_bedrock``, where the model's id does not tell."""
    provider_api_key: str | None
    """In place of the client's, and of the one in the environment. Of Bedrock it is a Bedrock API key."""
    temperature: float | None
    """How freely the model chooses its words: without a unit, on the provider's own scale."""
    top_p: float | None
    """The share of likely words that it chooses from: without a unit, from 0 to 1."""
    max_output_tokens: int | None
    """Of Anthropic's models 4096 unless it is said, as their API insists on a number."""
    stop: str | Iterable[str] | None
    """Texts at which the model shall stop."""
    stop_sequences: str | Iterable[str] | None
    """The same as ``stop``."""
    timeout: float | None
    """Seconds to wait for the provider, by the rules of its SDK: for most each read counts anew, so a stream may take longer."""
    timeout_ms: int | None
    """The same in milliseconds."""
    tools: Iterable[Mapping[str, Any]] | None
    """``{"name": ..., "description": ..., "parameters": JSON schema}``; the schema goes to the provider untouched."""
    tool_choice: ToolChoice | Mapping[str, Any] | None
    """``"auto"``, ``"none"``, ``"required"``, or ``{"name": ...}``."""
    response_format: str | Mapping[str, Any] | None
    """``{"type": "json_schema", "schema": JSON schema}``, or ``{"type": "json_object"}`` where the provider has that."""
    variables: Mapping[str, object] | None
    """What ``{{name}}`` stands for in what system, developer and user say. Other names stay as they are."""
    tags: str | Iterable[str] | None
    """``streamspan.tags`` on the call's span."""
    user_id: str | None
    """``user.id`` on the call's span."""
    session_id: str | None
    """``session.id`` on it."""
    trace_id: str | None
    """The trace that the call belongs to, as 32 hexadecimal digits; by default that of the current span."""
    parent_span_id: str | None
    """The span that the call belongs under, as 16 hexadecimal digits, in the trace of ``trace_id``."""
    extra: Mapping[str, Any] | None
    """More arguments of the SDK's method (of Google's: of its ``config``), in the provider's own spelling; they win."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, ready to be made."""

    provider: Provider
    question: Question
    key: str | None
    timeout: float | None
    parent: Context | None
    """Whose child its span is, if not the current one's."""
    who: Mapping[str, Any]
    """What its span says of who and what it is for."""


def run_local(
    *,
    model: str,
    messages: Iterable[Mapping[str, Any]],
    provider: str | None = None,
    provider_api_key: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_output_tokens: int | None = None,
    stop: str | Iterable[str] | None = None,
    stop_sequences: str | Iterable[str] | None = None,
    timeout: float | None = None,
    timeout_ms: int | None = None,
    tools: Iterable[Mapping[str, Any]] | None = None,
    tool_choice: Any = None,
    response_format: Any = None,
    variables: Mapping[str, object] | None = None,
    tags: str | Iterable[str] | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    trace_id: str | None = None,
    parent_span_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Asked:
    """Reads `Options`; it is called as what it stands for, as Python names it where there is no such option.

    Raises:
        ValueError: If something in it cannot be; the message says what.
    """
    known = read_tools(tools)
    seconds = _seconds(timeout, timeout_ms)
    question = Question(
        model=_model(model),
        messages=read_messages(messages, variables),
        temperature=temperature,
        top_p=top_p,
        max_output_tokens=max_output_tokens,
        stop=read_stop(stop, stop_sequences),
        tools=known,
        tool_choice=read_tool_choice(tool_choice, known),
        response_format=read_response_format(response_format),
        timeout=seconds,
        extra=extra or {},
    )
    who = {"user_id": user_id, "session_id": session_id, "tags": tags}
    return Asked(
        provider=provider_of(model, provider),
        question=question,
        key=provider_api_key,
        timeout=seconds,
        parent=parent_context(trace_id, parent_span_id),
        who={name: value for name, value in who.items() if value is not None},
    )


def _model(model: Any) -> str:
    if not (isinstance(model, str) and model):
        message = f"model is {model!r}, where a model's id belongs"
        raise ValueError(message)
    return model


def _seconds(timeout: float | None, timeout_ms: int | None) -> float | None:
    if timeout is not None and timeout_ms is not None:
        raise ValueError("timeout and timeout_ms are the same: give one of them")
    seconds = timeout_ms / 1000 if timeout_ms is not None else timeout
    if seconds is not None and seconds <= 0:
        raise ValueError("timeout is a number of seconds above 0")
    return seconds
