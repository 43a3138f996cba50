"""What was asked and what was said: what of it may be written, where, and in which shape."""

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.util.types import AnyValue, AttributeValue

from streamspan import semconv
from streamspan.answer import Answer, dump_json
from streamspan.errors import logger
from streamspan.settings import Settings
from streamspan.wire import Prompt

Messages = dict[str, list[dict[str, Any]]]
"""Content under its semconv names, in the JSON shapes of the GenAI conventions."""


class Content:
    """The rules about content, as one instrumentor was told them."""

    def __init__(self, settings: Settings) -> None:
        self.on_span = settings.content_on_span
        self.in_logs = settings.content_in_logs
        self.is_kept = self.on_span or (self.in_logs and settings.sends_details)
        """Whether messages are wanted by anybody."""
        self._structured = settings.structured_messages and _spans_have_structure()

    def asked(self, prompt: Prompt) -> Messages:
        """The content of a request."""
        content = {
            semconv.INPUT_MESSAGES: prompt.messages,
            semconv.SYSTEM_INSTRUCTIONS: prompt.system,
            semconv.TOOL_DEFINITIONS: prompt.tools,
        }
        return {key: value for key, value in content.items() if value}

    def said(self, answer: Answer, choices: int) -> Messages:
        """The content of an answer."""
        return {semconv.OUTPUT_MESSAGES: answer.messages(choices)} if answer.choices else {}

    def preview(self, answer: Answer, limit: int) -> str:
        """The last ``limit`` characters of what was said."""
        return answer.preview(limit)

    def for_span(self, messages: Messages) -> Mapping[str, Any]:
        """As attributes of a span."""
        return self.for_event(messages) if self._structured else {key: dump_json(value) for key, value in messages.items()}

    def for_event(self, messages: Messages) -> Mapping[str, Any]:
        """As attributes of a log event, which have structure; free of whatever protobuf could not carry."""
        return {key: json.loads(dump_json(value)) for key, value in messages.items()}


def _spans_have_structure() -> bool:
    """Whether a span's attributes may be more than numbers, strings and lists of them: from opentelemetry-api 1.45 on."""
    if AttributeValue == AnyValue:
        return True
    logger.warning("structured_messages needs opentelemetry-api 1.45 or newer; messages are written as JSON strings")
    return False
