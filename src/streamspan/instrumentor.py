"""The doors for OpenTelemetry's instrumentation machinery, one per SDK, and the two functions that open them all."""

from collections.abc import Collection
from importlib.util import find_spec
from typing import Any, ClassVar, Unpack

from opentelemetry._logs import LoggerProvider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from streamspan import live, rivals, wiring
from streamspan.enforcement import gate
from streamspan.errors import logger
from streamspan.sdks import anthropic, botocore, google_genai, openai
from streamspan.sdks.patching import Target, patch, track_no_more, unpatch
from streamspan.setting_arguments import SettingArguments
from streamspan.settings import Settings


class SdkInstrumentor(BaseInstrumentor):
    """Instruments one SDK: now, or as soon as the application imports it."""

    _targets: ClassVar[tuple[Target, ...]]
    _requires: ClassVar[str]

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """The import names of the SDK: it is installed if any of them is."""
        return tuple(dict.fromkeys(target.package for target in cls._targets))

    def instrumentation_dependencies(self) -> Collection[str]:
        """The SDK and its versions, as a requirement."""
        return (self._requires,)

    def _instrument(self, **kwargs: Any) -> None:
        provider: TracerProvider | None = kwargs.pop("tracer_provider", None)
        logger_provider: LoggerProvider | None = kwargs.pop("logger_provider", None)
        meter_provider: MeterProvider | None = kwargs.pop("meter_provider", None)
        telemetry = wiring.connect(
            Settings.load(kwargs), tracer_provider=provider, logger_provider=logger_provider, meter_provider=meter_provider
        )
        for target in self._targets:
            patch(target, telemetry)
            rivals.look(target.package)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        self.put_back()
        live.settle()

    @classmethod
    def put_back(cls) -> None:
        """Puts the SDK's own functions back."""
        for target in cls._targets:
            unpatch(target)


class OpenAIInstrumentor(SdkInstrumentor):
    """Instruments the ``openai`` package.

    Its ``instrument`` takes what `streamspan.instrument` takes, and ``uninstrument`` takes it back.

    Example:
        >>> streamspan.OpenAIInstrumentor().instrument(progress_interval=1.0)
    """

    _targets = openai.TARGETS
    _requires = "openai >= 1.109"


class AnthropicInstrumentor(SdkInstrumentor):
    """Instruments the ``anthropic`` package.

    Its ``instrument`` takes what `streamspan.instrument` takes, and ``uninstrument`` takes it back.

    Example:
        >>> streamspan.AnthropicInstrumentor().instrument(progress_interval=1.0)
    """

    _targets = anthropic.TARGETS
    _requires = "anthropic >= 0.125"


class GoogleGenAIInstrumentor(SdkInstrumentor):
    """Instruments the ``google-genai`` package.

    Its ``instrument`` takes what `streamspan.instrument` takes, and ``uninstrument`` takes it back.

    Example:
        >>> streamspan.GoogleGenAIInstrumentor().instrument(progress_interval=1.0)
    """

    _targets = google_genai.TARGETS
    _requires = "google-genai >= 1.75"


class BedrockInstrumentor(SdkInstrumentor):
    """Instruments Amazon Bedrock's clients of ``botocore``, which is boto3's, and of ``aiobotocore``, which is aioboto3's.

    Its ``instrument`` takes what `streamspan.instrument` takes, and ``uninstrument`` takes it back.

    Example:
        >>> streamspan.BedrockInstrumentor().instrument(progress_interval=1.0)
    """

    _targets = botocore.TARGETS
    _requires = "botocore >= 1.40.61"  # all four packages have it


INSTRUMENTORS: tuple[type[SdkInstrumentor], ...] = (
    OpenAIInstrumentor,
    AnthropicInstrumentor,
    GoogleGenAIInstrumentor,
    BedrockInstrumentor,
)


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **settings: Unpack[SettingArguments],
) -> None:
    """Observes the model calls of every SDK that is installed, from now on, on clients old and new.

    Args:
        tracer_provider: Where spans go; the global provider unless given.
        logger_provider: Where the log events of running streams go; the global provider unless given.
        meter_provider: Where metrics go; the global provider unless given.
        **settings: The fields of `streamspan.Settings`, such as ``capture_stream_chunks=True``.

    Raises:
        SettingsError: If a setting does not exist or cannot have that value.

    Example:
        >>> streamspan.instrument(capture_content=False, progress_interval=1.0)
    """
    # Before anything is patched, and also when no SDK is installed: manual spans need none.
    wiring.choose(settings, tracer_provider=tracer_provider, logger_provider=logger_provider, meter_provider=meter_provider)
    installed = [kind for kind in INSTRUMENTORS if any(map(_is_installed, kind.packages()))]
    if not installed:
        logger.warning(
            "no SDK that streamspan knows is installed: %s",
            ", ".join(package for kind in INSTRUMENTORS for package in kind.packages()),
        )
    for kind in installed:
        kind().instrument(
            tracer_provider=tracer_provider, logger_provider=logger_provider, meter_provider=meter_provider, **settings
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is a part of, such as ``google``
        return False


def uninstrument() -> None:
    """Puts every SDK back as it was. Streams that still run are observed to their end. It raises nothing.

    The next call of a function under `streamspan.track_costs` has the calls inside of it observed again.

    Example:
        >>> streamspan.uninstrument()
    """
    wiring.forget()
    track_no_more()
    for kind in INSTRUMENTORS:
        if (instrumentor := kind()).is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        else:
            kind.put_back()
    gate.forget()
