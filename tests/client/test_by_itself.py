"""A `Client` without `instrument`: its calls have the same spans, and nobody else's have."""

from typing import Any

import pytest

import streamspan
from streamspan import live, semconv

from client_cases import CASES, TEXTS, Case
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
