"""Which telemetry calls report to: as an instrumentor was told, or as the process is set up."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from opentelemetry._logs import LoggerProvider, get_logger_provider
from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider

from streamspan import live
from streamspan.sdks.patching import any_active
from streamspan.settings import Settings
from streamspan.telemetry import Telemetry
from streamspan.termination import flush_first

_chosen: Telemetry | None = None


def connect(
    settings: Settings,
    *,
    tracer_provider: TracerProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Telemetry:
    """Has calls report to these providers, or to the global ones, and has running calls looked after.

    Args:
        settings: How calls are observed.
        tracer_provider: Where spans go.
        logger_provider: Where log events go.
        meter_provider: Where metrics go.
    """
    if settings.progress_interval:
        live.look_every(settings.progress_interval)
    if settings.flush_on_sigterm:
        flush_first(_flush)
    return Telemetry.of(settings, tracer_provider, logger_provider, meter_provider)


def choose(settings: Mapping[str, Any], **providers: Any) -> None:
    """Says how the calls are observed that no SDK's instrumentor sees: those for which the program makes a span by itself.

    As with the instrumentors, the first word counts, until `forget`.

    Raises:
        SettingsError: If a setting does not exist or cannot have that value.
    """
    global _chosen  # noqa: PLW0603
    loaded = Settings.load(settings)
    if _chosen is None:
        _chosen = connect(loaded, **providers)


def forget() -> None:
    """Takes `choose` back."""
    global _chosen  # noqa: PLW0603
    _chosen = None


def in_force() -> Telemetry:
    """What `choose` was told, else what an instrumented SDK reports to, else `from_environment`."""
    return _chosen or any_active() or from_environment()


@cache
def from_environment() -> Telemetry:
    """The global providers, also those that are set later, and the settings of the environment."""
    return connect(Settings.load())


def _flush() -> None:
    """Ends every running call, and has what is known of them sent."""
    live.end_all()
    for provider in (get_tracer_provider(), get_logger_provider(), get_meter_provider()):
        if force_flush := getattr(provider, "force_flush", None):
            force_flush()
