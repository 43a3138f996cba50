"""Streams that a program has a hold on before their request is sent: google-genai sends it when the first chunk is asked for."""

import sys
from collections.abc import Callable
from types import FrameType

from streamspan.call import Call

_waiting: dict[FrameType, list[Callable[[Call], None]]] = {}
"""By the frame of the SDK's generator: who wants to know of the call that is started in it. An id would not do: once a generator
is exhausted, another one's frame may have it."""


def expect(frame: FrameType, tell: Callable[[Call], None]) -> None:
    """Has ``tell`` called with the first call that starts under ``frame``."""
    _waiting.setdefault(frame, []).append(tell)


def forget(frame: FrameType) -> None:
    """Expects nothing any more in this frame."""
    _waiting.pop(frame, None)


def announce(call: Call) -> None:
    """Tells all who wait for a call that starts here."""
    frame: FrameType | None = sys._getframe(1) if _waiting else None
    while frame is not None:
        if found := _waiting.pop(frame, None):
            for tell in found:
                tell(call)
            return
        frame = frame.f_back
