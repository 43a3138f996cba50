"""Uses of all that is public, right ones and wrong ones: type checkers read this, and nobody runs it.

A wrong use has both checkers' word that it is one; `test_api` fails where a checker has nothing to say to it.
"""

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_type

from opentelemetry._logs import LoggerProvider
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import TracerProvider

import streamspan
from streamspan.batches import SizedLogRecordExporter, SizedSpanExporter
from streamspan.client import FinishReason, Options, Session
from streamspan.setting_arguments import SettingArguments  # noqa: TC001
from streamspan.upload import FileUpload, Upload, UploadedContent


class SomeClient:
    """Stands for a client of an SDK."""

    def ask(self) -> Iterator[str]:
        return iter("text")


class Bucket:
    """A store of one's own."""

    def reference(self, content: UploadedContent) -> str:
        return content.span_id

    def upload(self, content: UploadedContent) -> None:
        assert_type(content.trace_id, str)
        assert_type(content.messages, Mapping[str, list[dict[str, Any]]])
        assert_type(content.attributes, Mapping[str, Any])


class HalfABucket:
    """None, as it stores nothing."""

    def reference(self, content: UploadedContent) -> str:
        return content.span_id


# --- instrument, wrap ------------------------------------------------------------------------------------------------


def instruments(traces: TracerProvider, logs: LoggerProvider, metrics: MeterProvider) -> None:
    streamspan.instrument()
    streamspan.instrument(tracer_provider=traces, logger_provider=logs, meter_provider=metrics)
    streamspan.instrument(capture_content="both", keep="errors", redact=[r"\d{16}"], upload=FileUpload("content"))
    streamspan.instrument(prices={"our-llama": streamspan.ModelPrice(input="0.2", output=0.6), "our-deployment": "gpt-4o"})
    streamspan.instrument(prices=Path("prices.toml"))
    streamspan.ModelPrice(inputs=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(streamspan.uninstrument(), None)
    for instrumentor in (
        streamspan.OpenAIInstrumentor(),
        streamspan.AnthropicInstrumentor(),
        streamspan.GoogleGenAIInstrumentor(),
        streamspan.BedrockInstrumentor(),
    ):
        assert_type(instrumentor.packages(), tuple[str, ...])
        instrumentor.instrument(tracer_provider=traces, progress_interval=1.0)
        instrumentor.uninstrument()

    arguments: SettingArguments = {"keep": "errors", "idle_timeout": 60}
    streamspan.instrument(**arguments)

    streamspan.instrument(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    streamspan.instrument(keep=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.wrap(SomeClient(), conventions="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.instrument(traces)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    streamspan.instrument(tracer_provider=logs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wraps(traces: TracerProvider) -> None:
    assert_type(streamspan.wrap(SomeClient()), SomeClient)
    assert_type(streamspan.wrap(SomeClient(), tracer_provider=traces, capture_content=False).ask(), Iterator[str])
    assert_type(streamspan.unwrap(streamspan.wrap(SomeClient())), SomeClient)

    streamspan.wrap(SomeClient(), traces)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    streamspan.wrap(SomeClient()).answer()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    streamspan.unwrap()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- handle ----------------------------------------------------------------------------------------------------------


def handles(stream: Iterator[str]) -> None:
    handle = streamspan.handle(stream)
    assert_type(handle, streamspan.Handle)
    assert_type(handle.trace_id, str)
    assert_type(handle.span_id, str)
    assert_type(handle.text, str)
    assert_type(handle.preview, str)
    assert_type(handle.usage, streamspan.TokenUsage)
    assert_type(handle.cost, float | None)
    assert_type(handle.outcome, str | None)
    assert_type(handle.abort(), None)
    assert_type(handle.result, Future[streamspan.StreamResult])
    assert_type(handle.result.result(timeout=1.0), streamspan.StreamResult)

    handle.text = "more"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    handle.cost + 1.0  # type: ignore[operator]  # pyright: ignore[reportOptionalOperand, reportUnusedExpression]
    streamspan.handle()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def handles_asynchronously(stream: AsyncIterator[str]) -> None:
    assert_type(await streamspan.handle(stream).aresult(), streamspan.StreamResult)

    await streamspan.handle(stream).result  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


async def passes_on(stream: AsyncGenerator[str]) -> None:
    assert_type(streamspan.abort_on_cancel(stream), AsyncGenerator[str])
    async with aclosing(streamspan.abort_on_cancel(stream)) as texts:
        assert_type(await anext(texts), str)

    streamspan.abort_on_cancel()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def reads(result: streamspan.StreamResult) -> None:
    assert_type(result.text, str)
    assert_type(result.reasoning, str)
    assert_type(result.outcome, str)
    assert_type(result.aborted, bool)
    assert_type(result.error, BaseException | None)
    assert_type(result.error_type, str | None)
    assert_type(result.finish_reasons, tuple[str, ...])
    assert_type(result.tool_calls, tuple[streamspan.ToolCall, ...])
    assert_type(result.usage, streamspan.TokenUsage)
    assert_type(result.usage.input_tokens, int | None)
    assert_type(result.usage.output_tokens, int | None)
    assert_type(result.usage.total_tokens, int | None)
    assert_type(result.usage.cache_read_tokens, int | None)
    assert_type(result.usage.cache_write_tokens, int | None)
    assert_type(result.usage.reasoning_tokens, int | None)
    assert_type(result.usage.estimated, tuple[str, ...])
    assert_type(result.cost, float | None)
    assert_type(result.model, str | None)
    assert_type(result.duration, float)
    assert_type(result.trace_id + result.span_id, str)
    for call in result.tool_calls:
        assert_type(call.id, str | None)
        assert_type(call.name, str | None)
        assert_type(call.raw_arguments, str)
        decorated(call.arguments["city"])

    result.text = ""  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    result.usage.output_tokens * 2  # type: ignore[operator]  # pyright: ignore[reportOptionalOperand, reportUnusedExpression]


# --- llm, observe ----------------------------------------------------------------------------------------------------


def tells(stream: Iterator[str]) -> None:
    with streamspan.llm("openai.chat", model="gpt-4.1-mini", stream=True, temperature=0.2, attributes={"team": "maps"}) as span:
        assert_type(span, streamspan.LLMSpan)
        assert_type(span.trace_id + span.span_id, str)
        assert_type(span.context, Context)
        span.record_input("Where is Lima?")
        span.record_input({"messages": [{"role": "user", "content": "Where is Lima?"}]})
        for text in stream:
            span.record_chunk(text)
        span.record_usage({"input_tokens": 5})
        span.record_usage(input_tokens=5, output_tokens=7)
        span.set_attribute("rank", [1, 2])
        assert_type(span.end(output="In Peru.", usage={"output_tokens": 7}, outcome="aborted"), None)
        span.end(error=ValueError())

        span.end(outcome="done")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.end(error="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.set_attribute("client", SomeClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.record_usage(input_tokens="five")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        span.record_chunk()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with streamspan.llm("openai.chat"):
        decorated("Lima")
    streamspan.llm("openai.chat", "gpt-4.1-mini")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    streamspan.llm(model="gpt-4.1-mini")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def tells_asynchronously(stream: AsyncIterator[str]) -> None:
    async with streamspan.llm("anthropic.messages", model="claude-sonnet-4-5", stream=True) as span:
        assert_type(span, streamspan.LLMSpan)
        async for text in stream:
            span.record_chunk(text)

    await span.end()  # type: ignore[misc, func-returns-value]  # pyright: ignore[reportGeneralTypeIssues]


def returns() -> str:
    """That a block swallows no exception is known: nothing is missing after it."""
    with streamspan.llm("openai.chat"):
        return "text"


def observes(iterator: Iterator[str], generator: Generator[bytes, str, int]) -> None:
    for text in streamspan.observe(iterator, model="gpt-4.1-mini", provider="openai", input="Where is Lima?", temperature=0.2):
        assert_type(text, str)
    assert_type(streamspan.observe(generator), Generator[bytes, str, int])

    streamspan.observe(3)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    streamspan.observe(iterator, "gpt-4.1-mini")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def observes_asynchronously(iterator: AsyncIterator[str], generator: AsyncGenerator[str, None]) -> None:
    async for text in streamspan.observe(iterator, model="gpt-4.1-mini"):
        assert_type(text, str)
    assert_type(streamspan.observe(generator), AsyncGenerator[str, None])


# --- budgets ---------------------------------------------------------------------------------------------------------


def budgets() -> None:
    budget = streamspan.Budget("project:maps", Decimal(5), "rolling-24h", "Europe/Berlin", on_exceed="stop", when_stopped="raise")
    streamspan.instrument(budgets=[budget, streamspan.Budget("global", "0.50")], budget_store="sqlite:///tmp/budgets.sqlite3")
    streamspan.Budget(key="user:*", limit=1.5, period="week")
    assert_type(budget.key, str)
    assert_type(budget.on_exceed, Literal["block", "warn", "stop"])
    try:
        streamspan.Budget(5, "global")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        streamspan.Budget("global", 5, on_exceed="explode")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        streamspan.Budget("global", 5, "day", "UTC", "stop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    except (streamspan.BudgetUnavailableError, streamspan.BudgetUnpricedError) as error:
        assert_type(error, streamspan.BudgetUnavailableError | streamspan.BudgetUnpricedError)
    except streamspan.BudgetExceededError as error:
        assert_type((error.key, error.limit, error.spent, error.reserved), tuple[str, Decimal, Decimal, Decimal])
        assert_type(error.resets_at, datetime | None)
    except streamspan.BudgetError as error:
        assert_type(error, streamspan.BudgetError)


# --- attributes ------------------------------------------------------------------------------------------------------


@streamspan.attributes(user_id="u-1")
def decorated(city: str) -> int:
    return len(city)


@streamspan.attributes(tags=["search"])
async def decorated_asynchronously(city: str) -> int:
    return len(city)


@streamspan.track_costs
def tracked(question: str) -> int:
    return len(question)


@streamspan.track_costs(project="p", max_budget="5.00", period="day", on_exceed="stop", report=print, model="m")
async def tracked_asynchronously(question: str) -> int:
    return len(question)


def tells_of(cost: streamspan.CallCost) -> None:
    assert_type(cost.cost, Decimal | None)
    assert_type(cost.usage, streamspan.TokenUsage)


async def tracks() -> None:
    streamspan.track_costs(report=tells_of)(tracked)
    assert_type(streamspan.costs(), streamspan.Costs)
    try:
        tracked("Lima")
    except streamspan.RateLimitExceededError as error:
        assert_type(error.retry_after, float)
    assert_type(tracked("Lima"), int)
    assert_type(await tracked_asynchronously("Lima"), int)
    assert_type(streamspan.costs(tracked).total, Decimal)
    assert_type(streamspan.costs("p").calls, int)
    tracked(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.track_costs(on_exceed="explode")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def says_for_whom() -> None:
    with streamspan.attributes(user_id=1, session_id="s", conversation_id="c", tags="one", project="p", team="maps"):
        assert_type(decorated("Lima"), int)
    async with streamspan.attributes(tags=("one", "two"), **{"feature.flag": True}):
        assert_type(await decorated_asynchronously("Lima"), int)

    decorated(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.attributes("u-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    streamspan.attributes(tags=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- settings, stores, exporters -------------------------------------------------------------------------------------


def raise_later(error: ValueError) -> None:
    raise error


def sets() -> None:
    settings = streamspan.Settings(capture_content="off", capture_stream_chunks=True, upload=Bucket(), redact=lambda text: text)
    assert_type(settings.progress_interval, float)
    assert_type(settings.metric_attributes, tuple[str, ...])
    assert_type(streamspan.Settings.load({"keep": "errors"}), streamspan.Settings)
    assert_type(streamspan.__version__, str)
    streamspan.Settings(include_usage="on", tokenizers={"llama-*": "/models/tokenizer.json", "*": len})
    warnings.filterwarnings("ignore", category=streamspan.UsageEstimatedWarning)
    try:
        streamspan.instrument(keep="nothing")
    except streamspan.SettingsError as error:
        raise_later(error)

    streamspan.Settings(capture_content="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.Settings(include_usage="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.Settings(tokenizers={"*": 4})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    streamspan.Settings(idle_timeout="10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.Settings(upload=HalfABucket())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamspan.Settings(progress=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    settings.keep = "errors"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def stores(content: UploadedContent) -> None:
    all_stores: list[Upload] = [FileUpload("content"), FileUpload(Path("content")), Bucket()]
    for store in all_stores:
        assert_type(store.reference(content), str | Mapping[str, str] | None)
        assert_type(store.upload(content), None)
    assert_type(FileUpload("content").reference(content), str)

    FileUpload()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    FileUpload(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def sends(spans: SpanExporter, logs: LogRecordExporter, span: ReadableSpan, log: ReadableLogRecord) -> None:
    sized, sized_logs = SizedSpanExporter(spans), SizedLogRecordExporter(logs, request_bytes=1_000_000)
    assert_type(sized.export([span]), SpanExportResult)
    assert_type(sized_logs.export([log]), LogRecordExportResult)
    assert_type((sized.force_flush(100), sized_logs.force_flush()), tuple[bool, bool])
    sized.shutdown()
    sized_logs.shutdown(timeout_millis=100)
    SizedSpanExporter(sized)
    SizedLogRecordExporter(sized_logs)

    SizedSpanExporter(logs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SizedLogRecordExporter(spans)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- run_local -------------------------------------------------------------------------------------------------------


def asks(messages: list[dict[str, Any]], traces: TracerProvider, *, whether: bool) -> None:
    streamspan.Client(capture_stream_chunks=True, stream_preview_chars=4096, metric_attributes=["user.id"])
    streamspan.Client(stream_preview_chars="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    options: Options = {"model": "m", "messages": messages, "top_p": 0.5}
    with streamspan.Client(api_keys={"openai": "k"}, timeout=10.0, tracer_provider=traces) as client:
        assert_type(client.run_local(**options).finish_reason, FinishReason | None)
        assert_type(client, streamspan.Client)
        result = client.run_local(model="gpt-4.1-mini", messages=messages, temperature=0.2, tags=["one"])
        assert_type(result, streamspan.RunLocalResult)
        assert_type(result.text, str)
        assert_type(result.latency_ms, int)
        assert_type(result.usage, streamspan.TokenUsage)
        assert_type(result.cost, float | None)
        assert_type(result.tool_calls, tuple[streamspan.ToolCall, ...])
        assert_type(result.message, dict[str, Any])
        with client.run_local(model="gpt-4.1-mini", messages=messages, stream=True) as stream:
            assert_type(stream, streamspan.LocalStream)
            for text in stream:
                assert_type(text, str)
            stream.abort()
        assert_type(
            client.run_local(model="m", messages=messages, stream=whether), streamspan.RunLocalResult | streamspan.LocalStream
        )
        session = client.create_session(user_id="u-1")
        assert_type(session, Session)
        assert_type(session.run_local(model="m", messages=[*messages, result.message]), streamspan.RunLocalResult)

        client.run_local(model="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        client.run_local("m", messages)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        client.run_local(model="m", messages=messages, heat=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        client.run_local(model="m", messages=messages, timeout="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def asks_asynchronously(messages: list[dict[str, Any]]) -> None:
    async with streamspan.Client() as client:
        assert_type(await client.arun_local(model="m", messages=messages), streamspan.RunLocalResult)
        async with await client.arun_local(model="m", messages=messages, stream=True) as stream:
            assert_type(stream, streamspan.AsyncLocalStream)
            async for text in stream:
                assert_type(text, str)
        assert_type((await stream.result).aborted, bool)

        await client.arun_local(model="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
