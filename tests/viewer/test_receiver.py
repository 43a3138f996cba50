import gzip
import http.client
import json
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from google.rpc import status_pb2  # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.applications import Starlette

from streamspan.viewer.receiver import JSON, PROTOBUF, UnavailableError, routes
from streamspan.viewer.receiver import LIMIT as FULL_LIMIT
from streamspan.viewer.server import listen, serving

LIMIT = 1024 * 1024
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class Site:
    """A receiver on loopback and what it has received."""

    def __init__(self, url: str, received: list[ExportTraceServiceRequest]) -> None:
        self.url = url
        self.received = received

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers.get("content-type", ""), response.read()
        finally:
            connection.close()


def serve(limit: int) -> Iterator[Site]:
    """A receiver while the test runs."""
    received: list[ExportTraceServiceRequest] = []
    with serving(Starlette(routes=routes(received.append, limit=limit)), listen("127.0.0.1", 0)) as url:
        yield Site(url, received)


@pytest.fixture
def site() -> Iterator[Site]:
    """A receiver with a small limit."""
    yield from serve(LIMIT)


@pytest.fixture
def full_size() -> Iterator[Site]:
    """A receiver as `streamspan view` has it."""
    yield from serve(FULL_LIMIT)


def message(name: str = "chat") -> ExportTraceServiceRequest:
    """A request with one span."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name=name
    )
    return request


def refusal(body: bytes) -> tuple[int, str]:
    """Code and message of the status that an error is answered with."""
    status = status_pb2.Status.FromString(body)
    return status.code, status.message


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_standard_exporter(site: Site, compression: Compression) -> None:
    """Spans of the SDK's own exporter arrive, compressed or not."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{site.url}/v1/traces", compression=compression)))
    span = provider.get_tracer("test").start_span("chat gpt-4o-mini")
    span.end()
    provider.shutdown()
    [arrived] = [span for request in site.received for span in request.resource_spans[0].scope_spans[0].spans]
    assert (arrived.name, arrived.span_id.hex()) == ("chat gpt-4o-mini", f"{span.get_span_context().span_id:016x}")


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_answer_in_the_clients_type(site: Site, path: str) -> None:
    """Every signal is answered with an empty response, in protobuf or JSON as it was asked."""
    assert site.post(path, b"", Content_Type=PROTOBUF) == (200, PROTOBUF, b"")
    assert site.post(path, b"{}", Content_Type=f"{JSON}; charset=utf-8") == (200, JSON, b"{}")


def test_json_has_hexadecimal_ids(site: Site) -> None:
    """OTLP/JSON is read as the specification says: ids in hex, enums as numbers, unknown fields left out."""
    span = {"traceId": TRACE, "spanId": SPAN.upper(), "name": "chat", "kind": 3, "links": [{"traceId": TRACE, "spanId": SPAN}]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "fromTheFuture": 1}]}]}]}
    assert site.post("/v1/traces", json.dumps(body).encode(), Content_Type=JSON) == (200, JSON, b"{}")
    expected = message()
    [sent] = expected.resource_spans[0].scope_spans[0].spans
    sent.kind = Span.SPAN_KIND_CLIENT
    sent.links.add(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN))
    assert site.received == [expected]


def test_json_of_a_log_record(site: Site) -> None:
    """The ids of a log record are in hex as well."""
    record = {"traceId": TRACE, "spanId": SPAN, "body": {"stringValue": "half of the answer"}}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert site.post("/v1/logs", json.dumps(body).encode(), Content_Type=JSON) == (200, JSON, b"{}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"\xff\xfe",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "not hex"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"1" * 5_000,
    ],
)
def test_malformed_json(site: Site, body: bytes) -> None:
    """A JSON body that is no traces request is refused with 400 and a status in JSON, and the next one is served."""
    status, media_type, answer = site.post("/v1/traces", body, Content_Type=JSON)
    told = json.loads(answer)
    assert (status, media_type, told["code"]) == (400, JSON, 3)
    assert told["message"].startswith("the body is not a valid ExportTraceServiceRequest: ")
    assert site.post("/v1/traces", b"{}", Content_Type=JSON) == (200, JSON, b"{}")


@pytest.mark.parametrize("body", [b"\xff\xff\xff", message().SerializeToString()[:-1], b"<html>"])
def test_malformed_protobuf(site: Site, body: bytes) -> None:
    """A protobuf body that is no traces request is refused with 400 and a status in protobuf."""
    status, media_type, answer = site.post("/v1/traces", body, Content_Type=PROTOBUF)
    code, told = refusal(answer)
    assert (status, media_type, code) == (400, PROTOBUF, 3)
    assert told.startswith("the body is not a valid ExportTraceServiceRequest: ")
    assert site.received == []


