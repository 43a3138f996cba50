"""The environment variables of streamspan; each also becomes an option of ``opentelemetry-instrument``."""

STREAMSPAN_CAPTURE_CONTENT = "STREAMSPAN_CAPTURE_CONTENT"
"""``true`` (default) or ``false``: whether prompts and outputs are written to the span."""

STREAMSPAN_CAPTURE_STREAM_CHUNKS = "STREAMSPAN_CAPTURE_STREAM_CHUNKS"
"""``true`` or ``false`` (default): whether each chunk becomes a span event."""

STREAMSPAN_STREAM_PREVIEW_CHARS = "STREAMSPAN_STREAM_PREVIEW_CHARS"
"""How many of the last characters of the output the preview holds (default 4096)."""

STREAMSPAN_PROGRESS_INTERVAL = "STREAMSPAN_PROGRESS_INTERVAL"
"""Seconds between two log events of a running stream (default 0.5; 0 sends none)."""

STREAMSPAN_IDLE_TIMEOUT = "STREAMSPAN_IDLE_TIMEOUT"
"""Seconds without a chunk after which a stream's span is ended as abandoned (default 0: never)."""

STREAMSPAN_PENDING_SPAN = "STREAMSPAN_PENDING_SPAN"
"""``true`` or ``false`` (default): whether each call sends a child span ``streamspan.pending`` when it starts."""

STREAMSPAN_FLUSH_ON_SIGTERM = "STREAMSPAN_FLUSH_ON_SIGTERM"
"""``true`` (default) or ``false``: whether running calls are ended and sent before SIGTERM ends the process."""
