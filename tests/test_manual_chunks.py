"""What a program may hand to a manual span: chunks of every provider, inputs, usages and outputs in every shape."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

import streamspan
from streamspan import wiring
from streamspan.manual import names
from streamspan.manual.chunks import recognise
from streamspan.sse import EventDecoder

from conformance import ALL, FORMATS, JSON, Case, tell
from conftest import Recorder

READ = {
    "openai_chat",
    "openai_responses",
    "openai_completions",
    "anthropic_messages",
    "anthropic_completions",
    "google_genai",
    "google_interactions",
    "bedrock_converse",
}
SAID = {
    "gen_ai.output.messages",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "streamspan.outcome",
    "streamspan.preview",
    "error.type",
}


@pytest.fixture
def told(recorder: Recorder) -> Iterator[Recorder]:
    """Manual spans go to the recorder."""
    wiring.choose({"progress_interval": 0}, tracer_provider=recorder.provider)
    yield recorder
    wiring.forget()


def is_plain(case: Case) -> bool:
    """Whether a case is a stream that is read to its end, without an error that an SDK would raise."""
    expected = json.loads(case.span.read_text())
    odd = {"settings", "status", "ends", "headers"} & case.asked.keys()
    fetches = expected["attributes"]["gen_ai.operation.name"] in {"fetch_response", "invoke_agent"}
    background = "streamspan.usage.omitted" in expected["attributes"]
    failed = expected["attributes"]["streamspan.outcome"] == "failed"
    says = case.name not in {"empty", "nothing"}  # else nobody can tell whose chunks these are
    return case.format in READ and case.is_streamed and says and not (odd or fetches or background or failed)


PLAIN = [case for case in ALL if is_plain(case)]


def events(case: Case) -> Iterator[Any]:
    """The decoded chunks of a case."""
    body = case.body.read_text()
    return iter(map(json.loads, body.splitlines())) if case.body.suffix == ".jsonl" else EventDecoder().feed(body)


def expected(case: Case) -> dict[str, Any]:
    """What the span of the observed call says of the answer, without estimates, which depend on the input."""
    attributes = json.loads(case.span.read_text())["attributes"]
    estimated = {f"gen_ai.usage.{name}" for name in attributes.get("streamspan.usage.estimated", ())}
    header = {"gen_ai.response.id"} if case.format == "bedrock_converse" else set[str]()  # where Amazon has it
    return {name: value for name, value in attributes.items() if name in SAID - estimated - header}


def seen(told: Recorder, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the only span; what is expected to be missing is."""
    attributes = tell(told.span())["attributes"]
    return {name: value for name, value in attributes.items() if name in wanted or (name in SAID and "usage" not in name)}


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: f"{case.format}-{case.name}")
def test_decoded_chunks(case: Case, told: Recorder) -> None:
    """Chunks as decoded JSON say what they say to the observed SDK: text, tools, reasoning, usage, reasons, who answers."""
    for _ in streamspan.observe(events(case), model="m"):
        pass
    assert seen(told, expected(case)) == expected(case)


SERVER_SENT = [case for case in PLAIN if case.body.suffix == ".sse" and case.name in {"normal", "tools", "truncated"}]


@pytest.mark.parametrize("size", [40, 100_000])
@pytest.mark.parametrize("case", SERVER_SENT, ids=lambda case: f"{case.format}-{case.name}")
def test_bytes_of_a_body(case: Case, size: int, told: Recorder) -> None:
    """The bytes of server-sent events, cut anywhere, say the same."""
    data = case.body.read_bytes()
    for _ in streamspan.observe((data[at : at + size] for at in range(0, len(data), size)), model="m"):
        pass
    assert seen(told, expected(case)) == expected(case)


def test_bytes_of_text(told: Recorder) -> None:
    """Bytes that are no events are text, whose letters may be cut."""
    data = "Lima, „la ciudad“".encode()
    for _ in streamspan.observe([data[:8], data[8:]], model="m"):
        pass
    assert told.attributes()["streamspan.preview"] == "Lima, „la ciudad“"


STRANGE: list[Any] = [
    object(),
    3,
    {},
    [],
    {"a": 1},
    {"type": 7},
    {"choices": None},
    {"choices": [None]},
    {"candidates": 5},
    {"error": "x"},
    None,
    "",
]


