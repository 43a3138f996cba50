"""The environment variables of streamspan; each also becomes an option of ``opentelemetry-instrument``."""

STREAMSPAN_CAPTURE_CONTENT = "STREAMSPAN_CAPTURE_CONTENT"
"""``true`` (default), ``span``, ``event``, ``both`` or ``false``: where prompts and outputs are written."""

STREAMSPAN_CAPTURE_STREAM_CHUNKS = "STREAMSPAN_CAPTURE_STREAM_CHUNKS"
"""``false`` (default), ``span``, ``log`` or ``both``: whether each chunk becomes an event, and where."""

STREAMSPAN_REDACT = "STREAMSPAN_REDACT"
"""Regular expressions, one a line: what they match is taken out of every text before anything is written."""

STREAMSPAN_MAX_CONTENT_CHARS = "STREAMSPAN_MAX_CONTENT_CHARS"
"""How many characters each attribute with messages holds at the most (default 0: what OpenTelemetry's own limits allow)."""

STREAMSPAN_UPLOAD = "STREAMSPAN_UPLOAD"
"""The store that messages are uploaded to, as ``package.module:name``."""

STREAMSPAN_UPLOAD_ABOVE = "STREAMSPAN_UPLOAD_ABOVE"
"""How many characters of messages a call must have for them to be uploaded (default 0: all)."""

STREAMSPAN_STREAM_PREVIEW_CHARS = "STREAMSPAN_STREAM_PREVIEW_CHARS"
"""How many of the last characters of the output the preview holds (default 4096)."""

STREAMSPAN_CONVENTIONS = "STREAMSPAN_CONVENTIONS"
"""``1.41`` (default), ``1.42-dev`` or ``both``: which GenAI conventions the names follow."""

STREAMSPAN_STRUCTURED_MESSAGES = "STREAMSPAN_STRUCTURED_MESSAGES"
"""``true`` or ``false`` (default): whether messages are structured values on the span, and not JSON strings."""

STREAMSPAN_DETAILS_EVENT = "STREAMSPAN_DETAILS_EVENT"
"""``auto`` (default), ``true`` or ``false``: whether each call sends a log event with its details when it ends."""

STREAMSPAN_INCLUDE_USAGE = "STREAMSPAN_INCLUDE_USAGE"
"""``auto`` (default), ``on`` or ``off``: whether streams of OpenAI chat completions are asked for their usage."""

STREAMSPAN_TOKENIZERS = "STREAMSPAN_TOKENIZERS"
"""Files that count tokens, as ``pattern=path`` with commas between them, such as ``llama-*=/models/tokenizer.json``."""

STREAMSPAN_PROGRESS_INTERVAL = "STREAMSPAN_PROGRESS_INTERVAL"
"""Seconds between two log events of a running stream (default 0.5; 0 sends none)."""

STREAMSPAN_CHUNK_METRICS = "STREAMSPAN_CHUNK_METRICS"
"""``true`` or ``false`` (default): whether the time between chunks is a metric, too."""

STREAMSPAN_IDLE_TIMEOUT = "STREAMSPAN_IDLE_TIMEOUT"
"""Seconds without a chunk after which a stream's span is ended as abandoned (default 0: never)."""

STREAMSPAN_PENDING_SPAN = "STREAMSPAN_PENDING_SPAN"
"""``true`` or ``false`` (default): whether each call sends a child span ``streamspan.pending`` when it starts."""

STREAMSPAN_METRIC_ATTRIBUTES = "STREAMSPAN_METRIC_ATTRIBUTES"
"""Names of attributes, with commas between them, that metrics have too, such as ``user.id`` (default: none)."""

STREAMSPAN_KEEP = "STREAMSPAN_KEEP"
"""Rules such as ``errors,aborted,expensive:0.05,slow:10,stalled:5``: which calls get ``streamspan.keep`` (default: none)."""

STREAMSPAN_PRICES = "STREAMSPAN_PRICES"
"""The path of a TOML or JSON file with prices of your own, stronger than all others."""

STREAMSPAN_BUDGETS = "STREAMSPAN_BUDGETS"
"""The path of a TOML file with budgets (default: none)."""

STREAMSPAN_BUDGET_STORE = "STREAMSPAN_BUDGET_STORE"
"""The URL of the budgets' ledger, such as ``sqlite:///path`` (default: a file in the user's state folder)."""

STREAMSPAN_BUDGET_RESERVE = "STREAMSPAN_BUDGET_RESERVE"
"""``worst_case`` (default), ``typical`` or ``none``: how much is held for a call while it runs."""

STREAMSPAN_BUDGET_RESERVE_CAP = "STREAMSPAN_BUDGET_RESERVE_CAP"
"""US dollars that are held for one call at the most (default 0: no cap)."""

STREAMSPAN_BUDGET_UNKNOWN_PRICE = "STREAMSPAN_BUDGET_UNKNOWN_PRICE"
"""``allow`` (default) or ``deny``: what becomes of a call whose model has no known price."""

STREAMSPAN_BUDGET_STORE_DOWN = "STREAMSPAN_BUDGET_STORE_DOWN"
"""``allow`` (default) or ``deny``: what becomes of calls while the ledger does not answer."""

STREAMSPAN_BUDGET_STORE_TIMEOUT = "STREAMSPAN_BUDGET_STORE_TIMEOUT"
"""Seconds that anybody waits for the ledger (default 0.25)."""

STREAMSPAN_FLUSH_ON_SIGTERM = "STREAMSPAN_FLUSH_ON_SIGTERM"
"""``true`` (default) or ``false``: whether running calls are ended and sent before SIGTERM ends the process."""
