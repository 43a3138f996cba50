"""A manual span around a call of an SDK that is observed: both are one call, on one span."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

import streamspan
from streamspan import live

from conftest import Recorder
from loopback import CUT, Loopback
from surfaces import BEDROCK, GOOGLE, SURFACES, OpenAISurface, Surface
from wire_surfaces import EmbeddingsSurface

TEXTS = ["Lima ", "is ", "in Peru."]
OURS = {"gen_ai.request.stream", "server.address", "server.port", "openai.api.type", "gen_ai.request.max_tokens"}


def times(name: str) -> bool:
    """Whether an attribute measures time."""
    return name.endswith(("_ms", "_per_second", "first_chunk"))


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes that are the same each time."""
    return {name: value for name, value in attributes.items() if not times(name) and name not in {"server.port"}}


async def call(surface: Surface, server: Loopback) -> list[Any]:
    """One stream, read to its end."""
    client = surface.client(server)
    try:
        stream = await surface.open(client)
        chunks = await surface.take(stream)
        if surface in BEDROCK:
            await surface.close(stream)
    finally:
        await surface.shut(client)
    return chunks


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_one_span_with_all_that_is_seen(surface: Surface, observed: Recorder) -> None:
    """The manual span has what a span of the call itself would have, once, though the program records the chunks too."""
    with Loopback([surface.streams(surface.wire(TEXTS))] * 2) as server:
        await call(surface, server)
        with streamspan.llm("manual", provider="me", model=surface.model, stream=True) as span:
            for chunk in await call(surface, server):
                span.record_chunk(chunk)

    alone, manual = observed.spans(2)
    assert plain(manual.attributes) == {**plain(alone.attributes), "gen_ai.provider.name": "me", "gen_ai.operation.name": "chat"}
    assert manual.name == f"chat {surface.model}"


@pytest.mark.parametrize("surface", [*SURFACES, *BEDROCK], ids=repr)
async def test_inside_of_somebody_elses_span(surface: Surface, observed: Recorder) -> None:
    """Another library's span around both is the one span of the call; what is sent after the block is another call."""
    tracer = observed.provider.get_tracer("a.library")
    theirs = {"gen_ai.operation.name": "chat", "gen_ai.request.model": surface.model}
    with Loopback([surface.streams(surface.wire(TEXTS))] * 3) as server:
        await call(surface, server)
        with tracer.start_as_current_span("theirs", attributes=theirs):
            with streamspan.llm("manual", model=surface.model, stream=True) as span:
                for chunk in await call(surface, server):
                    span.record_chunk(chunk)
            await call(surface, server)

    observed.wait_for(3)
    alone, after, outer = observed.ended
    told = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "streamspan.cost.total", "streamspan.outcome")
    for key in told:
        assert (outer.attributes or {})[key] == (alone.attributes or {})[key] == (after.attributes or {})[key]
    assert outer.name == "theirs"
    assert after.parent == outer.context


async def test_by_itself_inside_of_somebody_elses_span(observed: Recorder) -> None:
    """Without an SDK, what the program records is on the other library's span."""
    tracer = observed.provider.get_tracer("a.library")
    with (
        tracer.start_as_current_span("theirs", attributes={"gen_ai.operation.name": "chat"}),
        streamspan.llm("manual", model="gpt-4o-mini", stream=True) as span,
    ):
        span.record_chunk("Lima")
        span.end(usage={"input_tokens": 5, "output_tokens": 7})
    (outer,) = observed.spans(1)
    assert (outer.attributes or {})["gen_ai.usage.output_tokens"] == 7


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_whole_answers(surface: Surface, observed: Recorder) -> None:
    """An answer that is not streamed, likewise."""
    with Loopback([surface.wholly(surface.whole("Lima."))] * 2) as server:
        client = surface.client(server)
        await surface.create(client)
        with streamspan.llm("manual", provider="me", model=surface.model):
            await surface.create(client)
        await surface.shut(client)
    alone, manual = observed.spans(2)
    assert plain(manual.attributes) == {**plain(alone.attributes), "gen_ai.provider.name": "me", "gen_ai.operation.name": "chat"}


