"""What is on the span of a call: all of it, compared as a whole."""

import json
from typing import Any, Final

import pytest
from opentelemetry.trace import SpanKind

from conftest import Recorder
from eventstream import converse_usage
from loopback import (
    DONE,
    Loopback,
    Reply,
    Tool,
    anthropic_usage,
    embeddings_whole,
    google_usage,
    openai_chunk,
    openai_usage,
    responses_error,
    responses_events,
    responses_usage,
    responses_whole,
    sse,
)
from surfaces import (
    BEDROCK,
    GOOGLE,
    SURFACES,
    AnthropicSurface,
    BedrockSurface,
    CompletionsSurface,
    GoogleSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

MEASURED = {
    "streamspan.longest_gap_ms": int,
    "streamspan.time_to_first_content_ms": int,
    "streamspan.output_tokens_per_second": float,
    "gen_ai.response.time_to_first_chunk": float,
}
"""Attributes whose value is the machine's; their type is compared."""

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_REQUEST: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "get_time", "arguments": '{"zone":"PET"}'}}],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "12:00"},
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": WEATHER}}],
    "temperature": 0,
    "top_p": 0.5,
    "max_completion_tokens": 100,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "seed": 7,
    "stop": "END",
    "reasoning_effort": "low",
    "service_tier": "flex",
    "response_format": {"type": "json_object"},
}
OPENAI_EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 0.0,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.frequency_penalty": 0.1,
    "gen_ai.request.presence_penalty": 0.2,
    "gen_ai.request.seed": 7,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.request.reasoning.level": "low",
    "gen_ai.output.type": "json",
    "openai.api.type": "chat_completions",
    "openai.request.service_tier": "flex",
    "gen_ai.input.messages": [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And this?"},
                {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
            ],
        },
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_0", "name": "get_time", "arguments": {"zone": "PET"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0", "response": "12:00"}]},
    ],
    "gen_ai.tool.definitions": [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER}],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
            ],
            "finish_reason": "tool_calls",
        }
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("tool_calls",),
    "openai.response.service_tier": "default",
    "openai.response.system_fingerprint": "fp_1",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.reasoning.output_tokens": 60,
    # 600 at $0.15, 400 cached at $0.075 and 100 at $0.60 a million
    "streamspan.cost.total": pytest.approx(0.00018),
    "streamspan.cost.input": pytest.approx(0.00012),
    "streamspan.cost.output": pytest.approx(0.00006),
    "gen_ai.usage.cost": pytest.approx(0.00018),
}

COMPLETIONS_REQUEST: dict[str, Any] = {
    "temperature": 0,
    "top_p": 0.5,
    "max_tokens": 100,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "seed": 7,
    "stop": ["END"],
    "n": 2,
}
COMPLETIONS_EXPECTED: dict[str, Any] = {
    "gen_ai.operation.name": "text_completion",
    "gen_ai.provider.name": "openai",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "gpt-3.5-turbo-instruct",
    "gen_ai.request.temperature": 0.0,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.frequency_penalty": 0.1,
    "gen_ai.request.presence_penalty": 0.2,
    "gen_ai.request.seed": 7,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.request.choice.count": 2,
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Tell me about Lima."}]}],
    "gen_ai.output.messages": [
        {"role": "assistant", "parts": [{"type": "text", "content": "Let me look."}], "finish_reason": "length"},
        {"role": "assistant", "parts": [{"type": "text", "content": "Let me look."}], "finish_reason": "length"},
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "cmpl-1",
    "gen_ai.response.model": "gpt-3.5-turbo-instruct",
    "gen_ai.response.finish_reasons": ("length", "length"),
    "openai.response.system_fingerprint": "fp_1",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 0,
    # 1000 at $1.50 and 100 at $2 a million
    "streamspan.cost.total": pytest.approx(0.0017),
    "streamspan.cost.input": pytest.approx(0.0015),
    "streamspan.cost.output": pytest.approx(0.0002),
    "gen_ai.usage.cost": pytest.approx(0.0017),
}

RESPONSES_REQUEST: dict[str, Any] = {
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "And this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                {"type": "input_file", "file_id": "file-1"},
            ],
        },
        {"type": "reasoning", "id": "rs_0", "summary": [{"type": "summary_text", "text": "Time first."}]},
        {"type": "function_call", "call_id": "call_0", "name": "get_time", "arguments": '{"zone":"PET"}'},
        {"type": "function_call_output", "call_id": "call_0", "output": "12:00"},
    ],
    "tools": [
        {"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER, "strict": True},
        {"type": "web_search"},
        {
            "type": "mcp",
            "server_label": "maps",
            "server_url": "https://example.com",
            "authorization": "hush",
            "headers": {"X-Key": "hush"},
        },
    ],
    "temperature": 0,
    "top_p": 0.5,
    "max_output_tokens": 100,
    "reasoning": {"effort": "low"},
    "service_tier": "flex",
    "text": {"format": {"type": "json_object"}},
    "previous_response_id": "resp_0",
}
RESPONSES_EXPECTED: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 0.0,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.reasoning.level": "low",
    "gen_ai.request.previous_response.id": "resp_0",
    "gen_ai.output.type": "json",
    "openai.api.type": "responses",
    "openai.request.service_tier": "flex",
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And this?"},
                {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
                {"type": "file", "modality": "document", "file_id": "file-1"},
            ],
        },
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Time first."}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_0", "name": "get_time", "arguments": {"zone": "PET"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0", "response": "12:00"}]},
    ],
    "gen_ai.tool.definitions": [
        {"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER, "strict": True},
        {"type": "web_search", "name": "web_search"},
        {"type": "mcp", "name": "maps", "server_label": "maps"},
    ],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "The user wants weather."},
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
                {"type": "tool_call", "id": "call_2", "name": "get_time", "arguments": {}},
            ],
            "finish_reason": "completed",
        }
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "resp_1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("completed",),
    "openai.response.service_tier": "default",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.cache_creation.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 60,
    "streamspan.cost.total": pytest.approx(0.00018),
    "streamspan.cost.input": pytest.approx(0.00012),
    "streamspan.cost.output": pytest.approx(0.00006),
    "gen_ai.usage.cost": pytest.approx(0.00018),
}

