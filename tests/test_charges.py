"""What an answer says about how it was served, and what beside tokens it is paid by, through the real SDKs."""

from typing import Any

import anthropic
import pytest

from conftest import Recorder
from loopback import Loopback, Reply
from surfaces import AnthropicSurface, OpenAISurface

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-2025-08-07",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Lima"}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5",
    "content": [{"type": "text", "text": "Lima"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1000, "output_tokens": 1000},
}


@pytest.mark.parametrize(
    ("asked", "answered", "total", "tier"),
    [
        (None, "default", 0.01125, None),
        ("flex", "flex", 0.005625, "flex"),
        ("priority", "priority", 0.0225, "priority"),
        ("priority", "default", 0.01125, None),
        ("auto", "flex", 0.005625, "flex"),
        ("flex", None, 0.005625, "flex"),
    ],
)
def test_tier_of_openai(asked: str | None, answered: str | None, total: float, tier: str | None, observed: Recorder) -> None:
    """The price is that of the tier which the answer names, or else of the one that was asked for."""
    request: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]} | ({"service_tier": asked} if asked else {})
    reply = CHAT | ({"service_tier": answered} if answered else {})
    with Loopback(Reply.of(reply)) as server, OpenAISurface(is_async=False).client(server) as client:
        client.chat.completions.create(**request)

    attributes = observed.attributes()
    assert (attributes["streamspan.cost.total"], attributes.get("streamspan.cost.tier")) == (pytest.approx(total), tier)


@pytest.mark.parametrize(
    ("usage", "total", "tier"),
    [
        ({}, 0.03, None),
        ({"service_tier": "standard", "speed": "standard"}, 0.03, None),
        *([({"speed": "fast"}, 0.06, "fast")] if "speed" in anthropic.types.Usage.model_fields else []),  # 0.x has none
        ({"service_tier": "batch"}, 0.015, "batch"),
        ({"service_tier": "priority"}, 0.03, None),
        ({"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}}, 0.06, None),
    ],
)
def test_anthropic(usage: dict[str, Any], total: float, tier: str | None, observed: Recorder) -> None:
    """Its speed and its batches have prices of their own, and so has each search of the web."""
    reply = MESSAGE | {"usage": MESSAGE["usage"] | usage}
    with Loopback(Reply.of(reply)) as server, AnthropicSurface(is_async=False).client(server) as client:
        client.messages.create(model="claude-opus-5", max_tokens=2000, messages=[{"role": "user", "content": "x"}])

    attributes = observed.attributes()
    assert (attributes["streamspan.cost.total"], attributes.get("streamspan.cost.tier")) == (pytest.approx(total), tier)
