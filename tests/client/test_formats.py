"""A question put to each provider: pure functions, tested without an SDK."""

import json
from typing import Any

import pytest

from streamspan.client import question as questions
from streamspan.client.formats import anthropic_messages, bedrock_converse, google_genai, openai_chat
from streamspan.client.messages import read_messages
from streamspan.client.question import Question

PNG = b"\x89PNG\r\n\x1a\nrest"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "at": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [{"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}]
CONVERSATION: list[Any] = [
    {"role": "system", "content": "Be {{mood}}."},
    {"role": "developer", "content": "Use tools."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Where is {{ place }}?"},
            {"type": "image", "data": PNG},
            {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODdh"}},
        ],
    },
    {
        "role": "assistant",
        "content": "I look {{mood}}.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lima"}'}},
            {"id": "c2", "name": "get_weather", "arguments": {"city": "Cusco"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "tool_name": "get_weather", "content": '{"degrees": 20}'},
    {"role": "tool", "tool_call_id": "c2", "content": "cold"},
    {"role": "user", "content": "And?"},
]


def ask(messages: Any = CONVERSATION, variables: Any = None, model: str = "m", **options: Any) -> Question:
    tools = questions.read_tools(options.pop("tools", None))
    return Question(
        model=model,
        messages=read_messages(messages, variables),
        tools=tools,
        tool_choice=questions.read_tool_choice(options.pop("tool_choice", None), tools),
        response_format=questions.read_response_format(options.pop("response_format", None)),
        stop=questions.read_stop(options.pop("stop", None), None),
        **options,
    )


EVERYTHING: dict[str, Any] = {
    "variables": {"mood": "kind", "place": "{{mood}} Lima"},
    "temperature": 0.5,
    "top_p": 0.9,
    "max_output_tokens": 100,
    "stop": ["END"],
    "tools": TOOLS,
    "tool_choice": {"name": "get_weather"},
    "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}},
}


def test_openai_is_asked() -> None:
    """Everything in OpenAI's spelling; usage is asked for; variables are filled in once, and only in what the caller wrote."""
    function = {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}
    calls = [("c1", '{"city": "Lima"}'), ("c2", '{"city":"Cusco"}')]
    assert openai_chat.arguments(ask(**EVERYTHING), stream=True) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Use tools."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where is {{mood}} Lima?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgpyZXN0"}},
                    {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODdh"}},
                ],
            },
            {
                "role": "assistant",
                "content": "I look {{mood}}.",
                "tool_calls": [
                    {"id": known, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
                    for known, arguments in calls
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"degrees": 20}'},
            {"role": "tool", "tool_call_id": "c2", "content": "cold"},
            {"role": "user", "content": "And?"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "stop": ["END"],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_anthropic_is_asked() -> None:
    """The system apart, results of tools in one turn with what the user says next."""
    assert anthropic_messages.arguments(ask(**EVERYTHING), stream=True) == {
        "model": "m",
        "system": "Be kind.\n\nUse tools.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where is {{mood}} Lima?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgpyZXN0"}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODdh"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look {{mood}}."},
                    {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Lima"}},
                    {"type": "tool_use", "id": "c2", "name": "get_weather", "input": {"city": "Cusco"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": '{"degrees": 20}'},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "cold"},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "tools": [{"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "stream": True,
    }


def test_google_is_asked() -> None:
    """The name of a tool is found where its result lacks it, and the result is an object."""
    assert google_genai.arguments(ask(**EVERYTHING)) == {
        "model": "m",
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "Where is {{mood}} Lima?"},
                    {"inline_data": {"mime_type": "image/png", "data": PNG}},
                    {"inline_data": {"mime_type": "image/gif", "data": b"GIF87a"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "I look {{mood}}."},
                    {"function_call": {"name": "get_weather", "args": {"city": "Lima"}, "id": "c1"}},
                    {"function_call": {"name": "get_weather", "args": {"city": "Cusco"}, "id": "c2"}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"function_response": {"name": "get_weather", "response": {"degrees": 20}, "id": "c1"}},
                    {"function_response": {"name": "get_weather", "response": {"result": "cold"}, "id": "c2"}},
                    {"text": "And?"},
                ],
            },
        ],
        "config": {
            "system_instruction": "Be kind.\n\nUse tools.",
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 100,
            "stop_sequences": ["END"],
            "tools": [
                {
                    "function_declarations": [
                        {"name": "get_weather", "description": "The weather.", "parameters_json_schema": SCHEMA}
                    ]
                }
            ],
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}},
            "automatic_function_calling": {"disable": True},
            "response_mime_type": "application/json",
            "response_json_schema": SCHEMA,
        },
    }


