"""What models say inside Amazon Bedrock's InvokeModel: one request of each family, and its answer, streamed and whole."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Final

from eventstream import event

SAID: Final = ["Lima ", "is ", 'the "it".']
"""The last piece has to be unescaped."""
TEXT: Final = "".join(SAID)
METRICS: Final = {"inputTokenCount": 12, "outputTokenCount": 5, "invocationLatency": 605, "firstByteLatency": 301}
COUNTED: Final = {"amazon-bedrock-invocationMetrics": METRICS}
HEADERS: Final = {
    "content-type": "application/json",
    "x-amzn-requestid": "req-1",
    "x-amzn-bedrock-input-token-count": "12",
    "x-amzn-bedrock-output-token-count": "5",
}
USER: Final = {"role": "user", "parts": [{"type": "text", "content": "Capital?"}]}


@dataclass(frozen=True)
class Case:
    """One family."""

    model: str
    body: dict[str, Any]
    chunks: list[dict[str, Any]]
    whole: dict[str, Any]
    reason: str
    request: dict[str, Any]
    """What the span says of the request, but for its model."""
    operation: str = "chat"
    content: dict[str, Any] = field(default_factory=lambda: {"gen_ai.input.messages": [USER]})
    parts: list[dict[str, Any]] = field(default_factory=lambda: [{"type": "text", "content": TEXT}])
    answered: str | None = None
    """The model that the answer names."""
    priced: bool = True


def chunk(said: Any) -> bytes:
    """One event of a streamed answer: spelled as Bedrock does, without blanks, and with padding beside it."""
    data = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    return event("chunk", {"bytes": base64.b64encode(data).decode(), "p": "abcdefgh"})


def choice(text: str | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk in OpenAI's shape."""
    said = {} if text is None else {"content": text}
    return {"choices": [{"delta": said, "finish_reason": reason, "index": 0}], "id": "chatcmpl-1", **more}


