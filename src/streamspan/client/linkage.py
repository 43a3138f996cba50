"""The trace that a call belongs to, where that is not the one of the running code."""

import re
from secrets import randbits
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-fA-F]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")


def parent_context(trace_id: str | None, span_id: str | None) -> Context | None:
    """A context whose current span is the one with these ids, wherever that is; ``None`` if none are given.

    A trace alone is enough: then the parent is a span that nobody has, which backends show as a trace without its root.

    Args:
        trace_id: As W3C has it: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.

    Raises:
        ValueError: If they are not of that form, or the trace is missing.
    """
    if trace_id is None and span_id is None:
        return None
    if trace_id is None or not _TRACE_ID.fullmatch(trace_id):
        message = f"trace_id is {trace_id!r}, where 32 hexadecimal digits belong"
        raise ValueError(message)
    if span_id is not None and not _SPAN_ID.fullmatch(span_id):
        message = f"parent_span_id is {span_id!r}, where 16 hexadecimal digits belong"
        raise ValueError(message)
    number = int(span_id, 16) if span_id else randbits(64) or 1
    parent = SpanContext(int(trace_id, 16), number, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(parent))