ANTHROPIC_REQUEST: dict[str, Any] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_0", "name": "get_time", "input": {"zone": "PET"}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_0", "content": "12:00"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ],
        },
    ],
    "tools": [{"name": "get_weather", "description": "Weather", "input_schema": WEATHER}],
    "max_tokens": 100,
    "stop_sequences": ["END"],
    "extra_body": {"temperature": 0.5, "top_k": 4},  # anthropic 2 has no arguments for these
}
ANTHROPIC_EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "claude-haiku-4-5",
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_k": 4,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {"role": "user", "parts": [{"type": "text", "content": "What time is it?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "toolu_0", "name": "get_time", "arguments": {"zone": "PET"}}],
        },
        {
            "role": "user",
            "parts": [
                {"type": "tool_call_response", "id": "toolu_0", "response": "12:00"},
                {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
            ],
        },
    ],
    "gen_ai.tool.definitions": [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER}],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "The user wants weather."},
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
            ],
            "finish_reason": "tool_use",
        }
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "msg_1",
    "gen_ai.response.model": "claude-haiku-4-5",
    "gen_ai.response.finish_reasons": ("tool_use",),
    # 500 neither read from nor written to the cache, 400 read, 100 written
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.cache_creation.input_tokens": 100,
    # 500 at $1, 400 at $0.10, 100 at $1.25, and 100 at $5 a million
    "streamspan.cost.total": pytest.approx(0.001165),
    "streamspan.cost.input": pytest.approx(0.000665),
    "streamspan.cost.output": pytest.approx(0.0005),
    "gen_ai.usage.cost": pytest.approx(0.001165),
}


