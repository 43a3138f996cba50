"""The examples of the product page that `Client` makes true, as they stand there; only the client is ours.

Each is run against a server that answers as OpenAI does; what they print is looked at.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from streamspan import AsyncLocalStream, Client, LocalStream, RunLocalResult, semconv
from streamspan.client import StreamResult

from client_cases import CASES
from conftest import Recorder
from loopback import Loopback, Reply, Tool

# ruff: noqa: T201

SYNC = next(case for case in CASES if repr(case) == "openai-sync")
ASYNC = next(case for case in CASES if repr(case) == "openai-async")
STORY = ["Once ", "upon ", "a ", "time."]


@contextmanager
def connected(*replies: Reply) -> Generator[Client]:
    """A client of a server that answers so."""
    with Loopback(list(replies)) as server, SYNC.surface.client(server) as openai, Client(clients={"openai": openai}) as client:
        yield client


@asynccontextmanager
async def aconnected(reply: Reply) -> AsyncGenerator[Client]:
    """The same, asynchronous."""
    with Loopback(reply) as server:
        async with ASYNC.client(server) as client:
            yield client


def test_basic_streaming(observed: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """The sections Basic Streaming and StreamResult."""
    with connected(SYNC.streams(STORY)) as client:
        stream = client.run_local(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Write a short story about a robot."}],
            stream=True,
        )
        # Span ID is available immediately
        print("Span:", stream.span_id)
        # Iterate to receive chunks as they arrive
        for chunk in stream:
            print(chunk, end="")
        # Get final result with usage stats
        result = stream.result.result()
        print(f"\n\nTokens used: {result.usage.total_tokens}")
    context: Any = observed.span().get_span_context()
    assert capsys.readouterr().out == f"Span: {context.span_id:016x}\nOnce upon a time.\n\nTokens used: 17\n"


async def test_async_streaming(observed: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """The section Async Streaming."""
    async with aconnected(ASYNC.streams(STORY)) as client:
        stream = await client.arun_local(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Write a short story about a robot."}],
            stream=True,
        )
        async for chunk in stream:
            print(chunk, end="")
        result = await stream.result
        print(f"\n\nTokens used: {result.usage.total_tokens}")
    assert capsys.readouterr().out == "Once upon a time.\n\nTokens used: 17\n"
    assert observed.attributes()[semconv.OUTCOME] == "completed"


def test_aborting_a_stream(observed: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """The section Aborting a Stream, which hangs for ever where it is documented; the span has the partial response."""
    essay = SYNC.wire(["x" * 200] * 10)
    with connected(SYNC.surface.streams([*essay[:6], threading.Event(), *essay[6:]])) as client:
        stream = client.run_local(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Write a very long essay..."}],
            stream=True,
        )
        char_count = 0
        for chunk in stream:
            print(chunk, end="")
            char_count += len(chunk)
            # Stop after 500 characters
            if char_count > 500:
                stream.abort()
                break
        result = stream.result.result()
        print(f"\nAborted: {result.aborted}")  # True
    assert capsys.readouterr().out == "x" * 600 + "\nAborted: True\n"
    assert (result.text, result.usage.estimated) == ("x" * 600, ("input_tokens", "output_tokens"))
    attributes = observed.attributes()
    assert attributes[semconv.OUTCOME] == "aborted"
    assert "x" * 600 in str(attributes[semconv.OUTPUT_MESSAGES])


def get_weather(location: str) -> dict[str, Any]:
    return {"location": location, "degrees": 20}


def test_tools(observed: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    """The example with tools, which are plain dicts, and the follow-up with the model's message and the tool's result."""
    tools = [
        {
            "name": "get_weather",
            "description": "Get current weather for a location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string"},
                },
                "required": ["location"],
            },
        }
    ]
    asks = SYNC.streams([], tools=(Tool(arguments=('{"location":', '"Tokyo"}')),))
    with connected(asks, SYNC.streams(["Mild."])) as client:
        stream = client.run_local(
            model="gpt-4o",
            messages=[{"role": "user", "content": "What is the weather in Tokyo?"}],
            stream=True,
            tools=tools,
        )
        # Text chunks still stream as normal
        for chunk in stream:
            print(chunk, end="")
        result = stream.result.result()
        # Handle tool calls
        assert result.finish_reason == "tool_calls"
        tool_call = result.tool_calls[0]
        weather_data = get_weather(tool_call.arguments["location"])
        # Continue conversation with tool result
        follow_up = client.run_local(
            model="gpt-4o",
            messages=[
                {"role": "user", "content": "What is the weather in Tokyo?"},
                result.message,  # Assistant's message with tool calls
                {
                    "role": "tool",
                    "tool_call_id": tool_call.id,
                    "tool_name": tool_call.name,
                    "content": json.dumps(weather_data),
                },
            ],
            stream=True,
            tools=tools,
        )
        for chunk in follow_up:
            print(chunk, end="")
    assert capsys.readouterr().out == "Mild."
    assert weather_data == {"location": "Tokyo", "degrees": 20}
    assert len(observed.spans(2)) == 2


def test_an_http_streaming_response(observed: Recorder) -> None:
    """The section HTTP Streaming Response: the server closes the view's generator when its client leaves, and that ends the stream."""
    wire = SYNC.wire(STORY)
    with connected(SYNC.surface.streams([*wire[:3], threading.Event(), *wire[3:]])) as client:
        stream = client.run_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)

        def generate() -> Iterator[str]:
            for chunk in stream:  # noqa: UP028 - as it is documented
                yield chunk

        response: Any = generate()
        assert [next(response), next(response)] == STORY[:2]
        response.close()  # what a WSGI server does
        result = stream.result.result(timeout=0)
    assert (result.aborted, result.text) == (True, "Once upon ")
    assert observed.attributes()[semconv.OUTCOME] == "aborted"


