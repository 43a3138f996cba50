"""One call for every provider: `Client`, and what it takes and gives."""

from streamspan.client.client import Client
from streamspan.client.options import Options
from streamspan.client.results import FinishReason, Outcome, RunLocalResult, StreamResult
from streamspan.client.routing import Provider
from streamspan.client.sessions import Session
from streamspan.client.streams import AsyncLocalStream, LocalStream
from streamspan.result import TokenUsage, ToolCall

__all__ = [
    "AsyncLocalStream",
    "Client",
    "FinishReason",
    "LocalStream",
    "Options",
    "Outcome",
    "Provider",
    "RunLocalResult",
    "Session",
    "StreamResult",
    "TokenUsage",
    "ToolCall",
]
