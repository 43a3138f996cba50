"""What the bodies inside of Bedrock's InvokeModel say, family by family: without an SDK."""

import json
from typing import Any

import pytest

from streamspan.answer import Answer, dump_json
from streamspan.providers.bedrock_invoke import FORMAT, choose, read

from bedrock_bodies import CASES, COUNTED, TEXT, Case

CLAUDE, NOVA, LLAMA, TITAN = (CASES[name] for name in ("claude", "nova", "llama", "titan"))


def spell(said: Any) -> dict[str, Any]:
    """An event as the SDK gives it."""
    return {"chunk": {"bytes": json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()}}


def hear(*events: Any) -> Answer:
    """An answer out of these events."""
    answer = Answer()
    for event in events:
        read(event, answer)
    return answer


def told(answer: Answer) -> dict[str, Any]:
    """All that an answer says."""
    usage = answer.reported
    (message,) = json.loads(dump_json(answer.messages(1)))
    return {
        "parts": message["parts"],
        "reason": message["finish_reason"],
        "input": usage.total_input_tokens,
        "output": usage.output_tokens,
        "model": answer.model,
        "done": answer.terminal,
    }


def expected(case: Case, *, done: bool) -> dict[str, Any]:
    """What the answers of this family say."""
    tokens = 112 if case is CLAUDE else 12
    return {
        "parts": case.parts,
        "reason": case.reason,
        "input": tokens,
        "output": 5,
        "model": case.answered,
        "done": done,
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_streamed(case: Case) -> None:
    """Each family's stream is read, and is over with the chunk that brings Bedrock's counts."""
    assert told(hear(*map(spell, case.chunks))) == expected(case, done=True)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whole(case: Case) -> None:
    """Each family's whole answer is read, with Bedrock's counts, which are in the headers, told before it."""
    assert told(hear(COUNTED, case.whole)) == expected(case, done=case is CLAUDE)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "model", [None, "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2", "us.new.model-v1:0"]
)
def test_request_is_recognised_by_its_body(case: Case, model: str | None) -> None:
    """The operation, the parameters and the prompt are the same whatever the model is called."""
    params = {"model": model, "body": case.body}
    wire = choose(params)
    prompt = wire.prompt(params)

    assert wire.operation == case.operation
    asked = {key: tuple(value) if isinstance(value, list) else value for key, value in wire.request(params).items()}
    assert asked == case.request | ({} if model is None else {"gen_ai.request.model": model})
    assert {
        "gen_ai.input.messages": prompt.messages,
        "gen_ai.system_instructions": prompt.system,
        "gen_ai.tool.definitions": prompt.tools,
    } == {"gen_ai.system_instructions": None, "gen_ai.tool.definitions": None} | case.content


EMBEDDINGS = {
    "titan": ("amazon.titan-embed-text-v2:0", {"inputText": "Lima", "dimensions": 256, "normalize": True}),
    "titan of images": (
        "amazon.titan-embed-image-v1",
        {"inputText": "Lima", "inputImage": "AAAA", "embeddingConfig": {"outputEmbeddingLength": 256}},
    ),
    "cohere": (
        "cohere.embed-v4:0",
        {"texts": ["Lima"], "input_type": "search_document", "output_dimension": 256},
    ),
}


