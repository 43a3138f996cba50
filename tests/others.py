"""Other vendors' instrumentors beside streamspan: which there are, and a provider that answers every SDK."""

import gc
import json
import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import anthropic
import openai
import pytest
from google import genai
from opentelemetry.sdk.trace import ReadableSpan

import streamspan
from streamspan import live, rivals

from conftest import Recorder
from eventstream import EVENT_STREAM, converse_events
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

COMPLETIONS: Any = import_module("openai.resources.chat.completions").Completions
CREATE = COMPLETIONS.__dict__["create"]
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
USAGE = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
"""The keys under which the vendors say how many tokens went in."""


def answer(request: Request) -> Reply:
    """Says "Hello", streamed if asked for, in the format of each provider; "{}" where something else is asked."""
    streamed = "stream" in request.path or json.loads(request.body or b"{}").get("stream")
    if request.path.endswith("/converse-stream"):
        return Reply(headers=EVENT_STREAM, body=converse_events(["Hel", "lo"]))
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
        models: Any = client.models
        if streamed:
            return "".join(chunk.text or "" for chunk in models.generate_content_stream(model="gemini-2.5-flash", contents="Hi"))
        return models.generate_content(model="gemini-2.5-flash", contents="Hi").text


def call_bedrock(url: str, *, streamed: bool) -> str:
    """One Converse; what it said."""
    client = import_module("boto3").client("bedrock-runtime", endpoint_url=url)
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    response = (client.converse_stream if streamed else client.converse)(modelId="amazon.nova-lite-v1:0", messages=messages)
    client.close()
    if not streamed:
        return response["output"]["message"]["content"][0]["text"]
    return "".join(event["contentBlockDelta"]["delta"]["text"] for event in response["stream"] if "contentBlockDelta" in event)


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


def check(vendor: Vendor, recorder: Recorder, log: pytest.LogCaptureFixture, *, ours_first: bool, streamed: bool) -> None:
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
        COMPLETIONS.create = CREATE  # OpenLLMetry leaves its wrapper there

    assert said == ["Hello", "Hello"]
    logged = [record.getMessage() for record in log.records if record.name == "streamspan"]
    assert [vendor.root in line and "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=" in line for line in logged] == [True]
    spans = ended(recorder, 2 if vendor.shares[streamed] else 4)
    assert [outcome(span) for span in spans].count("completed") == 2
    assert all(carries_usage(span) for span in spans)


def ended(recorder: Recorder, count: int) -> list[ReadableSpan]:
    """The spans that have ended; there must be ``count``, and none may be open."""
    gc.collect()
    live.settle()
    deadline = time.monotonic() + 5
    while len(recorder.ended) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(recorder.started) == len(recorder.ended), recorder.started
    assert len(recorder.ended) == count, [span.name for span in recorder.ended]
    return recorder.ended


def outcome(span: ReadableSpan) -> Any:
    """How the call ended, if streamspan wrote on the span."""
    return (span.attributes or {}).get("streamspan.outcome")


def carries_usage(span: ReadableSpan) -> bool:
    """Whether the span says how many tokens went in."""
    return not set(USAGE).isdisjoint(span.attributes or {})
