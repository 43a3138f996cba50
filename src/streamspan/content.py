"""What was asked and what was said: what of it may be written, where, and in which shape."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id
from opentelemetry.util.types import AnyValue, AttributeValue

from streamspan import semconv
from streamspan.answer import Answer, dump_json
from streamspan.errors import logger, once
from streamspan.redaction import Redaction
from streamspan.settings import Settings
from streamspan.shortening import shorten_json
from streamspan.upload import UploadedContent, references
from streamspan.wire import Prompt

Messages = dict[str, list[dict[str, Any]]]
"""Content under its semconv names, in the JSON shapes of the GenAI conventions."""

MARGIN: Final = 1024
"""Characters before the shown end of a running text that are redacted with it: what began there is found whole."""
UNSETTLED: Final = 64
"""The newest characters of a running text, which are held back, down to a space: what is half written matches no pattern yet."""
_LONGEST_WORD: Final = 4096
_LAST_SPACE: Final = re.compile(r".*[\s、。，！？；：]", re.DOTALL)  # noqa: RUF001 - Chinese and Japanese have no spaces


def log_limit(logger: Any) -> int | None:
    """How many characters OpenTelemetry leaves of a log event's attribute, if it cuts any: it would log each cut."""
    limits: Any = getattr(getattr(logger, "_real_logger", None) or logger, "_log_record_limits", None)
    return getattr(limits, "max_log_record_attribute_length", None)


