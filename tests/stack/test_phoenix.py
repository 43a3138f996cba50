"""Phoenix, as docs/elsewhere.md starts it and sends to it: what its API and its pages show of each kind of call."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from stack import installed, school
from stack.backends import wait_for
from stack.pictures import browser_page, picture
from stack.processes import read

from elsewhere_page import server, variables

SPANS: Final = 9
pytestmark = pytest.mark.timeout(600)  # the first test waits for the rest to be installed and started
PROJECT: Final = "shop"


@dataclass
class Phoenix:
    """A Phoenix that has been sent one call of each kind."""

    url: str
    spans: list[dict[str, Any]]

    def of(self, lesson: str) -> list[dict[str, Any]]:
        """The spans of that part of the program, oldest first."""
        found = [span for span in self.spans if span["attributes"].get("lesson") == lesson]
        return sorted(found, key=lambda span: span["start_time"])

    def attributes(self, lesson: str) -> dict[str, Any]:
        """Of its last span."""
        return self.of(lesson)[-1]["attributes"]

    def ask(self, fields: str) -> dict[str, Any]:
        """These fields of the project, by GraphQL."""
        query = {"query": f"{{ projects {{ edges {{ node {{ name {fields} }} }} }} }}"}
        answer = installed.ask(f"{self.url}/graphql", query)
        projects = [edge["node"] for edge in answer["data"]["projects"]["edges"]]
        return next(project for project in projects if project["name"] == PROJECT)


@pytest.fixture(scope="module")
def phoenix(took_part: Callable[[str], None]) -> Generator[Phoenix]:
    """One for all tests of this file, with the settings that the page gives."""
    grpc = {"PHOENIX_GRPC_PORT": str(installed.free_ports(1)[0])}
    with installed.serving("phoenix", server("Phoenix"), "PHOENIX_PORT", grpc, "/healthz") as url:
        took_part(f"phoenix {installed.version('phoenix')}")
        school.attend(variables(url, "Phoenix"))
        yield Phoenix(url, wait_for(lambda: spans(url)))


def spans(url: str) -> list[dict[str, Any]]:
    """The spans of the project, once all are there."""
    names = {project["name"] for project in json.loads(read(f"{url}/v1/projects"))["data"]}
    if PROJECT not in names:
        return []
    found: list[dict[str, Any]] = json.loads(read(f"{url}/v1/projects/{PROJECT}/spans?limit=100"))["data"]
    return found if len(found) >= SPANS else []


def said(attributes: dict[str, Any], direction: str) -> list[tuple[str, str]]:
    """Role and text of each message, as Phoenix has made them."""
    found: list[tuple[str, str]] = []
    while role := attributes.get(f"llm.{direction}_messages.{len(found)}.message.role"):
        found.append((role, attributes.get(f"llm.{direction}_messages.{len(found)}.message.content", "")))
    return found


def test_every_span_is_there_once_and_of_its_kind(phoenix: Phoenix) -> None:
    """Model calls are of the kind LLM, embeddings of their own; a span that is none of ours keeps its place above its calls."""
    kinds = [(span["name"], span["span_kind"]) for span in sorted(phoenix.spans, key=lambda span: span["start_time"])]
    assert kinds == [
        ("chat gpt-4o-mini", "LLM"),
        ("chat gpt-4o-mini", "LLM"),
        ("pack a bag", "UNKNOWN"),
        ("chat gpt-4.1", "LLM"),
        ("chat gpt-4.1", "LLM"),
        ("chat our-own-7b", "LLM"),
        ("embeddings text-embedding-3-small", "EMBEDDING"),
        ("chat claude-sonnet-4-6", "LLM"),
        ("chat claude-haiku-4-5", "LLM"),
    ]
    [above] = [span for span in phoenix.spans if span["name"] == "pack a bag"]
    assert {span["parent_id"] for span in phoenix.of("tool")} == {above["context"]["span_id"]}


def test_a_completed_stream(phoenix: Phoenix) -> None:
    """The conversation with its system prompt, the tokens with those from the cache, the parameters, and all that is ours."""
    found = phoenix.attributes("completed")
    assert said(found, "input") == [("system", "Answer a ten-year-old."), ("user", "Why is the sky blue?")]
    assert said(found, "output") == [("assistant", school.SKY)]
    assert json.loads(found["llm.invocation_parameters"]) == {"temperature": 0.2, "stream": True}
    assert (found["llm.token_count.prompt"], found["llm.token_count.completion"]) == (27, 41)
    assert found["llm.token_count.prompt_details.cache_read"] == 16
    assert (found["session.id"], found["user.id"]) == ("lesson-7", "ada")
    assert (found["streamspan.outcome"], found["streamspan.tags"]) == ("completed", ["school"])
    assert found["streamspan.preview"] == school.SKY


def test_an_aborted_stream(phoenix: Phoenix) -> None:
    """Its partial answer is its message; it is no error, and its outcome can be asked for."""
    found = phoenix.attributes("aborted")
    [(_, text)] = said(found, "output")
    assert text
    assert school.STORY.startswith(text)
    assert text != school.STORY
    assert phoenix.of("aborted")[0]["status_code"] == "UNSET"
    condition = "attributes['streamspan']['outcome'] == 'aborted'"
    asked = phoenix.ask(f'spans(first: 99, filterCondition: "{condition}") {{ edges {{ node {{ spanId }} }} }}')
    assert [edge["node"]["spanId"] for edge in asked["spans"]["edges"]] == [phoenix.of("aborted")[0]["context"]["span_id"]]


def test_a_failed_stream(phoenix: Phoenix) -> None:
    """It is an error with the provider's message, and has what was said until then."""
    [span] = phoenix.of("failed")
    assert (span["status_code"], span["status_message"]) == ("ERROR", "Overloaded")
    assert span["attributes"]["error.type"] == "overloaded_error"
    assert said(span["attributes"], "output") == [("assistant", school.TIDES)]


