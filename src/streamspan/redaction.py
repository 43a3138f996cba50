"""What must not be written is taken out of every text before anything is: by patterns, or by a function of the application's."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any, Final, cast

from streamspan.errors import logger, once

REDACTED: Final = "[redacted]"
"""What stands where a pattern matched."""
FAILED: Final = "[redaction failed]"
"""What stands for a whole text where the application's function failed."""

_Run = tuple[int, int, str | None]
"""From where to where in a text, and what stands there now; ``None``: what stood there."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Takes out of a text what must not be written. It never raises, and never gives a text back unredacted."""

    patterns: tuple[re.Pattern[str], ...] = ()
    function: Callable[[str], str] | None = None
    """In place of patterns."""

    def __call__(self, text: str) -> str:
        """The text as it may be written."""
        if self.function is not None:
            return _ask(self.function, text)
        for pattern in self.patterns:
            text = pattern.sub(_replace, text)
        return text

    # --- messages ---

    def messages(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages, instructions or tools: every text in them; not what makes their structure, such as roles, ids and names."""
        return [self._item(item) for item in messages]

    def _item(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return self.json(item)
        given = cast("dict[str, Any]", item)
        kept = _OF_MEDIA if "modality" in given else _OF_ITEMS
        return {key: value if key in kept and isinstance(value, str) else self._field(key, value) for key, value in given.items()}

    def _field(self, key: str, value: Any) -> Any:
        if key == "parts" and isinstance(value, list):
            return [self._item(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
        if key == "arguments" and isinstance(value, str):
            return self.unparsed(value)
        return self.json(value)

    def json(self, value: Any) -> Any:
        """Any JSON: its strings, keys and numbers, as data of the application's can be in all of them."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(str(key)): self.json(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        if isinstance(value, list | tuple):
            return [self.json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        if value is None or isinstance(value, bool):
            return value
        redacted = self(text := str(value))
        return value if redacted == text and isinstance(value, int | float) else redacted

    def arguments(self, text: str) -> str:
        """A tool call's arguments as the model wrote them: what is escaped in the JSON is found, too."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self.unparsed(text)
        redacted = self.json(value)
        return self(text if redacted == value else json.dumps(redacted, ensure_ascii=False, separators=(",", ":")))

    def unparsed(self, text: str) -> str:
        """The same where they are no JSON, as when the model was cut short."""
        plain = _ESCAPE.sub(_unescape, text)
        redacted = self(plain)
        return self(text) if redacted == plain else redacted

    # --- pieces of a text ---

    def pieces(self, pieces: list[str]) -> list[str]:
        """The pieces of one text: what stays is in the piece where it was, what is replaced in that where the old text began.

        Joined, they are the redacted text: so no piece holds any of what was taken out.
        """
        if self.function is not None:
            return align(pieces, self("".join(pieces)))
        for pattern in self.patterns:
            runs = list(_runs(pattern, text := "".join(pieces)))
            pieces = _lay_out(pieces, text, runs) if len(runs) > 1 else pieces
        return pieces

    def argument_pieces(self, pieces: list[str]) -> list[str]:
        """Likewise of a tool call's arguments."""
        return align(pieces, self.arguments("".join(pieces)))


_OF_ITEMS: Final = frozenset({"type", "role", "id", "name", "finish_reason"})
_OF_MEDIA: Final = frozenset({"type", "modality", "mime_type"})
"""Their names are those of files."""
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPED.get(match[2], match[2])


def _replace(match: re.Match[str]) -> str:
    return REDACTED if match[0] else ""


def _ask(function: Callable[[str], str], text: str) -> str:
    try:
        redacted: Any = function(text)
        if isinstance(redacted, str):
            return redacted
        problem = f"returned {type(redacted).__name__}"
    except Exception as error:  # whatever the application's function raises is no defect of ours
        problem = f"raised {type(error).__name__}"
    if once("redact", problem):  # not the message: it may quote the text
        logger.warning("streamspan: the function for redact= %s; %r is written in place of such a text", problem, FAILED)
    return FAILED


# --- which piece has what ----------------------------------------------------------------------------------------------

_MOST_WORDS: Final = 10_000
"""Of longer texts, all between the first and the last change counts as changed: comparing takes the time of the application."""
_WORD: Final = re.compile(r"\S+|\s+")


def align(pieces: list[str], text: str) -> list[str]:
    """Pieces of ``text``, whose words are where they were in ``pieces``, as far as they were there."""
    before = "".join(pieces)
    return pieces if before == text else _lay_out(pieces, before, _changes(_WORD.findall(before), _WORD.findall(text)))


def _changes(before: list[str], after: list[str]) -> Iterator[_Run]:
    at = [0, *accumulate(map(len, before))]
    for kind, start, stop, first, last in _compare(before, after):
        yield at[start], at[stop], None if kind == "equal" else "".join(after[first:last])


def _compare(before: list[str], after: list[str]) -> Iterable[tuple[str, int, int, int, int]]:
    if max(len(before), len(after)) <= _MOST_WORDS:
        return SequenceMatcher(None, before, after).get_opcodes()
    most = min(len(before), len(after))
    head = next((count for count in range(most) if before[count] != after[count]), most)
    tail = next((count for count in range(most - head) if before[-1 - count] != after[-1 - count]), most - head)
    ends = len(before) - tail, len(after) - tail
    return [
        ("equal", 0, head, 0, head),
        ("replace", head, ends[0], head, ends[1]),
        ("equal", ends[0], len(before), ends[1], len(after)),
    ]


def _runs(pattern: re.Pattern[str], text: str) -> Iterator[_Run]:
    done = 0
    for match in pattern.finditer(text):
        if match[0]:
            yield done, match.start(), None
            yield *match.span(), REDACTED
            done = match.end()
    yield done, len(text), None


def _lay_out(pieces: list[str], text: str, runs: Iterable[_Run]) -> list[str]:
    ends = list(accumulate(map(len, pieces)))
    laid = [""] * len(pieces)
    for start, stop, new in runs:
        at, index = start, bisect_right(ends, start)
        if new is not None:
            laid[min(index, len(laid) - 1)] += new
            continue
        while at < stop:
            end = min(stop, ends[index])
            laid[index] += text[at:end]
            at, index = end, index + 1
    return laid
