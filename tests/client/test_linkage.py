"""Who and what a call is for, and the trace that it belongs to."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from streamspan import semconv
from streamspan.client import Client

from client_cases import CASES, TEXT, TEXTS, Case
from conftest import Recorder
from loopback import Loopback

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SYNC = [case for case in CASES if not case.is_async]


@pytest.mark.parametrize("case", CASES, ids=repr)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_span_says_who_and_belongs_where_it_is_told(case: Case, stream: bool, observed: Recorder) -> None:
    """User, session, tags and parent are those that the call names."""
    with Loopback(case.streams() if stream else case.whole()) as server:
        async with case.client(server) as client:
            who = {"user_id": "u1", "session_id": "s1", "tags": ["a", "b"], "trace_id": TRACE, "parent_span_id": SPAN}
            answer = await case.run(client, stream=stream, **who)
            assert answer.trace_id == TRACE
            if stream:
                await case.read(answer)
    span = observed.span()
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    attributes: Any = span.attributes
    said = attributes[semconv.USER_ID], attributes[semconv.SESSION_ID], list(attributes[semconv.TAGS])
    assert said == ("u1", "s1", ["a", "b"])


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_the_current_span_is_the_parent(case: Case, observed: Recorder) -> None:
    """Where nothing else is said; and it is not current any more where the stream is read."""
    tracer = observed.provider.get_tracer("test")
    with Loopback(case.streams()) as server, tracer.start_as_current_span("outer") as outer:
        async with case.client(server) as client:
            stream = await case.run(client, stream=True)
            await case.read(stream)
    inner = next(span for span in observed.ended if span.name != "outer")
    assert inner.parent == outer.get_span_context()


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_turns_of_a_session_are_siblings(case: Case, observed: Recorder) -> None:
    """In one trace, under one span, with the session's id and the user's; also turns that are taken at the same time."""
    with Loopback(case.whole()) as server:
        async with case.client(server) as client:
            client._tracer = observed.provider.get_tracer("test")
            session = client.create_session(session_id="s1", user_id="u1")
            if case.is_async:
                answers = await asyncio.gather(*(case.run(session) for _ in range(3)))
            else:
                with ThreadPoolExecutor() as pool:
                    answers = [
                        turn.result()
                        for turn in [pool.submit(session.run_local, model=case.model, messages=QUESTION) for _ in range(3)]
                    ]
    root, *turns = observed.spans(4)
    context: Any = root.get_span_context()
    assert (root.name, root.parent, session.trace_id) == (semconv.SESSION_SPAN, None, f"{context.trace_id:032x}")
    assert {answer.trace_id for answer in answers} == {session.trace_id}
    assert [turn.parent for turn in turns] == [context] * 3
    assert [(turn.attributes or {})[semconv.SESSION_ID] for turn in turns] == ["s1"] * 3
    assert [(turn.attributes or {})[semconv.USER_ID] for turn in turns] == ["u1"] * 3


QUESTION: list[Any] = [{"role": "user", "content": "Hello"}]


def test_a_session_joins_a_trace(observed: Recorder) -> None:
    """The one that is given, or the current one: then it has no span of its own."""
    client = Client(tracer_provider=observed.provider)
    given = client.create_session(trace_id=TRACE, parent_span_id=SPAN)
    assert given.trace_id == TRACE
    with observed.provider.get_tracer("test").start_as_current_span("outer") as outer:
        joined = client.create_session()
        assert joined.trace_id == f"{outer.get_span_context().trace_id:032x}"
    assert given.id != joined.id
    assert observed.span().name == "outer"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"trace_id": "tr_1"}, "trace_id is 'tr_1', where 32 hexadecimal digits belong"),
        ({"trace_id": "0" * 32}, "where 32 hexadecimal digits belong"),
        ({"parent_span_id": SPAN}, "trace_id is None"),
        ({"trace_id": TRACE, "parent_span_id": "sp_1"}, "parent_span_id is 'sp_1', where 16 hexadecimal digits belong"),
    ],
)
def test_ids_of_another_form_are_refused(ids: Any, message: str) -> None:
    """Before anything is sent."""
    with Client() as client:
        with pytest.raises(ValueError, match=message):
            client.run_local(model="gpt-4o", messages=QUESTION, **ids)
        with pytest.raises(ValueError, match=message):
            client.create_session(**ids)


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_a_call_that_nothing_observes(case: Case, observed: Recorder) -> None:
    """Works all the same, with all that the provider reports; ids are 0."""
    with Loopback([case.whole(), case.streams(), case.streams()]) as server, suppress_instrumentation():
        async with case.client(server) as client:
            whole = await case.run(client)
            stream = await case.run(client, stream=True)
            assert await case.read(stream) == TEXTS
            streamed = await case.result(stream)
            left = await case.run(client, stream=True)
            await case.read(left, count=1)
            left.abort()
            partial = await case.result(left)
    for result in (whole, streamed):
        assert (result.text, result.usage.total_tokens, result.span_id, result.trace_id) == (TEXT, 17, "0" * 16, "0" * 32)
    assert (partial.aborted, partial.outcome, partial.text) == (True, "aborted", TEXTS[0])
    assert observed.ended == []