DECLARED = {"name": "get_weather", "description": "Weather", "parameters_json_schema": WEATHER}
GOOGLE_REQUEST: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "What time is it?"}]},
        {"role": "model", "parts": [{"function_call": {"id": "call_0", "name": "get_time", "args": {"zoneName": "PET"}}}]},
        {
            "role": "user",
            "parts": [{"function_response": {"id": "call_0", "name": "get_time", "response": {"result": "12:00"}}}],
        },
        "And this?",
        {"inline_data": {"mime_type": "image/png", "data": b"bytes"}},
        {"file_data": {"mime_type": "image/png", "file_uri": "https://example.com/a.png"}},
    ],
    "config": {
        "system_instruction": "Be brief.",
        "tools": [{"function_declarations": [DECLARED]}, {"google_search": {}}],
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 4,
        "max_output_tokens": 100,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "seed": 7,
        "stop_sequences": ["END"],
        "response_mime_type": "application/json",
        "thinking_config": {"thinking_level": "LOW", "include_thoughts": True},
    },
}
GOOGLE_EXPECTED = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "server.address": "127.0.0.1",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.request.temperature": 0.0,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.request.top_k": 4.0,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.frequency_penalty": 0.1,
    "gen_ai.request.presence_penalty": 0.2,
    "gen_ai.request.seed": 7,
    "gen_ai.request.stop_sequences": ("END",),
    "gen_ai.request.reasoning.level": "LOW",
    "gen_ai.output.type": "json",
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {"role": "user", "parts": [{"type": "text", "content": "What time is it?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_0", "name": "get_time", "arguments": {"zoneName": "PET"}}],
        },
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "call_0", "response": {"result": "12:00"}}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And this?"},
                {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 5},
                {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"},
            ],
        },
    ],
    "gen_ai.tool.definitions": [
        {"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER},
        {"type": "google_search", "name": "google_search"},
    ],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "The user wants weather."},
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
                {"type": "tool_call", "id": "call_2", "name": "get_weather", "arguments": {"city": "Lima"}},
            ],
            "finish_reason": "STOP",
        }
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "resp_1",
    "gen_ai.response.model": "gemini-2.5-flash",
    "gen_ai.response.finish_reasons": ("STOP",),
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,  # 40 said and 60 thought
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.reasoning.output_tokens": 60,
    # 600 at $0.30, 400 cached at $0.03 and 100 at $2.50 a million
    "streamspan.cost.total": pytest.approx(0.000442),
    "streamspan.cost.input": pytest.approx(0.000192),
    "streamspan.cost.output": pytest.approx(0.00025),
    "gen_ai.usage.cost": pytest.approx(0.000442),
}


BEDROCK_REQUEST: dict[str, Any] = {
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "And this?"},
                {"image": {"format": "png", "source": {"bytes": b"bytes"}}},
                {"document": {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://bucket/a.pdf"}}}},
                {"document": {"format": "txt", "name": "b", "source": {"text": "A document."}}},
                {"guardContent": {"text": {"text": "Guarded."}}},
                {"cachePoint": {"type": "default"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Time, then.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": b"bytes"}},
                {"toolUse": {"toolUseId": "call_0", "name": "get_time", "input": {"zone": "PET"}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "call_0", "content": [{"text": "12:00"}, {"json": {"hour": 12}}]}}],
        },
    ],
    "inferenceConfig": {"temperature": 0, "topP": 0.5, "maxTokens": 100, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "get_weather", "description": "Weather", "inputSchema": {"json": WEATHER}}},
            {"cachePoint": {"type": "default"}},
        ]
    },
    "guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "2"},
}
BEDROCK_EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "aws.bedrock",
    "server.address": "127.0.0.1",
    "cloud.region": "us-east-1",
    "gen_ai.request.model": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "gen_ai.request.temperature": 0.0,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.stop_sequences": ("END",),
    "aws.bedrock.guardrail.id": "gr-1",
    "aws.bedrock.guardrail.version": "2",
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And this?"},
                {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 5},
                {"type": "uri", "modality": "document", "mime_type": "application/pdf", "name": "a", "uri": "s3://bucket/a.pdf"},
                {"type": "text", "content": "A document."},
                {"type": "text", "content": "Guarded."},
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Time, then."},
                {"type": "redacted_reasoning"},
                {"type": "tool_call", "id": "call_0", "name": "get_time", "arguments": {"zone": "PET"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": "call_0",
                    "response": [{"type": "text", "content": "12:00"}, {"hour": 12}],
                }
            ],
        },
    ],
    "gen_ai.tool.definitions": [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": WEATHER}],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "The user wants weather."},
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
                {"type": "tool_call", "id": "call_2", "name": "get_weather", "arguments": {"city": "Lima"}},
            ],
            "finish_reason": "tool_use",
        }
    ],
    "streamspan.preview": "Let me look.",
    "streamspan.outcome": "completed",
    "gen_ai.response.id": "req-1",
    "gen_ai.response.finish_reasons": ("tool_use",),
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.cache_creation.input_tokens": 100,
    # 10 % more than at Anthropic's, in a region of one's choice: 500 at $1.10, 400 read at $0.11, 100 written at $1.375 and 100 out at
    # $5.50 a million
    "streamspan.cost.total": pytest.approx(0.0012815),
    "streamspan.cost.input": pytest.approx(0.0007315),
    "streamspan.cost.output": pytest.approx(0.00055),
    "gen_ai.usage.cost": pytest.approx(0.0012815),
}


