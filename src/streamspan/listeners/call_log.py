"""A call that has ended, as log events of the conventions: all about it, and the exception that it ended with."""

from typing import Any

from opentelemetry._logs import Logger, SeverityNumber

from streamspan import semconv
from streamspan.content import Content, log_limit
from streamspan.conventions import Conventions
from streamspan.ended import Ended
from streamspan.outcome import without_keys


def emit_details(logger: Logger, ended: Ended, content: Content, conventions: Conventions) -> None:
    """Sends ``gen_ai.client.inference.operation.details``: what is on the span, and the messages as far as logs may hold them."""
    messages = content.for_event(ended.messages if content.in_logs and ended.references is None else {}, log_limit(logger))
    logger.emit(
        timestamp=ended.at,
        context=ended.context,
        attributes={**ended.opening, **conventions.spell(ended.attributes()), **messages, **(ended.references or {})},
        event_name=semconv.DETAILS_EVENT,
    )


def emit_exception(logger: Logger, ended: Ended, content: Content) -> None:
    """Sends ``gen_ai.client.operation.exception``, if the call ended with one."""
    if ended.failure is None or (exception := ended.failure.exception) is None:
        return
    told: dict[str, Any] = {semconv.EXCEPTION_TYPE: ended.failure.exception_type}
    if content.in_logs:
        # Both may quote the prompt: the message says what was refused, the trace shows lines of the program.
        told[semconv.EXCEPTION_MESSAGE] = ended.failure.message
        told[semconv.EXCEPTION_STACKTRACE] = _end(without_keys(content.text("".join(exception.format()))), log_limit(logger))
    logger.emit(
        timestamp=ended.at,
        context=ended.context,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        attributes={**ended.facts(), semconv.ERROR_TYPE: ended.failure.code, **told},
        event_name=semconv.EXCEPTION_EVENT,
    )


_LONGEST_TRACE = 16_384


def _end(trace: str, limit: int | None) -> str:
    """Its last lines: they tell what was raised, and where."""
    return trace[-min(_LONGEST_TRACE, limit or _LONGEST_TRACE) :]
