"""What the model has said so far: the one place where parts, tool calls, usage and finish reasons are put together."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from time import perf_counter
from typing import Any, Literal, Protocol

from streamspan.errors import report
from streamspan.shapes import parse_arguments, server_tool_call, stand_in, tool_call
from streamspan.usage import Cost, Usage

MOST_CHOICES = 128
"""What OpenAI allows: nobody who asks for a million answers, or numbers one so, shall have a million of them on a span."""

Kind = Literal["text", "reasoning", "refusal", "tool_call", "other"]


class Sink(Protocol):
    """The vocabulary in which a wire format says what a chunk holds. Indexes are choice indexes: 0 unless ``n`` > 1."""

    def text(self, index: int, text: str) -> None:
        """More visible output."""

    def reasoning(self, index: int, text: str) -> None:
        """More of the model's thinking, as far as the provider shows it."""

    def refusal(self, index: int, text: str) -> None:
        """More of a refusal, where the wire keeps it apart from text."""

    def tool_call(
        self,
        index: int,
        key: int | str | None,
        name: str | None,
        arguments: str,
        call_id: str | None = None,
        *,
        server: dict[str, Any] | None = None,
    ) -> None:
        """A tool call, or a fragment of one: fragments of the same ``key`` belong together, a name or id is given once.

        ``None`` as key is the call before, for servers that number nothing. Of a call that the provider makes itself,
        ``server`` has what is to be told beside its arguments, the ``type`` at least.
        """

    def part(self, index: int, part: dict[str, Any]) -> None:
        """A part of another kind, whole, as the conventions' JSON has it: ``{"type": ...}``."""

    def boundary(self, index: int) -> None:
        """What follows is a new part, even if of the same kind as the last."""

    def finish(self, index: int, reason: str) -> None:
        """Why this choice ended, in the provider's word."""

    def usage(self, usage: Usage) -> None:
        """Token counts so far: running totals, which replace earlier ones."""

    def usage_so_far(self, read: Callable[[Any], Usage], total: Any) -> None:
        """A complete running total, such as every chunk brings it: ``read(total)`` is made of the last one only."""

    def cost(self, cost: Cost) -> None:
        """What the provider says that it charges, as few do: in place of what we would calculate."""

    def more_usage(self, usage: Usage) -> None:
        """Token counts of one more of several requests behind this answer, which are added up."""

    def identity(self, response_id: str | None, model: str | None) -> None:
        """Who answers; only the first of each counts."""

    def worker(self, model: str) -> None:
        """The model that one of several requests behind this answer goes to; if they differ, none of them is who answers."""

    def attribute(self, key: str, value: str) -> None:
        """A fact for the span under its semconv name, such as the service tier."""

    def background(self) -> None:
        """The answer is made apart from this request: others may ask for it too, and its usage belongs to one of them."""

    def anew(self) -> None:
        """What follows is the whole answer, in place of the pieces that were streamed of it."""

    def done(self) -> None:
        """The provider's terminal event."""

    def error(self, code: str, message: str) -> None:
        """An error that arrives as a value and raises nothing."""

    @property
    def response_id(self) -> str | None:
        """The answer's id, once a chunk has brought it: what is on every chunk need be read from the first only."""
        ...

    @property
    def text_index(self) -> int:
        """The choice whose text is being written now; -1 if it is none: for a short way from there on."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of output that have come so far: for wires that end with a repetition of all that they streamed."""
        ...


class Part:
    """A piece of one choice's output: text of some kind, or a tool call."""

    __slots__ = ("buffer", "call_id", "kind", "name", "value")

    def __init__(self, kind: Kind, *, name: str | None = None, call_id: str | None = None, value: Any = None) -> None:
        self.kind: Kind = kind
        self.buffer = StringIO()  # grows in place, at one byte a character for ASCII: a list of pieces would cost 50 a chunk
        self.name = name
        self.call_id = call_id
        self.value = value

    @property
    def string(self) -> str:
        """All of its text so far, fit for UTF-8."""
        return mend(self.buffer.getvalue())


class Choice:
    """One of the answers to a request (there are several only when ``n`` > 1)."""

    __slots__ = ("finish", "last", "parts", "tools")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.last: Part | None = None
        self.tools: dict[int | str, Part] = {}
        self.finish: str | None = None

    def open(self, part: Part) -> Part:
        """Begins a new part."""
        self.parts.append(part)
        self.last = part
        return part

    def tool(self, key: int | str | None) -> Part:
        """The tool call of that key, begun on first mention; the newest one for ``None``."""
        if not isinstance(key, int | str):
            key = next(reversed(self.tools), None)
        part = self.tools.get(key or 0)
        if part is None:
            part = self.tools[key or 0] = self.open(Part("tool_call"))
        return part


