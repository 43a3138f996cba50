"""The settings as keyword arguments, for type checkers and editors."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from streamspan.settings import Redact
from streamspan.upload import Upload


class SettingArguments(TypedDict, total=False):
    """What `streamspan.instrument`, `wrap` and `Client` take as settings: the fields of `streamspan.Settings`.

    ``**settings: Unpack[SettingArguments]`` types a function of one's own that hands them on.
    """

    capture_content: bool | Literal["off", "span", "event", "both"]
    capture_stream_chunks: bool | Literal["span", "log", "both"]
    redact: Redact | None
    max_content_chars: int
    upload: Upload | None
    upload_above: int
    stream_preview_chars: int
    conventions: Literal["1.41", "1.42-dev", "both"]
    structured_messages: bool
    details_event: bool | Literal["auto"]
    progress_interval: float
    chunk_metrics: bool
    idle_timeout: float
    pending_span: bool
    metric_attributes: Sequence[str]
    keep: str
    flush_on_sigterm: bool
