"""Why a model stopped: each provider's word, and the one for all of them."""

from collections.abc import Mapping
from typing import Final

from streamspan.client.results import FinishReason

_STOPPED: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "other",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
    "guardrail_intervened": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "model_armor": "content_filter",
    "malformed_function_call": "error",
    "malformed_response": "error",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    "unexpected_tool_call": "error",
    "missing_thought_signature": "error",
}
FINISH_REASONS: Final[Mapping[str, FinishReason]] = _STOPPED
"""By the provider's word, in lower case."""


def finish_reason(word: str | None, *, calls: bool, refused: bool) -> FinishReason | None:
    """One word for all providers.

    Args:
        word: The provider's; ``None`` if it never came.
        calls: Whether the model called tools: Google says ``STOP`` then, too.
        refused: Whether it refused in so many words, which OpenAI calls a ``stop``.
    """
    if word is None:
        return None
    reason = FINISH_REASONS.get(word.lower(), "other")
    if reason == "stop":
        return "content_filter" if refused else "tool_calls" if calls else "stop"
    return reason