class Answer:
    """Folds what a wire format reads out of chunks into one answer; a `Sink`.

    Appending is the hot path and holds no locks: another thread may look at any time, and sees all but the newest text.
    """

    __slots__ = (
        "_buffer_index",
        "_buffer_kind",
        "_reported",
        "_so_far",
        "_so_far_read",
        "_write",
        "attributes",
        "charged",
        "choices",
        "failure",
        "first_content_at",
        "in_background",
        "model",
        "response_id",
        "terminal",
        "text_index",
        "workers",
    )

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.choices: dict[int, Choice] = {}
        self._reported = Usage()
        self._so_far: tuple[Callable[[Any], Usage], Any] | None = None
        self._so_far_read: tuple[Callable[[Any], Usage], Any] | None = None
        self.charged: Cost | None = None
        self.attributes: dict[str, str] = {}
        self.terminal = False
        self.in_background = False
        self.failure: tuple[str, str] | None = None
        self.workers: set[str] = set()
        """The models of the requests behind an agent's answer."""
        self.first_content_at: float | None = None
        """`time.perf_counter` when the first text, reasoning, refusal or tool call came."""
        self._buffer_index, self._buffer_kind, self.text_index = -1, "", -1
        self._write = _write_nowhere

    # --- the Sink ---

    def text(self, index: int, text: str) -> None:  # noqa: D102 - see Sink
        if index != self.text_index:
            self._switch(index, "text")
        self._write(text)

    def reasoning(self, index: int, text: str) -> None:  # noqa: D102
        if index != self._buffer_index or self._buffer_kind != "reasoning":
            self._switch(index, "reasoning")
        self._write(text)

    def refusal(self, index: int, text: str) -> None:  # noqa: D102
        if index != self._buffer_index or self._buffer_kind != "refusal":
            self._switch(index, "refusal")
        self._write(text)

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
        self._close()
        part = self._begin(index).tool(key)
        part.name = part.name or _string(name)
        part.call_id = part.call_id or call_id
        part.value = part.value or server
        part.buffer.write(arguments if type(arguments) is str else dump_json(arguments))  # Ollama sent objects

    def part(self, index: int, part: dict[str, Any]) -> None:  # noqa: D102
        self._close()
        self._begin(index).open(Part("other", value=part))

    def boundary(self, index: int) -> None:  # noqa: D102
        self._close()
        self.choice(index).last = None

    def finish(self, index: int, reason: str) -> None:  # noqa: D102
        self.choice(index).finish = str(reason)

    def usage(self, usage: Usage) -> None:  # noqa: D102
        self.reported.update(usage)

    def usage_so_far(self, read: Callable[[Any], Usage], total: Any) -> None:  # noqa: D102
        self._so_far = read, total

    @property
    def reported(self) -> Usage:
        """What the provider has reported so far."""
        so_far = self._so_far
        if so_far is not self._so_far_read and so_far is not None:
            self._so_far_read = so_far
            read, total = so_far
            try:
                self._reported.update(read(total))
            except Exception as error:  # it must not cost the rest of the span
                report(error, "reading usage")
        return self._reported

    @reported.setter
    def reported(self, usage: Usage) -> None:
        self._reported, self._so_far_read = usage, self._so_far

    def cost(self, cost: Cost) -> None:  # noqa: D102
        self.charged = cost

    def more_usage(self, usage: Usage) -> None:  # noqa: D102
        self.reported.add(usage)

    def worker(self, model: str) -> None:  # noqa: D102
        self.workers.add(model)
        self.model = model if len(self.workers) == 1 else None

    def identity(self, response_id: str | None, model: str | None) -> None:  # noqa: D102
        self.response_id = self.response_id or _string(response_id)
        self.model = self.model or _string(model)

    def attribute(self, key: str, value: str) -> None:  # noqa: D102
        self.attributes[key] = value

    def background(self) -> None:  # noqa: D102
        self.in_background = True

    def anew(self) -> None:  # noqa: D102
        self._close()
        self.choices = {}

    def done(self) -> None:  # noqa: D102
        self.terminal = True

    def error(self, code: str, message: str) -> None:  # noqa: D102
        self.failure = self.failure or (code, message)

    @property
    def kinds(self) -> frozenset[Kind]:  # noqa: D102
        parts = (part for choice in self.choices.values() for part in choice.parts)
        return frozenset(part.kind for part in parts if part.kind == "other" or part.buffer.tell())

    # --- inside ---

    def choice(self, index: int) -> Choice:
        """The choice of that index, made on first mention; the first one for what is no index."""
        if type(index) is not int or not 0 <= index < MOST_CHOICES:
            index = 0
        choice = self.choices.get(index)
        if choice is None:
            choice = self.choices[index] = Choice()
        return choice

    def _close(self) -> None:
        """The next text, of whatever kind, has to find its part anew."""
        self._buffer_index = self.text_index = -1

    def _begin(self, index: int) -> Choice:
        if self.first_content_at is None:
            self.first_content_at = perf_counter()
        return self.choice(index)

    def _switch(self, index: int, kind: Kind) -> None:
        choice = self._begin(index)
        part = choice.last
        if part is None or part.kind != kind:
            part = choice.open(Part(kind))
        self._buffer_index, self._buffer_kind, self._write = index, kind, part.buffer.write
        self.text_index = index if kind == "text" else -1

    # --- what it amounts to ---

    def finished(self, expected: int) -> bool:
        """Whether each of at least ``expected`` choices has said why it ended."""
        return all(map(self._reason, range(max(expected, len(self.choices)))))

    @property
    def characters(self) -> int:
        """How long the output is so far, in characters; costs no more for a long one."""
        return sum(part.buffer.tell() for choice in tuple(self.choices.values()) for part in tuple(choice.parts))

    def parts(self, *kinds: Kind) -> Iterator[Part]:
        """The parts of these kinds, choice by choice, in the order in which they came."""
        for _, choice in sorted(self.choices.items()):
            yield from (part for part in choice.parts if part.kind in kinds)

    def first_text(self, *kinds: Kind) -> str:
        """All text of these kinds of the first choice."""
        return "".join(part.string for part in self.first_parts(*kinds))

    def first_parts(self, *kinds: Kind) -> list[Part]:
        """The parts of these kinds of the first choice."""
        return [part for part in self.choices[min(self.choices)].parts if part.kind in kinds] if self.choices else []

    def preview(self, limit: int) -> str:
        """The last ``limit`` characters of the visible output of the first choice; of its tool calls if it has no text."""
        if limit <= 0 or not self.choices:
            return ""
        parts = self.choices[min(self.choices)].parts
        visible = [part for part in parts if part.kind in {"text", "refusal"}]
        if visible:
            return _tail([part.string for part in visible], limit)
        return _tail([f"{part.name}({part.string})" for part in parts if part.kind == "tool_call"], limit)

    def generated_text(self) -> str:
        """All that the model generated, for estimating its tokens: text, reasoning, refusals, tool names and arguments."""
        return "".join((part.name or "") + part.string for part in self.parts("text", "reasoning", "refusal", "tool_call"))

    def finish_reasons(self, expected: int) -> tuple[str, ...]:
        """One reason per choice, ``"error"`` where it never came (the conventions' rule), for at least ``expected`` choices."""
        count = max(expected, *(index + 1 for index in self.choices), 1)
        return tuple(self._reason(index) or "error" for index in range(count))

    def _reason(self, index: int) -> str | None:
        choice = self.choices.get(index)
        return choice.finish if choice else None

    def messages(self, expected: int) -> list[dict[str, Any]]:
        """``gen_ai.output.messages``: one assistant message per choice; no reason is missing where none is expected."""
        missing = "error" if expected else None
        return [_message(self.choices[index], self._reason(index) or missing) for index in sorted(self.choices)]


