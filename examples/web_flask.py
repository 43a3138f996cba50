"""A Flask view which streams a model's answer, and stops the model when the visitor leaves.

opentelemetry-instrument flask --app examples/web_flask.py run
curl -N 'http://127.0.0.1:5000/chat?question=Why+is+the+sky+blue'
"""

from collections.abc import Iterator

from flask import Flask, request
from openai import OpenAI

app = Flask(__name__)
client = OpenAI()  # one for all requests: they share its connections


def answer(question: str) -> Iterator[str]:
    with client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}], stream=True
    ) as stream:  # a server closes the generator when the visitor leaves; it then leaves this `with`, which closes the stream
        for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text


@app.get("/chat")
def chat() -> tuple[Iterator[str], dict[str, str]]:
    return answer(request.args["question"]), {"content-type": "text/plain; charset=utf-8"}
