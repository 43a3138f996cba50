"""What ``opentelemetry-instrument`` loads: defaults for the pipeline, and which instrumentors run beside ours."""

import atexit
import os
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry._logs import get_logger_provider
from opentelemetry.environment_variables import OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_TRACES_EXPORTER
from opentelemetry.instrumentation.distro import BaseDistro  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.environment_variables import (
    OTEL_BLRP_SCHEDULE_DELAY,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL,
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    OTEL_SPAN_EVENT_COUNT_LIMIT,
)
from opentelemetry.trace import get_tracer_provider

from streamspan import instrumentor, rivals
from streamspan.delivery import LogRecordDelivery, SpanDelivery
from streamspan.errors import logger
from streamspan.outages import Outages
from streamspan.sdks import botocore
from streamspan.settings import Settings
from streamspan.version import __version__
from streamspan.workers import at_the_end_of_workers

DEFAULTS = {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",  # receivers over gRPC take 4 MiB at a time, and one long answer can be more
    OTEL_BSP_SCHEDULE_DELAY: "1000",  # milliseconds; a call is looked at as soon as it has ended
    OTEL_BLRP_SCHEDULE_DELAY: "250",
    "ANTHROPIC_OPEN_TELEMETRY": "false",  # the SDK's own spans would carry the same usage a second time
}
"""Environment variables that the distribution sets where the user has not."""

CHUNK_EVENTS = "4096"
"""How many events a span may have where each chunk is one, unless the user says it: of 128, most answers have more chunks."""


class StreamspanDistro(BaseDistro):
    """OTLP over HTTP, and exactly one instrumentor per LLM SDK: ours."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        if Settings.load().chunks_on_span:
            os.environ.setdefault(OTEL_SPAN_EVENT_COUNT_LIMIT, CHUNK_EVENTS)

    @cached_property
    def observed(self) -> frozenset[str]:
        """The packages that streamspan observes in this process: those whose instrumentor is not switched off."""
        ours = [point for point in entry_points(group=rivals.GROUP) if point.module == instrumentor.__name__]
        return frozenset(package for point in ours if point.name not in rivals.disabled() for package in point.load().packages())

    def is_rival(self, entry_point: EntryPoint) -> bool:
        """Whether this is another vendor's instrumentor for calls that streamspan observes."""
        return rivals.is_rival(entry_point.module, self.observed)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Loads one instrumentor, unless it is another one for calls that streamspan observes."""
        if self.is_rival(entry_point):
            logger.info("%s (%s) is left out: streamspan observes these calls", entry_point.name, entry_point.value)
            return
        super().load_instrumentor(entry_point, **kwargs)  # pyright: ignore[reportUnknownMemberType]
        if entry_point.module == rivals.BOTOCORE and "botocore" in self.observed:
            for service in botocore.SERVICES:
                rivals.silence_botocore(service, partial(botocore.is_observed, service))


class StreamspanConfigurator(_OTelSDKConfigurator):
    """The SDK's own pipeline, marked as ours (``telemetry.distro.*`` of the resource conventions)."""

    def _configure(self, **kwargs: Any) -> None:
        if "OTEL_CONFIG_FILE" not in os.environ:  # which allows no other source of configuration
            outages = Outages()
            atexit.register(outages.close)  # last of all: what is registered first runs last, and providers are made below
            kwargs.setdefault("export_span_processor", partial(SpanDelivery, outages=outages))
            kwargs.setdefault("export_log_record_processor", partial(LogRecordDelivery, outages=outages))
            routes = {**_span_arguments(), **_log_arguments(), **_metric_arguments(outages)}
            kwargs["exporter_args_map"] = {**routes, **kwargs.get("exporter_args_map", {})}
            kwargs["resource_attributes"] = {
                **kwargs.get("resource_attributes", {}),
                "telemetry.distro.name": "streamspan",
                "telemetry.distro.version": __version__,
            }
        super()._configure(**kwargs)  # pyright: ignore[reportUnknownMemberType]
        at_the_end_of_workers(_flush)


def _flush() -> None:
    """Send what waits: calls, and what was said of them."""
    for provider in (get_tracer_provider(), get_logger_provider()):
        if flush := getattr(provider, "force_flush", None):
            flush()


def _span_arguments() -> dict[type, dict[str, Any]]:
    """How spans are sent over HTTP: through a `Route`, unless the user has a session of their own for it."""
    if not _is_over_http(OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, "TRACES"):
        return {}
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - where it is used anyway

    from streamspan.routes import Route  # noqa: PLC0415

    return {OTLPSpanExporter: {"session": Route()}}


def _log_arguments() -> dict[type, dict[str, Any]]:
    """The same for logs, and a `LogRoute`."""
    if not _is_over_http(OTEL_LOGS_EXPORTER, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, "LOGS"):
        return {}
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415

    from streamspan.routes import LogRoute  # noqa: PLC0415

    return {OTLPLogExporter: {"session": LogRoute()}}


def _metric_arguments(outages: Outages) -> dict[type, dict[str, Any]]:
    """The same for metrics, and a `MetricRoute`."""
    if not _is_over_http(OTEL_METRICS_EXPORTER, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, "METRICS"):
        return {}
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    from streamspan.routes import MetricRoute  # noqa: PLC0415

    return {OTLPMetricExporter: {"session": MetricRoute(outages)}}


def _is_over_http(exporter: str, protocol: str, signal: str) -> bool:
    """Whether a signal is sent over HTTP, and the user has no session of their own for it."""
    exporters = {name.strip() for name in os.environ.get(exporter, "").split(",")}
    spoken = os.environ.get(protocol) or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL)
    own_session = (f"{_SESSION}_{signal}_CREDENTIAL_PROVIDER", f"{_SESSION}_CREDENTIAL_PROVIDER")
    is_over_http = "otlp_proto_http" in exporters or ("otlp" in exporters and spoken == "http/protobuf")
    return is_over_http and not any(map(os.environ.get, own_session))


_SESSION = "OTEL_PYTHON_EXPORTER_OTLP_HTTP"