async def test_embeddings(observed: Recorder) -> None:
    """Embeddings, likewise."""
    surface = EmbeddingsSurface(is_async=False)
    embedding = {"object": "embedding", "index": 0, "embedding": [0.5]}
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    whole = {"object": "list", "model": surface.model, "data": [embedding], "usage": usage}
    with Loopback([surface.wholly(whole)] * 2) as server:
        client = surface.client(server)
        await surface.create(client)
        with streamspan.llm("openai.embeddings", model=surface.model):
            await surface.create(client)
        await surface.shut(client)
    alone, manual = observed.spans(2)
    assert plain(manual.attributes) == plain(alone.attributes)
    assert "gen_ai.usage.input_tokens" in (manual.attributes or {})


@pytest.mark.settings(progress_interval=0.05)
async def test_progress_is_told_once(observed: Recorder) -> None:
    """While a stream is read inside of a block, its call is looked at, and the block's is not: there is one progress, not two."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback(surface.streams(surface.wire(TEXTS))) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True) as span,
    ):
        client = surface.client(server)
        assert span._call is not None
        span._call.look(perf_counter())
        before: Any = span._call._progress_log
        stream = await surface.open(client)
        await surface.take(stream, 2)
        (inner,) = [running for running in live._calls if running is not span._call]
        for running in (span._call, inner):
            running.look(perf_counter())
        assert getattr(inner, "_progress_log", None) is before
        await surface.take(stream)
        await surface.shut(client)
    marks = [event for event in observed.span().events if event.name == "streamspan.progress"]
    assert len(marks) == len({event.timestamp for event in marks})


ENDS: dict[str, tuple[Callable[[streamspan.LLMSpan], object], dict[str, Any]]] = {
    "forgotten": (lambda span: None, {}),
    "end": (lambda span: span.end(), {}),
    "text": (lambda span: (span.record_chunk("Lima "), span.record_chunk("is in Peru."), span.end("Lima is in Peru.")), {}),
    "usage": (
        lambda span: span.end(usage={"input_tokens": 512, "output_tokens": 128}),
        {"gen_ai.usage.input_tokens": 512, "gen_ai.usage.output_tokens": 128, "streamspan.usage.estimated": None},
    ),
    "outcome": (lambda span: span.end(outcome="aborted"), {"streamspan.outcome": "aborted"}),
    "output": (lambda span: span.end("Lima, that is."), {"streamspan.preview": "Lima, that is."}),
}


@pytest.mark.parametrize("how", ENDS)
async def test_what_the_program_says_comes_on_top(how: str, observed: Recorder) -> None:
    """Usage, output and outcome are the program's where it says them, else what was seen; the usage is there once."""
    surface, (act, changed) = OpenAISurface(is_async=False), ENDS[how]
    with Loopback([surface.streams(surface.wire(TEXTS))] * 2) as server:
        await call(surface, server)
        with streamspan.llm("openai.chat", model=surface.model, stream=True) as span:
            await call(surface, server)
            act(span)

    alone, manual = (plain(span.attributes) for span in observed.spans(2))
    differing = {name for name in {*alone, *manual} if alone.get(name) != manual.get(name)}
    assert {name: manual.get(name) for name in differing & changed.keys()} == changed
    told = {"gen_ai.output.messages"} if how == "output" else set[str]()
    counted = (
        {name for name in differing if "cost" in name or "output_tokens" in name} if how in {"output", "usage"} else set[str]()
    )
    assert differing <= changed.keys() | told | counted


