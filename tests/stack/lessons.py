"""A program with one call of each kind: what a backend is to show. Its provider is in `school`.

opentelemetry-instrument python tests/stack/lessons.py
"""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anthropic
import openai
from opentelemetry import trace

import streamspan

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "description": "The weather in a city, now.", "parameters": CITY}}
]


def completed(client: openai.OpenAI) -> None:
    """A stream that is read to its end, with a system prompt."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Answer a ten-year-old."},
        {"role": "user", "content": "Why is the sky blue?"},
    ]
    for _ in client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, temperature=0.2, stream=True, stream_options={"include_usage": True}
    ):
        pass


def aborted(client: openai.OpenAI) -> None:
    """A stream that its reader leaves in the middle."""
    with client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Tell me a story about a lighthouse."}], stream=True
    ) as stream:
        for count, _ in enumerate(stream):
            if count == 12:
                break


def tool(client: openai.OpenAI) -> None:
    """Two calls under one span: the model asks for a tool, and answers with what it said."""
    with trace.get_tracer("school").start_as_current_span("pack a bag"):
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Do I need an umbrella in Lisbon?"}]
        with client.chat.completions.stream(model="gpt-4.1", messages=messages, tools=TOOLS) as stream:
            [call] = stream.get_final_completion().choices[0].message.tool_calls or []
        asked: Any = {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        messages.append({"role": "assistant", "tool_calls": [asked]})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps({"sky": "clear", "celsius": 21})})
        with client.chat.completions.stream(model="gpt-4.1", messages=messages, tools=TOOLS) as stream:
            stream.until_done()


def unpriced(client: openai.OpenAI) -> None:
    """A model that no price list knows."""
    client.chat.completions.create(model="our-own-7b", messages=[{"role": "user", "content": "Say hello."}])


def embeddings(client: openai.OpenAI) -> None:
    """Vectors of two texts."""
    client.embeddings.create(model="text-embedding-3-small", input=["a lighthouse", "a storm lantern"])


def reasoning(client: anthropic.Anthropic) -> None:
    """A model that thinks before it speaks, with most of its prompt read from the cache."""
    with client.messages.stream(
        model="claude-sonnet-4-6",
        max_tokens=2048,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "A bat and a ball cost 1.10 together; the bat costs 1.00 more. What is the ball?"}],
    ) as stream:
        stream.until_done()


def failed(client: anthropic.Anthropic) -> None:
    """A service that gives up in the middle of its answer."""
    with (
        suppress(anthropic.APIError),
        client.messages.stream(
            model="claude-haiku-4-5", max_tokens=400, messages=[{"role": "user", "content": "Tell me about the tides."}]
        ) as stream,
    ):
        stream.until_done()


def main() -> None:
    """All of them, for one user in one session, each under a name of its own."""
    with openai.OpenAI() as client, anthropic.Anthropic(max_retries=0) as claude:
        for lesson in (completed, aborted, tool, unpriced, embeddings):
            with streamspan.attributes(
                user_id="ada", session_id="lesson-7", tags=["school"], project="physics", lesson=lesson.__name__
            ):
                lesson(client)
        for lesson in (reasoning, failed):
            with streamspan.attributes(
                user_id="ada", session_id="lesson-7", tags=["school"], project="physics", lesson=lesson.__name__
            ):
                lesson(claude)


if __name__ == "__main__":
    main()
