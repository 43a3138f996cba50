"""Chunks of any kind, as a program has them in hand: text, bytes, or what a provider sends, recognised by its shape."""

import codecs
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamspan.answer import Sink
from streamspan.providers import (
    anthropic_completions,
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    google_genai,
    google_interactions,
    openai_chat,
    openai_completions,
    openai_responses,
)
from streamspan.sse import EventDecoder
from streamspan.wire import WireFormat, fields, sequence

if TYPE_CHECKING:
    from collections.abc import Callable


def _inside(name: str) -> WireFormat:
    """OpenAI's chunks, where each comes as a member of an event."""

    def read(event: Any, into: Sink) -> None:
        openai_chat.read(fields(event).get(name), into)

    return replace(openai_chat.FORMAT, read=read)


_ENVELOPES = {"chunk": _inside("chunk"), "data": _inside("data")}
"""The events of OpenAI's ``stream()`` helper, beside which it has others that say the same, and those of Mistral's SDK."""
_INVOKE = replace(bedrock_invoke.FORMAT, opaque=False)
_ANTHROPIC = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "message",
    }
)
_CONVERSE = frozenset({"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "stopReason"})
_GOOGLE = frozenset({"candidates", "usage_metadata", "prompt_feedback"})


class ChunkReader:
    """Reads the chunks of one stream, whatever they are; the first that is a provider's says how the others are read."""

    __slots__ = ("_decode", "_events", "found")

    def __init__(self) -> None:
        self.found: WireFormat | None = None
        """The format of the chunks, once one of them has shown it."""
        self._events: EventDecoder | None = None
        self._decode: Callable[[bytes], str] | None = None

    def read(self, chunk: Any, into: Sink) -> None:
        """Tells the sink what a chunk says; what nobody knows says nothing."""
        if type(chunk) is str:
            if chunk:
                into.text(0, chunk)
        elif self.found is not None and not isinstance(chunk, bytes):
            self.found.read(chunk, into)
        elif isinstance(chunk, str | bytes | bytearray):
            self._read_raw(chunk, into)
        elif chunk is not None:
            self._read_first(chunk, into)

    def _read_first(self, chunk: Any, into: Sink) -> None:
        self.found = recognise(chunk)
        if self.found is not None:
            self.found.read(chunk, into)
        elif error := _error_format(chunk):
            error.read(chunk, into)
        elif text := _plain_text(chunk):
            into.text(0, text)

    def _read_raw(self, data: str | bytes | bytearray, into: Sink) -> None:
        """Bytes: those of server-sent events if they begin as such, else those of text."""
        if isinstance(data, str):
            into.text(0, str(data))
            return
        if self._decode is None:
            self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
            self._events = EventDecoder() if bytes(data).lstrip().startswith(_EVENT_STARTS) else None
        text = self._decode(bytes(data))
        if self._events is None:
            if text:
                into.text(0, text)
            return
        for event in self._events.feed(text):
            self.read(event, into)


_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


def recognise(chunk: Any) -> WireFormat | None:
    """The format of a provider's chunk, or of its whole answer, by its shape; ``None`` for what nobody knows."""
    top = fields(chunk)
    kind, event, what = top.get("type"), top.get("event_type"), top.get("object")
    if "choices" in top:
        return openai_completions.FORMAT if _has_texts(top["choices"]) else openai_chat.FORMAT
    if (isinstance(kind, str) and kind.startswith("response.")) or what == "response":
        return openai_responses.FORMAT
    if wrapped := next((name for name in _ENVELOPES if "choices" in fields(top.get(name))), None):
        return _ENVELOPES[wrapped]
    if isinstance(event, str):
        return google_interactions.FORMAT if event.partition(".")[0] in {"interaction", "step", "content"} else None
    if isinstance(kind, str):
        return anthropic_messages.FORMAT if kind in _ANTHROPIC else anthropic_completions.FORMAT if kind == "completion" else None
    return _recognise_untyped(top, chunk)


def _recognise_untyped(top: dict[str, Any], chunk: Any) -> WireFormat | None:
    if _CONVERSE & top.keys() or (top.keys() == {"metadata"} and "usage" in fields(top["metadata"])):
        return bedrock_converse.FORMAT
    if "bytes" in fields(top.get("chunk")):
        return _INVOKE
    return google_genai.FORMAT if _GOOGLE & google_genai.fields(chunk).keys() else None


def _has_texts(choices: Any) -> bool:
    return any("text" in fields(choice) for choice in sequence(choices))


def _error_format(chunk: Any) -> WireFormat | None:
    """Who reads an error that arrives as a value; it does not say whose the other chunks are."""
    top = fields(chunk)
    if top.get("type") == "error":
        return openai_responses.FORMAT  # Anthropic's is read by it, too
    if error := fields(top.get("error")):
        return google_genai.FORMAT if "status" in error else openai_chat.FORMAT
    return None


def _plain_text(chunk: Any) -> str | None:
    """The text of an object of some framework's, under one of the names that these have for it."""
    top = fields(chunk)
    if str(top.get("type")).endswith("done"):  # it repeats what came in pieces
        return None
    return next((text for name in ("text", "delta", "content") if isinstance(text := top.get(name), str) and text), None)
