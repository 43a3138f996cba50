"""Content that goes to a store of the application's own, and of which a signal holds a reference only."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import Full, Queue
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from streamspan import semconv
from streamspan.errors import logger, once

_NAMES: Final = {
    semconv.INPUT_MESSAGES: semconv.INPUT_MESSAGES_REF,
    semconv.OUTPUT_MESSAGES: semconv.OUTPUT_MESSAGES_REF,
    semconv.SYSTEM_INSTRUCTIONS: semconv.SYSTEM_INSTRUCTIONS_REF,
    semconv.TOOL_DEFINITIONS: semconv.TOOL_DEFINITIONS_REF,
}
_MOST_WAITING: Final = 256
_PATIENCE: Final = 5.0
"""Seconds that the exit of the process waits for uploads."""


@dataclass(frozen=True, slots=True)
class UploadedContent:
    """The content of one call that has ended, as far as it may be written."""

    trace_id: str
    """The trace, as 32 hexadecimal digits."""
    span_id: str
    """The span of the call, as 16 hexadecimal digits."""
    messages: Mapping[str, list[dict[str, Any]]]
    """``gen_ai.input.messages`` and the like, structured, after redaction, and not shortened."""
    attributes: Mapping[str, Any]
    """What else is told of the call."""


@runtime_checkable
class Upload(Protocol):
    """A store of content; any object with these two methods is one, for ``streamspan.instrument(upload=...)``.

    Example:
        >>> class Bucket:
        ...     def reference(self, content: UploadedContent) -> str:
        ...         return f"s3://prompts/{content.span_id}.json"
        ...
        ...     def upload(self, content: UploadedContent) -> None:
        ...         s3.put_object(Bucket="prompts", Key=f"{content.span_id}.json", Body=json.dumps(content.messages))
    """

    def reference(self, content: UploadedContent) -> str | Mapping[str, str] | None:
        """Where the content will be: for all of it, or by the name of each attribute; ``None``: not in this store.

        It is asked on the thread that ends the call, which is the application's: it must not wait for anything.

        Args:
            content: What is to be stored.
        """
        ...

    def upload(self, content: UploadedContent) -> None:
        """Stores it. This runs on a thread of its own and may take its time.

        Args:
            content: What is to be stored.
        """
        ...


class FileUpload:
    """Stores each call as a JSON file that only this user can read: ``<directory>/<trace id>/<span id>.json``.

    Args:
        directory: Where; it is made when the first file is written.

    Example:
        >>> streamspan.instrument(upload=FileUpload("/var/lib/llm"))
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory).absolute()

    def reference(self, content: UploadedContent) -> str:
        """The file's URL.

        Args:
            content: What is to be stored.
        """
        return self._path(content).as_uri()

    def upload(self, content: UploadedContent) -> None:
        """Writes the file; nobody sees half of it.

        Args:
            content: What is to be stored.

        Raises:
            OSError: If the file cannot be written. streamspan then logs that the content is lost.
        """
        path = self._path(content)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {"trace_id": content.trace_id, "span_id": content.span_id, **content.messages, "attributes": content.attributes}
        unfinished = path.with_suffix(".tmp")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(told, file, ensure_ascii=False, default=str)
        unfinished.replace(path)

    def _path(self, content: UploadedContent) -> Path:
        return self._directory / content.trace_id / f"{content.span_id}.json"


@dataclass(frozen=True, slots=True)
class NamedUpload:
    """A store that the environment names, ``package.module:name``; imported when there is something to store."""

    name: str

    def reference(self, content: UploadedContent) -> str | Mapping[str, str] | None:
        """Where the content will be."""
        return _named(self.name).reference(content)

    def upload(self, content: UploadedContent) -> None:
        """Stores it."""
        _named(self.name).upload(content)


@cache
def _named(name: str) -> Upload:
    module, _, attribute = name.partition(":")
    found: object = getattr(import_module(module), attribute)
    if not isinstance(found, Upload):
        msg = f"{name} has no methods reference and upload"
        raise TypeError(msg)
    return found


# --- the thread that uploads ---------------------------------------------------------------------------------------------

_Work: TypeAlias = tuple[Upload, UploadedContent] | threading.Event
_waiting = Queue[_Work](_MOST_WAITING)
"""What is to be stored; an event is set when its turn comes."""
_thread: threading.Thread | None = None
_lock = threading.Lock()


def references(upload: Upload, content: UploadedContent) -> Mapping[str, str] | None:
    """Has the content stored, and says where, by the names of its attributes.

    Returns:
        Nothing for what could not be stored: it is lost rather than sent elsewhere. ``None`` if the store does not want it.
    """
    try:
        told = upload.reference(content)
    except Exception as error:  # the application's: no defect of ours
        _warn("asking for a reference", type(error).__name__)
        return {}
    if told is None:
        return None
    if not _submit(upload, content):
        return {}
    by_key = dict.fromkeys(content.messages, told) if isinstance(told, str) else told
    return {name: by_key[key] for key, name in _NAMES.items() if key in by_key}


def _submit(upload: Upload, content: UploadedContent) -> bool:
    try:
        _waiting.put_nowait((upload, content))
    except Full:
        _warn("uploading", "too many uploads are waiting")
        return False
    _start()
    return True


def _start() -> None:
    global _thread  # noqa: PLW0603
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_run, name="streamspan-upload", daemon=True)
            _thread.start()


def _run() -> None:
    while True:
        work = _waiting.get()
        if isinstance(work, threading.Event):
            work.set()
            continue
        upload, content = work
        try:
            upload.upload(content)
        except Exception as error:
            _warn("uploading", type(error).__name__)


def flush(patience: float = _PATIENCE) -> bool:
    """Waits until what was given has been stored, but not for ever; and says whether it has."""
    if _waiting.empty() and _thread is None:
        return True
    deadline, done = monotonic() + patience, threading.Event()
    try:
        _waiting.put(done, timeout=patience)
    except Full:
        return False
    return done.wait(deadline - monotonic())


def _after_fork() -> None:
    global _waiting, _thread, _lock
    _waiting, _thread, _lock = Queue[_Work](_MOST_WAITING), None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _warn(doing: str, problem: str) -> None:
    if once("upload", doing, problem):  # not the message: it may quote the content
        logger.warning("streamspan: content is lost: %s failed (%s)", doing, problem)
