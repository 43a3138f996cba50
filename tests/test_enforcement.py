"""Budgets at work: real clients over loopback, and a real ledger."""

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, get_current_span

import streamspan
from streamspan import Budget, BudgetExceededError, live
from streamspan.budgets.ledger import Balance, nano
from streamspan.budgets.stores import open_ledger
from streamspan.call import Call
from streamspan.enforcement.breaker import Breaker

from conftest import Recorder
from loopback import Loopback, Piece, Reply, openai_usage
from surfaces import BEDROCK, GOOGLE, INTERACTIONS, MESSAGES, SURFACES, OpenAISurface, ResponsesSurface, Surface

ALL = [*SURFACES, *GOOGLE, *BEDROCK]
EVERYWHERE = [*ALL, *INTERACTIONS]
FEW = [surface for surface in ALL if surface.name in {"openai", "google", "bedrock"}]
TEXTS = ["Lima ", "is ", "in ", "Peru."]
OPENAI, AOPENAI = OpenAISurface(is_async=False), OpenAISurface(is_async=True)


class Store:
    """A ledger in a file of its own, as another process sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite://{path}"

    def balances(self) -> list[Balance]:
        """All that there is, once what has finished is written."""
        for running in live.running():
            running.look(0)
        live.settle()  # the thread may be at it
        ledger = open_ledger(self.url)
        try:
            return ledger.all()
        finally:
            ledger.close()

    def balance(self) -> Balance:
        """The only one."""
        (balance,) = self.balances()
        return balance

    @contextmanager
    def locked(self) -> Generator[None]:
        """As long as somebody else writes to it."""
        other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A ledger for one test."""
    return Store(tmp_path / "budgets.sqlite3")


@contextmanager
def enforced(recorder: Recorder, store: Store, *budgets: Budget, **settings: Any) -> Generator[Recorder]:
    """The SDKs observed, with these budgets."""
    given: dict[str, Any] = {"tracer_provider": recorder.provider, "budgets": budgets, "budget_store": store.url}
    given |= {"progress_interval": 0.05, **settings}
    streamspan.instrument(**given)
    try:
        yield recorder
    finally:
        streamspan.uninstrument()
        gc.collect()
        live.settle()


@asynccontextmanager
async def asking(surface: Surface, *replies: Reply, **options: Any) -> AsyncGenerator[tuple[Any, Loopback]]:
    """A client of a server that answers so."""
    with Loopback(replies) as server:
        client = surface.client(server, **options)
        yield client, server
        await surface.shut(client)


async def ask(surface: Surface, client: Any, *, streamed: bool) -> Any:
    """A call, read to its end."""
    return await surface.take(await surface.open(client)) if streamed else await surface.create(client)


def answer(surface: Surface, *, streamed: bool) -> Reply:
    """A complete answer."""
    return surface.streams(surface.wire(TEXTS)) if streamed else surface.wholly(surface.whole("".join(TEXTS)))


def running() -> list[Call]:
    """The calls that run, without what else the thread looks after: how budgets stand is told before long."""
    return [one for one in live.running() if isinstance(one, Call)]


def attributes_of(recorder: Recorder, name: str = "streamspan.budget.") -> dict[str, Any]:
    """What the only span says of budgets."""
    return {key.removeprefix(name): value for key, value in recorder.attributes().items() if key.startswith(name)}


async def until(is_so: Callable[[], bool]) -> None:
    """Waits in the loop, which has its own to do for that."""
    async with asyncio.timeout(10):
        while not is_so():
            gc.collect()
            live.settle()
            await asyncio.sleep(0.01)


