"""Whatever comes over the wire and however it is read: the application sees what it would see without us, and a call is one span.

Hypothesis mutates the bodies of ``tests/wire``, and the real SDK reads each twice, bare and observed, from an in-process transport.
"""

import asyncio
import copy
import gc
import importlib
import json
import os
import re
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamspan import live, semconv
from streamspan.instrumentor import INSTRUMENTORS

from conformance import CASES, Case, major
from conftest import Recorder
from surfaces import GoogleSurface, Surface

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "60"))
"""Per format, sync and async each."""
NO_CHECKS: Any = list(HealthCheck)  # pyright: ignore[reportUnknownArgumentType,reportArgumentType]
FUZZED: Final = [case for case in CASES if not case.settings and len(case.body.read_bytes()) < 20_000]
FORMATS: Final = sorted({case.format for case in FUZZED})


# --- mutations of a body ---------------------------------------------------------------------------------------------

Mutation = Callable[[bytes], bytes]
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 7, 2**70, 1.5, float("nan"), "", "x", "\ud83d", "\u00e9" * 3),
    *([], {}, [None], {"a": 1}, [[]], ["x"], [{}]),
)
"""What stands where something else belongs."""
JUNK: Final = (
    *(b"", b"\x00", b"\xff\xfe", b"\xf0\x9f", b"\n\n", b"\r", b":", b"{", b'"', b"data:", b"data: null\n\n", b"data: 7\n\n"),
    *(b"data: [DONE]\n\n", b"event: ping\ndata: {}\n\n", b"event: error\ndata: {}\n\n"),
    b'data: {"error": {"message": "no", "code": 7}}\n\n',
)
"""What comes in between."""


