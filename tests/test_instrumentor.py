"""Switching streamspan on and off in a program."""

import inspect
import logging
import sys
import threading
from contextvars import copy_context
from typing import Any

import openai
import pytest
import wrapt
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider, sampling

import streamspan
from streamspan.sdks import patching

from conftest import Recorder
from loopback import Loopback, Reply, Request
from surfaces import SURFACES, OpenAISurface, Surface

MODULES: list[Any] = [sys.modules["openai._base_client"], sys.modules["anthropic._base_client"]]
CHOKE_POINTS = [(module, kind) for module in MODULES for kind in ("SyncAPIClient", "AsyncAPIClient")]


async def call(surface: Surface, server: Loopback, client: Any = None) -> None:
    """One streamed call, read to its end."""
    own = client or surface.client(server)
    await surface.take(await surface.open(own))
    closing = own.close()
    if surface.is_async:
        await closing


def originals() -> list[Any]:
    return [getattr(module, kind).__dict__["request"] for module, kind in CHOKE_POINTS]


def test_uninstrument_restores_the_originals(recorder: Recorder) -> None:
    """After ``uninstrument()`` the SDKs have their own functions again, also after two rounds and an ``instrument()`` too many."""
    before = originals()
    for _ in range(2):
        streamspan.instrument(tracer_provider=recorder.provider)
        streamspan.instrument(tracer_provider=recorder.provider)
        assert all(isinstance(patched, wrapt.FunctionWrapper) for patched in originals())
        streamspan.uninstrument()
        streamspan.uninstrument()
        assert all(now is then for now, then in zip(originals(), before, strict=True))


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_clients_made_before_are_seen(surface: Surface, recorder: Recorder) -> None:
    """A client, and its raw accessor, made before ``instrument()`` is observed as well."""
    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        surface.call(client)
        streamspan.instrument(tracer_provider=recorder.provider)
        await call(surface, server, client)
        streamspan.uninstrument()

    assert recorder.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_running_stream_is_observed_to_its_end_after_uninstrument(surface: Surface, recorder: Recorder) -> None:
    """A stream that was opened before ``uninstrument()`` still ends its span completed."""
    streamspan.instrument(tracer_provider=recorder.provider)
    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        streamspan.uninstrument()
        await surface.take(stream)
        closing = client.close()
        if surface.is_async:
            await closing

    assert recorder.attributes()["streamspan.outcome"] == "completed"


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_one_instrumentor_alone(surface: Surface, recorder: Recorder) -> None:
    """``OpenAIInstrumentor().instrument(tracer_provider=...)`` observes its own SDK and no other."""
    streamspan.OpenAIInstrumentor().instrument(tracer_provider=recorder.provider, capture_stream_chunks=True)
    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        await call(surface, server)
    streamspan.OpenAIInstrumentor().uninstrument()

    assert len(recorder.spans(1 if surface.sdk == "openai" else 0)) == (surface.sdk == "openai")


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_suppressed_calls_have_no_span(surface: Surface, observed: Recorder) -> None:
    """Inside ``suppress_instrumentation()`` nothing is observed."""
    with Loopback(Reply(body=surface.wire(["x"]))) as server, suppress_instrumentation():
        await call(surface, server)

    assert observed.spans(0) == []


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_unsampled_calls_are_not_tapped(surface: Surface) -> None:
    """A call whose span is not recording is left alone: the stream keeps the SDK's own iterator."""
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF)
    streamspan.instrument(tracer_provider=provider)
    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        assert inspect.isgenerator(stream._iterator) or inspect.isasyncgen(stream._iterator)
        assert await surface.take(stream)
        closing = client.close()
        if surface.is_async:
            await closing
    streamspan.uninstrument()
    provider.shutdown()


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
async def test_span_is_current_while_the_request_is_sent_and_no_longer(surface: Surface, observed: Recorder) -> None:
    """HTTP spans nest under the call; the caller's loop body runs in the caller's own context."""
    tracer = observed.provider.get_tracer("test")
    seen: list[int] = []
    ours: list[int] = []

    def note(*_: object) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    async def note_async(*_: object) -> None:
        note()

    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        client = surface.client(server)
        client._client.event_hooks = {"request": [note_async if surface.is_async else note]}
        with tracer.start_as_current_span("caller") as caller:
            stream = await surface.open(client)
            ours.append(trace.get_current_span().get_span_context().span_id)
            while await surface.next(stream) is not None:
                ours.append(trace.get_current_span().get_span_context().span_id)
        closing = client.close()
        if surface.is_async:
            await closing

    model_call = next(span for span in observed.ended if span.name != "caller")
    observed.started.sort()
    observed.ended.sort(key=lambda span: span.name)
    assert seen == [model_call.context.span_id if model_call.context else 0]
    assert set(ours) == {caller.get_span_context().span_id}
    assert model_call.parent is not None
    assert model_call.parent.span_id == caller.get_span_context().span_id


