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
from streamspan.manual.llm import LLMSpan, llm
from streamspan.manual.observe import observe
from streamspan.settings import Settings
from streamspan.version import __version__

__all__ = [
    "AnthropicInstrumentor",
    "BedrockInstrumentor",
    "GoogleGenAIInstrumentor",
    "LLMSpan",
    "OpenAIInstrumentor",
    "Settings",
    "SettingsError",
    "__version__",
    "instrument",
    "llm",
    "observe",
    "uninstrument",
]
