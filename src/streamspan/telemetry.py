"""Where the signals of calls go, and how calls are observed."""

from dataclasses import dataclass, field

from opentelemetry._logs import Logger
from opentelemetry.trace import Tracer

from streamspan import semconv
from streamspan.content import Content
from streamspan.conventions import Conventions
from streamspan.counted import Counted
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
    counted: Counted = field(default_factory=Counted)

    @property
    def reports_progress(self) -> bool:
        """Whether somebody takes log events of running streams."""
        return self.settings.progress_interval > 0 and self.takes(semconv.PROGRESS_EVENT)

    def takes(self, event: str) -> bool:
        """Whether somebody takes log events of this name."""
        enabled = getattr(self.logger, "enabled", None)  # opentelemetry-api 1.43 does not say
        return enabled is None or enabled(event_name=event)
