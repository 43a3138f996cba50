"""What else comes through the OpenAI SDK: odd chunks, other hosts, prices that a provider tells itself, other ways to read."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from conftest import Recorder
from loopback import DONE, Loopback, Reply, openai_chunk, openai_chunks, openai_usage, openai_whole, sse
from surfaces import MESSAGES, SURFACES, OpenAISurface, Surface

CHAT = [surface for surface in SURFACES if surface.name == "openai"]


def text(content: str) -> dict[str, Any]:
    """A part of text."""
    return {"type": "text", "content": content}


def message(*parts: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    """An answer, as it is on the span."""
    return {"role": "assistant", "parts": list(parts), "finish_reason": reason}


def chunks(*deltas: dict[str, Any], **extra: Any) -> list[Any]:
    """Chunks of one choice, and its end."""
    return [*(openai_chunk(delta, **extra) for delta in deltas), openai_chunk({}, finish="stop")]


LOGPROBS = {"content": [{"token": "Li", "logprob": -0.1, "bytes": [76, 105], "top_logprobs": []}], "refusal": None}
AZURE_HEAD = openai_chunk(None, id="", model="") | {
    "object": "",
    "prompt_filter_results": [{"prompt_index": 0}],
    "service_tier": None,
}
AZURE_FILTER = AZURE_HEAD | {
    "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}, "content_filter_offsets": {"check_offset": 44}}]
}
CITED = {"citations": ["https://example.com"], "search_results": [{"title": "Lima", "url": "https://example.com"}]}
ODD: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "audio": (
        chunks({"role": "assistant", "audio": {"id": "a"}}, {"audio": {"transcript": "Li"}}, {"audio": {"data": "aGlkZGVu"}}, {"audio": {"transcript": "ma"}}),
        [message(text("Lima"))],
    ),
    "logprobs": ([{**chunk, "choices": [{**chunk["choices"][0], "logprobs": LOGPROBS}]} for chunk in chunks({"content": "Li"}, {"content": "ma"})], [message(text("Lima"))]),
    "function_call": (
        chunks({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": '{"a":'}}, {"function_call": {"arguments": "1}"}}),
        [message({"type": "tool_call", "name": "f", "arguments": {"a": 1}})],
    ),
    "refusal": (chunks({"refusal": "I "}, {"refusal": "can't."}), [message({"type": "refusal", "content": "I can't."})]),
    "choices": (
        [openai_chunk({"content": said}, index=index) for said in ("Li", "ma") for index in (1, 0)]
        + [openai_chunk({}, index=index, finish=reason) for index, reason in ((1, "length"), (0, "stop"))],
        [message(text("Lima")), message(text("Lima"), reason="length")],
    ),
    "azure": ([AZURE_HEAD, *chunks({"content": "Li"}), AZURE_FILTER, *chunks({"content": "ma"}), AZURE_FILTER], [message(text("Lima"))]),
    "reasoning": (
        chunks({"reasoning": "H"}, {"reasoning_content": "m"}, {"content": "Lima"}),
        [message({"type": "reasoning", "content": "Hm"}, text("Lima"))],
    ),
    "citations": (
        chunks({"content": "Li"}, {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}]}, {"content": "ma"}, **CITED),
        [message(text("Lima"))],
    ),
    "nothing": ([None, {}, {"choices": None}, *chunks({"content": "Lima"})], [message(text("Lima"))]),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("surface", CHAT, ids=repr)
async def test_odd_chunks(name: str, surface: Surface, observed: Recorder) -> None:
    """Whatever a server puts on a chunk: what the model says is read, the rest does no harm, and sound stays away."""
    events, expected = ODD[name]
    with Loopback(Reply(body=[*(sse(None, event) for event in events), DONE])) as server:
        client = surface.client(server)
        taken = await surface.take(await surface.open(client, n=len(expected)))
        await surface.shut(client)

    attributes: dict[str, Any] = dict(observed.attributes())
    assert len(taken) == len(events) == attributes["streamspan.chunks"]
    assert json.loads(attributes["gen_ai.output.messages"]) == expected
    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert "aGlkZGVu" not in str(attributes)


async def test_whole_answers_with_sound(observed: Recorder) -> None:
    """What is spoken in an answer that comes whole is text, too."""
    whole = openai_whole(None)
    whole["choices"][0]["message"]["audio"] = {"id": "a", "data": "aGlkZGVu", "expires_at": 1, "transcript": "Lima"}
    with Loopback(Reply.of(whole)) as server, CHAT[0].client(server) as client:
        await CHAT[0].create(client)

    assert json.loads(str(observed.attributes()["gen_ai.output.messages"])) == [message(text("Lima"))]
    assert "aGlkZGVu" not in str(observed.attributes())


# --- other hosts -----------------------------------------------------------------------------------------------------

HOSTS = {
    "api.openai.com": "openai",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "us-east-1.api.x.ai": "x_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.cohere.ai": "cohere",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "mine.openai.azure.com": "azure.ai.openai",
    "mine.services.ai.azure.com": "azure.ai.openai",
    "bedrock-runtime.us-east-1.amazonaws.com": "aws.bedrock",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "us-central1-aiplatform.googleapis.com": "gcp.vertex_ai",
    "llm.mycompany.ai": "openai",
    "notx.ai": "openai",
}


async def test_providers_by_their_hosts(observed: Recorder) -> None:
    """A provider that speaks OpenAI's format is named by its host; any other passes for OpenAI."""
    with Loopback(Reply.of(openai_whole())) as server:
        for host in HOSTS:
            http = openai.DefaultHttpxClient(proxy=server.url, verify=False)  # stands for every host
            with openai.OpenAI(base_url=f"http://{host}/v1", api_key="none", http_client=http, max_retries=0) as client:
                client.chat.completions.create(model="m", messages=MESSAGES)

    named = {
        attributes["server.address"]: attributes for attributes in (span.attributes or {} for span in observed.spans(len(HOSTS)))
    }
    assert {host: attributes["gen_ai.provider.name"] for host, attributes in named.items()} == HOSTS
    assert all(attributes["server.port"] == 80 for attributes in named.values())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_azure(observed: Recorder, *, is_async: bool) -> None:
    """Azure is named by its client, behind any host; the model is the one that answered."""
    kind = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    surface = OpenAISurface(is_async=is_async)
    http = openai.DefaultAsyncHttpxClient(verify=False) if is_async else openai.DefaultHttpxClient(verify=False)
    with Loopback(Reply(body=openai_chunks(["Lima"], model="gpt-4o-mini-2024-07-18", usage=openai_usage(1000, 100)))) as server:
        options: dict[str, Any] = {
            "azure_endpoint": server.url,
            "api_version": "2024-10-21",
            "api_key": "none",
            "http_client": http,
        }
        client = kind(**options)
        await surface.take(await surface.open(client, model="mine"))
        await surface.shut(client)
        assert server.requests[0].path.startswith("/openai/deployments/mine/chat/completions")

    attributes = observed.attributes()
    assert observed.span().name == "chat mine"
    assert attributes["gen_ai.provider.name"] == "azure.ai.openai"
    assert attributes["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert attributes["gen_ai.usage.cost"] == pytest.approx(0.00021)


JUNK: list[Any] = [None, True, "a lot", -1, {}, [], {"total_cost": "a lot"}]
COSTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openrouter": ({"cost": 0.0125, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}}, {"total": 0.0125, "source": "provider"}),
    "own key": ({"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}, {"total": 0.0105, "source": "provider"}),
    "free": ({"cost": 0}, {"total": 0.0, "source": "provider"}),
    "perplexity": (
        {"cost": {"input_tokens_cost": 0.001, "output_tokens_cost": 0.002, "request_cost": 0.005, "total_cost": 0.008}},
        {"total": 0.008, "input": 0.001, "output": 0.002, "source": "provider"},
    ),
    **{
        f"junk {junk!r}": ({"cost": junk}, {"total": pytest.approx(0.00021), "input": pytest.approx(0.00015), "output": pytest.approx(0.00006)})
        for junk in JUNK
    },
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", COSTS)
async def test_costs_that_the_provider_tells(name: str, observed: Recorder, *, streamed: bool) -> None:
    """What a provider says that it charges wins over the table of prices; what is no amount does not."""
    told, expected = COSTS[name]
    usage = {**openai_usage(1000, 100), **told}
    surface = CHAT[0]
    reply = Reply(body=openai_chunks(["Lima"], usage=usage)) if streamed else Reply.of(openai_whole("Lima", usage=usage))
    with Loopback(reply) as server, surface.client(server) as client:
        result = await surface.create(client, stream=streamed)
        if streamed:
            await surface.take(result)

    attributes = dict(observed.attributes())
    prefix = "streamspan.cost."
    costs = {key.removeprefix(prefix): value for key, value in attributes.items() if key.startswith(prefix)}
    assert attributes["gen_ai.usage.cost"] == costs["total"]
    if "source" not in expected:
        assert str(costs.pop("source")).startswith("genai-prices")
    assert costs == expected


@pytest.mark.parametrize(
    "model", ["llama3", "llama3.2:3b", "qwen3:8b", "gpt-oss:20b", "meta-llama/Llama-3.1-8B-Instruct", "phi4"]
)
async def test_models_of_ones_own(model: str, observed: Recorder) -> None:
    """A model on one's own server has no price of OpenAI's."""
    surface = CHAT[0]
    with Loopback(Reply.of(openai_whole(model=model))) as server, surface.client(server) as client:
        await surface.create(client, model=model)

    attributes = observed.attributes()
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["streamspan.cost.unpriced"]
    assert "gen_ai.usage.cost" not in attributes


# --- other ways ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", CHAT, ids=repr)
async def test_a_request_by_path(surface: Surface, observed: Recorder, *, streamed: bool) -> None:
    """``client.post`` to a path that we know is a call like any other."""
    reply = Reply(body=surface.wire(["Lima"])) if streamed else Reply.of(surface.whole("Lima"))
    body = {"model": surface.model, "messages": MESSAGES, "stream": streamed}
    with Loopback(reply) as server:
        client = surface.client(server)
        kind: Any = surface.stream_types[surface.is_async]
        stream: dict[str, Any] = {"stream": True, "stream_cls": kind[ChatCompletionChunk]}
        result = client.post("/chat/completions", cast_to=ChatCompletion, body=body, **(stream if streamed else {}))
        result = await result if surface.is_async else result
        if streamed:
            await surface.take(result)
        await surface.shut(client)

    assert observed.span().name == "chat gpt-4o-mini"
    assert observed.attributes()["streamspan.preview"] == "Lima"
    assert observed.attributes()["streamspan.outcome"] == "completed"


READERS: dict[str, Callable[[Any], Any]] = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text(),
    "json": lambda response: response.json(),
    "iter_bytes": lambda response: response.iter_bytes(),
    "iter_text": lambda response: response.iter_text(),
    "iter_lines": lambda response: response.iter_lines(),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("surface", [surface for surface in SURFACES if surface.name in {"openai", "anthropic"}], ids=repr)
async def test_ways_to_read_a_streaming_response(name: str, surface: Surface, observed: Recorder) -> None:
    """However the application reads the body of ``with_streaming_response``, whole or streamed, the span has it all."""
    replies = [Reply.of(surface.whole("Lima")), Reply(body=surface.wire(["Li", "ma"]))]
    with Loopback(replies[: 1 if name == "json" else 2]) as server:
        client = surface.client(server)
        for streamed in [False, True][: 1 if name == "json" else 2]:
            options = {"stream": True} if streamed else {}
            async with surface.within(await surface.create(client, via="with_streaming_response", **options)) as response:
                reading = READERS[name](response)
                if inspect.isawaitable(reading):
                    assert await reading
                elif name.startswith("iter"):
                    assert await surface.take(reading)
        await surface.shut(client)

    for span in observed.spans(1 if name == "json" else 2):
        attributes = dict(span.attributes or {})
        assert attributes["streamspan.outcome"] == "completed"
        assert attributes["streamspan.preview"] == "Lima"
        assert attributes["gen_ai.response.finish_reasons"] == surface.reasons