def test_strange_chunks(told: Recorder) -> None:
    """What nobody knows is counted, and says nothing; no piece of it raises."""
    with streamspan.llm("my-llm", stream=True) as span:
        for chunk in STRANGE:
            span.record_chunk(chunk)
        span.record_chunk("text")
    attributes = told.attributes()
    assert (attributes["streamspan.chunks"], attributes["streamspan.preview"]) == (len(STRANGE) + 1, "text")


@pytest.mark.parametrize("name", ["chunk", "data"])
def test_chunks_in_events(name: str, told: Recorder) -> None:
    """OpenAI's helper and Mistral's SDK give chunks inside of events; what the helper says beside them is not told twice."""
    with streamspan.llm("my-llm", model="m", stream=True) as span:
        for text, reason in (("Li", None), ("ma", "stop")):
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
            span.record_chunk(SimpleNamespace(type="chunk", **{name: {"choices": [choice]}}))
            span.record_chunk(SimpleNamespace(type="content.delta", delta=text, snapshot="Li"))
        span.record_chunk(SimpleNamespace(type="content.done", content="Lima"))
    attributes = told.attributes()
    assert (attributes["streamspan.preview"], attributes["streamspan.outcome"]) == ("Lima", "completed")


def test_chunks_of_frameworks(told: Recorder) -> None:
    """Objects with their text under a plain name say that."""
    with streamspan.llm("my-llm", stream=True) as span:
        for chunk in (SimpleNamespace(content="a"), {"text": "b"}, SimpleNamespace(delta="c")):
            span.record_chunk(chunk)
    assert told.attributes()["streamspan.preview"] == "abc"


@pytest.mark.parametrize("chunk", [{"type": "error", "code": "c", "message": "m"}, {"error": {"code": "c", "message": "m"}}])
def test_first_chunk_is_an_error(chunk: Any, told: Recorder) -> None:
    """An error that arrives as a value fails the call."""
    with streamspan.llm("my-llm", stream=True) as span:
        span.record_chunk(chunk)
    assert (told.attributes()["streamspan.outcome"], told.attributes()["error.type"]) == ("failed", "c")


def test_every_format_is_recognised_or_named_here() -> None:
    """Formats of answers that are no chat are not; the bodies inside of Bedrock's InvokeModel are those of others."""
    apart = {"openai_embeddings", "openai_images", "openai_audio", "google_embeddings", "bedrock_agent", "bedrock_invoke"}
    assert FORMATS.keys() - apart == READ


def test_invoke_model(told: Recorder) -> None:
    """Chunks of Bedrock's InvokeModel are read by what is inside."""
    bodies = [
        {"type": "message_start", "message": {"id": "a", "model": "claude", "usage": {"input_tokens": 3}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Lima"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 1}},
    ]
    with streamspan.llm("amazon_bedrock.invoke_model", model="m", stream=True) as span:
        for body in bodies:
            span.record_chunk({"chunk": {"bytes": json.dumps(body).encode()}})
    attributes = told.attributes()
    assert (attributes["gen_ai.provider.name"], attributes["streamspan.outcome"]) == ("aws.bedrock", "completed")
    assert (attributes["streamspan.preview"], attributes["gen_ai.usage.input_tokens"]) == ("Lima", 3)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "provider", "operation"),
    [
        ("openai.responses", "openai", "chat"),
        ("openai.chat", "openai", "chat"),
        ("openai.chat.completions", "openai", "chat"),
        ("openai.completions", "openai", "text_completion"),
        ("openai.embeddings", "openai", "embeddings"),
        ("openai", "openai", "chat"),
        ("anthropic.messages", "anthropic", "chat"),
        ("google.generate_content", "gcp.gemini", "generate_content"),
        ("vertex_ai.generate_content", "gcp.vertex_ai", "generate_content"),
        ("gcp.vertex_ai.generate_content", "gcp.vertex_ai", "generate_content"),
        ("amazon_bedrock.converse", "aws.bedrock", "chat"),
        ("aws.bedrock.converse", "aws.bedrock", "chat"),
        ("azure_openai.responses", "azure.ai.openai", "chat"),
        ("together.chat", "together", "chat"),
        ("my-llm", "", "chat"),
        ("my.llm", "", "chat"),
    ],
)
def test_names(name: str, provider: str, operation: str) -> None:
    """The first argument says who is asked and for what; a free name says neither."""
    assert names.split(name) == (provider, operation)