async def test_failure_of_the_block(observed: Recorder) -> None:
    """An exception of the program's own, after a complete answer: the span is failed, with all that was seen."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback(surface.streams(surface.wire(TEXTS))) as server,
        suppress(ValueError),
        streamspan.llm("openai.chat", model=surface.model, stream=True),
    ):
        await call(surface, server)
        raise ValueError
    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["error.type"]) == ("failed", "ValueError")
    assert observed.span().status.status_code.name == "ERROR"
    assert attributes["streamspan.preview"] == "Lima is in Peru."


@pytest.mark.parametrize("is_cut", [False, True], ids=["truncated", "cut"])
async def test_failure_of_the_stream(is_cut: bool, observed: Recorder) -> None:
    """How the stream failed is on the span, which is an error, though the program says that it is over."""
    surface = OpenAISurface(is_async=False)
    wire: list[Any] = surface.wire(TEXTS, terminal=False)
    with (
        Loopback(surface.streams([*wire, CUT] if is_cut else wire)) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True) as span,
    ):
        with suppress(Exception):
            await call(surface, server)
        span.end()
    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == ("failed" if is_cut else "truncated")
    assert attributes["error.type"]
    assert observed.span().status.status_code.name == "ERROR"


async def test_stream_that_is_left(observed: Recorder) -> None:
    """A stream that is broken off, and still held, ends with the program's word: no second span comes when it is dropped."""
    surface = OpenAISurface(is_async=False)
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        with streamspan.llm("openai.chat", model=surface.model, stream=True) as span:
            stream = await surface.open(client)
            await surface.take(stream, 2)
            span.end(output="Lima", usage={"input_tokens": 9, "output_tokens": 1})
        await surface.take(stream)
        await surface.shut(client)
    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["gen_ai.usage.output_tokens"]) == ("aborted", 1)


async def test_stream_that_is_handed_out_of_the_block(observed: Recorder) -> None:
    """Where the block records nothing and hands out the stream, that is observed to its end, on a span below; usage is on that one."""
    surface = OpenAISurface(is_async=False)
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        with streamspan.llm("openai.chat", model=surface.model, stream=True) as span:
            stream = await surface.open(client)
        await surface.take(stream)
        await surface.shut(client)
    above, below = (dict(span.attributes or {}) for span in observed.spans(2))
    assert above["streamspan.usage.omitted"] == "counted"
    assert "gen_ai.usage.output_tokens" not in above
    assert (below["streamspan.outcome"], below["streamspan.preview"]) == ("completed", "Lima is in Peru.")
    assert observed.ended[1].parent is not None
    assert format(observed.ended[1].parent.span_id, "016x") == span.span_id


async def test_second_attempt(observed: Recorder) -> None:
    """After a refusal the program asks again: the span is that of the answer, and there is no other one."""
    surface = OpenAISurface(is_async=False)
    replies = [surface.refuses("rate_limit_exceeded", 429), surface.streams(surface.wire(TEXTS))]
    with Loopback(replies) as server, streamspan.llm("openai.chat", model=surface.model, stream=True):
        with suppress(Exception):
            await call(surface, server)
        await call(surface, server)
    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["streamspan.preview"]) == ("completed", "Lima is in Peru.")
    assert "error.type" not in attributes


async def test_refusal_and_an_answer_from_elsewhere(observed: Recorder) -> None:
    """After a refusal the program takes its answer from a client that is not observed: then that is the answer."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback(surface.refuses("rate_limit_exceeded", 429)) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True) as span,
    ):
        with suppress(Exception):
            await call(surface, server)
        span.record_chunk("Lima")
        span.end(usage={"input_tokens": 9, "output_tokens": 1})
    attributes = observed.attributes()
    assert (attributes["streamspan.outcome"], attributes["gen_ai.usage.output_tokens"]) == ("completed", 1)


async def test_second_call_in_a_block(observed: Recorder) -> None:
    """The block is one call; a second one in it has a span of its own, below."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback([surface.streams(surface.wire([text])) for text in ("a", "b")]) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True),
    ):
        await call(surface, server)
        await call(surface, server)
    live.settle()
    previews = {(span.attributes or {})["streamspan.preview"]: span.parent is None for span in observed.ended}
    assert previews == {"b": False, "a": True}
    observed.ended.reverse()
    observed.spans(2)