@pytest.mark.parametrize(
    ("encoding", "body", "told"),
    [
        ("gzip", b"not gzip", "the compressed body is damaged: "),
        ("gzip", gzip.compress(message().SerializeToString(), mtime=0)[:-12], "the compressed body ends too early"),
        ("gzip", b"", "the compressed body ends too early"),
        ("deflate", b"not zlib", "the compressed body is damaged: "),
        ("deflate", zlib.compress(message().SerializeToString())[:-6], "the compressed body ends too early"),
    ],
)
def test_damaged_compression(site: Site, encoding: str, body: bytes, told: str) -> None:
    """A body that cannot be decompressed is refused with 400."""
    status, media_type, answer = site.post("/v1/traces", body, Content_Type=PROTOBUF, Content_Encoding=encoding)
    code, text = refusal(answer)
    assert (status, media_type, code, text.startswith(told)) == (400, PROTOBUF, 3, True)


def test_gzip_of_several_members(site: Site) -> None:
    """A gzip body may consist of several members, as when a proxy put it together."""
    plain = message().SerializeToString()
    body = gzip.compress(plain[:5]) + gzip.compress(plain[5:])
    assert site.post("/v1/traces", body, Content_Type=PROTOBUF, Content_Encoding="gzip") == (200, PROTOBUF, b"")
    assert site.received == [message()]


def test_unknown_content_type(site: Site) -> None:
    """A content type that OTLP does not have is refused with 415, in JSON."""
    told = {"code": 3, "message": "content type 'text/plain': expected application/x-protobuf or application/json"}
    status, media_type, answer = site.post("/v1/traces", b"hello", Content_Type="text/plain")
    assert (status, media_type, json.loads(answer)) == (415, JSON, told)


def test_unknown_content_encoding(site: Site) -> None:
    """A content encoding that we do not have is refused with 415."""
    status, _, answer = site.post("/v1/traces", b"", Content_Type=PROTOBUF, Content_Encoding="br")
    assert (status, refusal(answer)) == (415, (3, "content encoding 'br': expected gzip, deflate or none"))


def test_other_paths(site: Site) -> None:
    """What is no OTLP route is not there."""
    assert site.post("/v1/other", b"")[0] == 404


TOO_LARGE = f"the body is larger than {LIMIT} bytes, before or after decompression"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_over_the_limit(site: Site, encoding: str) -> None:
    """A body over the limit is refused with 413, whether it was large before or after decompression."""
    body = message("x" * LIMIT).SerializeToString()
    compressed = {"identity": body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[encoding]
    status, _, answer = site.post("/v1/traces", compressed, Content_Type=PROTOBUF, Content_Encoding=encoding)
    assert (status, refusal(answer)) == (413, (8, TOO_LARGE))


def test_much_that_holds_nothing(site: Site) -> None:
    """A compressed body is bounded as it comes, too: empty members of gzip unpack to nothing, however many there are."""
    body = gzip.compress(b"") * (LIMIT // 20 + 100)
    status, _, answer = site.post("/v1/traces", body, Content_Type=PROTOBUF, Content_Encoding="gzip")
    assert (status, refusal(answer)) == (413, (8, TOO_LARGE))


def test_compression_bomb(site: Site) -> None:
    """A body that would unpack to a hundred times the limit is refused without being unpacked."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(LIMIT)) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    try:
        status, _, _ = site.post("/v1/traces", bomb, Content_Type=PROTOBUF, Content_Encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, peak < 8 * LIMIT) == (413, True)


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_fifty_megabytes(full_size: Site, media_type: str) -> None:
    """A valid body of 50 MB is taken."""
    request = message("x" * 50_000_000)
    body = request.SerializeToString()
    if media_type == JSON:
        fields = json_format.MessageToDict(request)
        fields["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"traceId": TRACE, "spanId": SPAN}
        body = json.dumps(fields).encode()
    assert full_size.post("/v1/traces", body, Content_Type=media_type)[0] == 200
    assert full_size.received == [request]


def test_client_that_leaves(site: Site) -> None:
    """A client that hangs up in the middle of its body does no harm."""
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"))
    connection.putrequest("POST", "/v1/traces")
    connection.putheader("content-type", PROTOBUF)
    connection.putheader("content-length", "1000")
    connection.endheaders(b"\x0a")
    connection.close()
    assert site.post("/v1/traces", b"", Content_Type=PROTOBUF)[0] == 200


def test_sink_that_cannot_take_it() -> None:
    """What cannot be taken now is answered with 503, which has exporters try again."""

    def full(_: ExportTraceServiceRequest) -> None:
        raise UnavailableError("no room")

    with serving(Starlette(routes=routes(full)), listen("127.0.0.1", 0)) as url:
        status, _, answer = Site(url, []).post("/v1/traces", b"", Content_Type=PROTOBUF)
    assert (status, refusal(answer)) == (503, (14, "no room"))
