"""MLflow, as docs/elsewhere.md starts it and sends to it: what its API and its pages show of each kind of call."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from stack import installed, school
from stack.backends import wait_for
from stack.pictures import browser_page, picture
from stack.processes import read

from elsewhere_page import server, variables

if TYPE_CHECKING:
    from playwright.sync_api import Page

TRACES: Final = 7
WHERE: Final = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]
SMALL: Final = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_WORKERS": "1"}
"""One process: not four, and none of the seven for its evaluations."""
pytestmark = pytest.mark.timeout(600)  # the first test waits for the rest to be installed and started


@dataclass
class MLflow:
    """An MLflow that has been sent one call of each kind."""

    url: str

    def search(self, condition: str = "") -> list[dict[str, Any]]:
        """The traces that it finds, oldest first."""
        asked = {"locations": WHERE, "max_results": 100, "filter": condition, "order_by": ["timestamp_ms ASC"]}
        return installed.ask(f"{self.url}/api/3.0/mlflow/traces/search", asked).get("traces", [])

    def of(self, lesson: str) -> dict[str, Any]:
        """The trace of that part of the program."""
        [trace] = self.search(f"span.attributes.lesson RLIKE '^{lesson}$'")
        return trace

    def spans(self, lesson: str) -> list[dict[str, Any]]:
        """Its spans, oldest first; their attributes are decoded."""
        artifact = f"{self.url}/ajax-api/3.0/mlflow/get-trace-artifact?request_id={self.of(lesson)['trace_id']}"
        found: list[dict[str, Any]] = json.loads(read(artifact))["spans"]
        decoded = [
            {**span, "attributes": {key: json.loads(value) for key, value in span["attributes"].items()}} for span in found
        ]
        return sorted(decoded, key=lambda span: span["start_time_unix_nano"])

    def attributes(self, lesson: str) -> dict[str, Any]:
        """Of its last span."""
        return self.spans(lesson)[-1]["attributes"]


@pytest.fixture(scope="module")
def mlflow(took_part: Callable[[str], None]) -> Generator[MLflow]:
    """One for all tests of this file, with the settings that the page gives."""
    with installed.serving("mlflow", server("MLflow"), "MLFLOW_PORT", SMALL, "/health") as url:
        took_part(f"mlflow {installed.version('mlflow')}")
        school.attend(variables(url, "MLflow"))
        ready = MLflow(url)
        assert wait_for(lambda: len(ready.search()) == TRACES)
        yield ready


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Role and text of each message."""
    return [(message["role"], "".join(part.get("content", "") for part in message["parts"])) for message in messages]


def test_a_completed_stream(mlflow: MLflow) -> None:
    """The conversation, the tokens with those from the cache, the cost, the user and the session, and all that is ours."""
    trace, found = mlflow.of("completed"), mlflow.attributes("completed")
    assert found["mlflow.spanType"] == "CHAT_MODEL"
    assert said(found["mlflow.spanInputs"]) == [("system", "Answer a ten-year-old."), ("user", "Why is the sky blue?")]
    assert said(found["mlflow.spanOutputs"]) == [("assistant", school.SKY)]
    usage = {"input_tokens": 27, "output_tokens": 41, "total_tokens": 68, "cache_read_input_tokens": 16}
    assert found["mlflow.chat.tokenUsage"] == json.loads(trace["trace_metadata"]["mlflow.trace.tokenUsage"]) == usage
    assert (trace["trace_metadata"]["mlflow.trace.user"], trace["trace_metadata"]["mlflow.trace.session"]) == ("ada", "lesson-7")
    assert (found["streamspan.outcome"], found["streamspan.tags"]) == ("completed", ["school"])
    assert found["streamspan.preview"] == school.SKY


def test_an_aborted_stream(mlflow: MLflow) -> None:
    """Its partial answer is its output; it is no error, and its outcome can be searched for."""
    [trace] = mlflow.search("span.attributes.streamspan.outcome RLIKE '^aborted$'")
    assert (trace["trace_id"], trace["state"]) == (mlflow.of("aborted")["trace_id"], "OK")
    [(_, text)] = said(mlflow.attributes("aborted")["mlflow.spanOutputs"])
    assert text
    assert school.STORY.startswith(text)
    assert text != school.STORY