def scenario(surface: Surface, *, streamed: bool) -> tuple[Reply, dict[str, Any], dict[str, Any]]:
    """The server's answer, the request's arguments and the attributes that must come of them."""
    if isinstance(surface, ResponsesSurface):
        tools = [Tool(), Tool("get_time", ("{}",), "call_2")]
        answer = {
            "model": "gpt-4o-mini-2024-07-18",
            "tool_calls": tools,
            "usage": responses_usage(1000, 100, cached=400, reasoning=60),
        }
        whole = surface.whole("Let me look.", reasoning="The user wants weather.", **answer)
        pieces = {**answer, "reasoning": ["The user ", "wants weather."]}
        return reply(surface, ["Let me ", "look."], whole, pieces, streamed=streamed), RESPONSES_REQUEST, RESPONSES_EXPECTED
    if isinstance(surface, CompletionsSurface):
        answer = {"n": 2, "finish": "length", "usage": openai_usage(1000, 100)}
        whole = surface.whole("Let me look.", **answer)
        return reply(surface, ["Let me ", "look."], whole, answer, streamed=streamed), COMPLETIONS_REQUEST, COMPLETIONS_EXPECTED
    if isinstance(surface, OpenAISurface):
        usage = openai_usage(1000, 100, cached=400, reasoning=60)
        answer = {"model": "gpt-4o-mini-2024-07-18", "tool_calls": [Tool()], "finish": "tool_calls", "usage": usage}
        whole = surface.whole("Let me look.", **answer)
        return reply(surface, ["Let me ", "look."], whole, answer, streamed=streamed), OPENAI_REQUEST, OPENAI_EXPECTED
    if isinstance(surface, GoogleSurface):
        usage = google_usage(1000, 40, thoughts=60, cached=400)
        answer = {"tools": [Tool(), Tool(id="call_2")], "usage": usage}
        whole = surface.whole("Let me look.", thinking="The user wants weather.", **answer)
        pieces = {**answer, "thinking": ["The user ", "wants weather."]}
        return reply(surface, ["Let me ", "look."], whole, pieces, streamed=streamed), GOOGLE_REQUEST, GOOGLE_EXPECTED
    if isinstance(surface, BedrockSurface):
        usage = converse_usage(500, 100, cache_read=400, cache_write=100)
        answer = {"tools": [Tool(), Tool(id="call_2")], "stop_reason": "tool_use", "usage": usage}
        whole = surface.whole("Let me look.", thinking="The user wants weather.", **answer)
        pieces = {**answer, "thinking": ["The user ", "wants weather."]}
        return reply(surface, ["Let me ", "look."], whole, pieces, streamed=streamed), BEDROCK_REQUEST, BEDROCK_EXPECTED
    assert isinstance(surface, AnthropicSurface)
    usage = anthropic_usage(500, 100, cache_read=400, cache_creation=100)
    answer = {"tool": Tool(), "stop_reason": "tool_use", "usage": usage}
    whole = surface.whole("Let me look.", thinking="The user wants weather.", **answer)
    pieces = {**answer, "thinking": ["The user ", "wants weather."]}
    return reply(surface, ["Let me ", "look."], whole, pieces, streamed=streamed), ANTHROPIC_REQUEST, ANTHROPIC_EXPECTED


def reply(surface: Surface, texts: list[str], whole: dict[str, Any], pieces: dict[str, Any], *, streamed: bool) -> Reply:
    return surface.streams(surface.wire(texts, **pieces)) if streamed else surface.wholly(whole)


