"""One client observed, and nothing else."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

import streamspan
from streamspan import SettingsError, live

from conftest import Recorder
from loopback import Loopback, Reply
from surfaces import BEDROCK, GOOGLE, INTERACTIONS, SURFACES, AnthropicSurface, LazyClient, OpenAISurface, Surface

# Of google-genai 1.x interactions are observed under instrument() only.
ALL = [*SURFACES, *GOOGLE, *BEDROCK, *(INTERACTIONS if find_spec("google.genai._gaos") else ())]


@pytest.fixture
def wrapping(recorder: Recorder) -> Iterator[Recorder]:
    """Where wrapped clients report to."""
    yield recorder
    streamspan.uninstrument()
    live.settle()


async def entered(client: Any) -> Any:
    """The client itself, where the surface gives one that is entered later."""
    return await client.open() if isinstance(client, LazyClient) else client


async def ask(surface: Surface, client: Any) -> list[Any]:
    """One stream, read to its end."""
    return await surface.take(await surface.open(client))


def answers(surface: Surface) -> Loopback:
    """A server that says the same to everybody."""
    return Loopback(lambda _: surface.streams(surface.wire(["Lima ", "is in ", "Peru."])))


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_this_client_only(surface: Surface, wrapping: Recorder) -> None:
    """A wrapped client is the same object, its calls have a span each; those of another client, and its own once unwrapped, have none."""
    with answers(surface) as server:
        bare, client = surface.client(server), surface.client(server)
        expected = await ask(surface, bare)
        sdk_client = await entered(client)
        assert streamspan.wrap(sdk_client, tracer_provider=wrapping.provider) is sdk_client
        chunks = await ask(surface, client)
        await ask(surface, bare)
        assert [type(chunk) for chunk in chunks] == [type(chunk) for chunk in expected]
        assert wrapping.attributes()["streamspan.outcome"] == "completed"
        assert streamspan.unwrap(sdk_client) is sdk_client
        await ask(surface, client)
        await surface.shut(bare)
        await surface.shut(client)
    wrapping.spans(1)


def test_documented_example(wrapping: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's example of a wrapped client, with only the import changed; usage that OpenAI does not report is estimated."""
    import streamspan as rollout

    surface, messages = OpenAISurface(is_async=False), list[Any]()
    with answers(surface) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        openai_client = rollout.wrap(openai.OpenAI(), tracer_provider=wrapping.provider)
        stream = openai_client.chat.completions.create(
            model="gpt-4.1-mini",
            messages=messages,
            stream=True,
        )
        kinds = {type(chunk) for chunk in stream}  # original chunks, untouched
        openai_client.close()
    assert kinds == {ChatCompletionChunk}
    attributes = wrapping.attributes()
    assert attributes["streamspan.preview"] == "Lima is in Peru."
    assert "Lima is in Peru." in str(attributes["gen_ai.output.messages"])
    assert attributes["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")


@pytest.mark.parametrize("surface", ALL, ids=repr)
@pytest.mark.parametrize("first", ["wrap", "instrument"])
async def test_beside_instrument(surface: Surface, first: str, wrapping: Recorder) -> None:
    """Wrapped before or after instrument(), a client has one span for each call, with its own settings."""
    own: dict[str, Any] = {"tracer_provider": wrapping.provider, "stream_preview_chars": 5}
    with answers(surface) as server:
        client, other = surface.client(server), surface.client(server)
        if first == "wrap":
            streamspan.wrap(await entered(client), **own)
        streamspan.instrument(tracer_provider=wrapping.provider)
        if first == "instrument":
            streamspan.wrap(await entered(client), **own)
        await ask(surface, client)
        await ask(surface, other)
        streamspan.unwrap(await entered(client))
        await ask(surface, client)
        await surface.shut(client)
        await surface.shut(other)
    previews = [dict(span.attributes or {})["streamspan.preview"] for span in wrapping.spans(3)]
    assert previews == ["Peru.", "Lima is in Peru.", "Lima is in Peru."]


def test_twice_is_once(wrapping: Recorder) -> None:
    """To wrap a client again changes its settings; its copies are wrapped, too; unwrapped it is as it was."""
    surface = OpenAISurface(is_async=False)
    with answers(surface) as server, surface.client(server) as client:
        kind: Any = openai.OpenAI
        before, request = set(client.__dict__), kind.request
        streamspan.wrap(client, tracer_provider=wrapping.provider)
        streamspan.wrap(client, tracer_provider=wrapping.provider, stream_preview_chars=3)
        copy = client.with_options(timeout=9)
        for asked in (client, copy, copy.copy()):
            list(asked.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
        assert kind.request is request
        streamspan.unwrap(client)
        assert set(client.__dict__) - {"chat"} == before
    assert [dict(span.attributes or {})["streamspan.preview"] for span in wrapping.spans(3)] == ["ru."] * 3


@pytest.mark.parametrize("surface", ALL, ids=repr)
async def test_a_stream_outlives_unwrap(surface: Surface, wrapping: Recorder) -> None:
    """A stream that is open when its client is unwrapped is observed to its end."""
    with answers(surface) as server:
        client = surface.client(server)
        sdk_client = streamspan.wrap(await entered(client), tracer_provider=wrapping.provider)
        stream = await surface.open(client)
        iterator = surface.iterator(stream)
        await surface.next(iterator)
        streamspan.unwrap(sdk_client)
        await surface.take(iterator)
        await surface.shut(client)
    assert wrapping.attributes()["streamspan.outcome"] == "completed"


def test_anthropics_own_span_is_left_out(wrapping: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own tracing does not make a second span of a wrapped client's call."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    surface = AnthropicSurface(is_async=False)
    with Loopback(Reply(body=surface.wire(["Peru."]))) as server, surface.client(server) as client:
        streamspan.wrap(client, tracer_provider=wrapping.provider)
        list(client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[], stream=True))
        streamspan.unwrap(client)
    wrapping.spans(1)


@pytest.mark.parametrize("what", [None, "text", object(), OpenAISurface], ids=lambda what: type(what).__name__)
def test_what_is_no_client(what: Any) -> None:
    """A clear TypeError for anything else, a client of another service of Amazon's among it."""
    for function in (streamspan.wrap, streamspan.unwrap):
        with pytest.raises(TypeError, match=r"wrap\(\) takes a client of openai, .*, not"):
            function(what)
    boto3: Any = import_module("boto3")
    other = boto3.client("sts", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with pytest.raises(TypeError, match="not STS"):
        streamspan.wrap(other)


def test_a_wrong_setting_wraps_nothing(wrapping: Recorder) -> None:
    """A wrong setting raises, and the client is as it was."""
    surface = OpenAISurface(is_async=False)
    with answers(surface) as server, surface.client(server) as client:
        with pytest.raises(SettingsError, match="there is no setting 'colour'"):
            streamspan.wrap(client, **dict[str, Any](colour="red"))
        list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
    wrapping.spans(0)