def test_bedrock_is_asked() -> None:
    """Turns alternate, as Converse insists; the schema of the answer is text."""
    asked = bedrock_converse.arguments(ask(**EVERYTHING))
    output = asked.pop("outputConfig")["textFormat"]
    wanted = output["structure"]["jsonSchema"]
    assert (output["type"], wanted["name"], json.loads(wanted["schema"])) == ("json_schema", "place", SCHEMA)
    uses = [
        {"toolUse": {"toolUseId": known, "name": "get_weather", "input": {"city": city}}}
        for known, city in [("c1", "Lima"), ("c2", "Cusco")]
    ]
    assert asked == {
        "modelId": "m",
        "system": [{"text": "Be kind."}, {"text": "Use tools."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Where is {{mood}} Lima?"},
                    {"image": {"format": "png", "source": {"bytes": PNG}}},
                    {"image": {"format": "gif", "source": {"bytes": b"GIF87a"}}},
                ],
            },
            {"role": "assistant", "content": [{"text": "I look {{mood}}."}, *uses]},
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "c1", "content": [{"text": '{"degrees": 20}'}]}},
                    {"toolResult": {"toolUseId": "c2", "content": [{"text": "cold"}]}},
                    {"text": "And?"},
                ],
            },
        ],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "get_weather", "description": "The weather.", "inputSchema": {"json": SCHEMA}}}],
            "toolChoice": {"tool": {"name": "get_weather"}},
        },
    }


def body(provider: str, question: Question) -> Any:
    match provider:
        case "openai":
            return openai_chat.arguments(question, stream=False)
        case "anthropic":
            return anthropic_messages.arguments(question, stream=False)
        case "google":
            return google_genai.arguments(question)
        case _:
            return bedrock_converse.arguments(question)


PROVIDERS = ["openai", "anthropic", "google", "amazon_bedrock"]
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_not_said_is_not_sent(provider: str) -> None:
    """A question alone is a model and a message; Anthropic insists on a limit."""
    said: dict[str, Any] = {
        "openai": {"model": "m", "messages": HELLO},
        "anthropic": {
            "model": "m",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "max_tokens": 4096,
        },
        "google": {"model": "m", "contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "config": {}},
        "amazon_bedrock": {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
    }
    assert body(provider, ask(HELLO)) == said[provider]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_schema_goes_through_untouched(provider: str) -> None:
    """The very object that the caller gave, not a copy with what somebody knows of it."""
    sent = body(provider, ask(HELLO, tools=TOOLS))
    found = {
        "openai": lambda: sent["tools"][0]["function"]["parameters"],
        "anthropic": lambda: sent["tools"][0]["input_schema"],
        "google": lambda: sent["config"]["tools"][0]["function_declarations"][0]["parameters_json_schema"],
        "amazon_bedrock": lambda: sent["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"],
    }
    assert found[provider]() is SCHEMA


CHOICES: dict[str, dict[str, Any]] = {
    "openai": {"auto": "auto", "none": "none", "required": "required"},
    "anthropic": {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}},
    "google": {
        word: {"function_calling_config": {"mode": mode}}
        for word, mode in [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")]
    },
    "amazon_bedrock": {"auto": {"auto": {}}, "required": {"any": {}}},
}


@pytest.mark.parametrize(("provider", "word"), [(provider, word) for provider, words in CHOICES.items() for word in words])
def test_a_choice_of_tools_is_the_providers_own(provider: str, word: str) -> None:
    """In each provider's word for it."""
    sent = body(provider, ask(HELLO, tools=[{"type": "function", "function": {"name": "t"}}], tool_choice=word))
    place = {"google": lambda: sent["config"]["tool_config"], "amazon_bedrock": lambda: sent["toolConfig"]["toolChoice"]}
    assert place.get(provider, lambda: sent["tool_choice"])() == CHOICES[provider][word]


REFUSED: list[Any] = [
    ("amazon_bedrock", {"tools": TOOLS, "tool_choice": "none"}, 'Bedrock has no tool_choice "none"'),
    ("amazon_bedrock", {"response_format": "json_object"}, 'Bedrock has no response_format "json_object"'),
    ("anthropic", {"response_format": {"type": "json_object"}}, 'Anthropic has no response_format "json_object"'),
    ("google", {"tools": [{**TOOLS[0], "strict": True}]}, "the tool 'get_weather' has strict, which Google does not know"),
]


@pytest.mark.parametrize(("provider", "options", "message"), REFUSED)
def test_what_a_provider_lacks_is_refused(provider: str, options: Any, message: str) -> None:
    """With an error of ours before anything is sent: nothing is dropped silently."""
    with pytest.raises(ValueError, match=message):
        body(provider, ask(HELLO, **options))


def test_any_json_can_be_asked_for_where_the_provider_has_that() -> None:
    """OpenAI and Google have."""
    assert body("openai", ask(HELLO, response_format="json_object"))["response_format"] == {"type": "json_object"}
    assert body("google", ask(HELLO, response_format="json_object"))["config"] == {"response_mime_type": "application/json"}


def picture(url: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "image", "url": url}]}]