async def test_interface(observed: Recorder) -> None:
    """The classes and futures are the documented ones."""
    assert issubclass(StreamResult, RunLocalResult)
    with connected(SYNC.streams(STORY)) as client:
        stream = client.run_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
        assert isinstance(stream, LocalStream)
        assert isinstance(stream.result, Future)
        assert [*stream] == STORY
        assert type(stream.result.result()) is StreamResult
    async with aconnected(ASYNC.streams(STORY)) as client:
        streamed = await client.arun_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
        assert isinstance(streamed, AsyncLocalStream)
        assert isinstance(streamed.result, asyncio.Future)
        assert [text async for text in streamed] == STORY
    observed.wait_for(2)


class Hangs(SpanExporter):
    """A backend that does not answer."""

    def __init__(self) -> None:
        self.is_asked, self.answers = threading.Event(), threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.is_asked.set()
        self.answers.wait(30)
        return SpanExportResult.SUCCESS


def test_a_backend_that_hangs_holds_nobody_up() -> None:
    """Calls are made, streams end and the client is closed while a batch of spans is being sent."""
    backend = Hangs()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(backend, max_queue_size=4, max_export_batch_size=1, schedule_delay_millis=1))
    with Loopback(SYNC.streams(STORY)) as server, SYNC.surface.client(server) as openai:
        with Client(clients={"openai": openai}, tracer_provider=provider) as client:
            for _ in range(10):
                stream = client.run_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
                assert [*stream] == STORY
                assert backend.is_asked.wait(10)
        assert not backend.answers.is_set()
    backend.answers.set()
    provider.shutdown()


async def test_a_hundred_clients_that_leave(observed: Recorder) -> None:
    """Nothing is left of them: no connection, no running call; each has its result and its span."""
    wire = ASYNC.wire(STORY)
    reply = ASYNC.surface.streams([*wire[:3], threading.Event(), *wire[3:]])
    with Loopback(reply) as server:
        async with ASYNC.client(server) as client:

            async def visit() -> Any:
                stream = await client.arun_local(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
                async for _ in stream:
                    break
                return await stream.result

            results = [result for _ in range(10) for result in await asyncio.gather(*(visit() for _ in range(10)))]
            await asyncio.to_thread(server.wait_for_connections, 0)
    assert {(result.aborted, result.text) for result in results} == {(True, "Once ")}
    assert len(observed.spans(100)) == 100
