"""FastAPI endpoints which stream a model's answer, as text and as server-sent events, and stop the model when the visitor leaves.

opentelemetry-instrument uvicorn --app-dir examples web_fastapi:app
curl -N 'http://127.0.0.1:8000/chat?question=Why+is+the+sky+blue'
curl -N 'http://127.0.0.1:8000/events?question=Why+is+the+sky+blue'
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

import streamspan

app = FastAPI()
client = AsyncOpenAI()  # one for all requests: they share its connections


async def ask(question: str) -> AsyncIterator[AsyncStream[ChatCompletionChunk]]:
    """A dependency: FastAPI leaves the `async with` when the response is over, and when the visitor has left."""
    stream = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    )
    async with streamspan.abort_on_cancel(stream):  # when the visitor leaves, the task that reads is cancelled
        yield stream


Answer = Annotated[AsyncStream[ChatCompletionChunk], Depends(ask)]


async def texts(answer: Answer) -> AsyncIterator[str]:
    async for chunk in answer:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield text


@app.get("/chat")
async def chat(answer: Answer) -> StreamingResponse:
    return StreamingResponse(texts(answer), media_type="text/plain; charset=utf-8")


@app.get("/events", response_class=EventSourceResponse)
async def events(answer: Answer) -> AsyncIterator[ServerSentEvent]:
    async for text in texts(answer):
        yield ServerSentEvent(data=text)
    yield ServerSentEvent(event="done")
