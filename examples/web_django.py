"""Django views in one file which stream a model's answer, and stop the model when the visitor leaves.

opentelemetry-instrument python examples/web_django.py runserver --noreload
curl -N 'http://127.0.0.1:8000/chat?question=Why+is+the+sky+blue'

or under an ASGI server, with the asynchronous view:

opentelemetry-instrument uvicorn --app-dir examples web_django:asgi
curl -N 'http://127.0.0.1:8000/achat?question=Why+is+the+sky+blue'
"""

# pyright: basic, reportArgumentType=false
# Django comes without types.

import secrets
from collections.abc import AsyncIterator, Iterator

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from openai import AsyncOpenAI, OpenAI

import streamspan

settings.configure(ROOT_URLCONF=__name__, SECRET_KEY=secrets.token_hex(), ALLOWED_HOSTS=["127.0.0.1", "localhost"])
client, async_client = OpenAI(), AsyncOpenAI()  # one for all requests: they share its connections
TEXT = "text/plain; charset=utf-8"


def answer(question: str) -> Iterator[str]:
    with client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    ) as stream:  # a server closes the response when the visitor leaves, and it the generator, which leaves this `with`
        for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text


async def aanswer(question: str) -> AsyncIterator[str]:
    stream = await async_client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    )
    async with streamspan.abort_on_cancel(stream):  # when the visitor leaves, Django cancels the task that reads
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text


def chat(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(answer(request.GET["question"]), content_type=TEXT)


async def achat(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(aanswer(request.GET["question"]), content_type=TEXT)


urlpatterns = [path("chat", chat), path("achat", achat)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()

if __name__ == "__main__":
    execute_from_command_line()
