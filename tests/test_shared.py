"""A call whose span somebody above us has made already."""

import logging
from typing import Any

import openai
import pytest
import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # pyright: ignore[reportMissingTypeStubs]

import streamspan
from streamspan import rivals
from streamspan.sdks import patching

from conftest import Recorder
from loopback import Loopback, Reply
from surfaces import SURFACES, OpenAISurface, Surface

KINDS = [{"gen_ai.operation.name": "chat"}, {"openinference.span.kind": "LLM"}]


async def take(surface: Surface, server: Loopback) -> Any:
    """One stream, read to its end, and the client, still open."""
    client = surface.client(server)
    await surface.take(await surface.open(client))
    return client


async def shut(surface: Surface, client: Any) -> None:
    closing = client.close()
    if surface.is_async:
        await closing


@pytest.mark.parametrize("surface", SURFACES, ids=repr)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: next(iter(kind)))
async def test_span_of_the_call_is_shared(surface: Surface, kind: dict[str, str], observed: Recorder) -> None:
    """Inside the span of a model call ours is that one: it gets all that we know, and keeps its name, its attributes and its status."""
    tracer = observed.provider.get_tracer("framework")
    with (
        Loopback(Reply(body=surface.wire(["a", "b"]))) as server,
        tracer.start_as_current_span("theirs", attributes={**kind, "gen_ai.provider.name": "theirs"}),
    ):
        client = await take(surface, server)
    await shut(surface, client)

    assert observed.span().name == "theirs"
    attributes = observed.attributes()
    assert attributes["gen_ai.provider.name"] == "theirs"
    assert (attributes["streamspan.outcome"], attributes["streamspan.preview"]) == ("completed", "ab")
    assert {"gen_ai.usage.input_tokens", "streamspan.cost.total", "gen_ai.request.model"} <= set(attributes)


async def test_failure_in_a_shared_span(observed: Recorder) -> None:
    """Whether the operation failed is for the span's owner to say; how the call ended is said by us."""
    surface = OpenAISurface(is_async=False)
    tracer = observed.provider.get_tracer("framework")
    with (
        Loopback(Reply(body=surface.wire(["a"], terminal=False))) as server,
        tracer.start_as_current_span("theirs", attributes=KINDS[0]),
    ):
        client = await take(surface, server)
    await shut(surface, client)

    assert observed.span().status.is_unset
    assert observed.attributes()["streamspan.outcome"] == "truncated"
    assert "error.type" not in observed.attributes()


async def test_span_that_ends_before_the_call(observed: Recorder) -> None:
    """Where the owner ends its span before the stream is over, the call has a span of its own under it, with its error."""
    surface = OpenAISurface(is_async=False)
    tracer = observed.provider.get_tracer("framework")
    with Loopback(Reply(body=surface.wire(["a"], terminal=False))) as server:
        client = surface.client(server)
        with tracer.start_as_current_span("theirs", attributes=KINDS[0]) as theirs:
            stream = await surface.open(client)
        await surface.take(stream)
        await shut(surface, client)

    ours = observed.spans(2)[1]
    assert ours.parent == theirs.get_span_context()
    assert (ours.attributes or {})["streamspan.outcome"] == "truncated"
    assert (ours.attributes or {})["error.type"] == "truncated"
    assert not ours.status.is_unset


@pytest.mark.parametrize("attributes", [{}, {"gen_ai.operation.name": "invoke_agent"}, {"gen_ai.operation.name": "embeddings"}])
async def test_other_spans_are_parents(attributes: dict[str, str], observed: Recorder) -> None:
    """A span of anything else is the parent of ours, as ever."""
    surface = OpenAISurface(is_async=False)
    tracer = observed.provider.get_tracer("framework")
    with (
        Loopback(Reply(body=surface.wire(["a"]))) as server,
        tracer.start_as_current_span("theirs", attributes=attributes) as theirs,
    ):
        client = await take(surface, server)
    await shut(surface, client)

    ours = next(span for span in observed.ended if span.name != "theirs")
    observed.started.sort()
    observed.ended.sort(key=lambda span: span.name)
    assert ours.parent == theirs.get_span_context()
    assert len(observed.spans(2)) == 2


class Rival(BaseInstrumentor):
    """Another vendor's instrumentor, as far as the log is concerned."""

    __module__ = "vendor.instrumentation.genai.openai_v2"

    def instrumentation_dependencies(self) -> list[str]:
        return []

    def _instrument(self, **kwargs: Any) -> None: ...

    def _uninstrument(self, **kwargs: Any) -> None: ...


@pytest.mark.parametrize("ours_first", [True, False])
async def test_another_instrumentor_is_said_once(ours_first: bool, recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever came first: one warning names it and says what to set, at `instrument()` or at the first call."""
    surface = OpenAISurface(is_async=False)
    rivals._looked.clear()
    starts = [lambda: streamspan.instrument(tracer_provider=recorder.provider), Rival().instrument]
    for start in starts if ours_first else reversed(starts):
        start()
    assert len(caplog.records) == (not ours_first)
    with Loopback(Reply(body=surface.wire(["a"]))) as server:
        for _ in range(2):
            await shut(surface, await take(surface, server))
    streamspan.uninstrument()
    Rival().uninstrument()

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("vendor.instrumentation.genai.openai_v2 observes the same model calls")
    assert len(recorder.spans(2)) == 2


@pytest.mark.parametrize("owner", [openai._base_client.SyncAPIClient, openai.OpenAI], ids=["choke-point", "subclass"])
async def test_wrapper_that_was_there_before(owner: Any, recorder: Recorder) -> None:
    """A wrapper of somebody else's, on our choke point or on a class under it, neither keeps ours out nor loses its own calls."""
    surface, seen = OpenAISurface(is_async=False), list[str]()
    before = owner.__dict__.get("request")

    def note(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append("theirs")
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(owner, "request", note)
    for _ in range(2):
        streamspan.instrument(tracer_provider=recorder.provider)
        with Loopback(Reply(body=surface.wire(["a"]))) as server:
            await shut(surface, await take(surface, server))
        streamspan.uninstrument()
    if before is None:
        del owner.request
    else:
        owner.request = before

    assert seen == ["theirs"] * 2
    assert [(span.attributes or {})["streamspan.outcome"] for span in recorder.spans(2)] == ["completed"] * 2
    assert not patching._active