# --- before it is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", EVERYWHERE, ids=repr)
async def test_what_does_not_fit_is_not_sent(surface: Surface, streamed: bool, recorder: Recorder, store: Store) -> None:
    """The caller gets the exception, the server gets nothing, the span has failed for that reason, and nothing is left over."""
    with enforced(recorder, store, Budget("user:*", 0), Budget("global", 5)):
        async with asking(surface, answer(surface, streamed=streamed)) as (client, server):
            with streamspan.attributes(user_id="u1"), pytest.raises(BudgetExceededError) as caught:
                await ask(surface, client, streamed=streamed)
            assert server.requests == []
        assert not get_current_span().get_span_context().is_valid
        assert running() == []
        error = caught.value
        assert (error.key, error.limit, error.spent, error.reserved) == ("user:u1", 0, 0, 0)
        assert error.resets_at is not None
        span, attributes = recorder.span(), recorder.attributes()
    assert not span.status.is_ok
    assert (attributes["error.type"], attributes["streamspan.outcome"]) == ("BudgetExceededError", "failed")
    assert not [name for name in attributes if "cost" in name or "usage" in name]
    assert attributes_of(recorder) == {"keys": ("global", "user:u1"), "verdict": "refused", "exceeded": ("user:u1",)}
    assert [(balance.spent, balance.reserved, balance.calls) for balance in store.balances()] in ([], [(0, 0, 0)])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", FEW, ids=repr)
async def test_a_call_costs_what_its_span_says(surface: Surface, streamed: bool, recorder: Recorder, store: Store) -> None:
    """What is spent is the cost of the span, in every account that the call counts against, and nothing stays held."""
    budgets = [Budget("global", 5), Budget("project:*", 1, "day"), Budget(f"model:{surface.model}", 1), Budget("tag:x", 1)]
    with enforced(recorder, store, *budgets):
        async with asking(surface, answer(surface, streamed=streamed)) as (client, _):
            with streamspan.attributes(project="p", tags=["a", "b"]):
                await ask(surface, client, streamed=streamed)
        cost = recorder.attributes()["streamspan.cost.total"]
        assert attributes_of(recorder)["keys"] == ("global", f"model:{surface.model}", "project:p") or attributes_of(recorder)[
            "keys"
        ] == ("global", "project:p", f"model:{surface.model}")
        balances = store.balances()
    assert [balance.key for balance in balances] == ["global", f"model:{surface.model}", "project:p"]
    spent = nano(Decimal(str(cost)))
    assert [(balance.spent, balance.reserved, balance.calls) for balance in balances] == [(spent, 0, 1)] * 3
    assert spent > 0


async def test_what_is_held_is_the_worst_case(recorder: Recorder, store: Store) -> None:
    """While a call runs its input, with a margin, and all the output that it may have are held; a second one that does not fit is not sent."""
    gate = threading.Event()
    body: list[Piece] = [*OPENAI.wire(TEXTS)[:2], gate, *OPENAI.wire(TEXTS)[2:]]
    with enforced(recorder, store, Budget("global", "0.001")):
        async with asking(OPENAI, OPENAI.streams(body)) as (client, server):
            stream = await OPENAI.open(client, max_tokens=1000)
            held = store.balance().reserved
            with pytest.raises(BudgetExceededError) as caught:
                await OPENAI.open(client, max_tokens=1000)
            assert len(server.requests) == 1
            gate.set()
            await OPENAI.take(stream)
        balance = store.balance()
    assert 1000 * 600 + 5 * 150 < held < 1000 * 600 + 30 * 150
    assert caught.value.reserved == Decimal(held) / 10**9
    assert (balance.reserved, balance.calls) == (0, 1)
    assert [dict(span.attributes or {}).get("streamspan.budget.reserved") for span in recorder.spans(2)] == [None, held / 1e9]


@pytest.mark.parametrize("surface", [OPENAI, AOPENAI], ids=repr)
async def test_retries_reserve_once(surface: Surface, recorder: Recorder, store: Store) -> None:
    """The SDK's own retries are one call: reserved once and charged once. A refusal of ours is not retried."""
    sorry = surface.refuses("server_error", 500)
    sorry = Reply(500, {"retry-after-ms": "1"}, sorry.body)
    with enforced(recorder, store, Budget("global", "0.002")):
        async with asking(surface, sorry, sorry, answer(surface, streamed=False), max_retries=2) as (client, server):
            await surface.create(client, max_tokens=2000)
            assert len(server.requests) == 3
            with pytest.raises(BudgetExceededError):
                await surface.create(client, max_tokens=4000)
            assert len(server.requests) == 3
        balance = store.balance()
    assert (balance.calls, balance.reserved) == (1, 0)
    assert balance.spent == nano(Decimal(str(dict(recorder.ended[0].attributes or {})["streamspan.cost.total"])))