@pytest.mark.parametrize(("model", "body"), EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_embeddings(model: str, body: dict[str, Any]) -> None:
    """Embeddings are an operation of their own, whose text is counted and not written."""
    params = {"model": model, "body": body}
    wire = choose(params)

    assert (wire.operation, wire.generates) == ("embeddings", False)
    assert wire.request(params) == {"gen_ai.request.model": model, "gen_ai.embeddings.dimension.count": 256}
    assert (wire.prompt(params).texts, wire.prompt(params).messages) == (["Lima"], None)


def test_embeddings_in_the_answer() -> None:
    """Titan counts the tokens of what it embeds; nothing is said."""
    answer = hear({"embedding": [0.1, 0.2], "embeddingsByType": {"float": [0.1, 0.2]}, "inputTextTokenCount": 3})
    assert (answer.reported.input_tokens, answer.reported.output_tokens, answer.choices) == (3, None, {})


OTHER_BODIES: dict[str, tuple[str | None, Any]] = {
    "a model that draws": ("stability.sd3-large-v1:0", {"prompt": "A lama", "mode": "text-to-image"}),
    "one whose name is hidden": (
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/a",
        {"prompt": "A lama", "aspect_ratio": "1:1"},
    ),
    "tasks": ("amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "A lama"}}),
    "a ranking": ("cohere.rerank-v3-5:0", {"query": "Capital?", "documents": ["Lima"], "api_version": 2}),
    "a file": ("anthropic.claude-opus-5", {}),
    "none": (None, None),
    "a list": (None, [1]),
}


@pytest.mark.parametrize(("model", "body"), OTHER_BODIES.values(), ids=OTHER_BODIES)
def test_unknown_request(model: str | None, body: Any) -> None:
    """Of a body that nobody knows the model is told and nothing else, and nothing will be estimated."""
    params = {"model": model, "body": body}
    wire = choose(params)

    assert wire is FORMAT
    assert wire.opaque
    assert wire.request(params) == ({"gen_ai.request.model": model} if model else {})
    assert wire.prompt(params).messages is None


@pytest.mark.parametrize(
    "said",
    [b"", b"\xff\x00", b"[1]", b'"text"', b"{", b'{"images":["AAAA"]}', b'{"choices":null}', b'{"outputs":7}', b'{"type":null}'],
)
def test_unknown_answer(said: bytes) -> None:
    """What is no body that we know says nothing, and does no harm."""
    answer = hear({"chunk": {"bytes": said}}, {"chunk": {}}, {"chunk": None}, {"other": 1}, None, {})
    assert (answer.choices, answer.terminal, answer.reported.total_input_tokens) == ({}, False, None)


def test_counts_of_an_unknown_answer() -> None:
    """Bedrock's counts are read whoever answers."""
    answer = hear(spell({"images": ["AAAA"], **COUNTED}))
    assert (answer.reported.total_input_tokens, answer.reported.output_tokens, answer.terminal) == (12, 5, True)


def test_cached_tokens_are_part_of_the_input() -> None:
    """What came from and went into the cache is counted beside the input by Bedrock, and is part of it for the conventions."""
    metrics = {"inputTokenCount": 3, "outputTokenCount": 7, "cacheReadInputTokenCount": 80, "cacheWriteInputTokenCount": 20}
    usage = hear(spell({"amazon-bedrock-invocationMetrics": metrics})).reported
    assert (usage.total_input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (103, 80, 20)


@pytest.mark.parametrize("odd", ["5", [5], {}, None, -1, 1e300])
def test_counts_that_are_none(odd: Any) -> None:
    """A count that is no number of anything is as good as none, and the rest is read."""
    answer = hear(spell({"amazon-bedrock-invocationMetrics": {"inputTokenCount": odd, "outputTokenCount": 5.0}}))
    assert (answer.reported.total_input_tokens, answer.reported.output_tokens) == (None, 5)


def test_counts_so_far_of_a_stream_that_was_cut() -> None:
    """Llama counts as it goes."""
    usage = hear(*map(spell, LLAMA.chunks[:2])).reported
    assert (usage.input_tokens, usage.output_tokens) == (12, 2)


@pytest.mark.parametrize("case", [CLAUDE, NOVA], ids=["claude", "nova"])
@pytest.mark.parametrize("texts", [["é", "日本", "\U0001f600"], ["a\\", 'b"', "\n", "c"], ["", " ", "}}"]])
def test_short_way_reads_the_same(case: Case, texts: list[str]) -> None:
    """Text that needs unescaping and text that does not: what is read is what was said."""
    template = next(chunk for chunk in case.chunks if '"text"' in json.dumps(chunk) and "elta" in json.dumps(chunk))
    for ascii_only in (True, False):
        answer = Answer()
        for text in ["Say: ", *texts]:
            said = json.dumps(template, separators=(",", ":")).replace(
                json.dumps("Lima "), json.dumps(text, ensure_ascii=ascii_only)
            )
            read({"chunk": {"bytes": said.encode()}}, answer)
        assert answer.generated_text() == "Say: " + "".join(texts)


def test_blocks_of_text_stay_apart() -> None:
    """The short way goes on with the block that is open, and no further."""
    chunks = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "c"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "d"}},
    ]
    assert [part.string for part in hear(*map(spell, chunks)).parts("text")] == ["ab", "cd"]


def test_error_in_the_stream() -> None:
    """An error that Claude sends as an event is one, although nothing raises."""
    answer = hear(spell({"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}))
    assert answer.failure == ("overloaded_error", "Busy.")


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_tools_of_command_r() -> None:
    """Tools are called whole; what they gave is part of the conversation."""
    call = {"name": "get_weather", "parameters": {"city": "Lima"}}
    answer = hear(spell({"event_type": "tool-calls-generation", "tool_calls": [call], "is_finished": False}))
    params = {
        "body": {
            "message": "",
            "tools": [
                {
                    "name": "get_weather",
                    "description": "Weather",
                    "parameter_definitions": {"city": {"type": "str", "required": True}},
                }
            ],
            "tool_results": [{"call": call, "outputs": [{"sky": "grey"}]}],
            "chat_history": [{"role": "CHATBOT", "tool_calls": [call]}],
        }
    }
    prompt = choose(params).prompt(params)
    asked = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Lima"}}

    assert json.loads(dump_json(answer.messages(1)))[0]["parts"] == [asked]
    assert prompt.messages == [
        {"role": "assistant", "parts": [asked]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": [{"sky": "grey"}]}]},
    ]
    assert prompt.tools == [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": CITY}]


def test_guardrail() -> None:
    """A guardrail is named, of whatever body it guards."""
    params = {"model": "m", "body": TITAN.body, "guardrailIdentifier": "gr-1", "guardrailVersion": "2"}
    attributes = choose(params).request(params)
    assert (attributes["aws.bedrock.guardrail.id"], attributes["aws.bedrock.guardrail.version"]) == ("gr-1", "2")


def test_the_whole_text_is_known_from_its_pieces() -> None:
    """The bodies under test say the same streamed and whole."""
    assert hear(*map(spell, NOVA.chunks)).generated_text() == TEXT
