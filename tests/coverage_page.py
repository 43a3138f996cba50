"""docs/coverage.md, out of the conformance files and the tests that there are."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

from test_outcomes import cases as outcomes

from conformance import ALL, FORMATS, Case
from surfaces import Surface

TESTS: Final = Path(__file__).parent
PAGE: Final = TESTS.parent / "docs" / "coverage.md"

CALLS: Final = {
    "openai": "`chat.completions`",
    "text_completions": "`completions` (until 1.x)",
    "azure": "`chat.completions` of `AzureOpenAI`",
    "responses": "`responses`",
    "azure_responses": "`responses` of `AzureOpenAI`",
    "completions": "`completions`",
    "embeddings": "`embeddings`",
    "images": "`images.generate`",
    "transcriptions": "`audio.transcriptions`",
    "speech": "`audio.speech`",
    "anthropic": "`messages`",
    "beta": "`beta.messages`",
    "claude_on_bedrock": "`messages` of `AnthropicBedrock`",
    "claude_on_vertex": "`messages` of `AnthropicVertex`",
    "claude_on_foundry": "`messages` of `AnthropicFoundry`",
    "google": "`models.generate_content`, `generate_content_stream`",
    "vertex": "the same on Vertex AI",
    "embed_content": "`models.embed_content`",
    "interactions": "`interactions`",
    "bedrock": "`converse`, `converse_stream`",
    "invoke": "`invoke_model`, `invoke_model_with_response_stream`",
    "agent": "`invoke_agent`",
}
"""What an application calls, by surface."""

KINDS: Final = {
    "normal": "normal$",
    "tools": "tools|tool_without|function_call|custom_tool|code_|mcp|web_search",
    "parallel tools": "(whole_)?parallel_tools",
    "reasoning": "(whole_)?(reasoning|thoughts|deepseek)",
    "cache": "(whole_)?cache",
    "refusal": "(whole_)?refusal",
    "filter": "(whole_)?filter|blocked|whole_blocked|recitation|http_400_.*filter",
    "error in the stream": "error|failed|server_tool_error|bedrock_error",
    "cut": "cut",
    "no end": "truncated|bedrock_truncated",
    "empty": "empty|nothing",
    "several choices": "(whole_)?multi_choice|whole_prompts",
    "whole": "whole",
    "HTTP error": "http_",
}
"""By what is special about an answer: the names of its files."""
_NO_CHOICES: Final = {"several choices"}
_NO_MODEL: Final = {*KINDS} - {"whole", "HTTP error"}
HAS_NOT: Final[dict[str, set[str]]] = {
    "openai_responses": _NO_CHOICES,
    "openai_completions": {"tools", "parallel tools", "reasoning", "cache", "refusal"},
    "openai_embeddings": _NO_MODEL - {"empty"},
    "openai_images": _NO_MODEL - {"normal", "filter", "error in the stream", "cut", "no end"},
    "openai_audio": _NO_MODEL - {"normal", "cut", "no end"},
    "anthropic_messages": {"filter", *_NO_CHOICES},
    "anthropic_completions": {"tools", "parallel tools", "reasoning", "cache", "refusal", "filter", *_NO_CHOICES},
    "google_genai": {"refusal"},
    "google_embeddings": _NO_MODEL,
    "google_interactions": {"refusal", "filter", *_NO_CHOICES},
    "bedrock_converse": {"refusal", *_NO_CHOICES},
    "bedrock_invoke": {"filter", *_NO_CHOICES},
    "bedrock_agent": {"tools", "parallel tools", "reasoning", "cache", "refusal", "filter", "no end", "whole", *_NO_CHOICES},
}
"""What a wire has no way to say."""

ASKED: Final = {
    "OpenAI": {
        "chat completions, streamed and whole": "openai_chat/normal openai_chat/whole",
        "n > 1": "openai_chat/*multi_choice",
        "tools, in parallel, custom; legacy function_call": "openai_chat/*tool* openai_chat/function_call",
        "refusal": "openai_chat/*refusal",
        "audio": "openai_chat/audio",
        "logprobs": "openai_chat/logprobs",
        "reasoning_content of compatible servers": "openai_chat/deepseek openai_chat/whole_deepseek openai_chat/vllm",
        "`stream()` and `parse()`": "ways:openai_chat/stream ways:openai_chat/parse ways:openai_responses/stream",
        "Responses, streamed and whole": "openai_responses/normal openai_responses/whole",
        "Responses read again: no second count": "test_fetch.py::test_a_response_that_is_read_again",
        "Responses in the background, left and resumed": (
            "openai_responses/whole_background test_fetch.py::test_a_background_stream_that_is_left_and_resumed"
        ),
        "failed, incomplete and error events": "openai_responses/*failed openai_responses/*incomplete openai_responses/error*",
        "built-in tools": (
            "openai_responses/web_search openai_responses/code_interpreter openai_responses/mcp openai_responses/image_generation"
        ),
        "reasoning summaries": "openai_responses/reasoning*",
        "legacy completions": "openai_completions/*",
        "embeddings": "openai_embeddings/*",
        "image streams": "openai_images/* test_openai_media.py::test_images",
        "transcription streams, speech": "openai_audio/* test_openai_media.py::test_speech",
        "AzureOpenAI, and its filters": "openai_chat/*azure* openai_responses/azure",
        "deepseek": "openai_chat/deepseek",
        "groq": "openai_chat/groq",
        "x_ai": "openai_chat/x_ai",
        "mistral_ai": "openai_chat/mistral",
        "perplexity": "openai_chat/perplexity",
        "OpenRouter, with its reported cost": "openai_chat/openrouter",
        "vLLM, Ollama": "openai_chat/vllm openai_chat/ollama",
        "`with_raw_response.parse()`, as LiteLLM": "ways:openai_chat/raw test_outcomes.py::parse_raw",
        "`with_streaming_response`, `iter_lines()`": "ways:openai_chat/lines test_outcomes.py::read_lines",
    },
    "Anthropic": {
        "messages.create, streamed and whole": "anthropic_messages/normal anthropic_messages/whole",
        "messages.stream, parse": "ways:anthropic_messages/stream ways:anthropic_messages/parse",
        "beta.messages": "anthropic_messages/*beta",
        "tool_runner": "test_tool_runner.py::test_*",
        "thinking": "anthropic_messages/reasoning*",
        "citations": "anthropic_messages/citations",
        "server tools": "anthropic_messages/server_tool* anthropic_messages/code_execution",
        "cache creation, 5 minutes and 1 hour": "anthropic_messages/*cache*",
        "AnthropicBedrock": "anthropic_messages/*bedrock*",
        "AnthropicVertex": "anthropic_messages/*vertex",
        "Foundry": "anthropic_messages/foundry",
        "completions on 0.x": "anthropic_completions/*",
    },
    "Google": {
        "generate_content, streamed and whole, sync and aio": "google_genai/normal google_genai/whole",
        "chats, automatic function calling": "test_google_genai.py::test_one_span_per_request_with_automatic_function_calling",
        "continuation": "test_google_genai.py::test_one_span_per_request_with_continuation",
        "thoughts": "google_genai/*thoughts",
        "blocked prompts, safety": "google_genai/*blocked_prompt google_genai/filter",
        "several candidates": "google_genai/multi_choice",
        "interactions": "google_interactions/*",
        "embed_content": "google_embeddings/*",
        "Vertex AI": "google_genai/vertex test_google_genai.py::test_vertex",
    },
    "Amazon Bedrock": {
        "converse, converse_stream": "bedrock_converse/*",
        "invoke_model: Anthropic": "bedrock_invoke/normal bedrock_invoke/whole",
        "invoke_model: Nova": "bedrock_invoke/*nova",
        "invoke_model: Titan": "bedrock_invoke/*titan*",
        "invoke_model: Llama": "bedrock_invoke/llama",
        "invoke_model: Mistral": "bedrock_invoke/mistral",
        "invoke_model: Cohere": "bedrock_invoke/cohere",
        "invoke_model: Jamba": "bedrock_invoke/jamba",
        "invoke_model: DeepSeek": "bedrock_invoke/deepseek",
        "invoke_model: gpt-oss": "bedrock_invoke/gpt_oss",
        "invoke_model: bodies that nobody knows": "bedrock_invoke/unknown",
        "invoke_agent, with its trace": "bedrock_agent/*",
        "boto3 (botocore) and aiobotocore": "bedrock_converse/* test_bedrock.py::test_a_stream_is_freed_as_without_us",
        "inference-profile ARNs, region-prefixed ids": "bedrock_converse/inference_profile bedrock_invoke/llama",
        "exceptions in the stream, cuts": "bedrock_*/error* bedrock_*/cut",
    },
}
"""Every row of what streamspan is to cover, and what shows that it does: files, ways to call them, tests."""


def write() -> str:
    """The page."""
    return "\n".join([*_head(), *_calls(), *_answers(), *_rows(), ""])


def _head() -> Iterator[str]:
    yield "# What is covered"
    yield ""
    yield "Written by `pytest tests/test_coverage.py --write-coverage` out of the tests; a test fails where it is stale."
    yield "A *file* is an answer in `tests/wire`, with the whole span that it should give; each is replayed through the real SDK,"
    yield "sync and async, in every way in which the SDK can be called (`tests/test_conformance.py`), and mutated"
    yield "(`tests/test_fuzz.py`). *Endings* are the ways to let go of a stream, or to fail, in `tests/test_outcomes.py`."
    yield "How live sockets are treated stands in [realtime.md](realtime.md)."


# --- each way to call ------------------------------------------------------------------------------------------------


def _calls() -> Iterator[str]:
    yield ""
    yield "## Each way to call"
    yield ""
    yield "The numbers are replays: files times ways, sync and async alike."
    yield ""
    yield "| format | call | ways | streamed | whole | endings, sync | endings, async |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: |"
    endings = Counter(repr(ending.values[1]) for ending in outcomes())
    for name, kinds in FORMATS.items():
        for kind in kinds:
            yield _call(name, kind, [case for case in ALL if case.format == name and case.surface is kind], endings)


def _call(name: str, kind: type[Surface], cases: list[Case], endings: Counter[str]) -> str:
    ways = dict.fromkeys(way for case in cases for way in case.ways)
    replays = [sum(len(case.ways) for case in cases if case.is_streamed is streamed) for streamed in (True, False)]
    ends = [endings[repr(kind(is_async=is_async))] for is_async in (False, True)]
    cells = [name, CALLS[kind.name], ", ".join(ways), *(str(count or "-") for count in (*replays, *ends))]
    return f"| {' | '.join(cells)} |"


# --- each kind of answer ---------------------------------------------------------------------------------------------


def _answers() -> Iterator[str]:
    yield ""
    yield "## Each kind of answer"
    yield ""
    yield "The number of files; a dash where the wire has no way to say such a thing."
    yield ""
    yield f"| format | {' | '.join(KINDS)} | all |"
    yield f"| --- |{' ---: |' * (len(KINDS) + 1)}"
    for name in FORMATS:
        names = [case.name for case in ALL if case.format == name]
        cells = [_count(name, kind, names) for kind in KINDS]
        yield f"| {name} | {' | '.join(cells)} | {len(names)} |"


def _count(name: str, kind: str, names: list[str]) -> str:
    count = sum(bool(re.match(KINDS[kind], case)) for case in names)
    return str(count) if count else "-" if kind in HAS_NOT.get(name, ()) else "**missing**"


# --- each row of what is asked for -----------------------------------------------------------------------------------


def _rows() -> Iterator[str]:
    for family, rows in ASKED.items():
        yield ""
        yield f"## {family}"
        yield ""
        yield "| what | files | shown by |"
        yield "| --- | ---: | --- |"
        for what, evidence in rows.items():
            yield _row(what, evidence.split())


def _row(what: str, evidence: list[str]) -> str:
    files = {case.body for case in ALL for pattern in evidence if fnmatch(f"{case.format}/{case.name}", pattern)}
    shown = ", ".join(f"`{pattern}`" if _is_there(pattern) else f"`{pattern}` **missing**" for pattern in evidence)
    return f"| {what} | {len(files) or '-'} | {shown} |"


def _is_there(pattern: str) -> bool:
    """Whether such files, ways or tests exist."""
    module, is_test, name = pattern.partition("::")
    if is_test:
        return any(fnmatch(function, name) for function in _functions(module))
    if pattern.startswith("ways:"):
        folder, way = pattern.removeprefix("ways:").split("/")
        return any(way in case.ways for case in ALL if case.format == folder)
    return any(fnmatch(f"{case.format}/{case.name}", pattern) for case in ALL)


@cache
def _functions(module: str) -> frozenset[str]:
    path = TESTS / module
    nodes = ast.walk(ast.parse(path.read_text())) if path.exists() else ()
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
