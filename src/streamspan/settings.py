"""Every knob of streamspan, with its default and what it does."""

import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamspan.errors import RAISE_ERRORS, SettingsError, logger, once

PREFIX = "STREAMSPAN_"
CAPTURE_MESSAGE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable that OpenTelemetry's GenAI instrumentations share; ours obeys it too."""

_CAPTURE_WORDS = {
    "true": True,
    "span_only": True,
    "span_and_event": True,
    "false": False,
    "no_content": False,
    "event_only": False,  # streamspan writes no content to events yet, so nothing may be captured
}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How calls are observed. Each field is a keyword of `streamspan.instrument` and a variable ``STREAMSPAN_<FIELD>``.

    A keyword is stronger than an environment variable, which is stronger than the default.
    """

    capture_content: bool = True
    """Whether prompts, outputs and the preview are written to the span. ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``
    (``true``, ``false``, ``SPAN_ONLY``, ``NO_CONTENT``, ...) sets it too; ``STREAMSPAN_CAPTURE_CONTENT`` is stronger."""

    capture_stream_chunks: bool = False
    """Whether each chunk becomes a span event ``streamspan.chunk`` with its text and its time."""

    stream_preview_chars: int = 4096
    """How many of the last characters of the visible output ``streamspan.preview`` holds; 0 writes none."""

    progress_interval: float = 0.5
    """Seconds between two log events ``streamspan.progress`` of a stream that runs; 0 sends none."""

    idle_timeout: float = 0.0
    """Seconds without a chunk after which a stream counts as forgotten, and its span is ended as ``abandoned``; 0 never. The
    stream itself is not touched."""

    pending_span: bool = False
    """Whether each call sends a short child span ``streamspan.pending`` when it starts: for backends that take traces only."""

    flush_on_sigterm: bool = True
    """Whether running calls are ended and sent before SIGTERM ends the process. Left alone where the program handles SIGTERM."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field.name, getattr(self, field.name), _kind(field))
        for name, meaning in _ZERO_MEANS.items():
            if not 0 <= (value := getattr(self, name)) < math.inf:
                msg = f"{name} must be 0 ({meaning}) or more, not {value}"
                raise SettingsError(msg)

    @classmethod
    def load(cls, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings in force: ``overrides`` over the environment over the defaults.

        Args:
            overrides: Keyword arguments of ``instrument()``.
            environ: The environment. What is wrong there is logged in one line and left at its default: a program must
                not fail to start because of a variable.

        Raises:
            SettingsError: If an override does not exist or has a value that it cannot take.
        """
        overrides = dict(overrides or {})
        for name in overrides.keys() - _names():
            raise SettingsError(_unknown(name, _names()))
        return cls(**{**_from_environment(environ), **overrides})


_ZERO_MEANS = {"stream_preview_chars": "no preview", "progress_interval": "no events", "idle_timeout": "no timeout"}
# A bool is an int, so it comes first.
_KINDS: dict[type[bool | int | float], str] = {bool: "true or false", int: "a whole number", float: "a number"}


def _kind(field: "dataclasses.Field[Any]") -> type[bool | int | float]:
    return next(kind for kind in _KINDS if isinstance(field.default, kind))


def _names() -> set[str]:
    return {field.name for field in dataclasses.fields(Settings)}


def _check(name: str, value: object, kind: type) -> None:
    if type(value) is not kind and not (kind is float and type(value) is int):
        msg = f"{name} must be {_KINDS[kind]}, not {value!r}"
        raise SettingsError(msg)


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no setting {name!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known))}"
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    _read_capture_word(environ, values)
    variables = {PREFIX + field.name.upper(): field for field in dataclasses.fields(Settings)}
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and name not in _FOREIGN):
        if (field := variables.get(variable)) is None:
            _warn(_unknown(variable, set(variables)))
        else:
            _read(environ[variable], variable, field, values)
    return values


_FOREIGN = frozenset({RAISE_ERRORS})
"""Variables of the same prefix that are not settings of a call."""


def _read_capture_word(environ: Mapping[str, str], values: dict[str, Any]) -> None:
    if word := environ.get(CAPTURE_MESSAGE_CONTENT, "").strip().lower():
        # An unknown word must not let content out: whoever set this variable was thinking of privacy.
        values["capture_content"] = _CAPTURE_WORDS.get(word, False)
        if word not in _CAPTURE_WORDS:
            _warn(f"{CAPTURE_MESSAGE_CONTENT}={word} is not a known value; no content is captured")


def _read(text: str, variable: str, field: "dataclasses.Field[Any]", values: dict[str, Any]) -> None:
    kind = _kind(field)
    parse: Callable[[str], Any] = _parse_bool if kind is bool else kind
    try:
        value: Any = parse(text.strip())
        Settings(**{field.name: value})
    except ValueError as error:
        reason = error if isinstance(error, SettingsError) else f"{text!r} is not {_KINDS[kind]}"
        _warn(f"{variable}: {reason}; using {values.get(field.name, field.default)!r}")
    else:
        values[field.name] = value


def _warn(message: str) -> None:
    if once("environment", message):  # each instrumentor reads the environment
        logger.warning("streamspan: environment: %s", message)


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        msg = f"{text!r} is neither true nor false"
        raise SettingsError(msg)
    return word in _TRUE