@pytest.mark.parametrize(
    ("arguments", "name", "wanted"),
    [
        ({"name": "my-llm"}, "chat my-llm", {}),
        ({"name": "my-llm", "model": "m"}, "chat m", {"gen_ai.request.model": "m"}),
        ({"name": "a", "model": "m", "provider": "google"}, "chat m", {"gen_ai.provider.name": "gcp.gemini"}),
        ({"name": "a", "model": "m", "operation": "invoke_agent"}, "invoke_agent m", {"gen_ai.operation.name": "invoke_agent"}),
        (
            {"name": "a", "model": "m", "temperature": 0.5, "max_output_tokens": 9, "stop": "x", "logprobs": True},
            "chat m",
            {"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 9, "gen_ai.request.stop_sequences": ("x",)},
        ),
        ({"name": "a", "model": "m", "attributes": {"team": "blue"}}, "chat m", {"team": "blue"}),
    ],
    ids=repr,
)
def test_request(arguments: dict[str, Any], name: str, wanted: dict[str, Any], told: Recorder) -> None:
    """The span's name follows the conventions; the request's parameters and attributes of one's own are on it."""
    with streamspan.llm(**arguments):
        pass
    assert told.span().name == name
    assert wanted.items() <= told.attributes().items()


# --- what is asked ---------------------------------------------------------------------------------------------------

TEXT = [{"role": "user", "parts": [{"type": "text", "content": "Lima?"}]}]
INPUTS: dict[str, Any] = {
    "text": "Lima?",
    "list": [{"role": "user", "content": "Lima?"}],
    "list of texts": ["Lima?"],
    "message": {"role": "user", "content": "Lima?"},
    "openai": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Lima?"}]}]},
    "object": {"messages": [SimpleNamespace(role="user", content="Lima?")]},
    "responses": {"input": "Lima?"},
    "responses items": [{"role": "user", "content": [{"type": "input_text", "text": "Lima?"}]}],
    "converse": {"messages": [{"role": "user", "content": [{"text": "Lima?"}]}]},
    "google": {"contents": "Lima?"},
    "google parts": [{"role": "user", "parts": [{"text": "Lima?"}]}],
    "conventions": TEXT,
    "prompt": {"prompt": "Lima?"},
}


@pytest.mark.parametrize("shape", INPUTS)
def test_inputs(shape: str, told: Recorder) -> None:
    """What is asked is told in the conventions' shape, whatever shape it has; it is taken as it is then."""
    given: Any = INPUTS[shape]
    messages: list[Any] = given["messages"] if shape in {"openai", "object", "converse"} else []
    with streamspan.llm("my-llm", model="m") as span:
        span.record_input(given)
        messages.append({"role": "user", "content": "later"})
    messages.pop()
    assert json.loads(str(told.attributes()["gen_ai.input.messages"])) == TEXT


def test_input_with_system_and_tools(told: Recorder) -> None:
    """The system prompt, tools and tool calls of Anthropic's shape are told, too; so is what the call itself is given."""
    messages = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ]
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    with streamspan.llm("anthropic.messages", model="m", system="Be brief.", messages=messages, tools=tools):
        pass
    told_of = {name: json.loads(str(value)) for name, value in told.attributes().items() if name in JSON}
    assert told_of == {
        "gen_ai.input.messages": [
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}}]},
            {"role": "user", "parts": [{"type": "tool_call_response", "id": "t", "response": "ok"}]},
        ],
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.tool.definitions": [
            {"type": "function", "name": "f", "description": None, "parameters": {"type": "object"}},
        ],
    }


# --- what it used ----------------------------------------------------------------------------------------------------