@pytest.mark.parametrize("surface", FEW, ids=repr)
async def test_what_the_provider_refuses_is_free(surface: Surface, recorder: Recorder, store: Store) -> None:
    """A request that fails before it is accepted gives back what was held, and is no call."""
    with enforced(recorder, store, Budget("global", 5)):
        async with asking(surface, surface.refuses("rate_limit", 429)) as (client, _):
            with pytest.raises(Exception):  # noqa: B017, PT011 - each SDK has its own
                await surface.create(client)
        balance = store.balance()
    assert (balance.spent, balance.reserved, balance.calls) == (0, 0, 0)


# --- how streams end --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def stalled(surface: Surface, *texts: str) -> AsyncGenerator[tuple[Any, Loopback]]:
    """A stream that brings all its text, and then nothing more until the client leaves."""
    never = threading.Event()
    body: list[Piece] = [*surface.wire(texts or TEXTS, terminal=False), never]
    with Loopback(surface.streams(body)) as server:
        client = surface.client(server)
        yield client, server
        never.set()
        await surface.shut(client)


@pytest.mark.parametrize("when", ["end", "raise"])
@pytest.mark.parametrize("surface", [*FEW, *SURFACES[-2:]], ids=repr)
async def test_a_stream_that_costs_too_much_is_stopped(surface: Surface, when: Any, recorder: Recorder, store: Store) -> None:
    """Also while its reader waits: that gets the end or the exception, the server sees the client leave, what came is on the span."""
    budget = Budget("global", "0.0001", on_exceed="stop", when_stopped=when)  # more than the question, less than the answer
    with enforced(recorder, store, budget, budget_reserve="none"):
        async with stalled(surface, "Lima is in Peru. " * 100) as (client, server):
            stream = await surface.open(client)
            async with asyncio.timeout(20):
                if when == "raise":
                    with pytest.raises(BudgetExceededError) as caught:
                        await surface.take(stream)
                    assert caught.value.key == "global"
                else:
                    await surface.take(stream)
            server.wait_for_connections(0)
        attributes, balance = recorder.attributes(), store.balance()
    assert attributes["streamspan.outcome"] == "aborted"
    assert attributes["streamspan.abort.reason"] == "budget"
    assert attributes_of(recorder) == {"keys": ("global",), "verdict": "stopped", "exceeded": ("global",)}
    assert recorder.span().status.is_unset
    assert "Lima is in Peru. " * 100 in str(attributes["gen_ai.output.messages"])
    assert balance.spent == nano(Decimal(str(attributes["streamspan.cost.total"])))
    assert (balance.calls, balance.reserved) == (1, 0)


@pytest.mark.parametrize("surface", [OPENAI, AOPENAI, *GOOGLE], ids=repr)
async def test_a_stream_that_is_left_is_charged(surface: Surface, recorder: Recorder, store: Store) -> None:
    """What was closed or dropped half-way has cost what came until then."""
    with enforced(recorder, store, Budget("global", 5)):
        async with stalled(surface) as (client, _):
            stream = await surface.open(client)
            await surface.take(stream, 3)
            await surface.close(stream)
            del stream
            await until(lambda: bool(recorder.ended))  # asyncio closes dropped generators in tasks of its own
        cost = recorder.attributes()["streamspan.cost.total"]
        balance = store.balance()
    assert (balance.spent, balance.reserved) == (nano(Decimal(str(cost))), 0)


