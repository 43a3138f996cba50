"""Anthropic's tool runner asks, runs the tools that the model wants, and asks again: each request is a span of its own."""

from typing import Any

import anthropic
import pytest

from conftest import Recorder
from loopback import Loopback, Reply, Tool, anthropic_events, anthropic_usage, anthropic_whole
from surfaces import AnthropicSurface

WANTED = Tool(id="toolu_1")


def answers(*, stream: bool) -> list[Reply]:
    """A call to the tool, and then what the model makes of its result."""
    asked, said = anthropic_usage(100, 10), anthropic_usage(130, 5)
    if stream:
        return [
            Reply(body=anthropic_events(["Let me look."], tool=WANTED, stop_reason="tool_use", usage=asked)),
            Reply(body=anthropic_events(["19 degrees."], usage=said)),
        ]
    whole = anthropic_whole("Let me look.", tool=WANTED, stop_reason="tool_use", usage=asked)
    return [Reply.of(whole), Reply.of(anthropic_whole("19 degrees.", usage=said))]


def weather(*, is_async: bool) -> Any:
    """A tool, in the SDK's form."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"19 degrees in {city}"

    async def get_weather_async(city: str) -> str:
        """The weather in a city."""
        return get_weather(city)

    kinds: Any = anthropic
    return kinds.beta_async_tool(get_weather_async, name="get_weather") if is_async else kinds.beta_tool(get_weather)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_one_span_for_each_request(stream: bool, is_async: bool, observed: Recorder) -> None:
    """Two requests are two spans with their own usage, and the second has the tool's result in its prompt."""
    surface = AnthropicSurface(is_async=is_async)
    with Loopback(answers(stream=stream)) as server:
        client = surface.client(server)
        _, arguments = surface.call(client)
        runner = client.beta.messages.tool_runner(**arguments, tools=[weather(is_async=is_async)], stream=stream)
        for message in await surface.take(runner):
            if stream:
                await surface.take(message)
        await surface.shut(client)

    first, second = (dict(span.attributes or {}) for span in observed.spans(2))
    assert [server.requests[1].json["messages"][-1]["content"][0]["content"]] == ["19 degrees in Lima"]
    assert (first["gen_ai.usage.input_tokens"], second["gen_ai.usage.input_tokens"]) == (100, 130)
    assert (first["gen_ai.usage.output_tokens"], second["gen_ai.usage.output_tokens"]) == (10, 5)
    assert first["gen_ai.response.finish_reasons"] == ("tool_use",)
    assert "19 degrees in Lima" in str(second["gen_ai.input.messages"])
    assert (first["streamspan.outcome"], second["streamspan.outcome"]) == ("completed", "completed")