async def test_coroutine_closed_in_another_context(observed: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """A call whose coroutine is thrown away somewhere else ends cancelled, and nothing is logged about contexts."""
    surface, hold = OpenAISurface(is_async=True), threading.Event()

    def answer(_: Request) -> Reply:
        hold.wait(10)
        return Reply.of({})

    with Loopback(answer) as server:
        client = surface.client(server)
        coroutine = surface.open(client)
        copy_context().run(coroutine.send, None)
        coroutine.close()
        hold.set()
        await client.close()

    assert observed.attributes()["streamspan.outcome"] == "cancelled"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(not hasattr(MODULES[1], "start_api_call_span"), reason="this anthropic has no tracing of its own")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_anthropics_own_span_is_left_out(is_async: bool, recorder: Recorder) -> None:
    """A client whose own tracing is on gives one span, ours, and its own again once we are off."""
    from surfaces import AnthropicSurface

    surface = AnthropicSurface(is_async=is_async)
    options = {"open_telemetry": {"traces": {"enabled": True}, "tracer_provider": recorder.provider}}
    streamspan.instrument(tracer_provider=recorder.provider)
    with Loopback(Reply(body=surface.wire(["x"]))) as server:
        await call(surface, server, surface.client(server, **options))
        assert recorder.span().name == "chat claude-haiku-4-5"
        assert recorder.attributes()["streamspan.outcome"] == "completed"
        streamspan.uninstrument()
        await call(surface, server, surface.client(server, **options))

    assert [span.name for span in recorder.spans(2)] == ["chat claude-haiku-4-5", "anthropic.messages.create"]


def test_stream_class_that_cannot_be_tapped_is_observed_through_a_proxy(observed: Recorder) -> None:
    """A stream class without the inner iterator still gives its chunks, its type to ``isinstance``, and a span."""

    class Plain(openai.Stream[Any]):
        """A stream whose iterator has another name, as an SDK of another version might have."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._chunks = self.__dict__.pop("_iterator")

        def __next__(self) -> Any:
            return next(self._chunks)

        def __iter__(self) -> Any:
            return self._chunks

    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=surface.wire(["a", "b"]))) as server, surface.client(server) as client:
        body: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [], "stream": True}
        with client.post("/chat/completions", cast_to=object, body=body, stream=True, stream_cls=Plain) as stream:
            assert isinstance(stream, Plain)
            chunks = list(stream)

    assert len(chunks) == 4
    assert observed.attributes()["streamspan.preview"] == "ab"


def test_instrument_without_any_sdk(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With no SDK installed ``instrument()`` says so and does nothing."""
    monkeypatch.setattr("streamspan.instrumentor.find_spec", dict[str, object]().get)
    streamspan.instrument(tracer_provider=recorder.provider)

    assert caplog.messages == [
        "no SDK that streamspan knows is installed: openai, anthropic, google.genai, botocore, aiobotocore"
    ]
    assert not patching._active


def test_text_of_a_stream_asked_for_behind_the_sdk(observed: Recorder) -> None:
    """``extra_body={"stream": True}`` gets the caller the raw text; the span has what it says."""
    surface = OpenAISurface(is_async=False)
    with Loopback(Reply(body=surface.wire(["a", "b"]))) as server, surface.client(server) as client:
        result: Any = client.chat.completions.create(model="gpt-4o-mini", messages=[], extra_body={"stream": True})

    assert isinstance(result, str)
    assert observed.attributes()["streamspan.preview"] == "ab"
    assert observed.attributes()["streamspan.outcome"] == "completed"
