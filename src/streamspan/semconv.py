"""Every attribute, event and operation name that streamspan writes; no other file spells one out.

The ``gen_ai.*`` names are those that backends read today: the GenAI conventions 1.37 to 1.41 ("generation B"), which moved
to https://github.com/open-telemetry/semantic-conventions-genai afterwards. What no convention names is under ``streamspan.``.
"""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.0"
NEWER_SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

# --- who is asked, and how -------------------------------------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
CLOUD_REGION: Final = "cloud.region"

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"
GENERATE_CONTENT: Final = "generate_content"
FETCH_RESPONSE: Final = "fetch_response"
INVOKE_AGENT: Final = "invoke_agent"
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"

AUTOMATIC_FUNCTION_CALLING: Final = "automatic_function_calling"
"""The name of the span over several model calls that answer one question; it is no operation of the conventions."""

# --- the request -----------------------------------------------------------------------------------------------------
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
OUTPUT_TYPE: Final = "gen_ai.output.type"
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
AWS_BEDROCK_GUARDRAIL_ID: Final = "aws.bedrock.guardrail.id"
AWS_BEDROCK_GUARDRAIL_VERSION: Final = "aws.bedrock.guardrail.version"

# --- content (written only while content capture is on) --------------------------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
PREVIEW: Final = "streamspan.preview"

# --- the response ----------------------------------------------------------------------------------------------------
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
ERROR_TYPE: Final = "error.type"

OUTCOME: Final = "streamspan.outcome"
CHUNKS: Final = "streamspan.chunks"
LONGEST_GAP_MS: Final = "streamspan.longest_gap_ms"
TIME_TO_FIRST_CONTENT_MS: Final = "streamspan.time_to_first_content_ms"
OUTPUT_TOKENS_PER_SECOND: Final = "streamspan.output_tokens_per_second"

# --- tokens and money ------------------------------------------------------------------------------------------------
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_CREATION_INPUT_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_ESTIMATED: Final = "streamspan.usage.estimated"
USAGE_OMITTED: Final = "streamspan.usage.omitted"
USAGE_COST: Final = "gen_ai.usage.cost"
COST_TOTAL: Final = "streamspan.cost.total"
COST_INPUT: Final = "streamspan.cost.input"
COST_OUTPUT: Final = "streamspan.cost.output"
COST_SOURCE: Final = "streamspan.cost.source"
COST_UNPRICED: Final = "streamspan.cost.unpriced"

# --- span events -----------------------------------------------------------------------------------------------------
CHUNK_EVENT: Final = "streamspan.chunk"
CHUNK_INDEX: Final = "index"
CHUNK_COUNT: Final = "count"
CHUNK_OFFSET: Final = "offset"
CHUNK_TEXT: Final = "text"
CHUNK_REASONING: Final = "reasoning"
CHUNK_TOOL_CALL: Final = "tool_call"

PROGRESS_EVENT: Final = "streamspan.progress"
"""The name of two things: short marks on the span, and log events while the stream runs."""
PROGRESS_OFFSET: Final = "offset"
PROGRESS_CHARACTERS: Final = "characters"
PROGRESS_CHUNKS: Final = "chunks"

# --- log events while a stream runs (beside those names of above that a span has, too) --------------------------------
PROGRESS_STATE: Final = "streamspan.state"
PROGRESS_SEQUENCE: Final = "streamspan.sequence"
ELAPSED_MS: Final = "streamspan.elapsed_ms"
STALLED_MS: Final = "streamspan.stalled_ms"
CHARACTERS: Final = "streamspan.characters"

# --- log events when a call has ended ---------------------------------------------------------------------------------
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
EXCEPTION_EVENT: Final = "gen_ai.client.operation.exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

PENDING_SPAN: Final = "streamspan.pending"
PENDING_NAME: Final = "streamspan.pending.name"

