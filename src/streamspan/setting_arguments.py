"""The settings as keyword arguments, for type checkers and editors."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

from streamspan.budgets.budget import Budget
from streamspan.model_prices import Given
from streamspan.settings import Redact, Tokenizer
from streamspan.tokenizers import Tokenizers
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
    include_usage: Literal["auto", "on", "off"]
    tokenizers: Tokenizers | Mapping[str, Tokenizer] | None
    progress_interval: float
    chunk_metrics: bool
    idle_timeout: float
    pending_span: bool
    metric_attributes: Sequence[str]
    keep: str
    prices: Given | None
    budgets: Sequence[Budget] | str | PathLike[str]
    budget_store: str | None
    budget_reserve: Literal["worst_case", "typical", "none"]
    budget_reserve_cap: float
    budget_unknown_price: Literal["allow", "deny"]
    budget_store_down: Literal["allow", "deny"]
    budget_store_timeout: float
    flush_on_sigterm: bool
