"""One client observed, and nothing else."""

from typing import TypeVar, Unpack

from opentelemetry._logs import LoggerProvider
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from streamspan import wiring
from streamspan.sdks import own_clients
from streamspan.setting_arguments import SettingArguments
from streamspan.settings import Settings

Client = TypeVar("Client")


def wrap(
    client: Client,
    *,
    tracer_provider: TracerProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **settings: Unpack[SettingArguments],
) -> Client:
    """Observes the calls of one client, and gives it back: the same object.

    Nothing else is observed by this; under `instrument` the client keeps the settings that it is wrapped with. To wrap it again
    sets them anew. Its copies (``with_options``) are observed as well; interactions of google-genai 1.x are not.

    Args:
        client: A client of openai, anthropic, google-genai, boto3 or aiobotocore.
        tracer_provider: Where spans go; the global provider unless given.
        logger_provider: Where log events go; the global provider unless given.
        meter_provider: Where metrics go; the global provider unless given.
        **settings: The fields of `streamspan.Settings`.

    Raises:
        TypeError: If it is no such client.
        SettingsError: If a setting does not exist or cannot have that value.

    Example:
        >>> client = streamspan.wrap(OpenAI())
    """
    own_clients.methods(client)  # before anything is done
    telemetry = wiring.connect(
        Settings.load(settings), tracer_provider=tracer_provider, logger_provider=logger_provider, meter_provider=meter_provider
    )
    own_clients.observe(client, telemetry)
    return client


def unwrap(client: Client) -> Client:
    """Puts a client back as it was before `wrap`, and gives it back; streams that it has open are observed to their end.

    Args:
        client: The client; one that is not wrapped stays as it is.

    Raises:
        TypeError: If it is no client that could be wrapped.

    Example:
        >>> client = streamspan.unwrap(client)
    """
    own_clients.leave(client)
    return client
