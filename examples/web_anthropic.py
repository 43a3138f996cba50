"""A FastAPI endpoint which streams what Claude says, by the SDK's `stream` helper, and stops it when the visitor leaves.

opentelemetry-instrument uvicorn --app-dir examples web_anthropic:app
curl -N 'http://127.0.0.1:8000/chat?question=Why+is+the+sky+blue'
"""

from collections.abc import AsyncIterator
from typing import Annotated

from anthropic import AsyncAnthropic
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

import streamspan

app = FastAPI()
client = AsyncAnthropic()  # one for all requests: they share its connections


async def ask(question: str) -> AsyncIterator[AsyncIterator[str]]:
    """A dependency: FastAPI leaves the `async with` when the response is over, and when the visitor has left."""
    async with client.messages.stream(
        model="claude-haiku-4-5", max_tokens=1024, messages=[{"role": "user", "content": question}]
    ) as stream:
        streamspan.abort_on_cancel(stream)  # when the visitor leaves, the task that reads is cancelled
        yield stream.text_stream


@app.get("/chat")
async def chat(answer: Annotated[AsyncIterator[str], Depends(ask)]) -> StreamingResponse:
    return StreamingResponse(answer, media_type="text/plain; charset=utf-8")
