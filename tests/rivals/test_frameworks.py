"""Frameworks that call the SDKs, and their own spans: one span per model call, and the framework gets what it gets without us."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import anthropic
import pytest

import streamspan
from streamspan import rivals

from conftest import Recorder
from loopback import Loopback
from others import MESSAGES, Vendor, answer, call_google, call_openai, carries_usage, check, ended, outcome

pytestmark = pytest.mark.filterwarnings("ignore")  # they warn of what they import

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices

VENDORS = [  # those that the newest SDKs are too new for
    Vendor("opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor", call_google, (True, True)),
]
WAYS = {"whole": (False, False), "streamed": (True, False), "async": (False, True), "async-streamed": (True, True)}


class Framework(NamedTuple):
    """A model of a framework, and how it is asked."""

    name: str
    make: Callable[[str], Any]
    ask: Callable[..., Any]


def langchain(module: str, kind: str, **options: Any) -> Callable[[str], Any]:
    return lambda url: getattr(import_module(module), kind)(**{key: _filled(value, url) for key, value in options.items()})


def _filled(value: Any, url: str) -> Any:
    return value.replace("URL", url) if isinstance(value, str) else value


def ask_langchain(model: Any, *, streamed: bool, is_async: bool) -> Any:
    if is_async:
        return _texts_async(model.astream("Hi"), _text) if streamed else _then(model.ainvoke("Hi"), _text)
    return "".join(map(_text, model.stream("Hi"))) if streamed else _text(model.invoke("Hi"))


def _text(message: Any) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def _then(coming: Any, text: Callable[[Any], str]) -> str:
    return text(await coming)


async def _texts_async(stream: AsyncIterator[Any], text: Callable[[Any], str]) -> str:
    return "".join([text(item) async for item in stream])


def completions(module: str, **options: str) -> Callable[[str], Any]:
    """Of LiteLLM and any-llm, which speak as OpenAI does."""
    return lambda url: (import_module(module), {key: _filled(value, url) for key, value in options.items()})


def ask_completions(made: Any, *, streamed: bool, is_async: bool) -> Any:
    module, options = made
    if is_async:
        return _ask_completions_async(module, options, streamed=streamed)
    result = module.completion(messages=MESSAGES, stream=streamed, **options)
    return "".join(map(_delta, result)) if streamed else result.choices[0].message.content


async def _ask_completions_async(module: Any, options: dict[str, str], *, streamed: bool) -> str:
    result = await module.acompletion(messages=MESSAGES, stream=streamed, **options)
    return "".join([_delta(chunk) async for chunk in result]) if streamed else result.choices[0].message.content


def _delta(chunk: Any) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def pydantic_ai(kind: str, model: str, provider: str, make: Callable[[str], dict[str, Any]]) -> Callable[[str], Any]:
    def build(url: str) -> Any:
        family = provider.lower()
        models = import_module(f"pydantic_ai.models.{family}")
        providers = import_module(f"pydantic_ai.providers.{family}")
        return getattr(models, kind)(model, provider=getattr(providers, f"{provider}Provider")(**make(url)))

    return build


def ask_pydantic_ai(model: Any, *, streamed: bool, is_async: bool) -> Any:
    agent = import_module("pydantic_ai").Agent(model)
    if not is_async and not streamed:
        return agent.run_sync("Hi").output
    return _ask_agent(agent, streamed=streamed)


async def _ask_agent(agent: Any, *, streamed: bool) -> str:
    if not streamed:
        return (await agent.run("Hi")).output
    async with agent.run_stream("Hi") as result:
        return "".join([text async for text in result.stream_text(delta=True)])


FRAMEWORKS = [
    Framework(
        "langchain-openai",
        langchain("langchain_openai", "ChatOpenAI", model="gpt-4o", base_url="URL/v1", api_key="none"),
        ask_langchain,
    ),
    Framework(
        "langchain-openai-responses",
        langchain("langchain_openai", "ChatOpenAI", model="gpt-4o", base_url="URL/v1", api_key="none", use_responses_api=True),
        ask_langchain,
    ),
    Framework(
        "langchain-anthropic",
        langchain("langchain_anthropic", "ChatAnthropic", model="claude-haiku-4-5", base_url="URL", api_key="none"),
        ask_langchain,
    ),
    Framework(
        "langchain-google-genai",
        langchain(
            "langchain_google_genai", "ChatGoogleGenerativeAI", model="gemini-2.5-flash", google_api_key="none", base_url="URL"
        ),
        ask_langchain,
    ),
    Framework(
        "langchain-aws",
        langchain(
            "langchain_aws", "ChatBedrockConverse", model="amazon.nova-lite-v1:0", endpoint_url="URL", region_name="us-east-1"
        ),
        ask_langchain,
    ),
    Framework("litellm", completions("litellm", model="openai/gpt-4o", api_base="URL/v1", api_key="none"), ask_completions),
    Framework(
        "any-llm-openai",
        completions("any_llm", provider="openai", model="gpt-4o", api_base="URL/v1", api_key="none"),
        ask_completions,
    ),
    Framework(
        "any-llm-anthropic",
        completions("any_llm", provider="anthropic", model="claude-haiku-4-5", api_base="URL", api_key="none"),
        ask_completions,
    ),
    Framework(
        "pydantic-ai-openai",
        pydantic_ai("OpenAIChatModel", "gpt-4o", "OpenAI", lambda url: {"base_url": f"{url}/v1", "api_key": "none"}),
        ask_pydantic_ai,
    ),
    Framework(
        "pydantic-ai-anthropic",
        pydantic_ai(
            "AnthropicModel",
            "claude-haiku-4-5",
            "Anthropic",
            lambda url: {"anthropic_client": anthropic.AsyncAnthropic(base_url=url, api_key="none")},
        ),
        ask_pydantic_ai,
    ),
    Framework(
        "pydantic-ai-google",
        pydantic_ai("GoogleModel", "gemini-2.5-flash", "Google", lambda url: {"base_url": url, "api_key": "none"}),
        ask_pydantic_ai,
    ),
]


def run(framework: Framework, url: str, way: str) -> str:
    """What the framework's model says."""
    streamed, is_async = WAYS[way]
    said = framework.ask(framework.make(url), streamed=streamed, is_async=is_async)
    return asyncio.run(said) if asyncio.iscoroutine(said) else said