USAGES: dict[str, tuple[Any, dict[str, int]]] = {
    "plain": ({"input_tokens": 9, "output_tokens": 2}, {}),
    "openai": ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, {"cache_read": 4}),
    "named": (
        {"input_tokens": 9, "output_tokens": 2, "cache_read_tokens": 4, "reasoning_tokens": 1},
        {"cache_read": 4, "reasoning": 1},
    ),
    "mixed": ({"prompt_tokens": 9, "completion_tokens": 2, "reasoning_tokens": 1}, {"reasoning": 1}),
    "responses": (
        {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 1},
        },
        {"cache_read": 4, "reasoning": 1},
    ),
    "anthropic": ({"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 2}, {"cache_read": 4}),
    "google": ({"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 1}, {"reasoning": 1}),
    "google object": (SimpleNamespace(prompt_token_count=9, candidates_token_count=2), {}),
    "converse": ({"inputTokens": 5, "cacheReadInputTokens": 4, "outputTokens": 2}, {"cache_read": 4}),
    "object": (SimpleNamespace(prompt_tokens=9, completion_tokens=2), {}),
}
_NAMES = {"cache_read": "gen_ai.usage.cache_read.input_tokens", "reasoning": "gen_ai.usage.reasoning.output_tokens"}


@pytest.mark.parametrize("shape", USAGES)
def test_usages(shape: str, told: Recorder) -> None:
    """Token counts are taken in every provider's shape; input includes the cache, output the reasoning."""
    usage, more = USAGES[shape]
    with streamspan.llm("openai.chat", model="gpt-4.1-mini") as span:
        span.record_usage(usage)
    attributes = told.attributes()
    counts = {name: count for name, count in attributes.items() if name.startswith("gen_ai.usage.") and "cost" not in name}
    assert counts == {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2} | {
        _NAMES[name]: count for name, count in more.items()
    }
    assert "streamspan.usage.estimated" not in attributes
    assert attributes["streamspan.cost.source"] != "provider"


def test_usage_in_pieces(told: Recorder) -> None:
    """Later counts replace earlier ones, and leave the others; nonsense is left out; a cost that is told is the cost."""
    with streamspan.llm("openai.chat", model="gpt-4.1-mini") as span:
        span.record_usage(input_tokens=3, output_tokens=1)
        span.record_usage({"output_tokens": 4, "reasoning_tokens": None, "cache_read_tokens": "many", "total_tokens": 9})
        span.record_usage({"output_tokens": -1, "cost_usd": 0.25})
        span.record_usage(None)
    attributes = told.attributes()
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (3, 4)
    assert "gen_ai.usage.cache_read.input_tokens" not in attributes
    assert (attributes["streamspan.cost.total"], attributes["streamspan.cost.source"]) == (0.25, "provider")


# --- what was said in the end ----------------------------------------------------------------------------------------

WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "model": "gpt",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Lima."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}
SAYS = [{"type": "text", "content": "Lima."}]
CALLS = [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}}]
OUTPUTS: dict[str, tuple[Any, list[Any]]] = {
    "text": ("Lima.", SAYS),
    "message": ({"role": "assistant", "content": "Lima."}, SAYS),
    "messages": ([{"role": "assistant", "content": [{"type": "text", "text": "Lima."}]}], SAYS),
    "tool": ({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]}, CALLS),
    "whole": (WHOLE, SAYS),
    "json": ({"city": "Lima"}, [{"type": "text", "content": '{"city":"Lima"}'}]),
    "list": (["Lima"], [{"type": "text", "content": '["Lima"]'}]),
}


@pytest.mark.parametrize("shape", OUTPUTS)
def test_outputs(shape: str, told: Recorder) -> None:
    """The final output is told in place of the text of the chunks."""
    output, parts = OUTPUTS[shape]
    with streamspan.llm("openai.chat", model="gpt-4.1-mini", stream=True) as span:
        span.record_chunk("Li")
        span.end(output=output)
    attributes = told.attributes()
    (message,) = json.loads(str(attributes["gen_ai.output.messages"]))
    assert message["parts"] == parts
    assert attributes["streamspan.outcome"] == "completed"
    if shape == "whole":
        assert (attributes["gen_ai.response.id"], attributes["gen_ai.usage.input_tokens"]) == ("c", 9)


def test_output_beside_tool_calls(told: Recorder) -> None:
    """A final text does not take away the tool calls that were read out of chunks."""
    delta = {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a":1}'}}]}
    with streamspan.llm("openai.chat", model="gpt-4.1-mini", stream=True) as span:
        span.record_chunk({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})
        span.end(output="Lima.")
    (message,) = json.loads(str(told.attributes()["gen_ai.output.messages"]))
    assert message["parts"] == [*CALLS, *SAYS]


def test_reading_stays_with_the_first_format() -> None:
    """What is recognised is recognised by the first chunk that shows it."""
    formats = [recognise(chunk) for chunk in ({"type": "ping"}, {"type": "message_start"}, WHOLE)]
    assert [None if wire is None else wire.path for wire in formats] == [None, "/v1/messages", "/chat/completions"]
