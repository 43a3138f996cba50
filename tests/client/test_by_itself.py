"""A `Client` without `instrument`: its calls have the same spans, and nobody else's have."""

from typing import Any

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import streamspan
from streamspan import live, semconv

from client_cases import CASES, MESSAGES, TEXTS, Case
from conftest import Recorder
from loopback import Loopback


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_calls_are_observed_without_instrument(case: Case, recorder: Recorder) -> None:
    """One span for each call of the client, and none for those that the program makes with another."""
    with Loopback([case.whole(), case.streams(), case.whole()]) as server:
        async with case.client(server, tracer_provider=recorder.provider) as client:
            whole = await case.run(client)
            stream = await case.run(client, stream=True)
            assert await case.read(stream) == TEXTS
            streamed = await case.result(stream)
        other = case.surface.client(server)
        await case.surface.create(other)
        await case.surface.shut(other)
    live.settle()
    contexts: list[Any] = [span.get_span_context() for span in recorder.spans(2)]
    assert [f"{context.span_id:016x}" for context in contexts] == [whole.span_id, streamed.span_id]
    assert whole.cost == streamed.cost > 0
    assert [(span.attributes or {})[semconv.OUTCOME] for span in recorder.ended] == ["completed"] * 2


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_there_is_one_span_whenever_instrument_is_called(case: Case, recorder: Recorder) -> None:
    """Before the client's first call, between two of them, and after `uninstrument`."""
    with Loopback(case.whole()) as server:
        async with case.client(server, tracer_provider=recorder.provider) as client:
            await case.run(client)
            streamspan.instrument(tracer_provider=recorder.provider)
            await case.run(client)
            streamspan.uninstrument()
            await case.run(client)
    assert len(recorder.spans(3)) == 3


@pytest.mark.parametrize("beside_instrument", [False, True])
async def test_a_client_has_settings_and_providers_of_its_own(beside_instrument: bool, recorder: Recorder) -> None:
    """As `instrument` takes them; they hold for this client, also where others are observed in another way."""
    case = CASES[0]
    with Loopback(case.streams()) as server:
        if beside_instrument:
            streamspan.instrument(tracer_provider=recorder.provider)
        own: dict[str, Any] = {"capture_stream_chunks": True, "stream_preview_chars": 5}
        async with case.client(server, tracer_provider=recorder.provider, **own) as client:
            assert await case.read(await case.run(client, stream=True)) == TEXTS
        streamspan.uninstrument()
    (span,) = recorder.spans(1)
    assert (span.attributes or {})[semconv.PREVIEW] == "city."
    assert semconv.CHUNK_EVENT in {event.name for event in span.events}


def test_its_metrics_and_log_events_go_where_it_says() -> None:
    """Each of the three providers is asked for what is ours."""
    case, asked = CASES[0], list[str]()

    class Traces(NoOpTracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            asked.append("traces")
            return super().get_tracer(*args, **kwargs)

    class Logs(NoOpLoggerProvider):
        def get_logger(self, *args: Any, **kwargs: Any) -> Any:
            asked.append("logs")
            return super().get_logger(*args, **kwargs)

    class Metrics(NoOpMeterProvider):
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            asked.append("metrics")
            return super().get_meter(*args, **kwargs)

    with Loopback(case.whole()) as server, case.surface.client(server) as openai:
        given: Any = {"tracer_provider": Traces(), "logger_provider": Logs(), "meter_provider": Metrics()}
        with streamspan.Client(clients={"openai": openai}, **given) as client:
            client.run_local(model=case.model, messages=MESSAGES)
    assert set(asked) == {"traces", "logs", "metrics"}


def test_a_wrong_setting_is_told_at_once() -> None:
    """By the constructor, before any call."""
    wrong: Any = {"colour": "red"}
    with pytest.raises(streamspan.SettingsError, match="there is no setting 'colour'"):
        streamspan.Client(**wrong)
