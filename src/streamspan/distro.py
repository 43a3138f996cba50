"""What ``opentelemetry-instrument`` loads: defaults for the pipeline, and which instrumentors run beside ours."""

import os
from importlib.metadata import EntryPoint
from typing import Any

from opentelemetry.environment_variables import OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_TRACES_EXPORTER
from opentelemetry.instrumentation.distro import BaseDistro  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.environment_variables import (
    OTEL_BLRP_SCHEDULE_DELAY,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL,
    OTEL_EXPORTER_OTLP_PROTOCOL,
)

from streamspan.errors import logger
from streamspan.version import __version__

DEFAULTS = {
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",  # gRPC refuses what is over 4 MiB, and one long answer can be
    OTEL_BSP_SCHEDULE_DELAY: "1000",  # milliseconds; a call is looked at as soon as it has ended
    OTEL_BLRP_SCHEDULE_DELAY: "250",
    "ANTHROPIC_OPEN_TELEMETRY": "false",  # the SDK's own spans would carry the same usage a second time
}
"""Environment variables that the distribution sets where the user has not."""

_RIVALS = frozenset(
    {
        "openai",
        "openai_v2",
        "openai-v2",
        "anthropic",
        "google_genai",
        "google-genai",
        "google_generativeai",
        "google-generativeai",
    }
)
"""The names under which other vendors register; they share them."""


class StreamspanDistro(BaseDistro):
    """OTLP over HTTP, and exactly one instrumentor per LLM SDK: ours."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Loads one instrumentor, unless it is another one for an SDK that streamspan observes."""
        if is_rival(entry_point):
            logger.info("%s (%s) is left out: streamspan observes these calls", entry_point.name, entry_point.value)
            return
        super().load_instrumentor(entry_point, **kwargs)  # pyright: ignore[reportUnknownMemberType]


class StreamspanConfigurator(_OTelSDKConfigurator):
    """The SDK's own pipeline, marked as ours (``telemetry.distro.*`` of the resource conventions)."""

    def _configure(self, **kwargs: Any) -> None:
        if "OTEL_CONFIG_FILE" not in os.environ:  # which allows no other source of configuration
            kwargs["exporter_args_map"] = {**_log_arguments(), **kwargs.get("exporter_args_map", {})}
            kwargs["resource_attributes"] = {
                **kwargs.get("resource_attributes", {}),
                "telemetry.distro.name": "streamspan",
                "telemetry.distro.version": __version__,
            }
        super()._configure(**kwargs)  # pyright: ignore[reportUnknownMemberType]


def _log_arguments() -> dict[type, dict[str, Any]]:
    """How logs are sent over HTTP: through a `LogRoute`, unless the user has a session of their own for it."""
    exporters = {name.strip() for name in os.environ.get(OTEL_LOGS_EXPORTER, "").split(",")}
    protocol = os.environ.get(OTEL_EXPORTER_OTLP_LOGS_PROTOCOL) or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL)
    is_over_http = "otlp_proto_http" in exporters or ("otlp" in exporters and protocol == "http/protobuf")
    if not is_over_http or any(map(os.environ.get, _OWN_SESSIONS)):
        return {}
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415 - where it is used anyway

    from streamspan.log_route import LogRoute  # noqa: PLC0415

    return {OTLPLogExporter: {"session": LogRoute()}}


_OWN_SESSIONS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)


def is_rival(entry_point: EntryPoint) -> bool:
    """Whether this is another vendor's instrumentor for an SDK that streamspan observes."""
    return entry_point.name in _RIVALS
