"""Every setting of streamspan, with its default and what it does."""

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamspan import keep, model_prices
from streamspan.budgets.budget import Budget
from streamspan.errors import RAISE_ERRORS, SettingsError, logger, once
from streamspan.estimate import Count, estimate_tokens
from streamspan.knobs import (
    BudgetList,
    Choice,
    Counters,
    Knob,
    LedgerUrl,
    Names,
    Number,
    OutOfRangeError,
    Redactor,
    Store,
    Switch,
    knob,
)
from streamspan.redaction import Redaction
from streamspan.tokenizers import Tokenizers
from streamspan.upload import Upload

PREFIX = "STREAMSPAN_"
REDACT = "STREAMSPAN_REDACT"
CAPTURE_MESSAGE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable that OpenTelemetry's GenAI instrumentations share; ours obeys it too."""
EMIT_EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
"""The same for the event with a call's details."""

_CAPTURE_WORDS = {
    "true": True,
    "span_only": "span",
    "event_only": "event",
    "span_and_event": "both",
    "false": False,
    "no_content": False,
}
_CAPTURE = Choice({"true": True, "false": False, "off": False, "span": "span", "event": "event", "both": "both"})
_CHUNKS = Choice({"true": "span", "false": False, "span": "span", "log": "log", "both": "both"})
_CONVENTIONS = Choice({word: word for word in ("1.41", "1.42-dev", "both")})
_RESERVE = Choice({word: word for word in ("worst_case", "typical", "none")})
_POLICY = Choice({word: word for word in ("allow", "deny")})
_DETAILS = Choice({"auto": "auto", "true": True, "false": False})
_ASKING = Choice({"auto": "auto", "on": "on", "off": "off", "true": "on", "false": "off"})


Tokenizer = str | Path | Callable[[str], int]
"""What counts tokens: the path of a ``tokenizer.json``, or a function of a text."""

