"""Real calls that are held to a budget, in every store."""

import asyncio
from decimal import Decimal
from typing import Any

import streamspan
from streamspan import Budget, BudgetExceededError, live
from streamspan.budgets.ledger import nano
from streamspan.budgets.stores import open_ledger

from loopback import Loopback, openai_usage
from surfaces import OpenAISurface

TEXTS = ["Lima ", "is ", "in ", "Peru."]


async def test_calls_at_once_never_pass_the_cap(url: str, recorder: Any) -> None:
    """Streams of a coroutine program: some are refused before they are sent, and what is spent is what the others have cost."""
    surface, key = OpenAISurface(is_async=True), "project:calls"
    body = surface.wire(TEXTS, usage=openai_usage(20, 1000))
    streamspan.instrument(
        tracer_provider=recorder.provider, budgets=[Budget(key, "0.005")], budget_store=url, budget_store_timeout=10
    )
    try:
        with Loopback(lambda _: surface.streams(body)) as server:
            client = surface.client(server)

            async def one() -> None:
                with streamspan.attributes(project="calls"):
                    await surface.take(await surface.open(client, max_tokens=1000))

            results = await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
            sent = len(server.requests)
            await surface.shut(client)
    finally:
        streamspan.uninstrument()
    live.settle()
    refused = [result for result in results if isinstance(result, BudgetExceededError)]
    assert [result for result in results if result is not None] == refused
    assert (1 <= sent <= 8, len(refused)) == (True, 20 - sent)
    ledger = open_ledger(url, timeout=10)
    (balance,) = [balance for balance in ledger.all() if balance.key == key]
    ledger.close()
    recorder.wait_for(20)
    told: list[dict[str, Any]] = [dict(span.attributes or {}) for span in recorder.ended]
    costs = [Decimal(str(attributes.get("streamspan.cost.total", 0))) for attributes in told]
    assert (balance.spent, balance.calls, balance.reserved) == (sum(map(nano, costs)), sent, 0)
    assert balance.spent <= nano(Decimal("0.005"))
