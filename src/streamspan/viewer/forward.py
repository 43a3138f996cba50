"""``--forward``: everything that is received goes on to another receiver, which nobody waits for."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import requests

MOST: Final = 2000
MOST_BYTES: Final = 64 << 20
_TIMEOUT: Final = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_NOT_SENT_ON: Final = frozenset(
    {"host", "origin", "cookie", "connection", "content-length", "transfer-encoding", "accept-encoding"}
)
_AGAIN: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Forward:
    """A queue, and a thread that sends what is in it; when it is full, the oldest goes.

    Args:
        url: the other receiver's base address.
        say: is told, once, that it cannot be reached or refuses, and once that it takes again.
        most: how many requests wait at the most.
        most_bytes: how large they may be together.
    """

    def __init__(self, url: str, say: Callable[[str], None], *, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._url = url.rstrip("/")
        self._say = say
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[Parcel] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_closing = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="streamspan-forward", daemon=True)
        self._thread.start()

    def put(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send this on, some time; returns at once."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _NOT_SENT_ON}
        with self._changed:
            self._waiting.append(Parcel(path, kept, body))
            self._bytes += len(body)
            dropped = 0
            while len(self._waiting) > self._most or (self._bytes > self._most_bytes and len(self._waiting) > 1):
                self._bytes -= len(self._waiting.popleft().body)
                dropped += 1
            self._changed.notify()
        if dropped:
            self._report(f"{self._url} takes too little: what has waited longest is not sent on to it")

    def close(self, seconds: float = 2.0) -> None:
        """Send what waits, if that can be done in this time."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        session = requests.Session()
        pause = _FIRST_PAUSE
        while (parcel := self._next()) is not None:
            if self._sent(session, parcel):
                pause = _FIRST_PAUSE
                continue
            if self._is_closing:
                return
            with self._changed:  # first in the queue again, if there is room
                if len(self._waiting) < self._most:
                    self._waiting.appendleft(parcel)
                    self._bytes += len(parcel.body)
            self._rest(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> Parcel | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            if not self._waiting:
                return None
            parcel = self._waiting.popleft()
            self._bytes -= len(parcel.body)
            return parcel

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            while not self._is_closing and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _sent(self, session: requests.Session, parcel: Parcel) -> bool:
        """Whether the parcel is done with: taken, or refused for good."""
        try:
            answer = session.post(
                f"{self._url}{parcel.path}",
                data=parcel.body,
                headers=dict(parcel.headers),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            self._report(f"{self._url} cannot be reached ({type(error).__name__}): what is received waits, and is shown here")
            return False
        if answer.ok:
            self._recovered()
            return True
        self._report(f"{self._url}{parcel.path} answers {answer.status_code}: what it refuses is shown here only")
        return answer.status_code not in _AGAIN

    def _report(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._say(f"forwarding: {trouble}")

    def _recovered(self) -> None:
        if "cannot be reached" in self._trouble or "takes too little" in self._trouble:
            self._say(f"forwarding: {self._url} takes again")
            self._trouble = ""
