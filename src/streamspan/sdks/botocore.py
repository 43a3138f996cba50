"""botocore, 1.40 and newer, which is boto3's, and aiobotocore, 2.25 and newer, which is aioboto3's.

Every operation of every service goes through one method of the client; Bedrock's two services are observed, the others pass.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from streamspan import live, providers, semconv
from streamspan.call import Call
from streamspan.errors import guard, logger
from streamspan.request import Request
from streamspan.sdks.botocore_bodies import tap_body
from streamspan.sdks.botocore_streams import tap_events
from streamspan.sdks.patching import Target
from streamspan.sdks.sending import Sending, begin
from streamspan.wire import Attributes, WireFormat

SYNC = "botocore"
ASYNC = "aiobotocore"

SERVICES = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})
_WHOLE = {"ConverseStream": "Converse", "InvokeModelWithResponseStream": "InvokeModel"}
"""Operations that stream what another gives whole: one wire format reads both."""


def _send(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if client.meta.service_model.service_name not in SERVICES:
        return wrapped(*args, **kwargs)
    sending = begin(SYNC, _describe, client, *args, **kwargs)
    if sending is None:
        return wrapped(*args, **kwargs)
    return _watch(sending.send(wrapped, *args, **kwargs), sending.call)


def _send_async(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns what is to be awaited: the SDK's own coroutine where nothing is observed."""
    if client.meta.service_model.service_name not in SERVICES:
        return wrapped(*args, **kwargs)
    return _send_observed(wrapped, client, args, kwargs)


async def _send_observed(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    sending: Sending | None = begin(ASYNC, _describe, client, *args, **kwargs)
    if sending is None:
        return await wrapped(*args, **kwargs)
    return _watch(await sending.send_async(wrapped, *args, **kwargs), sending.call)


# --- what is asked ---------------------------------------------------------------------------------------------------


def is_observed(service: str, operation: str) -> bool:
    """Whether calls of an operation have a span."""
    return _find(service, operation) is not None


def _find(service: str, operation: str) -> WireFormat | None:
    return providers.find(SYNC, "post", f"{service}/{_WHOLE.get(operation, operation)}")


def _describe(client: Any, operation_name: str, api_params: Mapping[str, Any]) -> Request | None:
    service = client.meta.service_model
    wire = _find(service.service_name, operation_name)
    if wire is None:
        return None
    url = urlsplit(str(client.meta.endpoint_url))
    body = _body(api_params)
    return Request(
        wire=wire.of(body),
        provider=semconv.AWS_BEDROCK,
        address=url.hostname or "",
        port=url.port or (80 if url.scheme == "http" else 443),
        body=body,
        streamed=service.operation_model(operation_name).has_event_stream_output,
        more=_region(client),
    )


def _body(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The operation's parameters, with the model where every format has it, and JSON that is sent as bytes decoded."""
    body = {**params, "model": params.get("modelId")}
    if "body" in params:
        body["body"] = _parse(params["body"])
    return body


def _parse(body: Any) -> Any:
    """The JSON of a body; empty for one that is none, or that the SDK still has to read."""
    with suppress(ValueError):
        if isinstance(body, str | bytes | bytearray):
            return json.loads(body)
    return {}


def _region(client: Any) -> Attributes:
    region = client.meta.region_name
    return {semconv.CLOUD_REGION: region} if region else {}


# --- what comes back -------------------------------------------------------------------------------------------------


def _watch(result: Any, call: Call | None) -> Any:
    """Has ``call`` observe what the SDK returns: always the very same."""
    if call is not None and not _observe(result, call):
        call.abandon(perf_counter())
    return result


@guard("observing a response")
def _observe(result: Any, call: Call) -> bool:
    """Whether the result is of a kind that can be observed."""
    call.accepted = True
    received = dict[str, Any](result.get("ResponseMetadata") or {})
    call.answer.identity(received.get("RequestId"), None)
    if call.streamed:
        return _observe_stream(result, call)
    if hasattr(result.get("body"), "read"):
        return _observe_body(result["body"], received.get("HTTPHeaders") or {}, call)
    call.answered(result)
    return True


def _observe_stream(result: Any, call: Call) -> bool:
    stream = next((value for value in map(_own, result.values()) if hasattr(value, "_event_generator")), None)
    if stream is None or not hasattr(stream, "_parse_event"):
        logger.info("%s has no event stream that can be tapped in place", type(result).__qualname__)
        return False
    live.watch()
    tap_events(stream, call)
    return True


def _own(value: Any) -> Any:
    """The SDK's own object, where another instrumentor under us has put a proxy around it."""
    while (inner := getattr(value, "__wrapped__", None)) is not None:
        value = inner
    return value


def _observe_body(body: Any, headers: Mapping[str, str], call: Call) -> bool:
    """The tokens stand in the headers; formats read them as they stand at the end of a stream."""
    live.watch()
    counts = {name: int(headers[header]) for header, name in _COUNTS.items() if headers.get(header, "").isdecimal()}
    if counts:
        call.feed({_METRICS: counts})
    return tap_body(body, headers, call)


_METRICS = "amazon-bedrock-invocationMetrics"
_COUNTS = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


TARGETS = (
    Target(SYNC, "botocore.client", {"BaseClient._make_api_call": _send}),
    Target(ASYNC, "aiobotocore.client", {"AioBaseClient._make_api_call": _send_async}),
)