def events(body: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line after it; a whole answer is one."""
    return re.findall(rb"(?s).+?(?:\r?\n\r?\n|\Z)", body)


def at(items: list[Any], place: float) -> int:
    """An index; ``place`` is between 0 and 1."""
    return min(int(place * len(items)), max(len(items) - 1, 0))


def drop(place: float) -> Mutation:
    def mutate(body: bytes) -> bytes:
        found = events(body)
        return b"".join(found[: at(found, place)] + found[at(found, place) + 1 :])

    return mutate


def duplicate(place: float) -> Mutation:
    def mutate(body: bytes) -> bytes:
        found = events(body)
        return b"".join(found[: at(found, place) + 1] + found[at(found, place) :])

    return mutate


def reorder(place: float, other: float) -> Mutation:
    def mutate(body: bytes) -> bytes:
        if found := events(body):
            i, j = at(found, place), at(found, other)
            found[i], found[j] = found[j], found[i]
        return b"".join(found)

    return mutate


def truncate(place: float) -> Mutation:
    return lambda body: body[: int(place * len(body))]


def garble(place: float, junk: bytes) -> Mutation:
    """Puts junk over what stands there."""

    def mutate(body: bytes) -> bytes:
        where = int(place * len(body))
        return body[:where] + junk + body[where + len(junk) :]

    return mutate


def insert(place: float, junk: bytes) -> Mutation:
    """Puts junk between two events."""

    def mutate(body: bytes) -> bytes:
        found = events(body)
        return b"".join([*found[: at(found, place)], junk, *found[at(found, place) :]])

    return mutate


def twist(place: float, inside: float, value: Any) -> Mutation:
    """Replaces one value in the JSON of one event."""

    def mutate(body: bytes) -> bytes:
        found = events(body)
        if not found:
            return body
        where = at(found, place)
        head, brace, rest = found[where].partition(b"{")
        text = (brace + rest).rstrip()
        try:
            data: Any = json.loads(text)
        except ValueError:
            return body
        slots = list(walk(data))
        if not slots:
            return body
        holder, key = slots[at(slots, inside)]
        holder[key] = copy.deepcopy(value)
        found[where] = head + json.dumps(data).encode() + (brace + rest)[len(text) :]
        return b"".join(found)

    return mutate


def walk(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in JSON that holds a value."""
    keys: list[Any] = [*data] if isinstance(data, dict) else [*range(len(data))] if isinstance(data, list) else []  # pyright: ignore[reportUnknownArgumentType]
    for key in keys:
        yield data, key
        yield from walk(data[key])


PLACE: Final = st.integers(0, 1000).map(lambda n: n / 1000)
MUTATION: Final = st.one_of(
    st.builds(drop, PLACE),
    st.builds(duplicate, PLACE),
    st.builds(reorder, PLACE, PLACE),
    st.builds(truncate, PLACE),
    st.builds(garble, PLACE, st.one_of(st.sampled_from(JUNK), st.binary(min_size=1, max_size=3))),
    st.builds(insert, PLACE, st.sampled_from(JUNK)),
    st.builds(twist, PLACE, PLACE, st.sampled_from(VALUES)),
    st.builds(twist, PLACE, PLACE, st.sampled_from(VALUES)),
)


# --- how it is read --------------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """All that the application notices."""

    chunks: list[str] = field(default_factory=list[str])
    error: tuple[type, str] | None = None

    def note(self, chunk: Any) -> None:
        """Keeps what can be compared of a chunk."""
        # Google's own repr leaves out what is deep inside, that of the others shows which fields were set.
        said = chunk.model_dump(warnings=False) if "google" in type(chunk).__module__ else chunk
        self.chunks.append(re.sub(" at 0x[0-9a-f]+", "", f"{type(chunk).__qualname__} {said!r}"))


Way = Callable[["Plan", Surface, Any, Heard], Awaitable[None]]


@dataclass(frozen=True)
class Plan:
    """One call: what is sent, in which pieces, and how the application reads."""

    case: Case
    mutations: tuple[Mutation, ...]
    piece: int
    cut: bool
    count: int | None
    """Chunks after which the application stops; ``None`` reads all."""
    way: Way

    @property
    def body(self) -> bytes:
        """What is sent."""
        body = self.case.body.read_bytes()
        for mutate in self.mutations:
            body = mutate(body)
        return body

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the call."""
        return {**self.case.arguments, **({"stream": True} if self.case.is_streamed else {})}

    async def hear(self, surface: Surface, stream: Any, heard: Heard) -> None:
        """Reads as many as are wanted, in a loop."""
        if self.count == 0:
            return
        if surface.is_async:
            async for chunk in stream:
                heard.note(chunk)
                if len(heard.chunks) == self.count:
                    break
        else:
            for chunk in stream:
                heard.note(chunk)
                if len(heard.chunks) == self.count:
                    break


async def loop_and_close(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    stream = await surface.create(client, **plan.arguments)
    if plan.case.is_streamed:
        await plan.hear(surface, stream, heard)
        await surface.close(stream)
    else:
        heard.note(stream)


async def loop_and_drop(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    stream = await surface.create(client, **plan.arguments)
    await plan.hear(surface, stream if plan.case.is_streamed else [stream] if not surface.is_async else aside([stream]), heard)


async def next_by_next(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    stream = await surface.create(client, **plan.arguments)
    if not plan.case.is_streamed:
        heard.note(stream)
        return
    for _ in range(1000 if plan.count is None else plan.count):
        if (chunk := await surface.next(stream)) is None:
            break
        heard.note(chunk)
    await surface.close(stream)


async def leave_with(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    if not plan.case.is_streamed:
        await loop_and_drop(plan, surface, client, heard)
        return
    async with surface.within(await surface.create(client, **plan.arguments)) as stream:
        await plan.hear(surface, stream, heard)


async def parse_raw(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    raw = await surface.create(client, via="with_raw_response", **plan.arguments)
    parsed = await surface.parse(raw)
    if plan.case.is_streamed:
        await plan.hear(surface, parsed, heard)
        await surface.close(parsed)
    else:
        heard.note(parsed)


async def read_lines(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    async with surface.within(await surface.create(client, via="with_streaming_response", **plan.arguments)) as response:
        await plan.hear(surface, response.iter_lines(), heard)


async def read_bytes(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    async with surface.within(await surface.create(client, via="with_streaming_response", **plan.arguments)) as response:
        await plan.hear(surface, response.iter_bytes(), heard)


async def use_helper(plan: Plan, surface: Surface, client: Any, heard: Heard) -> None:
    if not (plan.case.is_streamed and surface.has_helper):
        await loop_and_close(plan, surface, client, heard)
        return
    async with surface.within(surface.helper(client)) as stream:
        await plan.hear(surface, stream, heard)


async def aside(items: list[Any]) -> AsyncIterator[Any]:
    """The items, asynchronously."""
    for item in items:
        yield item


OF_GENERATORS: Final[tuple[Way, ...]] = (loop_and_close, loop_and_drop, next_by_next)
OF_STREAMS: Final[tuple[Way, ...]] = (*OF_GENERATORS, leave_with, parse_raw, read_lines, read_bytes, use_helper)


def plans(name: str) -> st.SearchStrategy[Plan]:
    """Every way to send and read the cases of a format."""
    cases = [case for case in FUZZED if case.format == name]
    generators = issubclass(cases[0].surface, GoogleSurface)
    return st.builds(
        Plan,
        case=st.sampled_from(cases),
        mutations=st.lists(MUTATION, max_size=3).map(tuple),
        piece=st.sampled_from([1, 2, 3, 7, 61, 1000, 10**6]),
        cut=st.booleans(),
        count=st.one_of(st.none(), st.none(), st.integers(int(generators), 9)),
        way=st.sampled_from(OF_GENERATORS if generators else OF_STREAMS),
    )


# --- the SDK, bare and observed --------------------------------------------------------------------------------------


class Bench:
    """The clients of one SDK over an in-process transport, which sends what the plan says."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.runner = asyncio.Runner()
        self.plan: Plan | None = None
        self._clients: dict[Any, tuple[Surface, Any]] = {}

    def play(self, plan: Plan) -> Heard:
        """One call, to its end; what is dropped is collected."""
        self.plan, heard = plan, Heard()
        surface, client = self._connect(plan.case)
        self.runner.run(self._call(surface, client, heard))
        return heard

    async def _call(self, surface: Surface, client: Any, heard: Heard) -> None:
        assert self.plan is not None
        try:
            await self.plan.way(self.plan, surface, client, heard)
        except Exception as error:  # it is what the application sees
            heard.error = type(error), re.sub(" at 0x[0-9a-f]+", "", str(error))
        for _ in range(1 + self.is_async):
            gc.collect()
            for _ in range(20 * self.is_async):  # asyncio ends a dropped generator in a task, and what is in it in another
                await asyncio.sleep(0)

    def _connect(self, case: Case) -> tuple[Surface, Any]:
        key = case.surface, case.base_url
        if key not in self._clients:
            surface = case.surface(is_async=self.is_async)
            self._clients[key] = surface, connect(surface, case.base_url, self._answer)
            gc.collect()
            gc.freeze()  # a collection after each example shall not look at the SDKs
        return self._clients[key]

    def _answer(self, request: Any) -> Any:
        plan = self.plan
        assert plan is not None
        http: Any = importlib.import_module(type(request).__module__.partition(".")[0])
        kind = "text/event-stream" if plan.case.is_streamed else "application/json"
        headers = {"content-type": kind, **plan.case.asked.get("headers", {})}
        body = plan.body
        pieces = [body[start : start + plan.piece] for start in range(0, len(body), plan.piece)]
        lost = http.RemoteProtocolError("peer closed connection") if plan.cut else None
        content = flow_async(pieces, lost) if self.is_async else flow(pieces, lost)
        return http.Response(plan.case.asked.get("status", 200), headers=headers, content=content)

    def close(self) -> None:
        """Closes the clients and the loop."""
        for surface, client in self._clients.values():
            self.runner.run(surface.shut(client))
        self.runner.close()


def connect(surface: Surface, base_url: str, answer: Callable[[Any], Any]) -> Any:
    """A client whose requests are answered by that function."""
    nowhere: Any = SimpleNamespace(url="http://127.0.0.1")
    if isinstance(surface, GoogleSurface):
        http: Any = importlib.import_module("httpx2" if major("google-genai") >= 3 else "httpx")
        arguments = {"transport": http.MockTransport(answer)}
        options = {"base_url": base_url, "client_args": arguments, "async_client_args": arguments}
        return surface.client(nowhere, http_options=options)
    sdk: Any = importlib.import_module(surface.sdk)
    kind = sdk.DefaultAsyncHttpxClient if surface.is_async else sdk.DefaultHttpxClient
    modules = (base.__module__.partition(".")[0] for base in kind.__mro__)
    http = importlib.import_module(next(name for name in modules if name.startswith("httpx")))
    return surface.client(nowhere, base_url=base_url, http_client=kind(transport=http.MockTransport(answer)))


def flow(pieces: list[bytes], lost: Exception | None) -> Iterator[bytes]:
    """The body; at its end the connection may be lost."""
    yield from pieces
    if lost is not None:
        raise lost


async def flow_async(pieces: list[bytes], lost: Exception | None) -> AsyncIterator[bytes]:
    """The same for an asynchronous client."""
    for piece in pieces:
        yield piece
    if lost is not None:
        raise lost


@pytest.fixture(scope="module", params=[False, True], ids=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Shared by all examples."""
    bench = Bench(is_async=request.param)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def spans() -> Recorder:
    """Shared by all examples."""
    return Recorder()


def instrumentor(case: Case) -> Any:
    """What observes the SDK that the case is called with."""
    return next(kind() for kind in INSTRUMENTORS if case.surface.sdk in kind.packages())


def check(plan: Plan, bench: Bench, spans: Recorder) -> None:
    """Plays the plan twice and compares."""
    spans.started.clear()
    spans.ended.clear()
    bare = bench.play(plan)
    watcher = instrumentor(plan.case)
    watcher._instrument(tracer_provider=spans.provider)
    try:
        watched = bench.play(plan)
    finally:
        watcher._uninstrument()
    assert watched == bare
    assert len(spans.started) == 1
    deadline = time.monotonic() + 5  # a dropped stream is ended by another thread
    while not spans.ended and time.monotonic() < deadline:
        live.settle()
        time.sleep(0.0005)
    assert [semconv.OUTCOME in (span.attributes or {}) for span in spans.ended] == [True]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old models
@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_any_reading(name: str, bench: Bench, spans: Recorder) -> None:
    """The same chunks and the same exception with streamspan as without, and one span."""

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=NO_CHECKS)
    @given(plan=plans(name))
    def explore(plan: Plan) -> None:
        check(plan, bench, spans)

    with warnings.catch_warnings():
        explore()