@pytest.fixture
def watched(recorder: Recorder) -> Iterator[Recorder]:
    """The SDKs observed; what is looked for at a first call is looked for again."""
    rivals._looked.clear()
    streamspan.instrument(tracer_provider=recorder.provider)
    yield recorder
    streamspan.uninstrument()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_framework(framework: Framework, way: str, watched: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """A framework's model call has one span, with usage and cost; the framework gets the answer, and we log nothing."""
    with Loopback(answer) as server:
        assert run(framework, server.url, way) == "Hello"

    (span,) = ended(watched, 1)
    assert (outcome(span), carries_usage(span)) == ("completed", True)
    assert "streamspan.cost.total" in (span.attributes or {})
    assert [record for record in caplog.records if record.name == "streamspan"] == []


LANGCHAIN = FRAMEWORKS[0], FRAMEWORKS[2]
SHARING = [
    *(("opentelemetry.instrumentation.genai.langchain:LangChainInstrumentor", framework) for framework in LANGCHAIN),
    ("openinference.instrumentation.litellm:LiteLLMInstrumentor", FRAMEWORKS[5]),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("path", "framework"), SHARING, ids=lambda value: getattr(value, "name", None))
def test_framework_with_spans_of_its_own(path: str, framework: Framework, way: str, watched: Recorder) -> None:
    """Where a framework's instrumentor has made a span for the call, one span carries the usage, and the cost."""
    theirs = Vendor(path, call_openai, (True, True)).instrumentor()
    theirs.instrument(tracer_provider=watched.provider, skip_dep_check=True)
    try:
        with Loopback(answer) as server:
            assert run(framework, server.url, way) == "Hello"
    finally:
        theirs.uninstrument()

    assert [(outcome(span), "streamspan.cost.total" in (span.attributes or {})) for span in ended(watched, 1)] == [
        ("completed", True)
    ]


@pytest.mark.parametrize("way", ["async", "async-streamed"])
def test_pydantic_ai_with_spans_of_its_own(way: str, watched: Recorder) -> None:
    """pydantic-ai's span of the model call is shared; that of the agent's run carries no usage under the usual name."""
    instrumented = import_module("pydantic_ai.models.instrumented")
    settings = instrumented.InstrumentationSettings(tracer_provider=watched.provider)
    framework = FRAMEWORKS[8]
    with Loopback(answer) as server:
        model = instrumented.InstrumentedModel(framework.make(server.url), settings)
        said = framework.ask(model, streamed=WAYS[way][0], is_async=True)
        assert asyncio.run(said) == "Hello"

    spans = ended(watched, 2)
    assert {span.name: (outcome(span), carries_usage(span)) for span in spans} == {
        "chat gpt-4o": ("completed", True),
        "invoke_agent agent": (None, False),
    }


@pytest.mark.parametrize(
    "path",
    [
        "opentelemetry.instrumentation.langchain:LangchainInstrumentor",
        "openinference.instrumentation.langchain:LangChainInstrumentor",
    ],
)
def test_langchain_instrumentors_that_cannot_share(path: str, watched: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """The other instrumentors of LangChain give a second span, which is said once."""
    theirs = Vendor(path, call_openai, (False, False)).instrumentor()
    theirs.instrument(tracer_provider=watched.provider, skip_dep_check=True)
    try:
        for way in WAYS:  # a server for each: LangChain keeps its HTTP clients by their URL, from one event loop to the next
            with Loopback(answer) as server:
                assert run(FRAMEWORKS[0], server.url, way) == "Hello"
    finally:
        theirs.uninstrument()

    assert len(ended(watched, 8)) == 8
    assert [path.partition(":")[0] in line for line in caplog.messages if "observes the same" in line] == [True]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.root)
def test_beside_another_instrumentor(
    vendor: Vendor, ours_first: bool, streamed: bool, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """As in `test_rivals`, with the SDKs that these instrumentors still take."""
    check(vendor, recorder, caplog, ours_first=ours_first, streamed=streamed)