def comparable(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes with their JSON parsed and what the machine measured as its type."""
    shown: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.endswith((".messages", ".definitions", "_instructions")):
            shown[key] = json.loads(value)
        else:
            shown[key] = type(value) if key in MEASURED else value
    return shown


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_everything_on_the_span(surface: Surface, observed: Recorder, *, streamed: bool) -> None:
    """Request, content, response, usage, cost and timing: streamed and whole, sync and async, the same attributes."""
    answer, request, expected = scenario(surface, streamed=streamed)
    with Loopback(answer) as server:
        client = surface.client(server)
        result = await surface.create(client, **({"stream": True} if streamed else {}), **request)
        chunks = await surface.take(result) if streamed else []
        await surface.shut(client)
        port = server.port

    span = observed.span()
    attributes = comparable(dict(span.attributes or {}))
    assert attributes.pop("streamspan.cost.source").startswith("genai-prices ")
    timing = {"gen_ai.request.stream": True, "streamspan.chunks": len(chunks), **MEASURED} if streamed else {}
    assert attributes == {**expected, "server.port": port, **timing}
    assert span.name == f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}"
    assert span.kind is SpanKind.CLIENT
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "streamspan"


@pytest.mark.settings(capture_content=False)
@pytest.mark.parametrize("surface", [*SURFACES, *GOOGLE, *BEDROCK], ids=repr)
async def test_no_content_when_capture_is_off(surface: Surface, observed: Recorder) -> None:
    """With capture off neither prompt nor output is on the span, and everything else is."""
    answer, request, expected = scenario(surface, streamed=True)
    with Loopback(answer) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client, **request))
        await surface.shut(client)

    content = {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "streamspan.preview",
    }
    assert observed.attributes().keys() >= expected.keys() - content
    assert not observed.attributes().keys() & content
    assert "look" not in observed.span().to_json()
    assert "hush" not in observed.span().to_json()


async def openai_call(
    observed: Recorder, body: list[bytes] | dict[str, Any], kind: type[OpenAISurface] = OpenAISurface, **request: Any
) -> dict[str, Any]:
    """The attributes of one OpenAI call: streamed, if its answer is events."""
    surface, streamed = kind(is_async=False), isinstance(body, list)
    with Loopback(Reply(body=body) if isinstance(body, list) else Reply.of(body)) as server:
        client = surface.client(server)
        result = await (surface.open(client, **request) if streamed else surface.create(client, **request))
        await surface.take(result) if streamed else None
        client.close()
    return comparable(dict(observed.attributes()))


async def test_choices_are_kept_apart(observed: Recorder) -> None:
    """With ``n`` = 2 each choice is a message of its own, with its own finish reason."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["a", "b"], n=2), n=2)

    message = {"role": "assistant", "parts": [{"type": "text", "content": "ab"}], "finish_reason": "stop"}
    assert attributes["gen_ai.output.messages"] == [message, message]
    assert attributes["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert attributes["gen_ai.request.choice.count"] == 2


async def test_a_choice_that_never_came_is_an_error(observed: Recorder) -> None:
    """A stream that ends with one of two choices is truncated, with ``error`` in the other's position."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["a"]), n=2)

    assert attributes["streamspan.outcome"] == "truncated"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop", "error")


async def test_usage_that_was_not_reported_is_estimated_and_flagged(observed: Recorder) -> None:
    """Without usage in the stream both counts are estimates, named as such, and the cost is that of the estimates."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["Lima is the capital of Peru. "] * 10))

    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")
    assert 50 < attributes["gen_ai.usage.output_tokens"] < 90
    assert 3 < attributes["gen_ai.usage.input_tokens"] < 20
    assert attributes["streamspan.cost.total"] > 0


def billable(delta: dict[str, Any], *, n: int = 1) -> list[bytes]:
    """A stream that says one long thing in each of its choices, and no usage."""
    chunks = [openai_chunk(delta, index=index) for index in range(n)]
    chunks += [openai_chunk({}, index=index, finish="stop") for index in range(n)]
    return [*(sse(None, chunk) for chunk in chunks), DONE]


LONG: Final = "Lima is the capital of Peru. " * 10
CALL: Final = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "tell", "arguments": f'{{"text": "{LONG}"}}'}}


@pytest.mark.parametrize(
    ("delta", "n", "least", "most"),
    [
        pytest.param({"content": LONG}, 1, 50, 90, id="text"),
        pytest.param({"content": LONG}, 2, 100, 180, id="two choices"),
        pytest.param({"refusal": LONG}, 1, 50, 90, id="refusal"),
        pytest.param({"reasoning_content": LONG}, 1, 50, 90, id="reasoning"),
        pytest.param({"tool_calls": [CALL]}, 1, 50, 110, id="tool call alone"),
    ],
)
async def test_all_that_is_billable_is_estimated(
    delta: dict[str, Any], n: int, least: int, most: int, observed: Recorder
) -> None:
    """Where no usage is reported, whatever the model wrote counts: in every choice, and also where there is no text."""
    attributes = await openai_call(observed, billable(delta, n=n), n=n)

    assert "output_tokens" in attributes["streamspan.usage.estimated"]
    assert least < attributes["gen_ai.usage.output_tokens"] < most