def _string(value: Any) -> str | None:
    """``value`` if it is text, and not empty: what servers send is not always what they say."""
    return value if isinstance(value, str) and value else None


def _write_nowhere(text: str, /) -> int:  # pragma: no cover - replaced before the first write
    return len(text)


def _message(choice: Choice, reason: str | None) -> dict[str, Any]:
    why = {"finish_reason": reason} if reason else {}
    return {"role": "assistant", "parts": [_part(part) for part in choice.parts], **why}


def _part(part: Part) -> dict[str, Any]:
    if part.kind == "other":
        return part.value
    if part.kind == "tool_call":
        return _call(part)
    return {"type": part.kind, "content": part.string}


def _call(part: Part) -> dict[str, Any]:
    arguments = parse_arguments(part.string)
    if part.value is None:
        return tool_call(part.call_id, part.name, arguments)
    given: dict[str, Any] = {**arguments} if isinstance(arguments, dict) else {"arguments": arguments}
    return server_tool_call(part.call_id, part.name, {**part.value, **given, **part.value})


def dump_json(value: Any) -> str:
    """Compact JSON in UTF-8-safe text; what JSON cannot hold becomes its ``str``, and bytes a reference."""
    return mend(_encode(value))


_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=stand_in
).encode  # `json.dumps` would make one per call


def mend(text: str) -> str:
    """``text`` with surrogate pairs joined and lone surrogates replaced: protobuf refuses a whole batch for one of them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _tail(texts: list[str], limit: int) -> str:
    tail = ""
    for text in reversed(texts):
        tail = text[-(limit - len(tail)) :] + tail
        if len(tail) >= limit:
            break
    return tail
