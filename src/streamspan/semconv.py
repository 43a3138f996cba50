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
CONTENT_TRUNCATED: Final = "streamspan.content.truncated"
INPUT_MESSAGES_REF: Final = "gen_ai.input.messages_ref"
OUTPUT_MESSAGES_REF: Final = "gen_ai.output.messages_ref"
SYSTEM_INSTRUCTIONS_REF: Final = "gen_ai.system_instructions_ref"
TOOL_DEFINITIONS_REF: Final = "gen_ai.tool.definitions_ref"

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
