"""Keeps from an application what only we asked for: the usage of a stream of OpenAI chat completions.

Asked for usage, the provider adds one chunk without choices, on which many a loop over ``chunk.choices[0]`` fails, and a
``"usage": null`` to every other. Both are taken out of the bytes, before anybody parses them: so each way to read a stream gives
what it would have given, and a chunk does not even know of a field that it was not sent.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from streamspan.errors import guard
from streamspan.wire import fields

Tell = Callable[[dict[str, Any]], None]

_ENDS = (b"\n\n", b"\r\n\r\n")
"""Of an event."""
_EVENT = re.compile(rb".*?\r?\n\r?\n", re.DOTALL)
_NULL = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,')
"""What a string inside of JSON cannot hold: its quotation marks are escaped."""
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_SHOWN = ("error", "prompt_filter_results")
"""What a chunk without choices may be there for, besides usage."""


class UsageHider:
    """Takes the usage out of the bytes of one stream of server-sent events, and tells what it was."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What is to be passed on of the next bytes: all whole events, and later what is no whole one yet."""
        if self._rest:
            data = self._rest + data
        if data.endswith(b"\n\n"):  # as nearly always
            self._rest = b""
        else:
            end = max(data.rfind(mark) + len(mark) if mark in data else 0 for mark in _ENDS)
            data, self._rest = data[:end], data[end:]
        if b'"usage"' not in (short := data.replace(b',"usage":null', b"")):  # all but the last, as OpenAI spells them
            return short
        hidden = self._hide(data)
        return data if hidden is None else hidden

    def end(self) -> bytes:
        """What is left, where the stream ends within an event."""
        rest, self._rest = self._rest, b""
        return rest

    @guard("hiding usage")
    def _hide(self, events: bytes) -> bytes:
        return b"".join(map(self._pass_on, _EVENT.findall(events)))

    def _pass_on(self, event: bytes) -> bytes:
        if _NO_CHOICES.search(event) and is_usage_alone(chunk := _parse(event)):
            self._tell(chunk)
            return b""
        return _NULL.sub(b"", event)


def is_usage_alone(chunk: Any) -> bool:
    """Whether a chunk, the SDK's or decoded JSON, is there for its usage only."""
    top = fields(chunk)
    return top.get("choices") == [] and bool(top.get("usage")) and not any(top.get(name) for name in _SHOWN)


def _parse(event: bytes) -> Any:
    data = b"\n".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        return json.loads(data)
    except ValueError:
        return None
