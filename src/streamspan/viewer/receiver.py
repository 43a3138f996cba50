"""An OTLP/HTTP receiver: traces, logs and metrics, as protobuf or JSON, plain or compressed, within a bound on the size."""

import base64
import json
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, cast

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
LIMIT: Final = 64 * 1024 * 1024

# google.rpc.Code
INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
UNAVAILABLE: Final = 14

OnRequest = Callable[[str, Mapping[str, str], bytes], None]

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_WINDOW_BITS: Final = {"gzip": 31, "deflate": 15}


class UnavailableError(Exception):
    """What was sent is well-formed and cannot be taken now; the message says why."""


class RefusedError(Exception):
    """A request that is answered with an error: HTTP status, google.rpc code and a message for the sender."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def routes(
    on_traces: Callable[[ExportTraceServiceRequest], None],
    on_logs: Callable[[ExportLogsServiceRequest], None] | None = None,
    limit: int = LIMIT,
    on_request: OnRequest | None = None,
) -> list[BaseRoute]:
    """The routes of OTLP over HTTP.

    Args:
        on_traces: called in a thread of the server with every well-formed traces request. `UnavailableError` from it has
            the sender told to try again.
        on_logs: the same with logs; left out, they are taken and passed over.
        limit: the largest body taken, in bytes after decompression.
        on_request: called with path, headers and body, as they came, of every request that is well-formed.
    """

    def route(path: str, request: type[Message], response: type[Message], sink: Callable[[Any], None]) -> Route:
        async def export(http: Request) -> Response:
            return await _export(http, request, response, sink, limit, on_request)

        return Route(path, export, methods=["POST"])

    return [
        route("/v1/traces", ExportTraceServiceRequest, ExportTraceServiceResponse, on_traces),
        route("/v1/logs", ExportLogsServiceRequest, ExportLogsServiceResponse, on_logs or _ignore),
        route("/v1/metrics", ExportMetricsServiceRequest, ExportMetricsServiceResponse, _ignore),
    ]


async def _export(
    http: Request,
    request: type[Message],
    response: type[Message],
    sink: Callable[[Any], None],
    limit: int,
    on_request: OnRequest | None,
) -> Response:
    media_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()

    def take(raw: bytes, body: bytes) -> None:
        message = _decode(body, media_type, request)
        if on_request:
            on_request(http.url.path, http.headers, raw)
        sink(message)

    try:
        _check_media_type(media_type)
        raw, body = await _body(http, limit)
        await run_in_threadpool(take, raw, body)
    except UnavailableError as unavailable:
        if on_request:  # it has gone on, and is to go on once
            return _answer(response(), media_type, 200)
        return _answer(status_pb2.Status(code=UNAVAILABLE, message=str(unavailable)), media_type, 503)
    except RefusedError as refused:
        return _answer(status_pb2.Status(code=refused.code, message=str(refused)), media_type, refused.status)
    except ClientDisconnect:
        return Response(status_code=400)
    return _answer(response(), media_type, 200)


def _ignore(_: Message) -> None:
    """Metrics are taken, so that an exporter with all three signals on is not refused, and not shown."""


def _answer(message: Message, media_type: str, status: int) -> Response:
    """The message in the form the client speaks; who speaks neither is told in JSON."""
    if media_type == PROTOBUF:
        return Response(message.SerializeToString(), status, media_type=PROTOBUF)
    return Response(json_format.MessageToJson(message, indent=None), status, media_type=JSON)


# --- the body --------------------------------------------------------------------------------------------------------


def _check_media_type(media_type: str) -> None:
    if media_type not in (PROTOBUF, JSON):
        raise RefusedError(415, INVALID_ARGUMENT, f"content type {media_type!r}: expected {PROTOBUF} or {JSON}")


async def _body(http: Request, limit: int) -> tuple[bytes, bytes]:
    """The body as it came, and as it is read."""
    encoding = http.headers.get("content-encoding", "identity").strip().lower()
    raw, body = bytearray(), bytearray()

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in http.stream():
            raw.extend(piece)
            if len(raw) > limit:  # compressed, it can be large and hold nothing
                raise _too_large(limit)
            yield piece

    async for piece in _decompressed(pieces(), encoding, limit):
        body += piece
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(raw), bytes(body)


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, RESOURCE_EXHAUSTED, f"the body is larger than {limit} bytes, before or after decompression")


def _decompressed(pieces: AsyncIterator[bytes], encoding: str, limit: int) -> AsyncIterator[bytes]:
    if encoding == "identity":
        return pieces
    if encoding not in _WINDOW_BITS:
        raise RefusedError(415, INVALID_ARGUMENT, f"content encoding {encoding!r}: expected gzip, deflate or none")
    return _inflated(pieces, _WINDOW_BITS[encoding], limit)


async def _inflated(pieces: AsyncIterator[bytes], window_bits: int, limit: int) -> AsyncIterator[bytes]:
    """What the compressed pieces hold, in pieces of at most ``limit`` + 1 bytes, so that a bomb is never unpacked whole."""
    inflater = zlib.decompressobj(window_bits)
    async for piece in pieces:
        rest = piece
        while rest:
            if inflater.eof:  # gzip allows one member after another
                inflater = zlib.decompressobj(window_bits)
            yield _inflate(inflater, rest, limit)
            rest = inflater.unconsumed_tail or inflater.unused_data
    if not inflater.eof:
        raise RefusedError(400, INVALID_ARGUMENT, "the compressed body ends too early")


def _inflate(inflater: "zlib._Decompress", data: bytes, limit: int) -> bytes:
    try:
        return inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise RefusedError(400, INVALID_ARGUMENT, f"the compressed body is damaged: {error}") from None


# --- the message -----------------------------------------------------------------------------------------------------


def _decode(body: bytes, media_type: str, request: type[Message]) -> Message:
    read = _read_protobuf if media_type == PROTOBUF else _read_json
    try:
        return read(body, request)
    except (DecodeError, json_format.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise RefusedError(400, INVALID_ARGUMENT, f"the body is not a valid {request.__name__}: {reason}") from None


def _read_protobuf(body: bytes, request: type[Message]) -> Message:
    return request.FromString(body)


def _read_json(body: bytes, request: type[Message]) -> Message:
    fields = _with_base64_ids(json.loads(body))
    if not isinstance(fields, dict):
        raise TypeError("not a JSON object")
    return json_format.ParseDict(cast("dict[str, Any]", fields), request(), ignore_unknown_fields=True)


def _with_base64_ids(value: Any) -> Any:
    """OTLP/JSON with its ids, which are in hex, in base64 as protobuf's JSON has bytes."""
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: _base64(item) if key in _IDS else _with_base64_ids(item) for key, item in fields.items()}
    return value


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
