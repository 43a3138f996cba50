"""What is measured: streamspan, its peers, and nothing at all (the noise of the method)."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The SDK's own spans (anthropic >= 1.15) would be measured with everything else, in both arms.
COMMON_ENVIRONMENT = {"ANTHROPIC_OPEN_TELEMETRY": "false"}


@dataclass(frozen=True)
class Tracer:
    """One instrumentation: where its switch is for each SDK, and the documented settings that make it record the output.

    A switch is ``module`` or ``module:class``, something with ``instrument(tracer_provider=...)`` and ``uninstrument()``.
    """

    title: str
    switches: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    signals: frozenset[str] = frozenset({"spans"})
    """What its pipeline takes: ``spans`` (else none is sampled), ``metrics``, ``logs``."""

    def is_installed(self, sdk: str) -> bool:
        """Whether it is for this SDK, and can be imported here."""
        return not self.switches or (sdk in self.switches and _is_importable(self.switches[sdk].partition(":")[0]))

    def switch(self, sdk: str) -> Any:
        """The object that turns it on and off."""
        if not self.switches:
            return Nothing()
        module, _, name = self.switches[sdk].partition(":")
        found = importlib.import_module(module)
        return getattr(found, name)() if name else found


class Nothing:
    """Instruments nothing: what it adds is the noise of the method."""

    def instrument(self, **_settings: Any) -> None:
        """Change nothing."""

    def uninstrument(self) -> None:
        """Change nothing."""


SDKS: tuple[str, ...] = ("openai", "anthropic", "google-genai", "botocore", "aiobotocore")
_SWITCHES: dict[str, str] = dict.fromkeys(SDKS, "streamspan")
TRACERS = {
    "nothing": Tracer("nothing (noise)"),
    "streamspan": Tracer("streamspan", _SWITCHES),
    "metrics": Tracer("streamspan, with metrics", _SWITCHES, signals=frozenset({"spans", "metrics"})),
    "everything": Tracer(
        "streamspan, all signals, chunk metrics",
        _SWITCHES,
        {"STREAMSPAN_CHUNK_METRICS": "true", "STREAMSPAN_DETAILS_EVENT": "true", "STREAMSPAN_PENDING_SPAN": "true"},
        signals=frozenset({"spans", "metrics", "logs"}),
    ),
    "unsampled": Tracer("streamspan, not sampled", _SWITCHES, signals=frozenset()),
    "counted": Tracer("streamspan, not sampled, with metrics", _SWITCHES, signals=frozenset({"metrics"})),
    "official": Tracer(
        "official",
        {
            "openai": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
            "anthropic": "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
            "google-genai": "opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor",
            "botocore": "opentelemetry.instrumentation.genai.bedrock:BedrockInstrumentor",
        },
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"},
    ),
    "openllmetry": Tracer(
        "OpenLLMetry",
        {
            "openai": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
            "anthropic": "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
            "google-genai": "opentelemetry.instrumentation.google_generativeai:GoogleGenerativeAiInstrumentor",
            "botocore": "opentelemetry.instrumentation.bedrock:BedrockInstrumentor",
        },
        {"TRACELOOP_TRACE_CONTENT": "true"},
    ),
    "openinference": Tracer(
        "OpenInference",
        {
            "openai": "openinference.instrumentation.openai:OpenAIInstrumentor",
            "anthropic": "openinference.instrumentation.anthropic:AnthropicInstrumentor",
            "google-genai": "openinference.instrumentation.google_genai:GoogleGenAIInstrumentor",
            "botocore": "openinference.instrumentation.bedrock:BedrockInstrumentor",
        },
    ),
}
OURS = "streamspan"
VARIANTS = ("metrics", "everything", "unsampled", "counted")
"""The same with more signals or fewer."""
PEERS = ("official", "openllmetry", "openinference")


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
