"""Makes content fit into a limit, so that its JSON stays valid and says what was left out.

Long strings keep their head and their tail, the longest are cut first. Where that is not enough, messages of the middle go.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from streamspan.answer import dump_json, mend

Measure = Callable[[str], int]
"""In what the limit is given: `len` for characters, as the SDK counts, or `utf8_bytes`, as receivers do."""

_READABLE: Final = 256
"""No string is cut shorter than so, in JSON, while there are messages of the middle to leave out."""
_SHORTEST: Final = 64
"""No string is cut shorter than so at all: what says that it was cut takes half of that."""
_NAMES: Final = frozenset({"role", "type", "id", "name", "finish_reason"})
"""The keys whose strings are never cut, as far as they are no longer than `_LONGEST_NAME`, as data in tool calls can be."""
_LONGEST_NAME: Final = 256
_FEWER_ITEMS: Final = (16, 8, 4, 2, 1)
"""How many items each list keeps, where not even the first and the newest message fit: the largest number that does."""


def utf8_bytes(text: str) -> int:
    """How long the text is in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def shorten(value: Any, limit: int, measure: Measure = len) -> tuple[Any, bool]:
    """A list of messages, or other JSON content, so short that `dump_json` of it fits; and whether that took anything away.

    Args:
        value: What JSON can hold. It is left as it is: what is cut is a copy.
        limit: How long the JSON may be. The least that can hold something is 2, for ``[]``.
        measure: What the limit counts.
    """
    if measure(text := dump_json(value)) <= limit:
        return value, False
    return _shortened(text, limit, measure), True


def shorten_json(value: Any, limit: int, measure: Measure = len) -> tuple[str, bool]:
    """Like `shorten`, and gives the JSON text."""
    if measure(text := dump_json(value)) <= limit:
        return text, False
    return dump_json(_shortened(text, limit, measure)), True


def shorten_text(text: str, limit: int, measure: Measure = len) -> tuple[str, bool]:
    """A text that fits, and whether it was cut: one that is a JSON list or object stays one, any other keeps head and tail."""
    if measure(text) <= limit:
        return text, False
    if text.lstrip()[:1] in {"[", "{"} and (value := _parsed(text)) is not None:
        return shorten_json(value, limit, measure)[0], True
    return _cut(mend(text), limit, measure), True


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _shortened(text: str, limit: int, measure: Measure) -> Any:
    empty: Any = {} if text.startswith("{") else []
    try:
        value = json.loads(text)
        if isinstance(value, str):
            return _cut(mend(value), limit, _in_json(measure))
        return next((short for attempt in _attempts(value, limit, measure) if (short := _fill(*attempt)) is not None), empty)
    except RecursionError:  # nested a thousand deep
        return empty


_Attempt = tuple[Any, int, int, Measure]


def _attempts(value: Any, limit: int, measure: Measure) -> Iterator[_Attempt]:
    """What could fit, and how short its strings may become for that: the less is lost, the earlier."""
    for least in (_READABLE, _SHORTEST):
        yield value, least, limit, measure
        if isinstance(value, list) and len(cast("list[Any]", value)) > 2:
            yield _first_and_newest(cast("list[Any]", value), least, limit, measure), least, limit, measure
    for count in _FEWER_ITEMS:
        yield _with_fewer_items(value, count), _SHORTEST, limit, measure


def _fill(value: Any, least: int, limit: int, measure: Measure) -> Any:
    """``value`` with the longest strings cut to the largest size that makes it fit, or ``None`` where that is below ``least``."""
    in_json = _in_json(measure)
    sizes = [size for text in _texts(value) if (size := in_json(text)) > least]
    room = limit - measure(dump_json(value)) + sum(sizes)
    if room < len(sizes) * least:
        return None
    return _with_texts_cut(value, largest_cap(sizes, room), in_json) if sizes else value


def largest_cap(sizes: Iterable[int], room: int) -> int:
    """The largest number that as many may have as are larger, for all of them to take no more than the room."""
    ascending = sorted(sizes)
    for taken, size in enumerate(ascending):
        if size * (left := len(ascending) - taken) > room:
            return room // left
        room -= size
    return ascending[-1]


def _first_and_newest(messages: list[Any], least: int, limit: int, measure: Measure) -> list[Any]:
    """The first message and as many of the newest as fit if every string may become as short as ``least``; one at least."""
    first, *others = (measure(dump_json(_with_texts_cut(message, least, _in_json(measure)))) + 1 for message in messages)
    room, count = limit - len("[") - first, 0
    for size in reversed(others):
        room -= size
        if room < 0:
            break
        count += 1
    return [*messages[:1], *messages[max(1, len(messages) - max(1, count)) :]]


def _with_fewer_items(value: Any, count: int) -> Any:
    """``value`` where each list has its first and last items, and each object its first entries, of which there are more."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        kept = items if len(items) <= count else [*items[: count // 2], *items[count // 2 - count :]]
        return [_with_fewer_items(item, count) for item in kept]
    if isinstance(value, dict):
        entries = list(cast("dict[str, Any]", value).items())[: max(count, 8)]  # a message or a part has fewer
        return {key: _with_fewer_items(item, count) for key, item in entries}
    return value


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Every string that may be cut."""
    if isinstance(value, str):
        if not _is_name(key, value):
            yield value
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            yield from _texts(item, name)


def _with_texts_cut(value: Any, cap: int, in_json: Measure, key: str = "") -> Any:
    """``value`` with every string that may be cut no larger than the cap, or than `_SHORTEST`, in JSON."""
    if isinstance(value, str):
        cap = max(cap, _SHORTEST)
        return value if _is_name(key, value) or in_json(value) <= cap else _cut(mend(value), cap, in_json)
    if isinstance(value, list):
        return [_with_texts_cut(item, cap, in_json) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _with_texts_cut(item, cap, in_json, name) for name, item in cast("dict[str, Any]", value).items()}
    return value


def _is_name(key: str, value: str) -> bool:
    return key in _NAMES and len(value) <= _LONGEST_NAME


def _in_json(measure: Measure) -> Measure:
    return lambda text: measure(dump_json(text))


def _cut(text: str, limit: int, measure: Measure) -> str:
    """Head and tail of a text, as much of both as fits; the head alone where there is no room to say what was left out."""
    kept = bisect_right(range(min(len(text), limit)), limit, key=lambda count: measure(_excerpt(text, count))) - 1
    if kept >= 0:
        return _excerpt(text, kept)
    return text[: bisect_right(range(1, len(text) + 1), limit, key=lambda count: measure(text[:count]))]


def _excerpt(text: str, kept: int) -> str:
    head, tail = kept - kept // 2, kept // 2
    return f"{text[:head]}…[{len(text) - kept} characters left out]…{text[len(text) - tail :]}"
