"""An application as anybody's: each line of its stdin is a question that it asks, all of them at once."""

import json
import sys
import threading
from typing import Any

from openai import OpenAI, OpenAIError

import streamspan

client = OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)


def ask(question: dict[str, Any]) -> None:
    """Read the answer to its end, and be silent about it."""
    messages: Any = [{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": question["text"]}]
    with streamspan.attributes(**question["who"]):
        try:
            stream = client.chat.completions.create(
                model=question["model"], messages=messages, stream=True, stream_options={"include_usage": True}
            )
            for _ in stream:
                pass
        except OpenAIError:
            return


for line in sys.stdin:
    threading.Thread(target=ask, args=(json.loads(line),), daemon=True).start()