Redact = Redaction | Callable[[str], str] | str | re.Pattern[str] | Sequence[str | re.Pattern[str]]
"""What says what must not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How calls are observed. Each field is a keyword of `streamspan.instrument` and a variable ``STREAMSPAN_<FIELD>``.

    A keyword is stronger than an environment variable, which is stronger than the default.
    """

    capture_content: bool | Literal["off", "span", "event", "both"] = knob(_CAPTURE, default=True)
    """Where prompts and outputs are written: ``True``, on the span and, of a running stream, in its progress events; ``"span"``,
    on the span only; ``"event"``, in log events only; ``"both"``; ``False`` or ``"off"``, nowhere.
    ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` (``true``, ``false``, ``SPAN_ONLY``, ``EVENT_ONLY``,
    ``SPAN_AND_EVENT``, ``NO_CONTENT``) sets it too; ``STREAMSPAN_CAPTURE_CONTENT`` is stronger."""

    capture_stream_chunks: bool | Literal["span", "log", "both"] = knob(_CHUNKS, default=False)
    """Whether each chunk becomes an event ``streamspan.chunk`` with its text and its time: of the span (``True`` or ``"span"``),
    as a log event while the stream runs (``"log"``), or ``"both"``."""

    redact: Redact | None = knob(Redactor(), default=None)  # noqa: RUF009 - a field
    """What is taken out of every text before anything is written: a function that takes a text and returns what may be written
    of it, or a regular expression or several, whose matches become ``[redacted]``. In the environment, one pattern a line; if one
    of them is none, no content is captured."""

    max_content_chars: int = knob(Number("no limit", whole=True), default=0)
    """How many characters each attribute with messages holds at the most; what is longer is shortened, stays valid JSON and is
    named in ``streamspan.content.truncated``. 0: as many as OpenTelemetry's own limits allow."""

    upload: Upload | None = knob(Store(), default=None)  # noqa: RUF009 - a field
    """A store for messages, such as `streamspan.upload.FileUpload`: signals then hold a reference in their place. In the
    environment the name of such an object, ``package.module:name``."""

    upload_above: int = knob(Number("all content", whole=True), default=0)
    """How many characters of messages a call must have, as JSON, for them to be uploaded; fewer are written as they are."""

    stream_preview_chars: int = knob(Number("no preview", whole=True), default=4096)
    """How many of the last characters of the visible output ``streamspan.preview`` holds; 0 writes none."""

    conventions: Literal["1.41", "1.42-dev", "both"] = knob(_CONVENTIONS, default="1.41")
    """Which GenAI conventions the names of attributes and metrics follow: those that backends read, the next ones, or both."""

    structured_messages: bool = knob(Switch(), default=False)
    """Whether messages are structured values on the span, as the conventions wish; else JSON strings, as most backends read."""

    details_event: bool | Literal["auto"] = knob(_DETAILS, default="auto")
    """Whether each call sends a log event ``gen_ai.client.inference.operation.details`` when it ends; ``"auto"``: where
    ``capture_content`` is ``"event"`` or ``"both"``. ``OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT`` sets it too."""

    include_usage: Literal["auto", "on", "off"] = knob(_ASKING, default="auto")
    """Whether a stream of OpenAI chat completions is asked for its usage where the program does not say: ``"auto"``, at
    api.openai.com and at Azure from API version 2024-09-01 on, which are known to take it; ``"on"``, everywhere; ``"off"``,
    nowhere. The program sees nothing of it."""

    tokenizers: Tokenizers | Mapping[str, Tokenizer] | None = knob(Counters(), default=None)  # noqa: RUF009 - a field
    """Who counts tokens that are not reported, by patterns of model names, such as ``{"llama-*": "/models/tokenizer.json"}``: a
    path of such a file (extra ``tokenizers``), or a function of a text. The first pattern that fits counts; without one, tokens
    are estimated from the kinds of characters. In the environment ``pattern=path``, with commas between several."""

    progress_interval: float = knob(Number("no events"), default=0.5)
    """Seconds between two log events ``streamspan.progress`` of a stream that runs; 0 sends none."""

    chunk_metrics: bool = knob(Switch(), default=False)
    """Whether the time between chunks is a metric, too. It costs some 10 us of CPU per chunk, on a thread of its own."""

    idle_timeout: float = knob(Number("no timeout"), default=0.0)
    """Seconds without a chunk after which a stream counts as forgotten, and its span is ended as ``abandoned``; 0 never. The
    stream itself is not touched."""

    pending_span: bool = knob(Switch(), default=False)
    """Whether each call sends a short child span ``streamspan.pending`` when it starts: for backends that take traces only."""

    metric_attributes: tuple[str, ...] = knob(Names(), default=())
    """Which of the attributes that ``streamspan.attributes`` sets are on metrics too, by name, such as ``["user.id"]``. None
    by default, as each value makes a time series of its own."""

    keep: str = knob(keep.Rules(), default="")
    """Rules, with commas between them, of calls that are worth keeping whole: ``errors``, ``aborted``, ``expensive:0.05`` (US
    dollars), ``slow:10``, ``stalled:5`` (seconds). The span of a call has those that hold in ``streamspan.keep``, for a sampler
    that decides at the end."""

    prices: model_prices.Given | None = knob(model_prices.Prices(), default=None)  # noqa: RUF009 - a field
    """Your own prices, stronger than all others: a mapping of the name of a model, or of ``/a regular expression/``, to a
    `streamspan.ModelPrice`, to its fields, or to the name of the model whose price it has; or the path of a TOML or JSON file
    with such a mapping."""

    budgets: tuple[Budget, ...] = knob(BudgetList(), default=())
    """How much may be spent, and for what: a list of `streamspan.Budget`, or the path of a TOML file with them; in the
    environment such a path. Calls that do not fit raise `BudgetExceededError` before they are sent."""

    budget_store: str | None = knob(LedgerUrl(), default=None)
    """Where the ledger of the budgets is: ``sqlite:///path``, ``redis://``, ``rediss://``, ``unix://`` or ``postgresql://``; one
    SQLite file in the user's state folder unless given."""

    budget_reserve: Literal["worst_case", "typical", "none"] = knob(_RESERVE, default="worst_case")
    """How much is held for a call while it runs: ``worst_case``, what it costs if the answer is as long as it may be (4,096
    tokens where the request does not say); ``typical``, what calls of its model have cost until now; ``none``, nothing."""

    budget_reserve_cap: float = knob(Number("no cap"), default=0.0)
    """US dollars that are held for one call at the most; 0: no cap."""

    budget_unknown_price: Literal["allow", "deny"] = knob(_POLICY, default="allow")
    """What becomes of a call whose model has no known price: ``allow`` counts it, at no cost; ``deny`` does not send it."""

    budget_store_down: Literal["allow", "deny"] = knob(_POLICY, default="allow")
    """What becomes of calls while the ledger does not answer: ``allow`` sends them, and records their cost later; ``deny`` does
    not send them."""

    budget_store_timeout: float = knob(Number("no waiting"), default=0.25)
    """Seconds that anybody waits for the ledger."""

    flush_on_sigterm: bool = knob(Switch(), default=True)
    """Whether running calls are ended and sent before SIGTERM ends the process. Left alone where the program handles SIGTERM."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _take(field, getattr(self, field.name)))

    def count_tokens(self, *models: str | None) -> Count:
        """What counts the tokens of a text where no provider has: a tokenizer of ``tokenizers``, or else the estimate.

        Args:
            *models: Names of the model, the first that counts first; ``None`` is none.

        Returns:
            A function of a text that gives its number of tokens.

        Example:
            ```python
            streamspan.Settings().count_tokens("gpt-4o")("Lima is the capital of Peru.")  # 6 or so
            ```
        """
        exact = self.tokenizers.of(*models) if isinstance(self.tokenizers, Tokenizers) else None
        return exact or estimate_tokens

    def only_numbers(self) -> "Settings":
        """The same, for a call of which nothing is written but metrics."""
        off = {"capture_content": False, "capture_stream_chunks": False, "details_event": False, "pending_span": False}
        return dataclasses.replace(self, **off, progress_interval=0, stream_preview_chars=0)

    @property
    def price_overrides(self) -> model_prices.Overrides | None:
        """The user's own prices, as `prices` has them once it is read."""
        return self.prices if isinstance(self.prices, model_prices.Overrides) else None

    @property
    def content_on_span(self) -> bool:
        """Whether prompts and outputs may be written on the span."""
        return self.capture_content in {True, "span", "both"}

    @property
    def content_in_logs(self) -> bool:
        """Whether prompts and outputs may be written in log events."""
        return self.capture_content in {True, "event", "both"}

    @property
    def sends_details(self) -> bool:
        """Whether a log event tells all about a call that has ended."""
        wished = self.details_event
        return self.capture_content in {"event", "both"} if wished == "auto" else wished

    @property
    def chunks_on_span(self) -> bool:
        """Whether chunks become events of the span."""
        return self.capture_stream_chunks in {"span", "both"}

    @property
    def chunks_in_logs(self) -> bool:
        """Whether chunks become log events."""
        return self.capture_stream_chunks in {"log", "both"}

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
        values = {**_from_environment(environ), **overrides}
        if "redact" not in overrides and _is_redact_unreadable(environ):
            values["capture_content"] = False
        return cls(**values)


