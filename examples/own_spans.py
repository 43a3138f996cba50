"""Your own spans around model calls: what belongs together becomes one trace, and the calls nest under what asked for them.

opentelemetry-instrument python examples/own_spans.py
"""

import os

from anthropic import Anthropic
from openai import OpenAI
from opentelemetry import trace

tracer = trace.get_tracer("school")


def ask_openai(question: str) -> str:
    with OpenAI() as client:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content or ""


def ask_anthropic(question: str) -> str:
    with (
        Anthropic() as client,
        client.messages.stream(
            model="claude-haiku-4-5", max_tokens=400, messages=[{"role": "user", "content": question}]
        ) as stream,
    ):
        return stream.get_final_text()


def have(key: str) -> bool:
    if os.environ.get(key):
        return True
    print(f"{key} is not set: skipping that provider.")
    return False


def main() -> None:
    with tracer.start_as_current_span("prepare a lesson"):
        if have("OPENAI_API_KEY"):
            with tracer.start_as_current_span("physics"):
                print(ask_openai("Why is the sky blue?"))
        if have("ANTHROPIC_API_KEY"):
            with tracer.start_as_current_span("geography"):
                print(ask_anthropic("Name three rivers that flow north."))


if __name__ == "__main__":
    main()
