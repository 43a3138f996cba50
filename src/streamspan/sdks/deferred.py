"""Who and what a stream is for that is asked for in one place, and sent in another: with its first item, wherever it is read."""

import sys
from types import FrameType
from typing import Any
from weakref import finalize, ref

from streamspan import who
from streamspan.budgets.scope import Scopes
from streamspan.errors import guard

Told = tuple[who.Values, Scopes]
"""Who and what a stream is for, and what it is charged to."""

_told: dict[int, tuple[ref[Any], Told]] = {}
"""By the id of the frame of the SDK's generator."""


def frame_of(stream: Any) -> FrameType | None:
    """The frame of a generator, sync or async."""
    return getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)


@guard("noting a stream")
def note_who(stream: Any) -> None:
    """Remembers what holds here, where the stream is asked for."""
    if (values := who.in_force()) and (frame := frame_of(stream)) is not None:
        told = _told[id(frame)] = ref(stream), (values, who.scopes_in_force())
        finalize(stream, _forget, id(frame), told).atexit = False


def _forget(key: int, told: object) -> None:
    if _told.get(key) is told:
        del _told[key]


def find_who() -> Told:
    """Who and what the request is for that the running code sends, and what it is charged to."""
    frame: FrameType | None = sys._getframe(1) if _told else None
    while frame is not None:
        stream, told = _told.get(id(frame), (None, None))
        if told is not None and stream is not None and frame_of(stream()) is frame:
            return told
        frame = frame.f_back
    return who.in_force(), who.scopes_in_force()
