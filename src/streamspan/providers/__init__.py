"""The wire formats that streamspan reads, one file each: to add one, write the file and name it here."""

from streamspan.providers import (
    anthropic_completions,
    anthropic_messages,
    bedrock_agent,
    bedrock_converse,
    bedrock_invoke,
    google_embeddings,
    google_genai,
    google_interactions,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_responses,
)
from streamspan.wire import WireFormat

FORMATS: tuple[WireFormat, ...] = (
    openai_chat.FORMAT,
    openai_responses.FORMAT,
    openai_responses.FETCH,
    openai_responses.COMPACT,
    openai_completions.FORMAT,
    openai_embeddings.FORMAT,
    openai_images.GENERATE,
    openai_images.EDIT,
    openai_images.VARY,
    openai_audio.TRANSCRIBE,
    openai_audio.TRANSLATE,
    openai_audio.SPEAK,
    anthropic_messages.FORMAT,
    anthropic_completions.FORMAT,
    google_embeddings.FORMAT,
    google_genai.FORMAT,
    google_interactions.FORMAT,
    google_interactions.FETCH,
    bedrock_agent.FORMAT,
    bedrock_agent.INLINE,
    bedrock_converse.FORMAT,
    bedrock_invoke.FORMAT,
)


def find(sdk: str, method: str, path: str) -> WireFormat | None:
    """The format of a request that ``sdk`` is about to send, or ``None`` for one that is no model call."""
    path = "/" + path.partition("?")[0].lstrip("/")
    paths, method = {path, path.rpartition("/")[0] + "/{id}"}, method.lower()
    return next((wire for wire in FORMATS if wire.sdk == sdk and wire.method == method and wire.path in paths), None)
