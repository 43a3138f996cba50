"""Whose model it is, by its id."""

import re
from typing import Final, Literal, TypeAlias, get_args

Provider: TypeAlias = Literal["openai", "anthropic", "google", "amazon_bedrock"]

PROVIDERS: Final[tuple[str, ...]] = get_args(Provider)

_FORMS: Final[tuple[tuple[Provider, re.Pattern[str]], ...]] = (
    # First, as Amazon's ids hold the names of others: a vendor, behind a region or not, or the name of a resource.
    (
        "amazon_bedrock",
        re.compile(
            r"arn:aws[\w-]*:(bedrock|sagemaker):|"
            r"([a-z]{2,6}(-[a-z]+)*\.)?"
            r"(ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen"
            r"|stability|twelvelabs|writer|zai)\.",
        ),
    ),
    ("openai", re.compile(r"gpt-|chatgpt-|o\d(-|$)|ft:(gpt-|o\d)|codex-|computer-use-preview")),
    ("anthropic", re.compile(r"claude-")),
    ("google", re.compile(r"(models/|publishers/google/models/|projects/.+/publishers/google/models/)?(gemini|gemma|learnlm)-")),
)


def provider_of(model: str, given: str | None = None) -> Provider:
    """The provider of a model.

    Args:
        model: The model's id, which is never rewritten.
        given: The provider, where the caller says it.

    Raises:
        ValueError: If there is no such provider, or the id does not tell.
    """
    if given is not None:
        found = next((name for name in get_args(Provider) if name == str(getattr(given, "value", given))), None)
        if found is None:
            message = f"there is no provider {given!r}; provider= is one of {', '.join(PROVIDERS)}"
            raise ValueError(message)
        return found
    for name, form in _FORMS:
        if form.match(model):
            return name
    message = f"the model id {model!r} does not tell its provider: say provider=, one of {', '.join(PROVIDERS)}"
    raise ValueError(message)
