"""What a wire format is: how one provider API spells a request and an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamspan import semconv
from streamspan.answer import Sink

Attributes = dict[str, str | int | float | bool | list[str]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The content of a request, in the JSON shapes of the GenAI conventions; ``None`` where it has none."""

    messages: list[dict[str, Any]] | None = None
    """``[{"role": ..., "parts": [...]}]``"""
    system: list[dict[str, Any]] | None = None
    """``[{"type": "text", "content": ...}]``"""
    tools: list[dict[str, Any]] | None = None
    """``[{"type": "function", "name": ..., ...}]``"""
    texts: list[str] | None = None
    """What is sent but is nobody's message, such as texts to embed: its tokens count, it is not written."""


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One provider API. All of it is pure: no SDK, no OpenTelemetry, no state."""

    sdk: str
    """The package whose requests are matched, such as ``openai``."""
    path: str
    """The logical path that its requests go to, such as ``/chat/completions``; a last segment of ``{id}`` stands for any.
    Of Amazon's SDKs the service and operation, such as ``/bedrock-runtime/Converse`` (which is ``ConverseStream`` as well)."""
    operation: str
    """``gen_ai.operation.name``."""
    read: Callable[[Any, Sink], None]
    """Tells the sink what a chunk, or a whole response, says. It gets the SDK's object or the wire's decoded JSON."""
    request: Callable[[Mapping[str, Any]], Attributes]
    """The request's body as span attributes, without content."""
    prompt: Callable[[Mapping[str, Any]], Prompt]
    """The request's content."""
    ends_with_event: bool = False
    """Whether a stream is over only with a terminal event of its own; else it is when every choice has a finish reason."""
    generates: bool = True
    """Whether the model says anything; else there is no choice to finish and no output to count, as with embeddings."""
    choices_key: str = "n"
    """What a request calls the number of answers that it wants."""
    method: str = "post"
    """The HTTP method of its requests, in lower case. A GET has its query as its body, and ``id`` for the path's ``{id}``."""
    gives_reasons: bool = True
    """Whether an answer says why it ended, as those do that a model may cut short."""
    estimates: bool = True
    """Whether tokens that are not reported can be estimated from the text: those of images and sound cannot."""
    fetches: bool = False
    """Whether it reads again what another request had made, which has been charged there."""
    subject: str = "model"
    """What a request calls that which the span is named after, besides the operation."""
    spoken: str = ""
    """What a request calls the text to be spoken, by whose characters some models are paid."""
    opaque: bool = False
    """Whether the answer may leave out why it ended and what it used, as an agent's does: then the stream's end is its end, and
    no count is estimated, as what can be seen is not all that was read and written."""
    within: "Callable[[Mapping[str, Any]], WireFormat] | None" = None
    """Tells the format of one request, where this is an envelope that carries several."""

    def of(self, body: Mapping[str, Any]) -> "WireFormat":
        """The format of a request with this body."""
        return self if self.within is None else self.within(body)


def fields(value: Any) -> dict[str, Any]:
    """The fields of a chunk or of a part of it, as a mapping; empty for what has none, such as ``None``.

    SDK objects keep theirs in ``__dict__``. Reading a field that an SDK object lacks by ``getattr`` would cost 5 us.
    """
    if type(value) is dict:
        return value  # pyright: ignore[reportUnknownVariableType]
    try:
        return value.__dict__
    except AttributeError:
        return {}


def sequence(value: Any) -> list[Any]:
    """``value`` if it is a list, else nothing: anything else may be an iterator that the SDK still has to read."""
    return list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def plain(value: Any) -> Any:
    """``value`` as JSON has it, out of the SDK's objects, without what is null."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    state = fields(value)
    return {key: plain(item) for key, item in state.items() if item is not None} if state else value


def count(value: Any) -> int | None:
    """``value`` if it is a number of something; wires that carry the bodies of many have seen everything."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else None


def strings(value: Any) -> list[str]:
    """``value`` as a list of strings, where one alone may be sent as it is."""
    return [value] if isinstance(value, str) else [str(item) for item in value]


def extras(value: Any) -> dict[str, Any]:
    """The fields that the SDK has no name for, such as ``reasoning_content`` of compatible servers."""
    if type(value) is dict:
        return value  # pyright: ignore[reportUnknownVariableType]
    return getattr(value, "__pydantic_extra__", None) or {}


def request_attributes(body: Mapping[str, Any], names: Mapping[str, tuple[str, Callable[[Any], Any]]]) -> Attributes:
    """What a request sets, by a table of body key -> (attribute, conversion); what does not convert is left out."""
    attributes: Attributes = {}
    for key, (attribute, convert) in names.items():
        if (value := body.get(key)) is not None:
            try:
                attributes[attribute] = convert(value)
            except (TypeError, ValueError):
                continue
    if attributes.get(semconv.REQUEST_CHOICE_COUNT) == 1:  # by the conventions told only where it is another
        del attributes[semconv.REQUEST_CHOICE_COUNT]
    return attributes
