"""One span event per chunk, when asked for."""

import math
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, ClassVar

from streamspan import semconv
from streamspan.answer import Kind, Sink, mend
from streamspan.usage import Cost, Usage
from streamspan.wire import Attributes


class Chunk:
    """What one chunk said, or several consecutive ones."""

    __slots__ = ("at", "count", "index", "reasoning", "text", "tool_call")

    def __init__(self, index: int, at: float, count: int = 1) -> None:
        self.index = index
        self.at = at
        """`time.perf_counter` when it came."""
        self.count = count
        self.text = ""
        self.reasoning = ""
        self.tool_call = ""

    def attributes(self, started: float, *, content: bool) -> Attributes:
        """As a span event; ``offset`` is in seconds since the call's start. Without ``content``: only that it came, and when."""
        said: Attributes = {semconv.CHUNK_INDEX: self.index, semconv.CHUNK_OFFSET: round(self.at - started, 6)}
        if self.count > 1:
            said[semconv.CHUNK_COUNT] = self.count
        if content:
            texts = {
                semconv.CHUNK_TEXT: self.text,
                semconv.CHUNK_REASONING: self.reasoning,
                semconv.CHUNK_TOOL_CALL: self.tool_call,
            }
            said |= {key: mend(text) for key, text in texts.items() if text}
        return said


class ChunkEvents:
    """Stands between a wire format and the answer, and notes what each chunk says; a `Sink`."""

    __slots__ = ("_answer", "_chunk", "_read", "chunks")

    told_at_the_end: ClassVar[bool] = False
    """Whether none may be told before all are there."""

    def __init__(self, read: Callable[[Any, Sink], None], answer: Sink) -> None:
        self._read = read
        self._answer = answer
        self._chunk = Chunk(0, 0.0)
        self.chunks: list[Chunk] = []

    def read(self, chunk: Any, into: Sink) -> None:  # noqa: ARG002 - the signature of a wire format's ``read``
        """Reads one chunk into the answer and keeps what it said."""
        self._chunk = Chunk(len(self.chunks), perf_counter())
        self.chunks.append(self._chunk)
        self._read(chunk, self)

    def merged(self, limit: int, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Some of the chunks, consecutive ones put together as far as needed for at most ``limit``: no text is lost."""
        chunks = self.chunks[start:stop]
        size = math.ceil(len(chunks) / max(1, limit))
        for first in range(0, len(chunks), max(1, size)):
            yield _merge(chunks[first : first + size])

    # --- the Sink: what an event shows is noted, all is passed on ---

    def text(self, index: int, text: str) -> None:  # noqa: D102 - see Sink
        self._chunk.text += text
        self._answer.text(index, text)

    def refusal(self, index: int, text: str) -> None:  # noqa: D102
        self._chunk.text += text
        self._answer.refusal(index, text)

    def reasoning(self, index: int, text: str) -> None:  # noqa: D102
        self._chunk.reasoning += text
        self._answer.reasoning(index, text)

    def tool_call(  # noqa: D102
        self,
        index: int,
        key: int | str | None,
        name: str | None,
        arguments: str,
        call_id: str | None = None,
        *,
        server: dict[str, Any] | None = None,
    ) -> None:
        self._chunk.tool_call += f"{name}: {arguments}" if name else arguments
        self._answer.tool_call(index, key, name, arguments, call_id, server=server)

    def part(self, index: int, part: dict[str, Any]) -> None:  # noqa: D102
        self._answer.part(index, part)

    def boundary(self, index: int) -> None:  # noqa: D102
        self._answer.boundary(index)

    def finish(self, index: int, reason: str) -> None:  # noqa: D102
        self._answer.finish(index, reason)

    def usage(self, usage: Usage) -> None:  # noqa: D102
        self._answer.usage(usage)

    def usage_so_far(self, read: Callable[[Any], Usage], total: Any) -> None:  # noqa: D102
        self._answer.usage_so_far(read, total)

    def cost(self, cost: Cost) -> None:  # noqa: D102
        self._answer.cost(cost)

    def more_usage(self, usage: Usage) -> None:  # noqa: D102
        self._answer.more_usage(usage)

    def worker(self, model: str) -> None:  # noqa: D102
        self._answer.worker(model)

    def identity(self, response_id: str | None, model: str | None) -> None:  # noqa: D102
        self._answer.identity(response_id, model)

    @property
    def response_id(self) -> str | None:  # noqa: D102
        return self._answer.response_id

    @property
    def text_index(self) -> int:  # noqa: D102
        return self._answer.text_index

    @property
    def kinds(self) -> frozenset[Kind]:  # noqa: D102
        return self._answer.kinds

    def attribute(self, key: str, value: str) -> None:  # noqa: D102
        self._answer.attribute(key, value)

    def background(self) -> None:  # noqa: D102
        self._answer.background()

    def anew(self) -> None:  # noqa: D102
        self._chunk = Chunk(0, 0.0)  # of no event: what follows repeats other chunks
        self._answer.anew()

    def done(self) -> None:  # noqa: D102
        self._answer.done()

    def error(self, code: str, message: str) -> None:  # noqa: D102
        self._answer.error(code, message)


def _merge(chunks: list[Chunk]) -> Chunk:
    merged = Chunk(chunks[0].index, chunks[0].at, len(chunks))
    merged.text = "".join(chunk.text for chunk in chunks)
    merged.reasoning = "".join(chunk.reasoning for chunk in chunks)
    merged.tool_call = "".join(chunk.tool_call for chunk in chunks)
    return merged
