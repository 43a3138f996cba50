"""Chunk events whose texts are redacted: a secret is usually spread over several chunks, so it is looked for in all of them."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from streamspan.answer import Sink, dump_json
from streamspan.listeners.chunk_events import Chunk, ChunkEvents
from streamspan.redaction import Redaction

_Text = tuple[str, int, int, int | str | None]
"""One text that chunks bring piece by piece: its kind, from which start, of which choice, of which tool call."""
_Piece = tuple[Chunk, str, str]
"""The chunk that brings it, what stands before it in any case, and what it is."""


def chunk_events(read: Callable[[Any, Sink], None], answer: Sink, redaction: Redaction | None) -> ChunkEvents:
    """Notes what each chunk of a stream says."""
    return ChunkEvents(read, answer) if redaction is None else RedactedChunkEvents(read, answer, redaction)


class RedactedChunkEvents(ChunkEvents):
    """Keeps apart what belongs to different texts, and tells it when all is there."""

    __slots__ = ("_calls", "_redaction", "_said", "_start")

    told_at_the_end: ClassVar[bool] = True

    def __init__(self, read: Callable[[Any, Sink], None], answer: Sink, redaction: Redaction) -> None:
        super().__init__(read, answer)
        self._redaction = redaction
        self._said: dict[_Text, list[_Piece]] = {}
        self._calls: dict[int, int | str] = {}
        """The newest tool call of each choice."""
        self._start = 0

    def merged(self, limit: int, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Some of the chunks, redacted, as of the base class."""
        said, self._said = self._said, {}
        for (kind, *_), pieces in said.items():
            self._tell(kind, pieces)
        return super().merged(limit, start, stop)

    def _tell(self, kind: str, pieces: list[_Piece]) -> None:
        texts = [text for *_, text in pieces]
        redacted = self._redaction.argument_pieces(texts) if kind == "tool_call" else self._redaction.pieces(texts)
        for (chunk, before, _), text in zip(pieces, redacted, strict=True):
            setattr(chunk, kind, getattr(chunk, kind) + before + text)

    def _note(self, kind: str, index: int, text: str, key: int | str | None = None, before: str = "") -> None:
        if self.chunks and self._chunk is self.chunks[-1]:  # else it repeats other chunks
            self._said.setdefault((kind, self._start, index, key), []).append((self._chunk, before, text))

    # --- the Sink ---

    def text(self, index: int, text: str) -> None:  # noqa: D102 - see Sink
        self._note("text", index, text)
        self._answer.text(index, text)

    def refusal(self, index: int, text: str) -> None:  # noqa: D102
        self._note("text", index, text, "refusal")
        self._answer.refusal(index, text)

    def reasoning(self, index: int, text: str) -> None:  # noqa: D102
        self._note("reasoning", index, text)
        self._answer.reasoning(index, text)

    def tool_call(  # noqa: D102
        self, index: int, key: int | str | None, name: str | None, arguments: str, call_id: str | None = None, **more: Any
    ) -> None:
        call = self._calls[index] = key if isinstance(key, int | str) else self._calls.get(index, 0)
        text = arguments if type(arguments) is str else dump_json(arguments)
        self._note("tool_call", index, text, call, f"{name}: " if name else "")
        self._answer.tool_call(index, key, name, arguments, call_id, **more)

    def anew(self) -> None:  # noqa: D102
        self._start += 1
        super().anew()
