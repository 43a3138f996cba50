"""Reading along with an application that takes the raw bytes of a response: server-sent events, one JSON document, or text."""

import codecs
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streamspan.call import Call
from streamspan.errors import guard

_LINE_END = re.compile("\r\n|\n|\r")


class WireReader:
    """Decodes a response's bytes as they pass, and feeds a call what the SDK would have parsed out of them.

    It understands gzip and deflate, as every HTTP client asks for; a body in another encoding, or of another type, such as sound,
    passes unread.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "json")
        self._is_text = kind.startswith("text/")
        readable = self._is_text or "json" in kind
        self._decompress = _decompressor(headers.get("content-encoding", "")) if readable else None
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._events = EventDecoder() if "text/event-stream" in kind else None
        self._whole: list[str] = []

    @guard("reading along with a raw response")
    def feed(self, data: bytes, call: Call) -> None:
        """Takes the next bytes."""
        if self._decompress is None:
            return
        text = self._decode(self._decompress(data))
        if self._events is None:
            self._whole.append(text)
        else:
            for event in self._events.feed(text):
                call.feed(event)

    @guard("reading along with a raw response")
    def end(self, call: Call) -> None:
        """Takes the end of the body."""
        if self._decompress is None:
            call.passed()
        elif self._events is None:
            whole = "".join(self._whole)
            call.answered(whole if self._is_text else _parse(whole))
        else:
            call.exhausted()


class EventDecoder:
    """Server-sent events out of text in pieces (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self) -> None:
        self._rest = ""
        self._data: list[str] = []
        self._name = ""

    def feed(self, text: str) -> Iterator[Any]:
        """The JSON of each event that ``text`` completes; ``[DONE]`` and what is no JSON is left out."""
        *lines, self._rest = _LINE_END.split(self._rest + text)
        for line in lines:
            if line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif line.startswith("event:"):
                self._name = line[6:].strip()
            elif not line and self._data:
                event, self._data = _parse("\n".join(self._data)), []
                name, self._name = self._name, ""
                if event is not None and name != "ping":  # which the SDK swallows, too
                    yield event


def _decompressor(encoding: str) -> Callable[[bytes], bytes] | None:
    match encoding.strip().lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(wbits=47).decompress  # 32 + 15: either header is recognised
        case _:
            return None


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
