"""The replay server, asked by the real SDKs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from genai_prices import Usage, calc_price
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

from streamspan.demo import replay
from streamspan.demo.scenes import SCENES, Fault, tokens
from streamspan.viewer.server import listen, serving

WHY = "Why is the sky blue?"
RAIN = "Do I need an umbrella in Lisbon?"
OSLO = "What should I wear in Oslo today?"
RIDDLE = "A bat and a ball cost 1.10 together; the bat costs 1.00 more. What is the ball?"
PRIME = "Is 2027 a prime number?"
LONG = "You are a patient teacher. " * 400
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A replay server that does not wait."""
    with serving(replay.app(pace=0), listen("127.0.0.1", 0)) as address:
        yield address


@pytest.fixture
def gpt(url: str) -> Iterator[OpenAI]:
    """The OpenAI SDK, talking to it."""
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(url: str) -> Iterator[Anthropic]:
    """The Anthropic SDK, talking to it."""
    with Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def chunks(gpt: OpenAI, question: str, **options: Any) -> list[ChatCompletionChunk]:
    """A streamed answer of OpenAI's, read to the end."""
    messages: Any = [{"role": "user", "content": question}]
    return list(gpt.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, **options))


def text(answer: list[ChatCompletionChunk]) -> str:
    """What the chunks say."""
    return "".join(choice.delta.content or "" for chunk in answer for choice in chunk.choices)


def ask_claude(claude: Anthropic, question: str, **options: Any) -> anthropic.types.Message:
    """An answer of Anthropic's, put together by the SDK's own helper."""
    messages: Any = [{"role": "user", "content": question}]
    with claude.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=messages, **options) as stream:
        return stream.get_final_message()


def test_openai_stream(gpt: OpenAI) -> None:
    """A streamed answer is role, text, finish and nothing about usage."""
    answer = chunks(gpt, WHY)
    assert text(answer) == SCENES[WHY].line.text
    assert answer[0].choices[0].delta.to_dict() == {"role": "assistant", "content": "", "refusal": None}
    assert answer[-1].choices[0].finish_reason == "stop"
    assert {(chunk.model, chunk.object, chunk.service_tier, chunk.usage) for chunk in answer} == {
        ("gpt-4o-mini-2024-07-18", "chat.completion.chunk", "default", None)
    }


def test_openai_usage_chunk(gpt: OpenAI) -> None:
    """With include_usage a last chunk without choices carries the counts."""
    last = chunks(gpt, WHY, stream_options={"include_usage": True})[-1]
    assert last.choices == []
    assert last.usage
    said = len(tokens(SCENES[WHY].line.text))
    assert (last.usage.completion_tokens, last.usage.total_tokens) == (said, last.usage.prompt_tokens + said)


def test_openai_whole(gpt: OpenAI) -> None:
    """A whole answer holds the text and counts the reasoning it does not show."""
    answer = gpt.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": PRIME}])
    line = SCENES[PRIME].line
    assert answer.choices[0].message.content == line.text
    assert answer.usage
    assert answer.usage.completion_tokens_details
    thought = len(tokens(line.thought))
    assert answer.usage.completion_tokens_details.reasoning_tokens == thought
    assert answer.usage.completion_tokens == thought + len(tokens(line.text))


@pytest.mark.parametrize("stream", [True, False])
def test_openai_tool(gpt: OpenAI, stream: bool) -> None:
    """The model asks for a tool, and goes on once the tool has answered."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
    messages: list[Any] = [{"role": "user", "content": RAIN}]
    if stream:
        parts = [call for chunk in chunks(gpt, RAIN, tools=[tool]) for call in chunk.choices[0].delta.tool_calls or []]
        functions = [part.function for part in parts if part.function]
        name, arguments = functions[0].name, "".join(function.arguments or "" for function in functions)
    else:
        asked: Any = gpt.chat.completions.create(model="gpt-4.1", messages=messages, tools=[tool]).choices[0]
        assert asked.finish_reason == "tool_calls"
        name, arguments = asked.message.tool_calls[0].function.name, asked.message.tool_calls[0].function.arguments
    assert (name, json.loads(arguments)) == ("weather", {"city": "Lisbon"})
    messages.append(
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}]}
    )
    messages.append({"role": "tool", "tool_call_id": "1", "content": "clear"})
    after = gpt.chat.completions.create(model="gpt-4.1", messages=messages)
    assert after.choices[0].message.content == SCENES[RAIN].after_tool.text


def test_anthropic_stream(claude: Anthropic) -> None:
    """The events of a streamed answer come in Anthropic's order, the counts at its start and its end."""
    messages: Any = [{"role": "user", "content": WHY}]
    events = list(claude.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages, stream=True))
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, end = events[0], events[-2]
    assert start.type == "message_start"
    assert end.type == "message_delta"
    assert (start.message.model, start.message.usage.output_tokens) == ("claude-haiku-4-5-20251001", 1)
    said = len(tokens(SCENES[WHY].line.text))
    assert (end.delta.stop_reason, end.usage.input_tokens, end.usage.output_tokens) == (
        "end_turn",
        start.message.usage.input_tokens,
        said,
    )


def test_anthropic_thinking(claude: Anthropic) -> None:
    """A thinking block with its signature comes before the text, streamed and whole alike."""
    messages: Any = [{"role": "user", "content": RIDDLE}]
    whole = claude.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages)
    line = SCENES[RIDDLE].line
    thinking, said = whole.content
    assert thinking.type == "thinking"
    assert said.type == "text"
    assert (thinking.thinking, bool(thinking.signature), said.text) == (line.thought, True, line.text)
    assert [block.to_dict() for block in ask_claude(claude, RIDDLE).content] == [block.to_dict() for block in whole.content]


