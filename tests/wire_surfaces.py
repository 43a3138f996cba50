"""More ways into the SDKs, which conformance files are called through: see `surfaces`, and `conformance` for who uses them."""

import json
from importlib import import_module
from typing import Any

import anthropic
import openai

from loopback import Loopback
from surfaces import (
    QUESTION,
    AnthropicSurface,
    BedrockSurface,
    GoogleSurface,
    OpenAISurface,
    ResponsesSurface,
    Surface,
)

SDK: Any = anthropic  # which exports these clients where they can be imported only


class AzureSurface(OpenAISurface):
    """Chat completions of Azure OpenAI."""

    name = "azure"

    def client(self, server: Loopback, **options: Any) -> Any:
        return open_azure(self, options)


class AzureResponsesSurface(ResponsesSurface):
    """Responses of Azure OpenAI."""

    name = "azure_responses"

    def client(self, server: Loopback, **options: Any) -> Any:
        return open_azure(self, options)


def open_azure(surface: Surface, options: dict[str, Any]) -> Any:
    """A client of the OpenAI SDK for Azure."""
    kind: Any = openai.AsyncAzureOpenAI if surface.is_async else openai.AzureOpenAI
    endpoint = options.pop("base_url")
    return kind(azure_endpoint=endpoint, api_version="2024-10-21", api_key="none", max_retries=0, **options)


class EmbeddingsSurface(OpenAISurface):
    """OpenAI embeddings, which are never streamed."""

    name = "embeddings"
    model = "text-embedding-3-small"
    has_helper = False

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.embeddings, {"model": self.model, "input": "Lima is the capital of Peru."}


class ImagesSurface(OpenAISurface):
    """OpenAI images."""

    name = "images"
    model = "gpt-image-1"
    has_helper = False

    async def create(self, client: Any, *, via: str = "", **options: Any) -> Any:
        owner = getattr(client.images, via) if via else client.images
        result = owner.generate(**{"model": self.model, "prompt": "Lima at night", **options})
        return await result if self.is_async and via != "with_streaming_response" else result


class TranscriptionsSurface(OpenAISurface):
    """OpenAI transcriptions."""

    name = "transcriptions"
    model = "gpt-4o-mini-transcribe"
    has_helper = False

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.audio.transcriptions, {"model": self.model, "file": ("lima.wav", b"RIFF", "audio/wav")}


class SpeechSurface(OpenAISurface):
    """OpenAI speech."""

    name = "speech"
    model = "gpt-4o-mini-tts"
    has_helper = False

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        return client.audio.speech, {"model": self.model, "voice": "alloy", "input": "Lima is in Peru."}


class BetaMessagesSurface(AnthropicSurface):
    """Anthropic's beta messages."""

    name = "beta"

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        _, arguments = super().call(client)
        return client.beta.messages, arguments


class ClaudeOnBedrockSurface(AnthropicSurface):
    """Anthropic's SDK on Amazon Bedrock."""

    name = "claude_on_bedrock"
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"

    def client(self, server: Loopback, **options: Any) -> Any:
        kind: Any = SDK.AsyncAnthropicBedrock if self.is_async else SDK.AnthropicBedrock
        return kind(aws_access_key="none", aws_secret_key="none", aws_region="us-east-1", max_retries=0, **options)


class ClaudeOnVertexSurface(AnthropicSurface):
    """Anthropic's SDK on Google's Vertex AI."""

    name = "claude_on_vertex"
    model = "claude-haiku-4-5@20251001"

    def client(self, server: Loopback, **options: Any) -> Any:
        kind: Any = SDK.AsyncAnthropicVertex if self.is_async else SDK.AnthropicVertex
        return kind(region="us-east5", project_id="lima-guide", access_token="none", max_retries=0, **options)


class ClaudeOnFoundrySurface(AnthropicSurface):
    """Anthropic's SDK on Microsoft Foundry."""

    name = "claude_on_foundry"

    def client(self, server: Loopback, **options: Any) -> Any:
        kind: Any = anthropic.AsyncAnthropicFoundry if self.is_async else anthropic.AnthropicFoundry
        return kind(api_key="none", max_retries=0, **options)


class TextCompletionsSurface(AnthropicSurface):
    """Anthropic's text completions, which its SDK had until 1.x."""

    name = "text_completions"
    model = "claude-2.1"
    has_helper = False

    def call(self, client: Any) -> tuple[Any, dict[str, Any]]:
        prompt = f"\n\nHuman: {QUESTION}\n\nAssistant:"
        return client.completions, {"model": self.model, "prompt": prompt, "max_tokens_to_sample": 100}


class VertexSurface(GoogleSurface):
    """Google's models on Vertex AI."""

    name = "vertex"

    def client(self, server: Loopback, **options: Any) -> Any:
        return super().client(server, vertexai=True, **options)


class ContentEmbeddingsSurface(GoogleSurface):
    """Google's embeddings."""

    name = "embed_content"
    model = "gemini-embedding-001"

    async def create(self, client: Any, *, via: str = "", stream: bool = False, **options: Any) -> Any:
        result = client.models.embed_content(**{"model": self.model, "contents": QUESTION, **options})
        return await result if self.is_async else result


class InvokeSurface(BedrockSurface):
    """Amazon Bedrock's InvokeModel, whose body is the model's own."""

    name = "invoke"

    async def create(self, client: Any, *, via: str = "", stream: bool = False, **options: Any) -> Any:
        client = await client.open() if self.is_async else client
        body = json.dumps(options.pop("body", {}))
        operation = "invoke_model_with_response_stream" if stream else "invoke_model"
        answer = getattr(client, operation)(**{"modelId": self.model, "body": body, **options})
        answer = await answer if self.is_async else answer
        if stream:
            return answer["body"]
        data = answer["body"].read()
        return await data if self.is_async else data


class AgentSurface(BedrockSurface):
    """Amazon Bedrock's agents."""

    name = "agent"

    def client(self, server: Loopback, **options: Any) -> Any:
        return super().client(server, **{"service_name": "bedrock-agent-runtime", **options})

    async def create(self, client: Any, *, via: str = "", stream: bool = False, **options: Any) -> Any:
        client = await client.open() if self.is_async else client
        asked = {"agentId": "GQ7XJ0KQ3L", "agentAliasId": "TSTALIASID", "sessionId": "s-1", "inputText": QUESTION}
        answer = client.invoke_agent(**{**asked, **options})
        return (await answer if self.is_async else answer)["completion"]


def connect(surface: Surface, server: Loopback, base_url: str) -> Any:
    """A client whose requests to ``base_url`` go through the server, as a proxy."""
    if isinstance(surface, BedrockSurface):
        config = surface.config().merge(import_module("botocore.config").Config(proxies={"http": server.url}))
        return surface.client(server, endpoint_url=base_url, config=config)
    if isinstance(surface, GoogleSurface):
        proxied = {"verify": False, "proxy": server.url}
        http = {"base_url": base_url, "client_args": proxied, "async_client_args": proxied}
        return surface.client(server, http_options=http)
    sdk: Any = import_module(surface.sdk)
    http = (sdk.DefaultAsyncHttpxClient if surface.is_async else sdk.DefaultHttpxClient)(verify=False, proxy=server.url)
    return surface.client(server, base_url=base_url, http_client=http)
