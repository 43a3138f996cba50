"""streamspan: an OpenTelemetry distribution for streamed LLM calls."""

from streamspan.client import AsyncLocalStream, Client, LocalStream, RunLocalResult
from streamspan.errors import SettingsError
from streamspan.handle import Handle, handle
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
from streamspan.result import StreamResult, TokenUsage, ToolCall
from streamspan.settings import Settings
from streamspan.version import __version__
from streamspan.who import attributes
from streamspan.wrapping import unwrap, wrap

__all__ = [
    "AnthropicInstrumentor",
    "AsyncLocalStream",
    "BedrockInstrumentor",
    "Client",
    "GoogleGenAIInstrumentor",
    "Handle",
    "LLMSpan",
    "LocalStream",
    "OpenAIInstrumentor",
    "RunLocalResult",
    "Settings",
    "SettingsError",
    "StreamResult",
    "TokenUsage",
    "ToolCall",
    "__version__",
    "attributes",
    "handle",
    "instrument",
    "llm",
    "observe",
    "uninstrument",
    "unwrap",
    "wrap",
]
