"""One call for each way a streamed answer can end, by the caller's hand or by the server's.

Run it as it is, or let OpenTelemetry watch it:

    python examples/endings.py
    opentelemetry-instrument python examples/endings.py

A real service answers the questions of the server's part like any other; the replay server of `streamspan demo` does as told.
"""

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from anthropic import Anthropic, AsyncAnthropic
from anthropic.lib.streaming import MessageStreamManager
from openai import AsyncOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletionChunk

STORY = "Tell me a story about a lighthouse."


def ask(client: OpenAI, question: str = STORY) -> Stream[ChatCompletionChunk]:
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True)


def ask_claude(client: Anthropic, question: str = STORY) -> MessageStreamManager[None]:
    return client.messages.stream(model="claude-haiku-4-5", max_tokens=400, messages=[{"role": "user", "content": question}])


def read(stream: Iterable[object], chunks: int = 1000) -> None:
    """Take at most so many chunks; what becomes of the rest is up to the caller."""
    for _, _ in zip(range(chunks), stream, strict=False):
        pass


# --- the caller decides ----------------------------------------------------------------------------------------------


def read_to_the_end(client: OpenAI) -> None:
    read(ask(client, "Say hello in one sentence."))


def break_and_drop(client: OpenAI) -> None:
    for chunk in ask(client):
        if chunk.choices and chunk.choices[0].delta.content == ".":
            break


def break_inside_with(client: OpenAI) -> None:
    with ask(client) as stream:
        read(stream, chunks=12)


def close_by_hand(client: OpenAI) -> None:
    stream = ask(client)
    read(stream, chunks=12)
    stream.close()


def never_iterated(client: OpenAI) -> None:
    ask(client)


def exception_of_the_caller(client: OpenAI) -> None:
    with ask(client) as stream:
        for _ in stream:
            raise ValueError("this program did not like the first chunk")


def helper_left_early(client: Anthropic) -> None:
    with ask_claude(client) as stream:
        read(stream.text_stream, chunks=12)


async def tell(client: AsyncOpenAI) -> None:
    async for _ in await client.chat.completions.create(
        model="gpt-4.1", messages=[{"role": "user", "content": STORY}], stream=True
    ):
        pass


async def task_cancelled(client: AsyncOpenAI) -> None:
    task = asyncio.create_task(tell(client))
    await asyncio.sleep(1)
    task.cancel()
    await task


async def out_of_time(client: AsyncAnthropic) -> None:
    async with (
        asyncio.timeout(1),
        client.messages.stream(
            model="claude-sonnet-4-6", max_tokens=400, messages=[{"role": "user", "content": STORY}]
        ) as stream,
    ):
        await stream.until_done()


def still_read_at_exit(client: OpenAI) -> None:
    threading.Thread(target=read, args=[ask(client)], daemon=True).start()
    time.sleep(0.5)


# --- the server decides ----------------------------------------------------------------------------------------------


def stopped_in_the_middle(client: OpenAI) -> None:
    read(ask(client, "Tell me a story and stop in the middle."))


def connection_cut(client: OpenAI) -> None:
    read(ask(client, "Tell me a story and hang up."))


def too_many_requests(client: OpenAI) -> None:
    ask(client.with_options(max_retries=0), "Tell me that I ask too much.")


def overloaded(client: Anthropic) -> None:
    with ask_claude(client, "Tell me a story until you are overloaded.") as stream:
        stream.until_done()


# --- all of them -----------------------------------------------------------------------------------------------------


async def show(client: Any, *endings: Callable[[Any], Any]) -> None:
    """Run each ending and print what this program noticed of it."""
    for ending in endings:
        try:
            if inspect.isawaitable(waiting := ending(client)):
                await waiting
            noticed = "went on as usual"
        except (Exception, asyncio.CancelledError) as error:
            noticed = f"got {type(error).__name__}"
        print(f"{ending.__name__.replace('_', ' ')}: {noticed}", flush=True)


def have(key: str) -> bool:
    if os.environ.get(key):
        return True
    print(f"{key} is not set: skipping that provider.")
    return False


async def main() -> None:
    if have("ANTHROPIC_API_KEY"):
        await show(AsyncAnthropic(), out_of_time)
        await show(Anthropic(), helper_left_early, overloaded)
    if have("OPENAI_API_KEY"):
        await show(OpenAI(), read_to_the_end, break_and_drop, break_inside_with, close_by_hand, never_iterated)
        await show(AsyncOpenAI(), task_cancelled)
        await show(
            OpenAI(), exception_of_the_caller, stopped_in_the_middle, connection_cut, too_many_requests, still_read_at_exit
        )


if __name__ == "__main__":
    asyncio.run(main())