# --- metrics ----------------------------------------------------------------------------------------------------------
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
"""histogram, s: How long a call took, from the request to the end of its answer. In 1.42-dev of calls other than inference."""
OPERATION_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
"""histogram, s: From the request to the first chunk of a stream."""
OPERATION_TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"
"""histogram, s: From one chunk of a stream to the next; with `chunk_metrics` only."""
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
"""histogram, {token}: The tokens that the provider reported of a call, input and output apart."""
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105
"""string: Of which side of a call tokens are."""
TOKEN_TYPE_INPUT: Final = "input"  # noqa: S105
"""value of gen_ai.token.type: What was asked, cached or not."""
TOKEN_TYPE_OUTPUT: Final = "output"  # noqa: S105
"""value of gen_ai.token.type: What was answered, reasoning included."""

INFERENCE_DURATION: Final = "gen_ai.client.inference.duration"
"""histogram, s: 1.42-dev: how long an inference took, from the request to the end of its answer."""
INFERENCE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
"""histogram, s: 1.42-dev: from the request to the first chunk of a stream."""
INFERENCE_TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.inference.time_per_output_chunk"
"""histogram, s: 1.42-dev: from one chunk of a stream to the next; with `chunk_metrics` only."""
INFERENCE_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
"""counter, {token}: 1.42-dev: input tokens as reported, cached or not."""
INFERENCE_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
"""counter, {token}: 1.42-dev: output tokens as reported, reasoning included."""
INFERENCE_CACHE_READ_TOKENS: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
"""counter, {token}: 1.42-dev: the part of the input that was read from the provider's cache."""
INFERENCE_CACHE_WRITE_TOKENS: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
"""counter, {token}: 1.42-dev: the part of the input that was written into the provider's cache."""
INFERENCE_REASONING_TOKENS: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"
"""counter, {token}: 1.42-dev: the part of the output that was reasoning."""
INFERENCE_CALL_INPUT_TOKENS: Final = "gen_ai.client.inference.operation.input_tokens"
"""histogram, {token}: 1.42-dev: the input tokens of one inference, for their distribution."""
INFERENCE_CALL_OUTPUT_TOKENS: Final = "gen_ai.client.inference.operation.output_tokens"
"""histogram, {token}: 1.42-dev: the output tokens of one inference, for their distribution."""
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105
"""string: What tokens stand for, as far as the provider says."""
MODALITY_AUDIO: Final = "audio"
"""value of gen_ai.token.modality: Sound."""
MODALITY_IMAGE: Final = "image"
"""value of gen_ai.token.modality: A picture."""
MODALITY_UNKNOWN: Final = "unknown"
"""value of gen_ai.token.modality: What the provider does not split, mostly text."""

COST_METRIC: Final = "streamspan.client.cost"
"""counter, {USD}: What calls cost; of calls without a known price nothing is counted."""
COST_IS_ESTIMATED: Final = "streamspan.cost.estimated"
"""boolean: True where the cost rests on tokens that are our estimate; left out where all are reported."""
OUTCOMES_METRIC: Final = "streamspan.client.outcomes"
"""counter, {call}: How calls ended."""
ACTIVE_STREAMS_METRIC: Final = "streamspan.client.active_streams"
"""updowncounter, {stream}: The streams that run now."""

# --- how others mark the span of a model call ------------------------------------------------------------------------
OPENINFERENCE_SPAN_KIND: Final = "openinference.span.kind"
OPENINFERENCE_LLM: Final = "LLM"
OPENINFERENCE_EMBEDDING: Final = "EMBEDDING"

# --- provider names (gen_ai.provider.name, well-known values but for OpenRouter's) -----------------------------------
OPENAI: Final = "openai"
AZURE_OPENAI: Final = "azure.ai.openai"
ANTHROPIC: Final = "anthropic"
AWS_BEDROCK: Final = "aws.bedrock"
GCP_GEMINI: Final = "gcp.gemini"
GCP_VERTEX_AI: Final = "gcp.vertex_ai"
COHERE: Final = "cohere"
DEEPSEEK: Final = "deepseek"
GROQ: Final = "groq"
MISTRAL_AI: Final = "mistral_ai"
MOONSHOT_AI: Final = "moonshot_ai"
OPENROUTER: Final = "openrouter"
PERPLEXITY: Final = "perplexity"
X_AI: Final = "x_ai"