class Content:
    """The rules about content, as one instrumentor was told them."""

    def __init__(self, settings: Settings) -> None:
        self.on_span = settings.content_on_span
        self.in_logs = settings.content_in_logs
        self.is_kept = self.on_span or (self.in_logs and settings.sends_details)
        """Whether messages are wanted by anybody."""
        redact = settings.redact if self.on_span or self.in_logs else None
        self.redaction = redact if isinstance(redact, Redaction) else None
        """What takes out of texts what must not be written, if anything does."""
        self._structured = settings.structured_messages and _spans_have_structure()
        self._limit = settings.max_content_chars or None
        self.upload = settings.upload if self.is_kept else None
        """Where messages go, in place of the signals, if anywhere."""
        self._upload_above = settings.upload_above

    # --- what may be written: nothing else of what was asked and said gets out of this class ---

    def asked(self, prompt: Prompt) -> Messages:
        """The content of a request."""
        content = {
            semconv.INPUT_MESSAGES: prompt.messages,
            semconv.SYSTEM_INSTRUCTIONS: prompt.system,
            semconv.TOOL_DEFINITIONS: prompt.tools,
        }
        return {key: self._redacted(value) for key, value in content.items() if value}

    def said(self, answer: Answer, choices: int) -> Messages:
        """The content of an answer that has ended."""
        if not (self.is_kept and answer.choices):
            return {}
        return {semconv.OUTPUT_MESSAGES: self._redacted(answer.messages(choices))}

    def preview(self, answer: Answer, limit: int, said: Messages) -> str:
        """The last ``limit`` characters of what was ``said`` in the end."""
        if not (self.on_span or self.in_logs):
            return ""
        if self.redaction is None:
            return answer.preview(limit)
        messages = said.get(semconv.OUTPUT_MESSAGES) or self._redacted(answer.messages(1))
        return _end_of(messages[0]["parts"], limit) if messages and limit > 0 else ""

    def live_preview(self, answer: Answer, limit: int, tail: str) -> str:
        """The last ``limit`` characters so far, without the newest if what they begin could have to be redacted.

        Args:
            answer: What has come so far.
            limit: How many characters; 0 for none.
            tail: So many, or more, as they came.
        """
        if not (limit and (self.on_span or self.in_logs)):
            return ""
        return tail[-limit:] if self.redaction is None else _end_so_far(answer, limit, self.redaction)

    def store(self, span: SpanContext, messages: Messages, attributes: Mapping[str, Any]) -> Mapping[str, str] | None:
        """Has the messages of a call that has ended uploaded; tells what is written in their place, or ``None``: they are."""
        if self.upload is None or not messages or not self._is_large(messages):
            return None
        ids = format_trace_id(span.trace_id), format_span_id(span.span_id)
        return references(self.upload, UploadedContent(*ids, messages, attributes))

    def _is_large(self, messages: Messages) -> bool:
        return not self._upload_above or sum(len(dump_json(value)) for value in messages.values()) > self._upload_above

    def text(self, text: str) -> str:
        """A text that may quote what was asked or said, such as the message of an error."""
        return text if self.redaction is None else self.redaction(text)

    def _redacted(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return messages if self.redaction is None else self.redaction.messages(messages)

    # --- its shape ---

    def for_span(self, messages: Messages, limit: int | None, already_cut: Iterable[str] = ()) -> dict[str, Any]:
        """As attributes of a span.

        Args:
            messages: The content.
            limit: How many characters OpenTelemetry leaves of an attribute, if it cuts any.
            already_cut: The attributes that were shortened when the span began.
        """
        return self._told(messages, limit, already_cut, structured=self._structured)

    def for_event(self, messages: Messages, limit: int | None) -> dict[str, Any]:
        """As attributes of a log event, which have structure; free of whatever protobuf could not carry."""
        return self._told(messages, limit, (), structured=True)

    def _told(self, messages: Messages, limit: int | None, already_cut: Iterable[str], *, structured: bool) -> dict[str, Any]:
        told, cut = dict[str, Any](), [*already_cut]
        for key, value in messages.items():
            text, is_cut = self._json(value, limit)
            told[key] = json.loads(text) if structured else text
            if is_cut:
                cut.append(key)
        return {**told, semconv.CONTENT_TRUNCATED: cut} if cut else told

    def _json(self, value: Any, limit: int | None) -> tuple[str, bool]:
        limits = [each for each in (self._limit, limit) if each is not None]
        return shorten_json(value, min(limits)) if limits else (dump_json(value), False)


def _end_of(parts: list[dict[str, Any]], limit: int) -> str:
    """The end of what is visible of redacted parts, as `Answer.preview` has it of others."""
    visible = [str(part.get("content")) for part in parts if part.get("type") in {"text", "refusal"}]
    if not visible:
        visible = [f"{part.get('name')}({_as_text(part.get('arguments'))})" for part in parts if part.get("type") == "tool_call"]
    return "".join(visible)[-limit:]


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else dump_json(arguments)


def _end_so_far(answer: Answer, limit: int, redaction: Redaction) -> str:
    choices = tuple(answer.choices.items())
    parts = tuple(min(choices)[1].parts) if choices else ()
    visible = [part for part in parts if part.kind in {"text", "refusal"}]
    if not visible:  # what is escaped in half a JSON cannot be redacted
        return "".join(f"{part.name}(…)" for part in parts if part.kind == "tool_call")[-limit:]
    tail = ""
    for part in reversed(visible):
        text = part.string
        end = _settled(text) if part is visible[-1] else len(text)
        start = max(0, end - limit - MARGIN)
        tail = redaction(text[start:end])[MARGIN if start else 0 :] + tail
        if len(tail) >= limit:
            break
    return tail[-limit:]


def _settled(text: str) -> int:
    """Where the part of a growing text ends that is old enough to be redacted."""
    end = len(text) - UNSETTLED
    space = _LAST_SPACE.match(text, max(0, end - _LONGEST_WORD), end) if end > 0 else None
    return space.end() if space else 0


def _spans_have_structure() -> bool:
    """Whether a span's attributes may be more than numbers, strings and lists of them: from opentelemetry-api 1.45 on."""
    if AttributeValue == AnyValue:
        return True
    if once("structured messages"):
        logger.warning("structured_messages needs opentelemetry-api 1.45 or newer; messages are written as JSON strings")
    return False
