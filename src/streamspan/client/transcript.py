"""What a model has said to a client so far: the answer as the wire formats read it, and what they leave aside of it.

A provider wants some of its answer back word for word, such as the signature of a thought; no span needs that.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from streamspan.answer import Answer, Part, parse_arguments
from streamspan.client.finish import finish_reason
from streamspan.client.messages import OWN_ID
from streamspan.client.results import FinishReason
from streamspan.result import ToolCall, text_of
from streamspan.wire import fields, sequence

Seal = Literal["signature", "redacted"]


class Transcript(Answer):
    """An `Answer` whose text can be taken as it comes, and whose parts can be signed."""

    __slots__ = ("_fresh", "_seals")

    def __init__(self) -> None:
        super().__init__()
        self._fresh: list[str] = []
        self._seals: dict[Part, tuple[Seal, str]] = {}

    def text(self, index: int, text: str) -> None:
        """More visible output; that of the first choice is kept to be taken."""
        super().text(index, text)
        if index == 0:
            self._fresh.append(text)

    def refusal(self, index: int, text: str) -> None:
        """A refusal is to be seen as well."""
        super().refusal(index, text)
        if index == 0:
            self._fresh.append(text)

    def take(self) -> str:
        """The text that came since the last time."""
        if not (fresh := self._fresh):
            return ""
        text = fresh[0] if len(fresh) == 1 else "".join(fresh)
        fresh.clear()
        return text

    def seal(self, kind: Seal, value: str) -> None:
        """Signs the newest thought; one of which nothing is shown becomes a part now."""
        last = self.choice(0).last
        self.seal_part(last if last is not None and last.kind in {"reasoning", "other"} else self.open("reasoning"), kind, value)

    def seal_part(self, part: Part, kind: Seal, value: str) -> None:
        """Signs one part."""
        self._seals[part] = (kind, value)

    def open(self, kind: Literal["text", "reasoning"]) -> Part:
        """Begins a part of which nothing is said yet."""
        self.boundary(0)
        return self.choice(0).open(Part(kind))

    @property
    def visible(self) -> str:
        """All visible text of the first choice so far."""
        return text_of(self)

    @property
    def calls(self) -> list[Part]:
        """The tool calls of the first choice."""
        return self.first_parts("tool_call")

    # --- what it amounts to ---

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, each with an id."""
        return tuple(_tool_call(position, part) for position, part in enumerate(self.calls))

    def finish_reason(self) -> tuple[FinishReason | None, str | None]:
        """Why it ended: in our word, and in the provider's."""
        word = self.choice(0).finish
        refused = bool(self.first_parts("refusal"))
        return finish_reason(word, calls=bool(self.calls), refused=refused), word

    def message(self, provider: str) -> dict[str, Any]:
        """The assistant's message, to be sent back."""
        calls = iter(self.tool_calls())
        parts = [piece for part in tuple(self.choice(0).parts) if (piece := self._piece(part, provider, calls))]
        if all(part.keys() == {"type", "text"} and part["type"] == "text" for part in parts):
            return {"role": "assistant", "content": "".join(part["text"] for part in parts)}
        return {"role": "assistant", "content": parts}

    def _piece(self, part: Part, provider: str, calls: Iterator[ToolCall]) -> dict[str, Any] | None:
        sealed = dict([self._seals[part]]) if part in self._seals else {}
        match part.kind:
            case "text" | "refusal":
                return {"type": "text", "text": part.string, **sealed}
            case "tool_call":
                call = next(calls)
                return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.raw_arguments, **sealed}
            case "reasoning":
                return {"type": "reasoning", "text": part.string, "provider": provider, **sealed}
            case "other":
                return {"type": "reasoning", "text": "", "provider": provider, **sealed} if sealed else None


def _tool_call(position: int, part: Part) -> ToolCall:
    raw = part.string
    return ToolCall(part.call_id or f"{OWN_ID}{position}", part.name, parse_arguments(raw), raw or "{}")


# --- what the wire formats leave aside -------------------------------------------------------------------------------

Sealer = Callable[[Any, Transcript], None]
"""Tells a transcript what of a chunk, or of a whole answer, is to be sent back word for word; the chunk has been read already."""


def seal_nothing(chunk: Any, into: Transcript) -> None:
    """For a provider that wants nothing back."""


def seal_anthropic(event: Any, into: Transcript) -> None:
    """Signatures of thoughts, and thoughts that are not shown."""
    top = fields(event)
    kind = top.get("type")
    if kind == "content_block_delta":
        delta = fields(top.get("delta"))
        if delta.get("type") == "signature_delta":
            into.seal("signature", str(delta.get("signature") or ""))
    elif kind == "content_block_start":
        if sealed := _anthropic_seal(fields(top.get("content_block"))):
            into.seal(*sealed)
    elif kind == "message":
        _seal_blocks(map(fields, sequence(top.get("content"))), into)


def _seal_blocks(blocks: Iterable[dict[str, Any]], into: Transcript) -> None:
    """Those of a whole message: each block is a part, unless there is nothing to see."""
    parts, position = into.choice(0).parts, 0
    for block in blocks:
        sealed, is_seen = _anthropic_seal(block), block.get(str(block.get("type")), True)
        if sealed and not is_seen:
            parts.insert(position, Part("reasoning"))
        if sealed:
            into.seal_part(parts[position], *sealed)
        position += bool(sealed or is_seen)


def _anthropic_seal(block: dict[str, Any]) -> tuple[Seal, str] | None:
    if block.get("type") == "redacted_thinking":
        return "redacted", str(block.get("data") or "")
    signature = block.get("signature")
    return ("signature", signature) if signature and isinstance(signature, str) else None


def seal_google(chunk: Any, into: Transcript) -> None:
    """Thought signatures, on whatever part they come."""
    for candidate in sequence(fields(chunk).get("candidates"))[:1]:
        parts = [fields(part) for part in sequence(fields(fields(candidate).get("content")).get("parts"))]
        calls = [part for part in parts if part.get("function_call")]
        for call, part in zip(calls, into.calls[len(into.calls) - len(calls) :], strict=True):
            if signature := call.get("thought_signature"):
                into.seal_part(part, "signature", _base64(signature))
        for part in parts:
            if (signature := part.get("thought_signature")) and not part.get("function_call"):
                last = into.choice(0).last
                into.seal_part(last if last and last.kind == "text" else into.open("text"), "signature", _base64(signature))


def seal_bedrock(event: Any, into: Transcript) -> None:
    """Signatures of thoughts, and thoughts that are not shown."""
    delta = fields(fields(event).get("contentBlockDelta")).get("delta")
    if sealed := _bedrock_seal(fields(delta).get("reasoningContent")):
        into.seal(*sealed)
    message = fields(fields(fields(event).get("output")).get("message"))
    for part, block in zip(into.choice(0).parts, sequence(message.get("content")), strict=False):
        content = fields(fields(block).get("reasoningContent"))
        if sealed := _bedrock_seal({**content, **fields(content.get("reasoningText"))}):
            into.seal_part(part, *sealed)


def _bedrock_seal(content: Any) -> tuple[Seal, str] | None:
    said = fields(content)
    if redacted := said.get("redactedContent"):
        return "redacted", _base64(redacted)
    return ("signature", str(said["signature"])) if said.get("signature") else None


def _base64(value: bytes | str) -> str:
    return value if isinstance(value, str) else base64.b64encode(value).decode()