def test_a_tool_call(phoenix: Phoenix) -> None:
    """The tools on offer, the call with its arguments, the tool's answer in the next call."""
    first, second = (span["attributes"] for span in phoenix.of("tool"))
    call = "message.tool_calls.0.tool_call"
    assert json.loads(first["llm.tools.0.tool.json_schema"])["function"]["name"] == "weather"
    assert first[f"llm.output_messages.0.{call}.function.name"] == "weather"
    assert json.loads(first[f"llm.output_messages.0.{call}.function.arguments"]) == {"city": "Lisbon"}
    assert second["llm.input_messages.2.message.tool_call_id"] == first[f"llm.output_messages.0.{call}.id"]
    assert said(second, "output") == [("assistant", school.UMBRELLA)]


def test_reasoning(phoenix: Phoenix) -> None:
    """It stands apart from the answer, before it."""
    found = phoenix.attributes("reasoning")
    parts = [
        (found[f"{part}.type"], found[f"{part}.text"])
        for part in (f"llm.output_messages.0.message.contents.{i}.message_content" for i in (0, 1))
    ]
    assert parts == [("reasoning", school.THOUGHT), ("text", school.BALL)]
    assert found["llm.token_count.prompt_details.cache_read"] == 1200


def test_embeddings(phoenix: Phoenix) -> None:
    """The model and the tokens; Phoenix prices none of them."""
    found = phoenix.attributes("embeddings")
    assert (found["embedding.model_name"], found["llm.token_count.prompt"]) == ("text-embedding-3-small", 6)


def test_costs_are_phoenix_s_own(phoenix: Phoenix) -> None:
    """It prices tokens by its own list, not by the prices that we were given, and nothing where it knows none; ours is an attribute."""
    asked = phoenix.ask("spans(first: 99) { edges { node { spanId costSummary { total { cost } } } } }")
    costs: dict[str, Any] = {edge["node"]["spanId"]: edge["node"]["costSummary"] for edge in asked["spans"]["edges"]}
    for lesson, times in {"completed": 1, "aborted": 1, "tool": 2, "reasoning": 1, "failed": 1}.items():
        for span in phoenix.of(lesson):
            theirs = costs[span["context"]["span_id"]]["total"]["cost"]
            assert span["attributes"]["streamspan.cost.total"] == pytest.approx(times * theirs)
    [unpriced] = phoenix.of("unpriced")
    assert costs[unpriced["context"]["span_id"]]["total"]["cost"] is None
    assert unpriced["attributes"]["streamspan.cost.unpriced"] is True
    assert "streamspan.cost.total" not in unpriced["attributes"]


def test_a_session(phoenix: Phoenix) -> None:
    """All traces of a session are in it, with its user."""
    asked = phoenix.ask("sessions(first: 99) { edges { node { sessionId userId numTraces } } }")
    assert [edge["node"] for edge in asked["sessions"]["edges"]] == [{"sessionId": "lesson-7", "userId": "ada", "numTraces": 7}]


# --- what a person sees ------------------------------------------------------------------------------------------------


def test_the_pages_show_it(phoenix: Phoenix) -> None:
    """A person sees reasoning and answer, the tool call within its trace, the error's message with the partial answer."""
    project = phoenix.ask("id")["id"]
    shown = {
        "reasoning": [school.THOUGHT, school.BALL],
        "tool": ["pack a bag", "Tool Call: call_weather_1"],
        "failed": ["Overloaded", school.TIDES],
    }
    with browser_page() as page:
        page.add_init_script("localStorage.setItem('arize-phoenix-theme', 'light')")
        for lesson, texts in shown.items():
            page.goto(f"{phoenix.url}/projects/{project}/traces/{phoenix.of(lesson)[0]['context']['trace_id']}")
            if lesson == "tool":
                page.get_by_text("chat gpt-4.1").first.click()
            for text in texts:
                page.get_by_text(text, exact=True).filter(visible=True).first.wait_for()
            picture(page, {"tool": "phoenix-tool-call"}.get(lesson, f"phoenix-{lesson}"))