def _names() -> set[str]:
    return {field.name for field in dataclasses.fields(Settings)}


def _take(field: "dataclasses.Field[Any]", value: object) -> Any:
    kind: Knob = field.metadata["knob"]
    try:
        return kind.take(value)
    except OutOfRangeError as error:
        msg = f"{field.name} {error}"
    except ValueError:
        msg = f"{field.name} must be {kind.says}, not {value!r}"
    raise SettingsError(msg)


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no setting {name!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known))}"
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    variables = {PREFIX + field.name.upper(): field for field in dataclasses.fields(Settings)}
    _read_capture_word(environ, values)
    if EMIT_EVENT in environ:
        _read(environ[EMIT_EVENT], EMIT_EVENT, variables[PREFIX + "DETAILS_EVENT"], values)
    if _is_redact_unreadable(environ):
        _warn(f"{REDACT}: not all of it is regular expressions; no content is captured")
    unread = {*_FOREIGN, REDACT} if _is_redact_unreadable(environ) else _FOREIGN
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and name not in unread):
        if (field := variables.get(variable)) is None:
            _warn(_unknown(variable, set(variables)))
        else:
            _read(environ[variable], variable, field, values)
    return values


_FOREIGN = frozenset({RAISE_ERRORS})
"""Variables of the same prefix that are not settings of a call."""


def _is_redact_unreadable(environ: Mapping[str, str]) -> bool:
    """Whether somebody who thought of privacy made a mistake: that must not let content out."""
    kind = Redactor()
    try:
        kind.take(kind.parse(environ.get(REDACT, "")))
    except ValueError:
        return True
    return False


def _read_capture_word(environ: Mapping[str, str], values: dict[str, Any]) -> None:
    if word := environ.get(CAPTURE_MESSAGE_CONTENT, "").strip().lower():
        # An unknown word must not let content out: whoever set this variable was thinking of privacy.
        values["capture_content"] = _CAPTURE_WORDS.get(word, False)
        if word not in _CAPTURE_WORDS:
            _warn(f"{CAPTURE_MESSAGE_CONTENT}={word} is not a known value; no content is captured")


def _read(text: str, variable: str, field: "dataclasses.Field[Any]", values: dict[str, Any]) -> None:
    kind: Knob = field.metadata["knob"]
    try:
        value = kind.parse(text.strip())
    except ValueError:
        _warn(f"{variable}: {text!r} is not {kind.says}; using {values.get(field.name, field.default)!r}")
        return
    try:
        values[field.name] = _take(field, value)
    except SettingsError as error:
        _warn(f"{variable}: {error}; using {values.get(field.name, field.default)!r}")


def _warn(message: str) -> None:
    if once("environment", message):  # each instrumentor reads the environment
        logger.warning("streamspan: environment: %s", message)