async def test_reported_zero_is_a_number(observed: Recorder) -> None:
    """A reported count of 0 stands; nothing is estimated over it."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["Lima"], usage=openai_usage(7, 0)))

    assert attributes["gen_ai.usage.output_tokens"] == 0
    assert "streamspan.usage.estimated" not in attributes


async def test_anthropic_stream_cut_off_has_reported_input_and_estimated_output(observed: Recorder) -> None:
    """The placeholder of ``message_start`` is no output count: the output of an unfinished stream is estimated, its input reported."""
    surface = AnthropicSurface(is_async=False)
    usage = anthropic_usage(500, 100, cache_read=400)
    with Loopback(Reply(body=surface.wire(["Lima is the capital of Peru. "] * 10, terminal=False, usage=usage))) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        client.close()

    attributes = observed.attributes()
    assert attributes["gen_ai.usage.input_tokens"] == 900
    assert isinstance(attributes["gen_ai.usage.output_tokens"], int)
    assert 50 < attributes["gen_ai.usage.output_tokens"] < 90
    assert attributes["streamspan.usage.estimated"] == ("output_tokens",)


async def test_unknown_model_is_unpriced(observed: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """A model without a known price has the flag and no cost, never 0, and is warned about once."""
    surface = OpenAISurface(is_async=False)
    body = surface.wire(["x"], model="house-model-1", usage=openai_usage())
    with Loopback(Reply(body=body)) as server:
        client = surface.client(server)
        for _ in range(2):
            await surface.take(await surface.open(client, model="house-model-1"))
        client.close()

    for span in observed.spans(2):
        attributes = span.attributes or {}
        assert attributes["streamspan.cost.unpriced"] is True
        assert not [key for key in attributes if "cost" in key and key != "streamspan.cost.unpriced"]
    assert [record.message for record in caplog.records if "no price is known" in record.message] == [
        (
            "no price is known for model 'house-model-1' of openai; its calls carry streamspan.cost.unpriced and no cost "
            "(the setting prices gives it one)"
        )
    ]


@pytest.mark.settings(stream_preview_chars=5)
async def test_preview_is_the_tail(observed: Recorder) -> None:
    """The preview holds the last N characters of the visible output, the output all of it."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["Lima is ", "in Peru"]))

    assert attributes["streamspan.preview"] == " Peru"
    assert attributes["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Lima is in Peru"}]


