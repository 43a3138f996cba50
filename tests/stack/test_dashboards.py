"""Every query of the dashboards, asked of the real Tempo and Loki after real calls, and while a stream runs."""

import json
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from stack import backends
from stack.assembly import Stack
from stack.backends import wait_for
from stack.calls import HERE, Made, application, read_made
from stack.processes import read
from stack.provider import holding
from streamspan.demo import replay
from streamspan.viewer.server import listen, serving

from dashboards import ALL, Query, queries

ANSWER: Final = "A word and another. " * 20
BUDGETS: Final = """
[[budget]]
key = "project:dashboards"
limit = 1
period = "day"

[[budget]]
key = "user:nobody"
limit = 0
"""
QUERIES: Final = list(queries())
NOW: Final = '{service_name="stack-test"} | streamspan_state=`stalled` |= "A word"'


@pytest.fixture(scope="module")
def spent(stack: Stack, made: list[Made], tmp_path_factory: pytest.TempPathFactory) -> Generator[list[Made]]:
    """The calls of spending.py. The demonstration has run, too, a stream has stood still for seconds, and another one runs."""
    assert made
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "budgets.toml").write_text(BUDGETS)
    with ExitStack() as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv("STREAMSPAN_BUDGETS", str(folder / "budgets.toml"))
        environment.setenv("STREAMSPAN_BUDGET_STORE", f"sqlite://{folder}/ledger.sqlite3")
        services = running.enter_context(serving(replay.app(), listen("127.0.0.1", 0)))
        spending = running.enter_context(application(HERE / "spending.py", stack, services, folder / "spent"))
        _stand_still(stack, folder)
        assert spending.wait(60) == 0, spending.stdout
        provider = running.enter_context(holding(ANSWER))
        running.enter_context(application(HERE / "asking.py", stack, provider.url, folder / "running"))
        before = len(backends.loki_lines(stack.loki, NOW))
        wait_for(lambda: backends.loki_lines(stack.loki, NOW)[before:])
        yield read_made(folder / "spent")


def _stand_still(stack: Stack, folder: Path) -> None:
    """A stream that waits for more than two seconds, and then ends."""
    with holding(ANSWER) as provider, application(HERE / "asking.py", stack, provider.url, folder / "still") as asking:
        assert wait_for(lambda: backends.loki_lines(stack.loki, f"{NOW} | streamspan_stalled_ms > 2000"))
        provider.go_on.set()
        assert asking.wait(60) == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_query_finds_data(query: Query, stack: Stack, spent: list[Made]) -> None:
    """Each panel has something to show, whatever is chosen of nothing."""
    trace_id = next(span.trace_id for span in spent if span.outcome == "completed")
    assert wait_for(lambda: found(query, stack, ALL | {"trace": trace_id}))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("panel", "name"),
    [("Cost", "streamspan.cost.total"), ("Output tokens", "gen_ai.usage.output_tokens"), ("Calls", "")],
)
def test_sums_are_those_of_the_spans(panel: str, name: str, stack: Stack, spent: list[Made]) -> None:
    """What is chosen is counted, and nothing else; a call that lacks an attribute takes nothing away from the others."""
    (query,) = (query for query in QUERIES if query.panel == panel)
    expected = sum(span["attributes"].get(name, 0) if name else 1 for span in spent)
    chosen = ALL | {"project": "dashboards", "user": "(ada|nobody)", "service": "stack-test"}
    assert len({span.outcome for span in spent}) > 1
    assert sum(wait_for(lambda: found(query, stack, chosen), lambda values: sum(values) >= 0.99 * expected)) == pytest.approx(
        expected
    )


def found(query: Query, stack: Stack, variables: Mapping[str, str]) -> list[float]:
    """The numbers that a query gives which are not 0; of spans and lines, how many there are."""
    text = query.asked(variables)
    if query.language == "logql":
        return loki_numbers(stack.loki, text, query.kind)
    if query.kind == "metrics":
        return tempo_numbers(stack.tempo, text)
    count = len(backends.tempo_trace(stack.tempo, text) if query.kind == "trace" else backends.tempo_search(stack.tempo, text))
    return [float(count)] if count else []


def tempo_numbers(url: str, query: str) -> list[float]:
    """Every sample of the last hour that is not 0."""
    now = int(time.time())
    answer = asked(f"{url}/api/metrics/query_range", q=query, start=now - 3600, end=now + 1)
    samples = [sample for series in answer.get("series") or () for sample in series["samples"]]
    return [value for sample in samples if (value := float(sample.get("value", 0)))]


def loki_numbers(url: str, query: str, kind: str) -> list[float]:
    """The same of Loki; of lines, a 1 for each."""
    now = time.time_ns()
    times: dict[str, Any] = (
        {"time": now} if kind == "instant" else {"start": now - 3600 * 10**9, "end": now + 10**9, "step": "15s"}
    )
    answer = asked(f"{url}/loki/api/v1/{'query' if kind == 'instant' else 'query_range'}", query=query, **times)
    results: list[dict[str, Any]] = answer["data"]["result"]
    if answer["data"]["resultType"] == "streams":
        return [1.0 for stream in results for _ in stream["values"]]
    return [float(value) for series in results for _, value in series.get("values", [series.get("value")]) if float(value)]


def asked(url: str, **parameters: object) -> dict[str, Any]:
    """What a server answers."""
    answer: dict[str, Any] = json.loads(read(f"{url}?{urlencode(parameters)}"))
    return answer
