"""How a call can end, and what its error is called."""

import asyncio
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

COMPLETED: Final = "completed"
"""The provider's terminal event was seen."""
TRUNCATED: Final = "truncated"
"""The server ended the stream without it."""
ABORTED: Final = "aborted"
"""The caller closed the stream or left its ``with``."""
ABANDONED: Final = "abandoned"
"""The stream was dropped without closing, or was open at exit."""
CANCELLED: Final = "cancelled"
"""The task was cancelled, a timeout struck, Ctrl-C was pressed."""
FAILED: Final = "failed"
"""An exception, or an error that came as an event."""

_SECRET = re.compile(r"\b((?:sk|pk|rk|key)[-_]|(?:bearer|basic)\s+)[\w*.\-]{6,}", re.IGNORECASE)
_KEY = re.compile(r"\b(?:AIza[\w\-]{30,}|A[KS]IA[0-9A-Z]{16})\b")
"""Google's and Amazon's."""


def classify(error: BaseException) -> str:
    """The outcome of a call that this exception ended: what is no `Exception` is somebody's wish to stop, not a failure."""
    return FAILED if isinstance(error, Exception) else CANCELLED


def leaving() -> str:
    """The outcome of a stream that is being closed now: cancelled if an exception of that kind is what drives the caller out."""
    error = sys.exception()
    while isinstance(error, GeneratorExit):  # in a generator that is being closed, by somebody who may be on the way out
        error = error.__context__
    return CANCELLED if isinstance(error, asyncio.CancelledError | KeyboardInterrupt) else ABORTED


def error_type(error: BaseException) -> str:
    """``error.type``: the provider's own code where the exception has one, else the HTTP status, else the exception's class.

    A status of 200 is that of a stream that failed after its start. Google's word for what happened is ``status``.
    """
    inner = _provider_error(error)
    word = inner.get("status")
    if code := word if isinstance(word, str) else inner.get("code") or inner.get("Code") or inner.get("type"):
        return str(code)
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return str(status)
    return class_name(error)


def class_name(error: BaseException) -> str:
    """The exception's class as the conventions spell it: with its module, unless it is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def error_message(error: BaseException) -> str:
    """The provider's own message where the exception has one, else the exception's."""
    inner = _provider_error(error)
    return str(inner.get("message") or inner.get("Message") or error)


def _provider_error(error: BaseException) -> Mapping[str, Any]:
    # Where OpenAI's and Anthropic's SDK keep it, where Google's does, and where Amazon's does.
    body: Any = getattr(error, "body", None) or getattr(error, "details", None) or getattr(error, "response", None)
    given: dict[str, Any] = {**body} if isinstance(body, Mapping) else {}
    inner: Any = given.get("error") or given.get("Error") or given
    return inner if isinstance(inner, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def scrub(message: str) -> str:
    """``message`` without anything that looks like a key, and not endless."""
    return without_keys(message)[:1000]


def without_keys(text: str) -> str:
    """``text`` without anything that looks like a key."""
    return _KEY.sub("[removed]", _SECRET.sub(r"\1[removed]", text))
