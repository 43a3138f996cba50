"""The environment variables of streamspan; each also becomes an option of ``opentelemetry-instrument``."""

STREAMSPAN_CAPTURE_CONTENT = "STREAMSPAN_CAPTURE_CONTENT"
"""``true`` (default) or ``false``: whether prompts and outputs are written to the span."""

STREAMSPAN_CAPTURE_STREAM_CHUNKS = "STREAMSPAN_CAPTURE_STREAM_CHUNKS"
"""``true`` or ``false`` (default): whether each chunk becomes a span event."""

STREAMSPAN_STREAM_PREVIEW_CHARS = "STREAMSPAN_STREAM_PREVIEW_CHARS"
"""How many of the last characters of the output the preview holds (default 4096)."""
