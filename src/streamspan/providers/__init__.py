"""The wire formats that streamspan reads, one file each: to add one, write the file and name it here."""

from streamspan.providers import (
    anthropic_messages,
    bedrock_converse,
    google_genai,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from streamspan.wire import WireFormat

FORMATS: tuple[WireFormat, ...] = (
    openai_chat.FORMAT,
    openai_responses.FORMAT,
    openai_completions.FORMAT,
    openai_embeddings.FORMAT,
    anthropic_messages.FORMAT,
    google_genai.FORMAT,
    bedrock_converse.FORMAT,
)


def find(sdk: str, method: str, path: str) -> WireFormat | None:
    """The format of a request that ``sdk`` is about to send, or ``None`` for one that is no model call."""
    if method.lower() != "post":
        return None
    path = "/" + path.partition("?")[0].lstrip("/")
    return next((wire for wire in FORMATS if wire.sdk == sdk and wire.path == path), None)