_PARAMETERS = {"gen_ai.request.max_tokens": 100, "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9}
_ASK = [{"role": "user", "content": "Capital?"}]
_SAMPLING = {"temperature": 0.5, "top_p": 0.9}
_WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
_NOVA_USAGE = {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17}


def _claude_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


_CLAUDE_USAGE = {"input_tokens": 12, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 20, "output_tokens": 5}
_CLAUDE = {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929"}

CASES: Final[dict[str, Case]] = {
    "claude": Case(
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        body={
            "anthropic_version": "bedrock-2023-05-31",
            "system": "Be brief.",
            "messages": _ASK,
            "max_tokens": 100,
            "stop_sequences": ["END"],
            "tools": [{"name": "get_weather", "description": "Weather", "input_schema": _WEATHER}],
            **_SAMPLING,
        },
        chunks=[
            {"type": "message_start", "message": {**_CLAUDE, "content": [], "usage": {**_CLAUDE_USAGE, "output_tokens": 1}}},
            *_claude_block(
                0,
                {"type": "thinking", "thinking": ""},
                {"type": "thinking_delta", "thinking": "Hm."},
                {"type": "signature_delta", "signature": "c2ln"},
            ),
            *_claude_block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in SAID)),
            *_claude_block(
                2,
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"city":'},
                {"type": "input_json_delta", "partial_json": '"Lima"}'},
            ),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
            {
                "type": "message_stop",
                "amazon-bedrock-invocationMetrics": {**METRICS, "cacheReadInputTokenCount": 80, "cacheWriteInputTokenCount": 20},
            },
        ],
        whole={
            **_CLAUDE,
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": TEXT},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Lima"}},
            ],
            "stop_reason": "tool_use",
            "usage": _CLAUDE_USAGE,
        },
        reason="tool_use",
        request={**_PARAMETERS, "gen_ai.request.stop_sequences": ("END",)},
        content={
            "gen_ai.input.messages": [USER],
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.tool.definitions": [
                {"type": "function", "name": "get_weather", "description": "Weather", "parameters": _WEATHER}
            ],
        },
        parts=[
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": TEXT},
            {"type": "tool_call", "id": "toolu_1", "name": "get_weather", "arguments": {"city": "Lima"}},
        ],
        answered="claude-sonnet-4-5-20250929",
    ),
    "claude 2": Case(
        model="anthropic.claude-v2:1",
        body={"prompt": "Capital?", "max_tokens_to_sample": 100, "stop_sequences": ["\n\nHuman:"], **_SAMPLING},
        chunks=[
            *({"type": "completion", "completion": text, "stop_reason": None} for text in SAID),
            {"type": "completion", "completion": "", "stop_reason": "stop_sequence", **COUNTED},
        ],
        whole={"type": "completion", "completion": TEXT, "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        reason="stop_sequence",
        request={**_PARAMETERS, "gen_ai.request.stop_sequences": ("\n\nHuman:",)},
        operation="text_completion",
        priced=False,
    ),
    "nova": Case(
        model="amazon.nova-lite-v1:0",
        body={
            "schemaVersion": "messages-v1",
            "system": [{"text": "Be brief."}],
            "messages": [{"role": "user", "content": [{"text": "Capital?"}]}],
            "inferenceConfig": {"max_new_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_k": 20},
        },
        chunks=[
            {"messageStart": {"role": "assistant"}},
            *({"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in SAID),
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": _NOVA_USAGE, "metrics": {}, "trace": {}}, **COUNTED},
        ],
        whole={
            "output": {"message": {"content": [{"text": TEXT}], "role": "assistant"}},
            "stopReason": "end_turn",
            "usage": _NOVA_USAGE,
        },
        reason="end_turn",
        request={**_PARAMETERS, "gen_ai.request.top_k": 20},
        content={
            "gen_ai.input.messages": [USER],
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        },
    ),
    "titan": Case(
        model="amazon.titan-text-express-v1",
        body={
            "inputText": "Capital?",
            "textGenerationConfig": {"maxTokenCount": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        },
        chunks=[
            {
                "outputText": text,
                "index": 0,
                "totalOutputTextTokenCount": 5 if text == SAID[-1] else None,
                "completionReason": "FINISH" if text == SAID[-1] else None,
                "inputTextTokenCount": 12,
                **(COUNTED if text == SAID[-1] else {}),
            }
            for text in SAID
        ],
        whole={
            "inputTextTokenCount": 12,
            "results": [{"tokenCount": 5, "outputText": TEXT, "completionReason": "FINISH"}],
        },
        reason="FINISH",
        request={**_PARAMETERS, "gen_ai.request.stop_sequences": ("END",)},
        operation="text_completion",
    ),
    "llama": Case(
        model="us.meta.llama4-scout-17b-instruct-v1:0",
        body={"prompt": "Capital?", "max_gen_len": 100, **_SAMPLING},
        chunks=[
            *(
                {
                    "generation": text,
                    "prompt_token_count": None if count else 12,
                    "generation_token_count": count + 1,
                    "stop_reason": None,
                }
                for count, text in enumerate(SAID)
            ),
            {"generation": "", "prompt_token_count": None, "generation_token_count": 5, "stop_reason": "stop", **COUNTED},
        ],
        whole={"generation": TEXT, "prompt_token_count": 12, "generation_token_count": 5, "stop_reason": "stop"},
        reason="stop",
        request=_PARAMETERS,
        operation="text_completion",
    ),
    "mistral": Case(
        model="mistral.mistral-7b-instruct-v0:2",
        body={"prompt": "Capital?", "max_tokens": 100, "top_k": 20, "stop": ["END"], **_SAMPLING},
        chunks=[
            *({"outputs": [{"text": text, "stop_reason": None}]} for text in SAID),
            {"outputs": [{"text": "", "stop_reason": "stop"}], **COUNTED},
        ],
        whole={"outputs": [{"text": TEXT, "stop_reason": "stop"}]},
        reason="stop",
        request={**_PARAMETERS, "gen_ai.request.top_k": 20, "gen_ai.request.stop_sequences": ("END",)},
        operation="text_completion",
    ),
    "mistral chat": Case(
        model="mistral.mistral-large-2402-v1:0",
        body={"messages": _ASK, "max_tokens": 100, **_SAMPLING},
        chunks=[
            *(
                {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "stop_reason": None}]}
                for text in SAID
            ),
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "stop_reason": "stop"}], **COUNTED},
        ],
        whole={"choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "stop_reason": "stop"}]},
        reason="stop",
        request=_PARAMETERS,
    ),
    "command": Case(
        model="cohere.command-text-v14",
        body={"prompt": "Capital?", "max_tokens": 100, "temperature": 0.5, "p": 0.9, "k": 20, "num_generations": 1},
        chunks=[
            *({"index": 0, "is_finished": False, "text": text} for text in SAID),
            {"finish_reason": "COMPLETE", "index": 0, "is_finished": True, **COUNTED},
        ],
        whole={"generations": [{"finish_reason": "COMPLETE", "id": "g-1", "text": TEXT}], "id": "c-1", "prompt": "Capital?"},
        reason="COMPLETE",
        request={**_PARAMETERS, "gen_ai.request.top_k": 20},
        operation="text_completion",
        priced=False,
    ),
    "command-r": Case(
        model="cohere.command-r-v1:0",
        body={
            "message": "Capital?",
            "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
            "preamble": "Be brief.",
            "max_tokens": 100,
            "temperature": 0.5,
            "p": 0.9,
        },
        chunks=[
            {"event_type": "stream-start", "generation_id": "g-1", "is_finished": False},
            *({"event_type": "text-generation", "is_finished": False, "text": text} for text in SAID),
            {
                "event_type": "stream-end",
                "finish_reason": "COMPLETE",
                "is_finished": True,
                "response": {"response_id": "r-1", "text": TEXT, "finish_reason": "COMPLETE", "chat_history": []},
                **COUNTED,
            },
        ],
        whole={"response_id": "r-1", "text": TEXT, "generation_id": "g-1", "chat_history": [], "finish_reason": "COMPLETE"},
        reason="COMPLETE",
        request=_PARAMETERS,
        content={
            "gen_ai.input.messages": [
                {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
                {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]},
                USER,
            ],
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        },
        priced=False,
    ),
    "jamba": Case(
        model="ai21.jamba-1-5-mini-v1:0",
        body={"messages": _ASK, "max_tokens": 100, "n": 1, **_SAMPLING},
        chunks=[
            choice(None),
            *map(choice, SAID),
            choice("", "stop", usage={"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}, **COUNTED),
        ],
        whole={
            "id": "chat-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        },
        reason="stop",
        request=_PARAMETERS,
        priced=False,
    ),
    "deepseek": Case(
        model="us.deepseek.r1-v1:0",
        body={"prompt": "Capital?", "max_tokens": 100, **_SAMPLING},
        chunks=[
            *({"choices": [{"text": text, "index": 0, "stop_reason": None}]} for text in SAID),
            {"choices": [{"text": "", "index": 0, "stop_reason": "stop"}], **COUNTED},
        ],
        whole={"choices": [{"text": TEXT, "stop_reason": "stop"}]},
        reason="stop",
        request=_PARAMETERS,
        operation="text_completion",
    ),
    "gpt-oss": Case(
        model="openai.gpt-oss-20b-1:0",
        body={
            "messages": [{"role": "system", "content": "Be brief."}, *_ASK],
            "max_completion_tokens": 100,
            "reasoning_effort": "low",
            **_SAMPLING,
        },
        chunks=[
            *(choice(text, model="openai.gpt-oss-20b-1:0") for text in SAID),
            choice(None, "stop", model="openai.gpt-oss-20b-1:0", **COUNTED),
        ],
        whole={
            "id": "chatcmpl-1",
            "model": "openai.gpt-oss-20b-1:0",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        },
        reason="stop",
        request={**_PARAMETERS, "gen_ai.request.reasoning.level": "low"},
        content={
            "gen_ai.input.messages": [{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}, USER],
        },
        answered="openai.gpt-oss-20b-1:0",
    ),
}
