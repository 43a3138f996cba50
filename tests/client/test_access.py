"""The SDKs' clients that a `Client` makes: with which key, for where, how many of them, and what it says if one cannot be made."""

import asyncio
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from streamspan.client import Client, clients
from streamspan.client.transports import TRANSPORTS

from client_cases import CASES, MESSAGES, TEXT, TEXTS, Case
from loopback import Loopback, Request

pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)  # Google's, of its own

SYNC = [case for case in CASES if not case.is_async]
VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "amazon_bedrock": "AWS_BEARER_TOKEN_BEDROCK",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No keys, no settings of anybody's, no proxies; and a region, which Amazon's SDK insists on."""
    for name in (*VARIABLES.values(), "GOOGLE_API_KEY", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def sent_key(request: Request) -> str:
    found = (request.headers.get(name) for name in ("x-api-key", "x-goog-api-key", "authorization"))
    return next(filter(None, found), "").removeprefix("Bearer ")


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_the_key_of_the_call_wins(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then comes the client's, then the environment's."""
    monkeypatch.setenv(VARIABLES[case.provider], "from-environment")
    with Loopback(case.whole()) as server:
        urls = {case.provider: f"{server.url}/v1" if case.provider == "openai" else server.url}
        async with Client(base_urls=urls, api_keys={case.provider: "from-client"}) as client:
            await case.run(client, provider_api_key="from-call")
            await case.run(client)
        async with Client(base_urls=urls) as client:
            answer = await case.run(client)
        keys = [sent_key(request) for request in server.requests]
    assert keys == ["from-call", "from-client", "from-environment"]
    assert answer.text == TEXT