async def test_handle_inside_of_a_block(observed: Recorder) -> None:
    """The result of a stream's handle is there when the stream has ended, long before the block is over; usage is told as then."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback(surface.streams(surface.wire(TEXTS))) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True) as span,
    ):
        client = surface.client(server)
        stream = await surface.open(client)
        handle = streamspan.handle(stream)
        await surface.take(stream)
        result = handle.result.result(timeout=5)
        assert (result.text, result.outcome, result.span_id) == ("Lima is in Peru.", "completed", span.span_id)
        assert observed.ended == []
        await surface.shut(client)
    attributes = observed.attributes()
    assert attributes["gen_ai.usage.output_tokens"] == result.usage.output_tokens
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")


async def test_abort_inside_of_a_block(observed: Recorder) -> None:
    """A stream that is aborted by its handle is so on the span, at the end of the block."""
    surface = OpenAISurface(is_async=False)
    with (
        Loopback(surface.streams(surface.wire(TEXTS))) as server,
        streamspan.llm("openai.chat", model=surface.model, stream=True),
    ):
        client = surface.client(server)
        stream = await surface.open(client)
        await surface.take(stream, 2)
        handle = streamspan.handle(stream)
        handle.abort()
        assert await surface.take(stream) == []
        assert handle.result.result(timeout=5).outcome == "aborted"
        await surface.shut(client)
    assert observed.attributes()["streamspan.outcome"] == "aborted"


# --- observe ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_stream_that_is_observed_already(surface: Surface, observed: Recorder) -> None:
    """`observe` of an SDK's observed stream is no second span: the stream itself, or, before its request is sent, the same call."""
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)
        stream = await surface.open(client)
        watched: Any = streamspan.observe(stream, model=surface.model)
        assert watched is stream or surface in GOOGLE
        await surface.take(watched)
        if surface in BEDROCK:
            await surface.close(watched)
        await surface.shut(client)
    attributes = observed.attributes()
    assert attributes["streamspan.outcome"] == "completed"


async def test_request_inside_a_generator(observed: Recorder) -> None:
    """A generator that asks an observed SDK is one call with it."""
    surface = OpenAISurface(is_async=False)
    with Loopback(surface.streams(surface.wire(TEXTS))) as server:
        client = surface.client(server)

        def answer() -> Iterator[str]:
            for chunk in client.chat.completions.create(model=surface.model, messages=[], stream=True):
                yield chunk.choices[0].delta.content or ""

        assert "".join(streamspan.observe(answer(), model=surface.model)) == "Lima is in Peru."
        client.close()
    attributes = observed.attributes()
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert json.loads(str(attributes["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "Lima is in Peru."


@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE], ids=repr)
async def test_same_chunks_unobserved(surface: Surface, observed: Recorder) -> None:
    """What is read of an SDK's chunks by hand is what would have been seen of the call."""
    with Loopback([surface.streams(surface.wire(TEXTS))] * 2) as server:
        await call(surface, server)
        client = surface.client(server)
        with suppress_instrumentation():
            stream = await surface.open(client)
            chunks = await surface.take(stream)
        await surface.shut(client)
    for _ in streamspan.observe(
        iter(chunks), model=surface.model, provider=surface.sdk, input=[{"role": "user", "content": "?"}]
    ):
        pass
    seen, read = (plain(span.attributes) for span in observed.spans(2))
    same = {"gen_ai.output.messages", "gen_ai.response.finish_reasons", "gen_ai.response.id", "gen_ai.response.model"}
    same |= {"gen_ai.usage.output_tokens", "streamspan.chunks", "streamspan.outcome", "streamspan.preview"}
    assert {name: read.get(name) for name in same} == {name: seen.get(name) for name in same}
