"""Other vendors' instrumentors beside streamspan: which there are, and a provider that answers every SDK."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import anthropic
import openai
from google import genai

import streamspan
from streamspan import rivals

from conftest import Recorder
from loopback import (
    Loopback,
    Reply,
    Request,
    anthropic_events,
    anthropic_whole,
    google_chunks,
    google_whole,
    openai_chunks,
    openai_usage,
    openai_whole,
    responses_events,
    responses_whole,
)

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
USAGE = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
"""The keys under which the vendors say how many tokens went in."""


def answer(request: Request) -> Reply:
    """Says "Hello", streamed if asked for, in the format of each provider; "{}" where something else is asked."""
    streamed = "stream" in request.path or json.loads(request.body or b"{}").get("stream")
    for mark, stream, whole in (
        ("/chat/completions", openai_chunks(["Hel", "lo"], usage=openai_usage()), openai_whole("Hello")),
        ("/responses", responses_events(["Hel", "lo"]), responses_whole("Hello")),
        ("/messages", anthropic_events(["Hel", "lo"]), anthropic_whole("Hello")),
        ("enerateContent", google_chunks(["Hel", "lo"]), google_whole("Hello")),
        ("/converse", [], CONVERSE),
    ):
        if mark in request.path:
            return Reply(body=stream) if streamed else Reply.of(whole)
    return Reply.of({"TableNames": []})


CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17},
    "metrics": {"latencyMs": 1},
}

os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}


def call_openai(url: str, *, streamed: bool) -> str:
    """One chat completion; what it said."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        result: Any = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=streamed)
        if streamed:
            return "".join(chunk.choices[0].delta.content or "" for chunk in result if chunk.choices)
        return result.choices[0].message.content


def call_anthropic(url: str, *, streamed: bool) -> str:
    """One message; what it said."""
    with anthropic.Anthropic(base_url=url, api_key="none") as client:
        result: Any = client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=MESSAGES, stream=streamed)
        if streamed:
            return "".join(event.delta.text for event in result if event.type == "content_block_delta")
        return result.content[0].text


def call_google(url: str, *, streamed: bool) -> str:
    """One generated content; what it said."""
    with genai.Client(api_key="none", http_options={"base_url": url}) as client:
        if streamed:
            chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi")
            return "".join(chunk.text or "" for chunk in chunks)
        return client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text or ""


def call_bedrock(url: str, *, streamed: bool) -> str:
    """One Converse, whole; what it said."""
    assert not streamed
    client = import_module("boto3").client("bedrock-runtime", endpoint_url=url)
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    response = client.converse(modelId="amazon.nova-lite-v1:0", messages=messages)
    client.close()
    return response["output"]["message"]["content"][0]["text"]


class Vendor(NamedTuple):
    """An instrumentor, and whether its span is current while the call is sent, so that streamspan can share it."""

    path: str
    call: Callable[..., str]
    shares: tuple[bool, ...]
    """Whole, and streamed."""

    @property
    def root(self) -> str:
        """The module that the log names."""
        return self.path.partition(":")[0]

    def instrumentor(self) -> Any:
        """The instrumentor."""
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)()


def check(vendor: Vendor, recorder: Recorder, logged: list[str], *, ours_first: bool, streamed: bool) -> None:
    """Both are on: it is said once, the caller gets what it gets, and one span has it all if theirs can be shared."""
    rivals._looked.clear()
    theirs = vendor.instrumentor()
    starts: list[Callable[[], None]] = [
        lambda: streamspan.instrument(tracer_provider=recorder.provider),
        lambda: theirs.instrument(tracer_provider=recorder.provider, skip_dep_check=True),
    ]
    for start in starts if ours_first else reversed(starts):
        start()
    try:
        with Loopback(answer) as server:
            said = [vendor.call(server.url, streamed=streamed) for _ in range(2)]
    finally:
        streamspan.uninstrument()
        theirs.uninstrument()

    assert said == ["Hello", "Hello"]
    assert [vendor.root in line for line in logged] == [True]
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=" in logged[0]
    shared = vendor.shares[streamed]
    spans = recorder.spans_in_any_order(2 if shared else 4)
    usage = [[key for key in USAGE if key in (span.attributes or {})] for span in spans]
    outcomes = [(span.attributes or {}).get("streamspan.outcome") for span in spans]
    assert outcomes.count("completed") == 2
    assert len([keys for keys in usage if keys]) == len(spans)


@contextmanager
def suppressed_cost_map() -> Iterator[None]:
    """Has LiteLLM use the prices that it brings."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    yield
    asyncio.set_event_loop(None)
    sys.modules.pop("litellm", None)