@pytest.mark.parametrize("case", SYNC, ids=repr)
def test_threads_share_a_client(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is made for each provider and key, however many ask at once."""
    transport = TRANSPORTS[case.provider]  # pyright: ignore[reportArgumentType]
    made: list[Any] = []
    make = transport.make

    def count(access: Any, *, is_async: bool) -> Any:
        made.append(make(access, is_async=is_async))
        return made[-1]

    monkeypatch.setattr(transport, "make", count)
    with Loopback(case.whole()) as server:
        urls = {case.provider: f"{server.url}/v1" if case.provider == "openai" else server.url}
        with Client(base_urls=urls, api_keys={case.provider: "k"}) as client, ThreadPoolExecutor(4) as pool:
            turns = [pool.submit(client.run_local, model=case.model, messages=MESSAGES) for _ in range(8)]
            assert {turn.result().text for turn in turns} == {TEXT}
            client.run_local(model=case.model, messages=MESSAGES, provider_api_key="other")
    assert len(made) == 2


@pytest.mark.parametrize("case", SYNC, ids=repr)
def test_the_clients_that_were_used_last_are_kept(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys the callers bring; a stream that is read from a forgotten one goes on to its end."""
    monkeypatch.setattr(clients, "MOST", 2)
    gate, body = threading.Event(), case.wire()
    with Loopback([case.surface.streams([*body[:3], gate, *body[3:]]), *[case.whole()] * 4]) as server:
        urls = {case.provider: f"{server.url}/v1" if case.provider == "openai" else server.url}
        with Client(base_urls=urls) as client:
            stream = client.run_local(model=case.model, messages=MESSAGES, provider_api_key="0", stream=True)
            for key in ("1", "2", "1", "3"):
                client.run_local(model=case.model, messages=MESSAGES, provider_api_key=key)
            kept = [access.key for _, access in client._clients._made]
            gc.collect()
            gate.set()
            assert list(stream) == TEXTS
    assert kept == ["1", "3"]


@pytest.mark.parametrize("case", [case for case in CASES if case.is_async], ids=repr)
def test_a_client_serves_several_loops(case: Case) -> None:
    """One after the other, as `asyncio.run` makes them: the connections of a loop are its own."""
    with Loopback(case.whole()) as server:
        urls = {case.provider: f"{server.url}/v1" if case.provider == "openai" else server.url}
        client = Client(base_urls=urls, api_keys={case.provider: "k"})

        async def turn(*, last: bool) -> str:
            answer = await client.arun_local(model=case.model, messages=MESSAGES)
            await (client.aclose() if last else client._clients.release())
            return answer.text

        assert [asyncio.run(turn(last=last)) for last in (False, True)] == [TEXT, TEXT]


@pytest.mark.parametrize(("provider", "model"), [(case.provider, case.model) for case in SYNC])
def test_an_sdk_that_is_missing(provider: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    extra = {"openai": "openai", "anthropic": "anthropic", "google": "google-genai", "amazon_bedrock": "bedrock"}[provider]
    name = {"google": "google.genai", "amazon_bedrock": "boto3"}.get(provider, provider)
    monkeypatch.setitem(sys.modules, name, None)
    with Client(api_keys={provider: "k"}) as client, pytest.raises(ImportError, match=rf"pip install 'streamspan\[{extra}\]'"):
        client.run_local(model=model, messages=MESSAGES)


@pytest.mark.parametrize("case", SYNC, ids=repr)
def test_a_key_that_is_missing(case: Case) -> None:
    """One clear error, before anything is sent; of Anthropic's and Amazon's SDKs, which look in more places, it is their own."""
    words = {
        "openai": "set OPENAI_API_KEY",
        "anthropic": "authentication",
        "google": "set GEMINI_API_KEY",
        "amazon_bedrock": "credentials",
    }
    with Loopback(case.whole()) as server:
        urls = {case.provider: server.url}
        with Client(base_urls=urls) as client, pytest.raises(Exception, match=words[case.provider]):
            client.run_local(model=case.model, messages=MESSAGES)
        assert server.requests == []


@pytest.mark.parametrize("case", SYNC, ids=repr)
def test_a_timeout(case: Case) -> None:
    """In seconds or milliseconds, and it is the SDK's own error that comes."""
    with Loopback(case.surface.streams([threading.Event()])) as server:
        urls = {case.provider: f"{server.url}/v1" if case.provider == "openai" else server.url}
        extra: dict[str, Any] = {"timeout": 0.2} if case.provider == "openai" else {"timeout_ms": 200}
        with (
            Client(base_urls=urls, api_keys={case.provider: "k"}, timeout=60) as client,
            pytest.raises(Exception, match=r"(?i)timed? ?out"),
        ):
            for _ in client.run_local(model=case.model, messages=MESSAGES, stream=True, **extra):
                pass


WRONG: list[Any] = [
    ({}, {"model": "my-model"}, ValueError, "say provider="),
    ({}, {"model": "gpt-4o", "provider": "azure"}, ValueError, "there is no provider 'azure'"),
    ({}, {"model": ""}, ValueError, "model is ''"),
    ({}, {"model": "gpt-4o", "messages": []}, ValueError, "messages is empty"),
    ({}, {"model": "gpt-4o", "timeout": 1, "timeout_ms": 1}, ValueError, "timeout and timeout_ms are the same"),
    ({}, {"model": "gpt-4o", "timeout": 0}, ValueError, "above 0"),
    ({}, {"model": "gpt-4o", "max_tokens": 1}, TypeError, r"run_local\(\) got an unexpected keyword argument 'max_tokens'"),
    (
        {"clients": {"openai": object()}},
        {"model": "gpt-4o", "provider_api_key": "k"},
        ValueError,
        "provider_api_key cannot be used",
    ),
]


@pytest.mark.parametrize(("client", "call", "kind", "message"), WRONG)
def test_bad_input(client: Any, call: Any, kind: type[Exception], message: str) -> None:
    """One clear error, before an SDK is asked."""
    made: Any = Client(**client)
    with made, pytest.raises(kind, match=message):
        made.run_local(**{"messages": MESSAGES, **call})


@pytest.mark.parametrize("option", ["clients", "async_clients", "base_urls", "api_keys"])
def test_options_of_a_provider_that_does_not_exist(option: str) -> None:
    """The error names those that do."""
    given: Any = {option: {"azure": "x"}}
    with pytest.raises(ValueError, match=f"{option} names the provider 'azure', which is none of openai, anthropic"):
        Client(**given)


def test_no_sdk_is_imported_before_it_is_used() -> None:
    """Neither with streamspan, nor with its client."""
    script = "import sys, streamspan; streamspan.Client(); print([n for n in ('openai','anthropic','google.genai','boto3') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
