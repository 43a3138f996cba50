"""Other vendors' instrumentors of the same SDKs, the newest of both: real packages, in this process and in others."""

import pytest

from conftest import Recorder
from others import Vendor, call_anthropic, call_bedrock, call_google, call_openai, check

pytestmark = pytest.mark.filterwarnings("ignore")  # they warn of what they import

VENDORS = [
    Vendor("opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor", call_openai, (True, True)),
    Vendor("opentelemetry.instrumentation.openai:OpenAIInstrumentor", call_openai, (True, True)),
    Vendor("openinference.instrumentation.openai:OpenAIInstrumentor", call_openai, (True, True)),
    Vendor("opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor", call_anthropic, (True, True)),
    Vendor("opentelemetry.instrumentation.anthropic:AnthropicInstrumentor", call_anthropic, (False, False)),
    Vendor("openinference.instrumentation.anthropic:AnthropicInstrumentor", call_anthropic, (True, True)),
    Vendor("opentelemetry.instrumentation.google_generativeai:GoogleGenerativeAiInstrumentor", call_google, (False, False)),
    Vendor("openinference.instrumentation.google_genai:GoogleGenAIInstrumentor", call_google, (True, False)),
    Vendor("opentelemetry.instrumentation.genai.bedrock:BedrockInstrumentor", call_bedrock, (True, True)),
    Vendor("opentelemetry.instrumentation.bedrock:BedrockInstrumentor", call_bedrock, (True, False)),
    Vendor("openinference.instrumentation.bedrock:BedrockInstrumentor", call_bedrock, (True, True)),
    Vendor("opentelemetry.instrumentation.botocore:BotocoreInstrumentor", call_bedrock, (True, False)),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.root)
def test_beside_another_instrumentor(
    vendor: Vendor, ours_first: bool, streamed: bool, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Without our distro a second instrumentor is said once, with what to set, and shares its span with us where it can."""
    check(vendor, recorder, caplog, ours_first=ours_first, streamed=streamed)