def test_a_failed_stream(mlflow: MLflow) -> None:
    """It is an error with the provider's message, and has what was said until then."""
    [trace] = mlflow.search("span.status = 'ERROR'")
    assert (trace["trace_id"], trace["state"]) == (mlflow.of("failed")["trace_id"], "ERROR")
    [span] = mlflow.spans("failed")
    assert span["status"]["message"] == "Overloaded"
    assert span["attributes"]["error.type"] == "overloaded_error"
    assert said(span["attributes"]["mlflow.spanOutputs"]) == [("assistant", school.TIDES)]


def test_a_tool_call(mlflow: MLflow) -> None:
    """Under a span that is none of ours: the tools on offer, the call with its arguments, its answer in the next call."""
    above, first, second = mlflow.spans("tool")
    assert above["name"] == "pack a bag"
    assert [span["parent_span_id"] for span in (first, second)] == [above["span_id"]] * 2
    assert [tool["name"] for tool in first["attributes"]["mlflow.chat.tools"]] == ["weather"]
    [part] = first["attributes"]["mlflow.spanOutputs"][0]["parts"]
    assert (part["type"], part["name"], part["arguments"]) == ("tool_call", "weather", {"city": "Lisbon"})
    assert second["attributes"]["mlflow.spanInputs"][2]["role"] == "tool"
    assert said(second["attributes"]["mlflow.spanOutputs"]) == [("assistant", school.UMBRELLA)]


def test_reasoning(mlflow: MLflow) -> None:
    """It is a part of its own, before the answer."""
    [message] = mlflow.attributes("reasoning")["mlflow.spanOutputs"]
    assert [(part["type"], part["content"]) for part in message["parts"]] == [
        ("reasoning", school.THOUGHT),
        ("text", school.BALL),
    ]


def test_embeddings(mlflow: MLflow) -> None:
    """The model and the tokens."""
    found = mlflow.attributes("embeddings")
    assert (found["mlflow.spanType"], found["mlflow.llm.model"]) == ("EMBEDDING", "text-embedding-3-small")
    assert found["mlflow.chat.tokenUsage"] == {"input_tokens": 6}


def test_costs_are_mlflow_s_own(mlflow: MLflow) -> None:
    """It prices tokens by its own list, not by the prices that we were given, and nothing where it knows none; ours is an attribute."""
    for lesson, times in {"completed": 1, "tool": 2, "reasoning": 1, "embeddings": 1}.items():
        found = mlflow.attributes(lesson)
        assert found["streamspan.cost.total"] == pytest.approx(times * found["mlflow.llm.cost"]["total_cost"])
    unpriced = mlflow.attributes("unpriced")
    assert unpriced["streamspan.cost.unpriced"] is True
    assert {"mlflow.llm.cost", "streamspan.cost.total"} & unpriced.keys() == set()


def test_a_session(mlflow: MLflow) -> None:
    """All traces of a session and of a user are found by them."""
    found = mlflow.search("metadata.`mlflow.trace.session` = 'lesson-7' AND metadata.`mlflow.trace.user` = 'ada'")
    assert len(found) == TRACES


def test_the_page_shows_it(mlflow: MLflow) -> None:
    """A person sees the conversation with the tool's call and its answer, within its trace."""
    with browser_page() as page:
        _leave_me_alone(page)
        page.goto(f"{mlflow.url}/#/experiments/0/traces?selectedEvaluationId={mlflow.of('tool')['trace_id']}")
        page.get_by_text("chat gpt-4.1").nth(1).click()
        for text in ("pack a bag", "Do I need an umbrella in Lisbon?", "Tool calls", school.UMBRELLA):
            page.get_by_text(text, exact=True).filter(visible=True).first.wait_for()
        picture(page, "mlflow-tool-call")


def _leave_me_alone(page: "Page") -> None:
    """No assistant, no guidance."""
    for key, value in {
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
        "mlflow.assistant.panelOpen_v1": "false",
        "mlflow.detectIssues.guidanceShown_v1": "true",
    }.items():
        page.add_init_script(f"localStorage.setItem('{key}', '{value}')")