@pytest.mark.settings(stream_preview_chars=0)
async def test_preview_of_zero_is_none(observed: Recorder) -> None:
    """A preview limit of 0 writes no preview."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["Lima"]))

    assert "streamspan.preview" not in attributes


async def test_reasoning_of_compatible_servers(observed: Recorder) -> None:
    """``reasoning_content`` is reasoning, not text, and not in the preview."""
    attributes = await openai_call(observed, OpenAISurface(is_async=False).wire(["42"], reasoning=["six times ", "seven"]))

    parts = [{"type": "reasoning", "content": "six times seven"}, {"type": "text", "content": "42"}]
    assert attributes["gen_ai.output.messages"][0]["parts"] == parts
    assert attributes["streamspan.preview"] == "42"


async def test_caller_may_change_its_messages_meanwhile(observed: Recorder) -> None:
    """The input on the span is what was sent, whatever the application does to its list while the answer comes."""
    surface = OpenAISurface(is_async=False)
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    with Loopback(Reply(body=surface.wire(["Hi"]))) as server:
        client = surface.client(server)
        stream = await surface.open(client, messages=messages)
        messages.append({"role": "assistant", "content": "later"})
        await surface.take(stream)
        client.close()

    sent = [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert comparable(dict(observed.attributes()))["gen_ai.input.messages"] == sent


async def test_no_key_in_an_error(observed: Recorder) -> None:
    """A provider's message that quotes a key is scrubbed before it becomes the span's status."""
    surface = OpenAISurface(is_async=False)
    error = {"error": {"message": "Incorrect API key provided: sk-abcdefghijkl1234.", "type": "x", "code": "invalid_api_key"}}
    with Loopback(Reply.of(error, 401)) as server:
        client = surface.client(server)
        with pytest.raises(Exception, match="Incorrect API key"):
            await surface.open(client)
        client.close()

    span = observed.span()
    assert (span.attributes or {})["error.type"] == "invalid_api_key"
    assert "abcdefghijkl" not in span.to_json()


FAILURE = {"code": "server_error", "message": "The model is on holiday."}
UNHAPPY = {
    "failed": ({"status": "failed", "error": FAILURE}, "server_error", "error"),
    "filtered": (
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        "content_filter",
        "content_filter",
    ),
    "cut short": (
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        "max_output_tokens",
        "max_output_tokens",
    ),
    "failed without a reason": ({"status": "failed"}, "failed", "error"),
    "incomplete without a reason": ({"status": "incomplete"}, "incomplete", "incomplete"),
}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("response", "code", "reason"), UNHAPPY.values(), ids=UNHAPPY)
async def test_a_response_that_is_not_complete_has_failed(
    response: dict[str, Any], code: str, reason: str, observed: Recorder, *, streamed: bool
) -> None:
    """``response.failed`` and ``response.incomplete`` raise nothing; the span says what went wrong, and has text, usage and cost."""
    events = responses_events(["Lima", " is"], terminal=f"response.{response['status']}", **response)
    attributes = await openai_call(observed, events if streamed else responses_whole("Lima is", **response), ResponsesSurface)

    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["error.type"] == code
    assert attributes["gen_ai.response.finish_reasons"] == (reason,)
    assert attributes["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Lima is"}]
    assert attributes["gen_ai.usage.output_tokens"] == 5
    assert attributes["streamspan.cost.total"] > 0


async def test_an_error_event_that_raises_nothing_is_a_failure(observed: Recorder) -> None:
    """An ``error`` event with its code at the top reaches the application as an event, and the span as an error."""
    events = ResponsesSurface(is_async=False).wire(["Lima"], terminal=False)
    error = responses_error("out of tokens", code="rate_limit_exceeded")
    attributes = await openai_call(observed, [*events, sse("error", error)], ResponsesSurface)

    assert attributes["streamspan.outcome"] == "failed"
    assert attributes["error.type"] == "rate_limit_exceeded"
    assert attributes["streamspan.preview"] == "Lima"
    assert observed.span().status.description == "out of tokens"


async def test_output_that_only_the_terminal_event_has(observed: Recorder) -> None:
    """A server that streams nothing, and tells all in ``response.completed``, is understood."""
    surface = ResponsesSurface(is_async=False)
    *_, terminal = surface.wire(["Lima"], reasoning=["Peru?"], tool_calls=[Tool()])
    attributes = await openai_call(observed, [terminal], ResponsesSurface)

    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["gen_ai.output.messages"][0]["parts"] == [
        {"type": "reasoning", "content": "Peru?"},
        {"type": "text", "content": "Lima"},
        {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}},
    ]


SEARCH: dict[str, Any] = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "Lima"},
}
SHELL: dict[str, Any] = {
    "id": "sh_1",
    "type": "local_shell_call",
    "call_id": "call_9",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}
IMAGE: dict[str, Any] = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAAA"}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_built_in_tools_are_parts(observed: Recorder, *, streamed: bool) -> None:
    """Tools that the server ran are told as such, those that the application is to run as tool calls; images are left out."""
    items = [SEARCH, SHELL, IMAGE]
    response = {**responses_whole(), "output": items}
    events = [{"type": "response.output_item.done", "output_index": index, "item": item} for index, item in enumerate(items)]
    body = [*(sse(None, event) for event in events), sse(None, {"type": "response.completed", "response": response})]
    attributes = await openai_call(observed, body if streamed else response, ResponsesSurface)

    search = {"type": "web_search", "action": {"type": "search", "query": "Lima"}}
    shell: dict[str, Any] = {"action": {"type": "exec", "command": ["ls"], "env": {}}}
    assert attributes["gen_ai.output.messages"][0]["parts"] == [
        {"type": "server_tool_call", "id": "ws_1", "name": "web_search", "server_tool_call": search},
        {"type": "tool_call", "id": "call_9", "name": "local_shell", "arguments": shell},
        {
            "type": "server_tool_call",
            "id": "ig_1",
            "name": "image_generation",
            "server_tool_call": {
                "type": "image_generation",
                "result": {"type": "blob_reference", "modality": "image", "mime_type": "image/png", "size": 3},
            },
        },
    ]


async def test_parse_is_a_call_like_any_other(observed: Recorder) -> None:
    """``responses.parse`` is read as the whole response that it is."""
    surface = ResponsesSurface(is_async=False)
    with Loopback(Reply.of(surface.whole("Lima"))) as server, surface.client(server) as client:
        assert client.responses.parse(model=surface.model, input="Where?").output_text == "Lima"

    assert observed.attributes()["streamspan.preview"] == "Lima"


VECTORS = {"floats": [[0.5, 0.25]], "base64": ["AAAAPwAAgD4="]}


@pytest.mark.parametrize("asked", [None, *VECTORS])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_embeddings(asked: str | None, observed: Recorder, *, is_async: bool) -> None:
    """An embedding has an input to pay for, and neither output nor finish reasons; the application gets its numbers."""
    surface = OpenAISurface(is_async=is_async)
    sent = "float" if asked == "floats" else "base64"  # which the SDK asks for by itself
    request = {"encoding_format": sent} if asked else {}
    with Loopback(Reply.of(embeddings_whole(VECTORS["floats" if asked == "floats" else "base64"]))) as server:
        client = surface.client(server)
        creating = client.embeddings.create(model="text-embedding-3-small", input="Lima", dimensions=2, **request)
        result = await creating if is_async else creating
        closing = client.close()
        if is_async:
            await closing
        port = server.port

    assert result.data[0].embedding == (VECTORS["base64"][0] if asked == "base64" else [0.5, 0.25])
    attributes = comparable(dict(observed.attributes()))
    assert attributes.pop("streamspan.cost.source").startswith("genai-prices ")
    assert observed.span().name == "embeddings text-embedding-3-small"
    assert attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "server.address": "127.0.0.1",
        "server.port": port,
        "gen_ai.request.model": "text-embedding-3-small",
        "gen_ai.request.encoding_formats": (sent,),
        "gen_ai.embeddings.dimension.count": 2,
        "gen_ai.response.model": "text-embedding-3-small",
        "streamspan.outcome": "completed",
        "gen_ai.usage.input_tokens": 1000,
        # 1000 at $0.02 a million
        "streamspan.cost.total": pytest.approx(0.00002),
        "streamspan.cost.input": pytest.approx(0.00002),
        "streamspan.cost.output": 0,
        "gen_ai.usage.cost": pytest.approx(0.00002),
    }


@pytest.mark.parametrize(("texts", "least"), [("Lima is in Peru.", 3), (["Lima", "is in Peru."], 3), ([1, 2, 3], 0)])
async def test_embeddings_without_usage(texts: Any, least: int, observed: Recorder) -> None:
    """The input of an embedding whose server counts nothing is estimated; there is no output to estimate."""
    surface = OpenAISurface(is_async=False)
    answer = {**embeddings_whole([[0.5]]), "usage": None}
    with Loopback(Reply.of(answer)) as server, surface.client(server) as client:
        client.embeddings.with_raw_response.create(model="text-embedding-3-small", input=texts)

    attributes = observed.attributes()
    assert attributes["streamspan.usage.estimated"] == ("input_tokens",)
    assert least <= int(str(attributes["gen_ai.usage.input_tokens"])) < 20
    assert "gen_ai.usage.output_tokens" not in attributes
    assert "gen_ai.input.messages" not in attributes


async def test_an_embedding_that_failed(observed: Recorder) -> None:
    """A refused embedding has the provider's code, and no finish reason."""
    surface = OpenAISurface(is_async=False)
    error = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
    with Loopback(Reply.of(error, 400)) as server, surface.client(server) as client, pytest.raises(Exception, match="too long"):
        client.embeddings.create(model="text-embedding-3-small", input="Lima")

    assert observed.attributes()["error.type"] == "context_length_exceeded"
    assert "gen_ai.response.finish_reasons" not in observed.attributes()


async def test_prompts_in_tokens_are_nobodys_text(observed: Recorder) -> None:
    """A legacy completion may be asked several prompts, in text or in tokens; texts are the input, tokens are not."""
    surface = CompletionsSurface(is_async=False)
    with Loopback(Reply.of(surface.whole("x"))) as server, surface.client(server) as client:
        client.completions.create(model=surface.model, prompt=["a", "b"])
        client.completions.create(model=surface.model, prompt=[[1, 2], [3]])

    texts, tokens = (comparable(dict(span.attributes or {})) for span in observed.spans(2))
    assert [message["parts"][0]["content"] for message in texts["gen_ai.input.messages"]] == ["a", "b"]
    assert "gen_ai.input.messages" not in tokens
