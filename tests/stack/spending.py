"""Calls for one project and two users, some of which have no price, no answer or no budget."""

from contextlib import suppress

from openai import OpenAI, RateLimitError

import streamspan

client = OpenAI(max_retries=0)


def ask(model: str, question: str = "Why is the sky blue?") -> None:
    """One streamed call, read to its end."""
    for _ in client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], stream=True):
        pass


with streamspan.attributes(project="dashboards", user_id="ada"):
    ask("gpt-4o-mini")
    ask("my-own-model")
    ask("gpt-4.1")
    with suppress(RateLimitError):
        ask("gpt-4o-mini", "Tell me that I ask too much.")
    ask("gpt-4o-mini")
with streamspan.attributes(project="dashboards", user_id="nobody"), suppress(streamspan.BudgetExceededError):
    ask("gpt-4o-mini")
