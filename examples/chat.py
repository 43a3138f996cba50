"""A small chat program: questions to OpenAI and Anthropic, sync and async, streamed and whole, with a tool.

Run it as it is, or let OpenTelemetry watch it:

    python examples/chat.py
    opentelemetry-instrument python examples/chat.py
"""

import asyncio
import inspect
import json
import os
import textwrap

from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import MessageParam, TextBlockParam, ToolParam, ToolResultBlockParam, ToolUseBlock
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ParsedFunctionToolCall,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
OPENAI_TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a city, now.", "parameters": {**CITY}, "strict": True},
}
ANTHROPIC_TOOL: ToolParam = {"name": "weather", "description": "The weather in a city, now.", "input_schema": {**CITY}}


def weather(city: str) -> str:
    """What this program answers when a model asks for its tool."""
    return json.dumps({"city": city, "celsius": 21, "sky": "clear", "wind": "light, from the west"})


def ask(model: str, question: str) -> str:
    print(f"\n> {question}  [{model}]")
    return question


def show(text: str | None) -> None:
    print(text or "", end="", flush=True)


# --- OpenAI ----------------------------------------------------------------------------------------------------------


def stream_an_answer(client: OpenAI) -> None:
    question = ask("gpt-4o-mini", "Why is the sky blue?")
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "system", "content": "Answer in three sentences."}, {"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        for choice in chunk.choices:
            show(choice.delta.content)
    print()


def stream_without_usage(client: OpenAI) -> None:
    question = ask("gpt-4o-mini", "Name three rivers that flow north.")
    for chunk in client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    ):
        for choice in chunk.choices:
            show(choice.delta.content)
    print()


async def answer_whole(client: AsyncOpenAI) -> None:
    question = ask("gpt-5-mini", "Is 2027 a prime number?")
    completion = await client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": question}])
    print(completion.choices[0].message.content)


def asked(call: ParsedFunctionToolCall) -> ChatCompletionMessageFunctionToolCallParam:
    return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}


async def openai_with_a_tool(client: AsyncOpenAI) -> None:
    question = ask("gpt-4.1", "Do I need an umbrella in Lisbon?")
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
    while True:
        async with client.chat.completions.stream(
            model="gpt-4.1", messages=messages, tools=[OPENAI_TOOL], stream_options={"include_usage": True}
        ) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    show(event.delta)
            message = (await stream.get_final_completion()).choices[0].message
        if not message.tool_calls:
            return print()
        messages.append({"role": "assistant", "tool_calls": [asked(call) for call in message.tool_calls]})
        for call in message.tool_calls:
            print(f"(asks for {call.function.name} {call.function.arguments})")
            answer = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})


# --- Anthropic -------------------------------------------------------------------------------------------------------


def ask_about_a_document(client: Anthropic) -> None:
    """Two questions on the same long text: the second finds it in the provider's cache."""
    document: list[TextBlockParam] = [
        {"type": "text", "text": "Answer questions on this module in two sentences."},
        {"type": "text", "text": inspect.getsource(textwrap), "cache_control": {"type": "ephemeral"}},
    ]
    for question in ("What does this module do?", "How does it treat words that are too long?"):
        ask("claude-sonnet-4-6", question)
        stream = client.messages.create(
            model="claude-sonnet-4-6",
            max_tokens=400,
            system=document,
            messages=[{"role": "user", "content": question}],
            stream=True,
        )
        for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                show(event.delta.text)
        print()


async def think_first(client: AsyncAnthropic) -> None:
    question = ask("claude-sonnet-4-6", "A bat and a ball cost 1.10 together; the bat costs 1.00 more. What is the ball?")
    message = await client.messages.create(
        model="claude-sonnet-4-6",
        max_tokens=2048,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": question}],
    )
    print("".join(block.text for block in message.content if block.type == "text"))


def answered(call: ToolUseBlock) -> ToolResultBlockParam:
    print(f"(asks for {call.name} {json.dumps(call.input)})")
    return {"type": "tool_result", "tool_use_id": call.id, "content": weather(str(call.input["city"]))}


async def anthropic_with_a_tool(client: AsyncAnthropic) -> None:
    question = ask("claude-haiku-4-5", "What should I wear in Oslo today?")
    messages: list[MessageParam] = [{"role": "user", "content": question}]
    while True:
        async with client.messages.stream(
            model="claude-haiku-4-5", max_tokens=400, messages=messages, tools=[ANTHROPIC_TOOL]
        ) as stream:
            async for text in stream.text_stream:
                show(text)
            message = await stream.get_final_message()
        print()
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": [answered(call) for call in calls]})


# --- both ------------------------------------------------------------------------------------------------------------


def have(key: str) -> bool:
    if os.environ.get(key):
        return True
    print(f"{key} is not set: skipping that provider.")
    return False


async def talk_to_openai() -> None:
    async with AsyncOpenAI() as client:
        await answer_whole(client)
        await openai_with_a_tool(client)


async def talk_to_anthropic() -> None:
    async with AsyncAnthropic() as client:
        await think_first(client)
        await anthropic_with_a_tool(client)


def main() -> None:
    if have("OPENAI_API_KEY"):
        with OpenAI() as client:
            stream_an_answer(client)
            stream_without_usage(client)
        asyncio.run(talk_to_openai())
    if have("ANTHROPIC_API_KEY"):
        with Anthropic() as client:
            ask_about_a_document(client)
        asyncio.run(talk_to_anthropic())


if __name__ == "__main__":
    main()