def test_anthropic_tool(claude: Anthropic) -> None:
    """The model says something, asks for a tool, and goes on once the tool has answered."""
    asked = ask_claude(claude, OSLO, tools=[{"name": "weather", "input_schema": PARAMETERS}])
    said, call = asked.content
    assert call.type == "tool_use"
    assert (asked.stop_reason, said.type, call.name, call.input) == ("tool_use", "text", "weather", {"city": "Oslo"})
    messages: Any = [
        {"role": "user", "content": OSLO},
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "clear"}]},
    ]
    after = claude.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages)
    assert [block.to_dict() for block in after.content] == [{"type": "text", "text": SCENES[OSLO].after_tool.text}]


def test_anthropic_cache(claude: Anthropic) -> None:
    """A marked prompt is written to the cache first and read from it afterwards; input_tokens counts neither."""
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    first, second = (ask_claude(claude, WHY, system=system).usage for _ in range(2))
    size = len(LONG) // 4
    assert (first.cache_creation_input_tokens, first.cache_read_input_tokens) == (size, 0)
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, size)
    assert first.input_tokens == second.input_tokens < size


def test_openai_cache(gpt: OpenAI) -> None:
    """The second call with the same long instructions has cached tokens, which prompt_tokens counts too."""
    messages: Any = [{"role": "system", "content": LONG + "!"}, {"role": "user", "content": WHY}]
    usages = [gpt.chat.completions.create(model="gpt-4.1", messages=messages).usage for _ in range(2)]
    found = [
        (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens)
        for usage in usages
        if usage and usage.prompt_tokens_details
    ]
    prompt, size = found[0][0], len(LONG + "!") // 4
    assert found == [(prompt, 0), (prompt, size)]
    assert prompt > size


def test_cut_short(gpt: OpenAI) -> None:
    """A body can end as it should and yet in the middle of the answer."""
    answer = chunks(gpt, "Tell me a story and stop in the middle.")
    assert (answer[-1].choices[0].finish_reason, text(answer)[:14]) == (None, "The lighthouse")


def test_hang_up(gpt: OpenAI) -> None:
    """A connection can be cut in the middle of the answer."""
    with pytest.raises(Exception, match=r"Connection error|peer closed connection"):
        chunks(gpt, "Tell me a story and hang up.")


def test_overloaded(gpt: OpenAI, claude: Anthropic) -> None:
    """An error can take the place of the next event, in both formats."""
    question = next(question for question, scene in SCENES.items() if scene.fault is Fault.OVERLOADED)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        ask_claude(claude, question)
    with pytest.raises(openai.APIError, match="The server had an error"):
        chunks(gpt, question)


def test_too_many_requests(gpt: OpenAI, claude: Anthropic) -> None:
    """Both formats have their HTTP 429, with the time to wait."""
    question = "Tell me that I ask too much."
    with pytest.raises(openai.RateLimitError) as of_openai:
        chunks(gpt, question)
    with pytest.raises(anthropic.RateLimitError, match="rate_limit_error") as of_anthropic:
        ask_claude(claude, question)
    assert of_openai.value.code == "rate_limit_exceeded"
    assert [error.value.response.headers["retry-after"] for error in (of_openai, of_anthropic)] == ["2", "2"]


@pytest.mark.parametrize("body", ["{}", '{"messages": 7}', '{"messages": [{}]}', '{"messages": ["hi"]}', "[]"])
def test_unreadable_request(gpt: OpenAI, claude: Anthropic, body: str) -> None:
    """A request without messages is a 400 in the provider's form."""
    with pytest.raises(openai.BadRequestError, match="We could not read this request"):
        gpt.post("/chat/completions", body=json.loads(body), cast_to=object)
    with pytest.raises(anthropic.BadRequestError, match="We could not read this request"):
        claude.post("/v1/messages", body=json.loads(body), cast_to=object)


def test_unknown_question(gpt: OpenAI) -> None:
    """Any other question has a sensible answer."""
    assert text(chunks(gpt, "What?")).startswith("This is the replay server of streamspan")


def test_timing() -> None:
    """The first token takes its time, and a second the pace's share of it."""
    with serving(replay.app(pace=0.2), listen("127.0.0.1", 0)) as url, OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        started = time.perf_counter()
        stream: Any = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello in one sentence."}], stream=True
        )
        times = [time.perf_counter() - started for _ in stream]
    scene = SCENES["Say hello in one sentence."]
    assert times[1] > 0.2 * scene.seconds_to_first_token
    assert times[-1] - times[1] > 0.2 * 0.6 * scene.seconds_per_token * (len(times) - 2)


def test_same_seed_same_ids(url: str) -> None:
    """Two servers with one seed give the same ids, two calls of one server do not."""
    found: list[str] = []
    for _ in range(2):
        with (
            serving(replay.app(pace=0), listen("127.0.0.1", 0)) as address,
            OpenAI(base_url=f"{address}/v1", api_key="none") as client,
        ):
            found += [chunks(client, WHY)[0].id for _ in range(2)]
    assert found[:2] == found[2:]
    assert found[0] != found[1]


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_tokens_are_the_text(scene: Any) -> None:
    """No letter is lost between the tokens."""
    for said in (scene.line.text, scene.line.thought, scene.after_tool.text):
        assert "".join(tokens(said)) == said


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "claude-sonnet-4-6", "claude-haiku-4-5"])
def test_models_have_a_price(model: str) -> None:
    """The models of the examples are real ones, with a price in genai-prices."""
    assert calc_price(Usage(input_tokens=1000), model).total_price > 0
