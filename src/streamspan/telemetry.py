"""Where the signals of calls go, and how calls are observed."""

from dataclasses import dataclass, field, replace

from opentelemetry._logs import Logger, NoOpLogger
from opentelemetry.trace import Span, Tracer

from streamspan import semconv
from streamspan.content import Content
from streamspan.conventions import Conventions
from streamspan.counted import Counted
from streamspan.instruments import Instruments
from streamspan.pricing import PriceBook
from streamspan.settings import Settings


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an instrumentor hands to every call."""

    tracer: Tracer
    logger: Logger
    settings: Settings
    prices: PriceBook
    content: Content
    conventions: Conventions
    instruments: Instruments
    counted: Counted = field(default_factory=Counted)
    of_unsampled: "Telemetry | None" = field(init=False, default=None)
    """What is handed to calls whose span is not sampled: metrics and nothing else."""

    def __post_init__(self) -> None:
        numbers = self.settings.only_numbers()
        if numbers != self.settings or not isinstance(self.logger, NoOpLogger):
            only = replace(self, logger=NoOpLogger("streamspan"), settings=numbers, content=Content(numbers))
            object.__setattr__(self, "of_unsampled", only)

    def for_span(self, span: Span) -> "Telemetry | None":
        """How the call of this span is observed; ``None`` if nobody takes anything of it."""
        if span.is_recording():
            return self
        return self.of_unsampled or self if self.instruments.are_taken else None

    @property
    def reports_progress(self) -> bool:
        """Whether somebody takes log events of running streams."""
        return self.settings.progress_interval > 0 and self.takes(semconv.PROGRESS_EVENT)

    def takes(self, event: str) -> bool:
        """Whether somebody takes log events of this name."""
        enabled = getattr(self.logger, "enabled", None)  # opentelemetry-api 1.43 does not say
        return enabled is None or enabled(event_name=event)
