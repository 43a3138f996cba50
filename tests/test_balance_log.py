"""How budgets stand, as log events: real calls over loopback, a real ledger."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

import streamspan
from streamspan import Budget, live

from loopback import Loopback, openai_usage
from surfaces import OpenAISurface

OPENAI = OpenAISurface(is_async=False)
ANSWER = OPENAI.wholly(OPENAI.whole("Lima.", usage=openai_usage(100, 100)))  # 100 x 0.15 and 100 x 0.60 US dollars a million


@pytest.fixture
def logs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InMemoryLogRecordExporter]:
    """Log events under two budgets."""
    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    streamspan.instrument(
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        logger_provider=provider,
        budgets=[Budget("global", 2), Budget("project:*", "0.0001", "total", on_exceed="warn")],
        budget_store=f"sqlite://{tmp_path}/ledger.sqlite3",
        budget_reserve="none",
        progress_interval=getattr(request, "param", 0.5),
    )
    yield exporter
    streamspan.uninstrument()
    provider.shutdown()


async def call(project: str) -> None:
    """A whole call for that project."""
    with Loopback([ANSWER]) as server, streamspan.attributes(project=project):
        client = OPENAI.client(server)
        await OPENAI.create(client)
        await OPENAI.shut(client)


def told(exporter: InMemoryLogRecordExporter) -> dict[str, tuple[float, float, float, str]]:
    """What was told of each budget, since this was asked before: spent, left, limit, and the line."""
    records = [record.log_record for record in exporter.get_finished_logs()]
    exporter.clear()
    found: dict[str, tuple[float, float, float, str]] = {}
    for record in records:
        assert (record.event_name, record.trace_id) == ("streamspan.budget.balance", 0)
        known: dict[str, Any] = dict(record.attributes or {})
        numbers = (known[f"streamspan.budget.{what}_usd"] for what in ("spent", "left", "limit"))
        found[known["streamspan.budget.key"]] = (*numbers, str(record.body))
    return found


def tell() -> None:
    """What the thread does when it is time, at once."""
    for running in live.running():
        running.abandon(perf_counter())
    live.settle()


async def test_balances_are_told(logs: InMemoryLogRecordExporter) -> None:
    """After a call each budget that it counts against is told of, and later only those that have changed."""
    await call("a")
    tell()
    assert told(logs) == {
        "global": (0.000075, 1.999925, 2, "global (month): $1.999925 of $2 left"),
        "project:a": (0.000075, 0.000025, 0.0001, "project:a (total): $0.000025 of $0.0001 left"),
    }
    await call("b")
    tell()
    assert {key: spent for key, (spent, *_) in told(logs).items()} == {"global": 0.00015, "project:b": 0.000075}
    tell()
    assert told(logs) == {}


async def test_the_ledger_is_asked_once_in_a_pause(logs: InMemoryLogRecordExporter) -> None:
    """However many calls end, and however often the thread comes by, it is told once in a pause; and what is left, at the end."""
    await call("a")
    tell()
    told(logs)
    await call("a")
    for running in live.running():
        running.look(perf_counter())
    live.settle()
    assert told(logs) == {}
    live.end_all()
    assert told(logs)["project:a"][:2] == (0.00015, 0)


@pytest.mark.parametrize("logs", [0], indirect=True)
async def test_nothing_is_told_where_nothing_shall_be_told_while_calls_run(logs: InMemoryLogRecordExporter) -> None:
    """Without progress events there are none of budgets either, so that one switch is enough where no backend takes logs."""
    await call("a")
    tell()
    live.end_all()
    assert told(logs) == {}
