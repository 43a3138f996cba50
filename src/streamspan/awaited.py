"""Streams that a program has a hold on before their request is sent: google-genai sends it when the first chunk is asked for."""

import sys
from collections.abc import Callable
from types import FrameType

from streamspan.call import Call

_waiting: dict[int, Callable[[Call], None]] = {}
"""By the id of the frame of the SDK's generator: who wants to know of the call that is started in it."""


def expect(frame: FrameType, tell: Callable[[Call], None]) -> None:
    """Has ``tell`` called with the first call that starts under ``frame``."""
    _waiting[id(frame)] = tell


def forget(frame: int) -> None:
    """Expects nothing any more in the frame of this id."""
    _waiting.pop(frame, None)


def announce(call: Call) -> None:
    """Tells whoever waits for a call that starts here."""
    frame: FrameType | None = sys._getframe(1) if _waiting else None
    while frame is not None:
        if found := _waiting.pop(id(frame), None):
            found(call)
            return
        frame = frame.f_back
