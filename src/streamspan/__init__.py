"""streamspan: an OpenTelemetry distribution for streamed LLM calls."""

from streamspan.errors import SettingsError
from streamspan.instrumentor import (
    AnthropicInstrumentor,
    BedrockInstrumentor,
    GoogleGenAIInstrumentor,
    OpenAIInstrumentor,
    instrument,
    uninstrument,
)
from streamspan.settings import Settings
from streamspan.version import __version__
from streamspan.who import attributes

__all__ = [
    "AnthropicInstrumentor",
    "BedrockInstrumentor",
    "GoogleGenAIInstrumentor",
    "OpenAIInstrumentor",
    "Settings",
    "SettingsError",
    "__version__",
    "attributes",
    "instrument",
    "uninstrument",
]