async def test_fifty_streams_at_once_never_pass_the_cap(recorder: Recorder, store: Store) -> None:
    """As long as no call costs more than what is held for it, what is spent and held never exceeds the limit."""
    surface = AOPENAI
    limit, usage = nano(Decimal("0.005")), openai_usage(20, 1000)
    body = surface.wire(TEXTS, usage=usage)
    sent = 0
    with enforced(recorder, store, Budget("global", "0.005")):
        with Loopback(lambda _: surface.streams(body)) as server:
            client = surface.client(server)

            async def one() -> None:
                stream = await surface.open(client, max_tokens=1000)
                await surface.take(stream)

            results = await asyncio.gather(*(one() for _ in range(50)), return_exceptions=True)
            sent = len(server.requests)
            await surface.shut(client)
        balance = store.balance()
    refused = [result for result in results if isinstance(result, BudgetExceededError)]
    assert [result for result in results if result is not None] == refused
    assert len(refused) == 50 - sent
    assert 1 <= sent <= 8
    assert balance.spent <= limit
    assert (balance.calls, balance.reserved) == (sent, 0)
    recorder.wait_for(50)
    assert balance.spent == sum(
        nano(Decimal(str(dict(span.attributes or {}).get("streamspan.cost.total", 0)))) for span in recorder.ended
    )


async def test_a_paid_answer_is_never_thrown_away(recorder: Recorder, store: Store) -> None:
    """A call that turns out to cost more than the whole budget returns its answer, and is recorded; the next one is not sent."""
    dear = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(1_000_000, 5)))
    with enforced(recorder, store, Budget("global", "0.02"), budget_reserve="none"):
        async with asking(OPENAI, dear, dear) as (client, server):
            assert (await OPENAI.create(client)).choices[0].message.content == "Lima."
            with pytest.raises(BudgetExceededError) as caught:
                await OPENAI.create(client)
            assert len(server.requests) == 1
        balance = store.balance()
    assert balance.spent == 1_000_000 * 150 + 5 * 600
    assert caught.value.spent == Decimal("0.150003")