def test_images_by_url() -> None:
    """Each provider is told where it is in its own way; Bedrock takes S3's only."""
    url = "https://example.com/a.png?x=1"
    assert body("openai", ask(picture(url)))["messages"][0]["content"] == [{"type": "image_url", "image_url": {"url": url}}]
    assert body("anthropic", ask(picture(url)))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": url}}
    ]
    assert body("google", ask(picture(url)))["contents"][0]["parts"] == [
        {"file_data": {"file_uri": url, "mime_type": "image/png"}}
    ]
    stored = body("amazon_bedrock", ask(picture("s3://bucket/a.webp")))["messages"][0]["content"]
    assert stored == [{"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}}]
    with pytest.raises(ValueError, match="Bedrock fetches no images"):
        body("amazon_bedrock", ask(picture(url)))


def test_extra_arguments_win() -> None:
    """In the provider's own spelling, for what only one of them has."""
    sent = body("openai", ask(HELLO, temperature=1.0, extra={"temperature": 0, "reasoning_effort": "low"}))
    assert sent == {"model": "m", "messages": HELLO, "temperature": 0, "reasoning_effort": "low"}


WRONG: list[Any] = [
    (lambda: ask([]), "messages is empty"),
    (lambda: ask("Hello"), "messages is a list of messages"),
    (lambda: ask([{"role": "robot", "content": "x"}]), r"messages\[0\] has the role 'robot'"),
    (lambda: ask([{"role": "user"}]), r"messages\[0\] has no content"),
    (lambda: ask([{"role": "user", "content": 1}]), r"messages\[0\].content is int"),
    (lambda: ask(["Hello"]), r"messages\[0\] is str, where a dict belongs"),
    (lambda: ask([{"role": "user", "content": [{"type": "video"}]}]), "is of type 'video'"),
    (lambda: ask([{"role": "user", "content": [{"type": "text"}]}]), "text is NoneType"),
    (lambda: ask([{"role": "user", "content": [{"type": "image"}]}]), "an image without url and without data"),
    (lambda: ask([{"role": "user", "content": [{"type": "image", "data": "%"}]}]), "is no base64"),
    (lambda: ask([{"role": "user", "content": [{"type": "image", "data": b"what"}]}]), "say mime_type"),
    (lambda: ask([{"role": "tool", "content": "x"}]), "has no tool_call_id"),
    (lambda: ask([{"role": "assistant", "tool_calls": [{"id": "1"}]}]), "a tool call without a name"),
    (lambda: ask(HELLO, tools=[{"description": "x"}]), r"tools\[0\] has no name"),
    (lambda: ask(HELLO, tools=["x"]), r"tools\[0\] is str"),
    (lambda: ask(HELLO, tool_choice="auto"), "no tools to choose from"),
    (lambda: ask(HELLO, tools=TOOLS, tool_choice="any"), "tool_choice is 'any'"),
    (lambda: ask(HELLO, tools=TOOLS, tool_choice={"name": "x"}), "names 'x', which is none of the tools"),
    (lambda: ask(HELLO, response_format={"type": "xml"}), "response_format is"),
    (lambda: questions.read_stop("a", "b"), "the same: give one"),
    (lambda: body("google", ask([{"role": "tool", "tool_call_id": "c", "content": "x"}])), "say tool_name"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_bad_input_is_one_clear_error(wrong: Any, message: str) -> None:
    """A `ValueError` that says where and what, before anything is sent."""
    with pytest.raises(ValueError, match=message):
        wrong()
