"""streamspan: an OpenTelemetry distribution for streamed LLM calls."""

import importlib as _importlib
import typing as _typing

from streamspan.errors import (
    BudgetError,
    BudgetExceededError,
    BudgetUnavailableError,
    BudgetUnpricedError,
    RateLimitExceededError,
    SettingsError,
    UsageEstimatedWarning,
)
from streamspan.handle import Handle, abort_on_cancel, handle
from streamspan.instrumentor import (
    AnthropicInstrumentor,
    BedrockInstrumentor,
    GoogleGenAIInstrumentor,
    OpenAIInstrumentor,
    instrument,
    uninstrument,
)
from streamspan.model_prices import ModelPrice
from streamspan.result import StreamResult, TokenUsage, ToolCall
from streamspan.settings import Settings
from streamspan.version import __version__
from streamspan.who import attributes

if _typing.TYPE_CHECKING:
    from streamspan.budgets.budget import Budget
    from streamspan.client import AsyncLocalStream, Client, LocalStream, RunLocalResult
    from streamspan.manual.llm import LLMSpan, llm
    from streamspan.manual.observe import observe
    from streamspan.tracking.costs import CallCost, Costs, costs
    from streamspan.tracking.decorator import track_costs
    from streamspan.wrapping import unwrap, wrap

__all__ = [
    "AnthropicInstrumentor",
    "AsyncLocalStream",
    "BedrockInstrumentor",
    "Budget",
    "BudgetError",
    "BudgetExceededError",
    "BudgetUnavailableError",
    "BudgetUnpricedError",
    "CallCost",
    "Client",
    "Costs",
    "GoogleGenAIInstrumentor",
    "Handle",
    "LLMSpan",
    "LocalStream",
    "ModelPrice",
    "OpenAIInstrumentor",
    "RateLimitExceededError",
    "RunLocalResult",
    "Settings",
    "SettingsError",
    "StreamResult",
    "TokenUsage",
    "ToolCall",
    "UsageEstimatedWarning",
    "__version__",
    "abort_on_cancel",
    "attributes",
    "costs",
    "handle",
    "instrument",
    "llm",
    "observe",
    "track_costs",
    "uninstrument",
    "unwrap",
    "wrap",
]

_ON_FIRST_USE = {
    "AsyncLocalStream": "client",
    "Budget": "budgets.budget",
    "CallCost": "tracking.costs",
    "Client": "client",
    "Costs": "tracking.costs",
    "LLMSpan": "manual.llm",
    "LocalStream": "client",
    "RunLocalResult": "client",
    "costs": "tracking.costs",
    "llm": "manual.llm",
    "observe": "manual.observe",
    "track_costs": "tracking.decorator",
    "unwrap": "wrapping",
    "wrap": "wrapping",
}
"""Where the names are that a program asks for by itself: one that is only observed shall not wait for them when it starts."""


def __getattr__(name: str) -> _typing.Any:
    if (module := _ON_FIRST_USE.get(name)) is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(_importlib.import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _ON_FIRST_USE)