# --- policies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reserve", ["worst_case", "typical", "none"])
async def test_a_model_without_a_price(reserve: str, recorder: Recorder, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """By default it is counted, at no cost, with one warning; under ``deny`` it is not sent."""
    with enforced(recorder, store, Budget("global", "0.01"), budget_reserve=reserve):
        async with asking(OPENAI, OPENAI.wholly(OPENAI.whole("Lima.", model="imaginary-1"))) as (client, _):
            await OPENAI.create(client, model="imaginary-1")
        balance = store.balance()
    assert (balance.spent, balance.calls) == (0, 1)
    assert len([record for record in caplog.records if "no price is known" in record.message]) == 1
    with enforced(recorder, store, Budget("global", "0.01"), budget_reserve=reserve, budget_unknown_price="deny"):
        async with asking(OPENAI, answer(OPENAI, streamed=False)) as (client, server):
            with pytest.raises(streamspan.BudgetUnpricedError) as caught:
                await OPENAI.create(client, model="imaginary-1")
            assert server.requests == []
    assert (caught.value.key, caught.value.limit) == ("global", Decimal("0.01"))


async def test_typical_is_what_such_calls_have_cost(recorder: Recorder, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call of a model is guessed at, the next ones are the mean of those before; nothing is held above the cap."""
    monkeypatch.setattr("streamspan.enforcement.gate.means", means := type(gate_means())())
    monkeypatch.setattr("streamspan.listeners.budget.means", means)
    whole = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(100, 100)))
    with enforced(recorder, store, Budget("global", 1), budget_reserve="typical"):
        async with asking(OPENAI, whole, whole) as (client, _):
            await OPENAI.create(client)
            await OPENAI.create(client)
    with enforced(recorder, store, Budget("global", 1), budget_reserve_cap=0.00001):
        async with asking(OPENAI, whole) as (client, _):
            await OPENAI.create(client)
    held: list[Any] = [dict(span.attributes or {})["streamspan.budget.reserved"] for span in recorder.spans(3)]
    assert 500 * 600 < held[0] * 1e9 < 500 * 600 + 30 * 150
    assert held[1:] == [(100 * 150 + 100 * 600) / 1e9, 0.00001]


def gate_means() -> Any:
    """The means of this process."""
    from streamspan.enforcement import gate

    return gate.means


@pytest.mark.parametrize("surface", [OPENAI, AOPENAI], ids=repr)
async def test_a_store_that_is_down(surface: Surface, recorder: Recorder, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """By default calls go on, one line says so and one that it is over, and what was spent meanwhile is written then."""
    store.path.mkdir()
    with enforced(recorder, store, Budget("global", 1)):
        async with asking(surface, *[answer(surface, streamed=False)] * 5) as (client, _):
            for _ in range(4):
                await surface.create(client)
            store.path.rmdir()
            from streamspan.enforcement import gate

            gate.gates()[0].books._breaker._until = 0.0
            await surface.create(client)
        balance = store.balance()
    assert (balance.calls, balance.reserved) == (5, 0)
    said = [record.getMessage() for record in caplog.records if "ledger" in record.message]
    assert len(said) == 2
    assert "does not answer" in said[0]
    assert "answers again" in said[1]


@pytest.mark.parametrize("surface", [OPENAI, AOPENAI], ids=repr)
async def test_a_store_that_is_down_denies_if_that_is_wanted(surface: Surface, recorder: Recorder, store: Store) -> None:
    """Then no call is sent, with an exception of its own kind."""
    store.path.mkdir()
    with enforced(recorder, store, Budget("global", 1), budget_store_down="deny"):
        async with asking(surface, answer(surface, streamed=False)) as (client, server):
            with pytest.raises(streamspan.BudgetUnavailableError):
                await surface.create(client)
            assert server.requests == []
    assert recorder.attributes()["error.type"] == "BudgetUnavailableError"


async def test_a_budget_that_only_warns(recorder: Recorder, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Its calls are sent and counted, each span says so, and the log says so once."""
    with enforced(recorder, store, Budget("user:u1", 0, on_exceed="warn"), Budget("global", 1)):
        async with asking(OPENAI, *[answer(OPENAI, streamed=False)] * 2) as (client, _):
            with streamspan.attributes(user_id="u1"):
                for _ in range(2):
                    await OPENAI.create(client)
        balances = store.balances()
    assert [(balance.key, balance.calls, balance.reserved) for balance in balances] == [("global", 2, 0), ("user:u1", 2, 0)]
    assert balances[0].spent == balances[1].spent > 0
    for span in recorder.spans(2):
        assert dict(span.attributes or {})["streamspan.budget.verdict"] == "warned"
    assert len([record for record in caplog.records if "only warns" in record.message]) == 1


# --- where nothing else is observed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider", [TracerProvider(sampler=ALWAYS_OFF), NoOpTracerProvider()], ids=["unsampled", "without an SDK"]
)
@pytest.mark.parametrize("surface", [OPENAI, GOOGLE[1]], ids=repr)
async def test_budgets_hold_without_spans(surface: Surface, provider: Any, recorder: Recorder, store: Store) -> None:
    """A call that nobody takes a span of is held, charged and refused all the same."""
    with enforced(recorder, store, Budget("global", 1), tracer_provider=provider):
        async with asking(surface, answer(surface, streamed=True)) as (client, server):
            await ask(surface, client, streamed=True)
            assert store.balance().spent > 0
        before = store.balance()
    with enforced(recorder, store, Budget("global", 0), tracer_provider=provider):
        async with asking(surface, answer(surface, streamed=True)) as (client, server):
            with pytest.raises(BudgetExceededError):
                await ask(surface, client, streamed=True)
            assert server.requests == []
    assert (before.calls, before.reserved) == (1, 0)
    assert running() == []


# --- cancelled, and blocked loops -------------------------------------------------------------------------------------


async def test_a_call_that_is_cancelled_while_it_asks(recorder: Recorder, store: Store) -> None:
    """Its loop goes on meanwhile; nothing is sent, and what may still be reserved for it is given back."""
    with enforced(recorder, store, Budget("global", 1), budget_store_timeout=5):
        async with asking(AOPENAI, *[answer(AOPENAI, streamed=False)] * 2) as (client, server):
            await AOPENAI.create(client)
            with store.locked():
                task = asyncio.create_task(AOPENAI.create(client))
                await asyncio.sleep(0.05)
                assert not task.done()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                assert task.cancelled()
            assert len(server.requests) == 1
            await until(lambda: not any(balance.reserved for balance in store.balances()))
        balance = store.balance()
    assert (balance.calls, balance.reserved) == (1, 0)
    assert dict(recorder.spans(2)[1].attributes or {})["streamspan.outcome"] == "cancelled"


# --- calls that a program tells of ------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [None, NoOpTracerProvider()], ids=["recorded", "without an SDK"])
async def test_a_span_of_ones_own(provider: Any, recorder: Recorder, store: Store) -> None:
    """It is refused where it begins, charged where it ends, and not charged again for an observed request inside."""
    given = {} if provider is None else {"tracer_provider": provider}
    usage = openai_usage(1000, 100)
    whole = OPENAI.wholly(OPENAI.whole("Lima.", usage=usage))
    cost = 1000 * 150 + 100 * 600
    with enforced(recorder, store, Budget("model:gpt-4o-mini", "0.01"), **given):
        async with streamspan.llm("openai.chat", model="gpt-4o-mini", max_tokens=100) as span:
            span.record_chunk("Lima.")
            span.end(usage={"input_tokens": 1000, "output_tokens": 100})
        assert (store.balance().spent, store.balance().reserved, store.balance().calls) == (cost, 0, 1)
        async with asking(OPENAI, whole) as (client, _):
            with streamspan.llm("openai.chat", model="gpt-4o-mini", max_tokens=100) as span:
                await OPENAI.create(client, max_tokens=100)
        assert (store.balance().spent, store.balance().reserved, store.balance().calls) == (2 * cost, 0, 2)
        async with asking(OPENAI, OPENAI.refuses("rate_limit", 429)) as (client, _):
            with streamspan.llm("openai.chat", model="gpt-4o-mini", max_tokens=100) as span:
                with suppress(Exception):
                    await OPENAI.create(client, max_tokens=100)
                span.record_chunk("Lima.")
                span.end(usage={"input_tokens": 1000, "output_tokens": 100})
        assert (store.balance().spent, store.balance().reserved, store.balance().calls) == (3 * cost, 0, 3)
    with enforced(recorder, store, Budget("model:gpt-4o-mini", 0), **given):
        with pytest.raises(BudgetExceededError):
            async with streamspan.llm("openai.chat", model="gpt-4o-mini"):
                raise AssertionError
        with pytest.raises(BudgetExceededError):
            await anext(streamspan.observe(words(), model="gpt-4o-mini", provider="openai"))
        with pytest.raises(BudgetExceededError):
            await asyncio.to_thread(streamspan.llm, "openai.chat", model="gpt-4o-mini")
    assert running() == []


async def words() -> AsyncGenerator[str]:
    """An answer."""
    yield "Lima."


@pytest.mark.parametrize("when", ["end", "raise"])
async def test_an_observed_iterator_is_stopped(when: Any, recorder: Recorder, store: Store) -> None:
    """Its next item is the end, or the exception."""
    budget = Budget("global", "0.0000001", on_exceed="stop", when_stopped=when)

    def items() -> Iterator[str]:
        while True:
            yield "Lima "
            live.settle()
            threading.Event().wait(0.01)

    with enforced(recorder, store, budget, budget_reserve="none"):
        stream = streamspan.observe(items(), model="gpt-4o-mini", provider="openai", input="Where is Lima?")
        if when == "raise":
            with pytest.raises(BudgetExceededError):
                list(stream)
        else:
            list(stream)
    assert recorder.attributes()["streamspan.abort.reason"] == "budget"


# --- leases -----------------------------------------------------------------------------------------------------------


async def test_a_long_stream_keeps_what_it_holds(recorder: Recorder, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is renewed while it runs, from the thread that looks after calls."""
    monkeypatch.setattr("streamspan.enforcement.hold.TTL", 0.3)
    monkeypatch.setattr("streamspan.enforcement.hold._RENEWED", 0.1)
    with enforced(recorder, store, Budget("global", 1)):
        async with stalled(OPENAI) as (client, _):
            stream = await OPENAI.open(client)
            await OPENAI.take(stream, 2)
            await asyncio.sleep(1)
            ledger = open_ledger(store.url)
            (balance,) = ledger.all()
            ledger.close()
            assert balance.reserved > 0
            await OPENAI.close(stream)
        assert store.balance().reserved == 0


async def test_what_a_running_stream_holds_grows_with_its_cost(recorder: Recorder, store: Store) -> None:
    """A stream that may be stopped holds what it has cost by now, as long as there is room; it is not stopped then."""
    with enforced(recorder, store, Budget("global", 1, on_exceed="stop"), budget_reserve="none"):
        async with stalled(OPENAI, "Lima is in Peru. " * 100) as (client, _):
            stream = await OPENAI.open(client)
            await OPENAI.take(stream, 2)
            ledger = open_ledger(store.url)
            await until(lambda: any(balance.reserved > 100_000 for balance in ledger.all()))
            ledger.close()
            await OPENAI.close(stream)
        assert store.balance().reserved == 0
    assert "streamspan.budget.verdict" not in recorder.attributes()


# --- other ways in, and answers that are seen twice -------------------------------------------------------------------


@pytest.mark.parametrize("when", ["end", "raise"])
async def test_a_client_of_ours(when: Any, recorder: Recorder, store: Store) -> None:
    """`run_local` raises what a budget says, before and, if that is wished, while it streams; else its stream was aborted."""
    budget = Budget("global", "0.0001", on_exceed="stop", when_stopped=when)
    never = threading.Event()
    body: list[Piece] = [*AOPENAI.wire(["Lima is in Peru. " * 100], terminal=False), never]
    with enforced(recorder, store, budget, budget_reserve="none"), Loopback(AOPENAI.streams(body)) as server:
        async with streamspan.Client(api_keys={"openai": "none"}, base_urls={"openai": f"{server.url}/v1"}) as client:
            stream = await client.arun_local(model="gpt-4o-mini", messages=MESSAGES, stream=True)
            with pytest.raises(BudgetExceededError) if when == "raise" else nullcontext():
                _ = [text async for text in stream]
            assert (await stream.result).aborted
            with pytest.raises(BudgetExceededError):
                await client.arun_local(model="gpt-4o-mini", messages=MESSAGES)
            never.set()
        assert len(server.requests) == 1


async def test_an_answer_in_the_background_is_charged_once(recorder: Recorder, store: Store) -> None:
    """By the request that first sees its usage; reading an answer is never refused."""
    surface = ResponsesSurface(is_async=False)
    queued: dict[str, Any] = {**surface.whole(""), "background": True, "status": "queued", "output": [], "usage": None}
    done: dict[str, Any] = {**surface.whole("Lima."), "background": True}
    with enforced(recorder, store, Budget("global", "0.01"), budget_reserve="none"):
        async with asking(surface, *map(surface.wholly, [queued, done, done])) as (client, _):
            made = await surface.create(client, background=True)
            client.responses.retrieve(made.id)
            client.responses.retrieve(made.id)
        balance = store.balance()
    costs = [dict(span.attributes or {}).get("streamspan.cost.total") for span in recorder.spans(3)]
    assert [cost for cost in costs if cost is not None] == [costs[1]]
    assert (balance.spent, balance.calls, balance.reserved) == (nano(Decimal(str(costs[1]))), 1, 0)


# --- what is seen of it -----------------------------------------------------------------------------------------------


async def test_metrics(recorder: Recorder, store: Store) -> None:
    """How budgets stand, asked when metrics are collected; and what became of calls, by the budget as it is declared."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    budgets = [Budget("global", 5), Budget("user:*", "0.00001", "day")]
    with enforced(recorder, store, *budgets, meter_provider=meters, budget_reserve="none"):
        dear = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(1000, 0)))
        async with asking(OPENAI, dear) as (client, _):
            with streamspan.attributes(user_id="u1"):
                await OPENAI.create(client)
                with pytest.raises(BudgetExceededError):
                    await OPENAI.create(client)
        points = points_of(reader)
    spent = 1000 * 150 / 1e9
    assert points["streamspan.budget.spent"] == {("global", "month"): spent, ("user:u1", "day"): spent}
    assert points["streamspan.budget.remaining"] == {("global", "month"): 5 - spent, ("user:u1", "day"): 0}
    assert points["streamspan.budget.limit"] == {("global", "month"): 5, ("user:u1", "day"): 0.00001}
    assert points["streamspan.budget.exceeded_calls"] == {("user:*", "refused"): 1}
    meters.shutdown()


