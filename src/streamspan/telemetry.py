"""Where the signals of calls go, and how calls are observed."""

from dataclasses import dataclass, field, replace

from opentelemetry._logs import Logger, LoggerProvider, NoOpLogger, get_logger
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Tracer, TracerProvider, get_tracer

from streamspan import semconv
from streamspan.content import Content
from streamspan.conventions import BY_NAME, Conventions
from streamspan.counted import Counted
from streamspan.enforcement.balance_log import BalanceLog
from streamspan.enforcement.gate import gate_of
from streamspan.instruments import Instruments, instruments_of
from streamspan.pricing import PriceBook
from streamspan.settings import Settings
from streamspan.version import __version__


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
    balance_log: BalanceLog
    counted: Counted = field(default_factory=Counted)
    of_unsampled: "Telemetry | None" = None
    """What is handed to calls whose span is not sampled: it takes metrics and costs, and nothing else."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> "Telemetry":
        """What these settings ask for, over these providers; the global ones unless given."""
        conventions = BY_NAME[settings.conventions]
        tracer = get_tracer("streamspan", __version__, tracer_provider, conventions.schema_url)
        logger = get_logger("streamspan", __version__, logger_provider, conventions.schema_url)
        instruments = instruments_of(meter_provider, conventions)
        gate_of(settings)  # whose budgets there are metrics of from now on
        prices, content, balance_log = PriceBook(settings.price_overrides), Content(settings), BalanceLog(logger)
        full = cls(tracer, logger, settings, prices, content, conventions, instruments, balance_log)
        numbers = settings.only_numbers()
        return replace(
            full, of_unsampled=replace(full, logger=NoOpLogger("streamspan"), settings=numbers, content=Content(numbers))
        )

    def for_span(self, span: Span) -> "Telemetry | None":
        """How the call of this span is observed; ``None`` if nobody takes anything of it."""
        if span.is_recording():
            return self
        return self.of_unsampled if self.instruments.are_taken or self.settings.budgets else None

    @property
    def reports_progress(self) -> bool:
        """Whether somebody takes log events of running streams."""
        return self.settings.progress_interval > 0 and self.takes(semconv.PROGRESS_EVENT)

    def tell_budgets(self) -> None:
        """Has it told before long how the budgets stand, if somebody takes log events while calls run, and of this."""
        if self.settings.progress_interval > 0 and self.takes(semconv.BUDGET_EVENT):
            self.balance_log.note()

    def takes(self, event: str) -> bool:
        """Whether somebody takes log events of this name."""
        enabled = getattr(self.logger, "enabled", None)  # opentelemetry-api 1.43 does not say
        return enabled is None or enabled(event_name=event)
