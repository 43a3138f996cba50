"""What the first argument of `streamspan.llm` says: who is asked, and for what."""

from streamspan import semconv

_PROVIDERS = {
    "google": semconv.GCP_GEMINI,
    "gemini": semconv.GCP_GEMINI,
    "vertex": semconv.GCP_VERTEX_AI,
    "vertexai": semconv.GCP_VERTEX_AI,
    "vertex_ai": semconv.GCP_VERTEX_AI,
    "amazon": semconv.AWS_BEDROCK,
    "amazon_bedrock": semconv.AWS_BEDROCK,
    "aws_bedrock": semconv.AWS_BEDROCK,
    "bedrock": semconv.AWS_BEDROCK,
    "azure": semconv.AZURE_OPENAI,
    "azure_openai": semconv.AZURE_OPENAI,
    "mistral": semconv.MISTRAL_AI,
    "moonshot": semconv.MOONSHOT_AI,
    "xai": semconv.X_AI,
    **{
        name: name
        for name in (
            semconv.OPENAI,
            semconv.AZURE_OPENAI,
            semconv.ANTHROPIC,
            semconv.AWS_BEDROCK,
            semconv.GCP_GEMINI,
            semconv.GCP_VERTEX_AI,
            semconv.COHERE,
            semconv.DEEPSEEK,
            semconv.GROQ,
            semconv.MISTRAL_AI,
            semconv.MOONSHOT_AI,
            semconv.OPENROUTER,
            semconv.PERPLEXITY,
            semconv.X_AI,
        )
    },
}
"""The names that people use for providers, and ``gen_ai.provider.name``."""

_OPERATIONS = {
    **dict.fromkeys(("chat", "chat.completions", "responses", "messages", "converse", "invoke_model"), semconv.CHAT),
    "generate_content": semconv.GENERATE_CONTENT,
    "completions": semconv.TEXT_COMPLETION,
    "text_completion": semconv.TEXT_COMPLETION,
    "embeddings": semconv.EMBEDDINGS,
    "invoke_agent": semconv.INVOKE_AGENT,
}
"""What providers call their operations, and ``gen_ai.operation.name``."""


def provider_named(word: str) -> str:
    """``gen_ai.provider.name`` of a provider by any of its names; another one keeps the name that it is given."""
    return _PROVIDERS.get(word.lower().replace("-", "_"), word)


def split(name: str) -> tuple[str, str]:
    """The provider and the operation of ``<provider>.<operation>``; of a free name, no provider and ``chat``."""
    words = name.split(".")
    for count in range(len(words), 0, -1):
        provider, operation = ".".join(words[:count]), ".".join(words[count:])
        if provider.lower().replace("-", "_") in _PROVIDERS:
            return provider_named(provider), _OPERATIONS.get(operation, semconv.CHAT)
    provider, _, operation = name.partition(".")
    return (provider, _OPERATIONS[operation]) if operation in _OPERATIONS else ("", semconv.CHAT)