def points_of(reader: InMemoryMetricReader) -> dict[str, dict[tuple[Any, Any], float]]:
    """What is collected of budgets: by metric, and by budget and period, or verdict."""
    found: dict[str, dict[tuple[Any, Any], float]] = {}
    data: Any = reader.get_metrics_data()
    for metric in (metric for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics):
        for point in metric.data.data_points if metric.name.startswith("streamspan.budget.") else ():
            known = point.attributes
            which = known.get("streamspan.budget.period") or known.get("streamspan.budget.verdict")
            found.setdefault(metric.name, {})[known["streamspan.budget.key"], which] = point.value
    return found


# --- processes --------------------------------------------------------------------------------------------------------

PROGRAM = """
import openai, os, signal, sys, streamspan
from streamspan import Budget
streamspan.instrument({given})
client = openai.OpenAI(max_retries=0)
def ask():
    client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hi"}}], max_tokens=9)
ask()
if "fork" in sys.argv:
    if os.fork() == 0:
        ask()
        sys.exit()
    os.wait()
if "sigterm" in sys.argv:
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("way", ["exit", "fork", "sigterm"])
def test_nothing_is_lost_at_the_end(way: str, store: Store) -> None:
    """What a call has cost that has just ended is written before the process is gone, by parent and child, each its own."""
    whole = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(100, 100)))
    file = store.path.with_name("budgets.toml")
    file.write_text('[[budget]]\nkey = "global"\nlimit = 1\n')
    with Loopback(whole) as server:
        given = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{server.url}/v1", "STREAMSPAN_BUDGET_STORE": store.url}
        code = PROGRAM.format(given="" if HAS_FILES else 'budgets=[Budget("global", 1)]')
        environment = {**os.environ, **given, **({"STREAMSPAN_BUDGETS": str(file)} if HAS_FILES else {})}
        done = subprocess.run([sys.executable, "-c", code, way], env=environment, timeout=50, check=False)
    assert done.returncode == (-signal.SIGTERM if way == "sigterm" else 0)
    calls = 2 if way == "fork" else 1
    balance = store.balance()
    assert (balance.spent, balance.reserved, balance.calls) == (calls * 100 * (150 + 600), 0, calls)


HAS_FILES = find_spec("streamspan.budgets.file") is not None


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_breaker() -> None:
    """After some failures in a row it lets one try after each rest; a success closes it; a change is told once."""
    now = [0.0]
    breaker = Breaker(tries=2, rest=5, clock=lambda: now[0])
    assert [breaker.note(works=False), breaker.allows(), breaker.note(works=False), breaker.allows()] == [
        True,
        True,
        False,
        False,
    ]
    now[0] = 5.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    assert [breaker.note(works=True), breaker.allows(), breaker.works] == [True, True, True]


def test_settings() -> None:
    """A wrong budget setting is one clear message that names it."""
    for given, said in (
        ({"budgets": ["global"]}, "budgets must be a list of budgets, or the path of a file of budgets, not ['global']"),
        ({"budget_store": "mysql://x"}, "budget_store cannot be used: budget store: 'mysql://x' is none of"),
        ({"budget_reserve": "all"}, "budget_reserve must be one of worst_case, typical, none, not 'all'"),
        ({"budget_reserve_cap": -1}, "budget_reserve_cap must be 0 (no cap) or more, not -1"),
        ({"budget_store_down": "maybe"}, "budget_store_down must be one of allow, deny, not 'maybe'"),
    ):
        with pytest.raises(streamspan.SettingsError) as caught:
            streamspan.Settings.load(given)
        assert str(caught.value).startswith(said)


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/budgets.md shows runs: a call counts against its budgets, in the user's own file, until they are used up."""
    page = (Path(__file__).parents[1] / "docs" / "budgets.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    dear = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(4_000_000, 5)))
    with Loopback(dear) as server:
        client = OPENAI.client(server)
        for _ in range(2):
            exec(example, {"client": client, "messages": MESSAGES})  # noqa: S102 - the page is ours
        client.close()
    streamspan.uninstrument()
    assert capsys.readouterr().out.startswith("user:u1: 0.600003 of 0.5 dollars are spent, until ")
    assert len(server.requests) == 1
    assert (tmp_path / "streamspan" / "budgets.sqlite3").exists()
