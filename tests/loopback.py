"""A provider on loopback: an HTTP/1.1 server that answers as its script says, and the wire formats real providers speak.

with Loopback(Reply(body=openai_chunks(["Hel", "lo"]))) as server:
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
"""

import enum
import functools
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self, TypeAlias

WAIT_LIMIT: Final = 10.0
"""Seconds after which a body goes on although its event was never set: a broken test fails, it does not hang."""

_TICK: Final = 0.005
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Cut(enum.Enum):
    """The connection ends here, in the middle of the body: no terminating chunk."""

    FIN = enum.auto()
    """Closed; the client still gets every byte sent before."""
    RST = enum.auto()
    """Reset; bytes that the client has not read yet may be lost."""


CUT: Final = Cut.FIN
RESET: Final = Cut.RST

Piece: TypeAlias = bytes | float | Cut | threading.Event
"""Bytes are one chunk of a chunked body, a float is a pause in seconds, an event a pause until the test sets it."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer: ``bytes`` go out whole with a content-length, pieces as a chunked body, one chunk each."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | Iterable[Piece] = b""

    @classmethod
    def of(cls, data: Any, status: int = 200, **headers: str) -> Self:
        """A whole JSON answer; ``request_id="r"`` is sent as the header ``request-id: r``."""
        return cls(status, {name.replace("_", "-"): value for name, value in headers.items()}, _json(data))


Script: TypeAlias = Reply | Sequence[Reply] | Callable[[Request], Reply]
"""One reply for every request, or one per request in their order, or a function that decides."""


class Loopback:
    """The server; it listens while its ``with`` block runs and leaves neither threads nor sockets behind."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self._answer = _answerer(script)
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._acceptor = threading.Thread(target=self._accept, name="loopback-accept", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens, without a path and without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now; one that left is noticed while a body pauses or at the next read."""
        with self._lock:
            return len(self._connections)

    def wait_for_connections(self, count: int, timeout: float = WAIT_LIMIT) -> None:
        """Returns once exactly ``count`` clients are connected; raises TimeoutError otherwise."""
        deadline = time.monotonic() + timeout
        while self.connections != count:
            if time.monotonic() > deadline:
                message = f"{self.connections} clients are connected, not {count}"
                raise TimeoutError(message)
            time.sleep(_TICK)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept(), which no close() does on every system
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # wakes a blocked read or write
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="loopback-serve", daemon=True)
            with self._lock:
                self._connections.add(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as file, suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not self._stopping.is_set() and (request := _read(file)):
                    with self._lock:
                        self.requests.append(request)
                    self._send(connection, self._answer(request))
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        if isinstance(reply.body, bytes):
            length = str(len(reply.body))
            connection.sendall(_head(reply, {"content-type": "application/json", "content-length": length}) + reply.body)
            return
        connection.sendall(_head(reply, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}))
        for piece in reply.body:
            self._send_piece(connection, piece)
        connection.sendall(b"0\r\n\r\n")

    def _send_piece(self, connection: socket.socket, piece: Piece) -> None:
        if isinstance(piece, bytes):
            if piece:  # an empty chunk would end the body
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        elif isinstance(piece, Cut):
            if piece is Cut.RST:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            raise ConnectionAbortedError
        elif isinstance(piece, threading.Event):
            self._pause(connection, piece, WAIT_LIMIT)
        else:
            self._pause(connection, self._stopping, piece)

    def _pause(self, connection: socket.socket, until: threading.Event, seconds: float) -> None:
        """Returns when the event is set or the time is over; raises ConnectionError when the client or the server leaves."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not until.wait(min(left, _TICK)):
            if self._stopping.is_set() or _is_gone(connection):
                raise ConnectionAbortedError


def _answerer(script: Script) -> Callable[[Request], Reply]:
    if isinstance(script, Reply):
        return lambda _request: script
    if callable(script):
        return script
    replies = iter(script)
    spent = Reply.of({"error": {"message": "the script has no reply left", "type": "loopback", "code": "script_spent"}}, 418)
    return lambda _request: next(replies, spent)


def _read(file: BinaryIO) -> Request | None:
    """The next request on the connection; None once the client has closed it."""
    line = file.readline().split()
    if not line:
        return None
    message = http.client.parse_headers(file)
    headers = {name.lower(): value for name, value in message.items()}
    body = file.read(int(headers.get("content-length", "0")))
    return Request(line[0].decode(), line[1].decode(), headers, body)


def _head(reply: Reply, defaults: Mapping[str, str]) -> bytes:
    headers = {**defaults, **{name.lower(): value for name, value in reply.headers.items()}}
    known = reply.status in HTTPStatus.__members__.values()  # Anthropic's 529 is not
    status = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase if known else ''}"
    return "\r\n".join([status, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")


def _is_gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


# --- server-sent events ----------------------------------------------------------------------------------------------


def sse(event: str | None, data: Any) -> bytes:
    """One server-sent event; a string is sent as it is (``[DONE]``, broken JSON), everything else as JSON."""
    name = b"" if event is None else b"event: %b\n" % event.encode()
    return name + b"data: %b\n\n" % (data.encode() if isinstance(data, str) else _json(data))


def _json(data: Any) -> bytes:
    """Compact JSON in UTF-8, as providers send it; escaped only where a lone surrogate cannot be encoded."""
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()


class Tool(NamedTuple):
    """One tool call, of either provider; its arguments in the fragments that are streamed."""

    name: str = "get_weather"
    arguments: Sequence[str] = ('{"city":', '"Lima"}')
    id: str = "call_1"


# --- OpenAI chat completions -----------------------------------------------------------------------------------------

DONE: Final = sse(None, "[DONE]")


def openai_usage(prompt: int = 12, completion: int = 5, *, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """A usage object; the prompt includes the cached tokens, the completion the reasoning tokens."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def openai_chunk(
    delta: Mapping[str, Any] | None,
    *,
    index: int = 0,
    finish: str | None = None,
    model: str = "gpt-4o-mini",
    id: str = "chatcmpl-1",  # noqa: A002 - its name on the wire
    **extra: Any,
) -> dict[str, Any]:
    """One chunk with one choice; without a delta one with no choices. ``extra`` is added at its top level."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": id,
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": [] if delta is None else [choice],
        **extra,
    }


def openai_chunks(
    texts: Iterable[str] = (),
    *,
    model: str = "gpt-4o-mini",
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    tool_calls: Sequence[Tool] = (),
    reasoning: Iterable[str] = (),
    n: int = 1,
    done: bool = True,
    id: str = "chatcmpl-1",  # noqa: A002
) -> list[bytes]:
    """A streamed chat completion: every choice says the same, piece by piece in turn.

    With ``usage`` every chunk carries ``usage: null`` and an extra one without choices carries the numbers, which is what
    ``include_usage`` gets. ``finish=None`` leaves the finish chunk out, ``done=False`` the terminal ``[DONE]``.
    """
    content = None if tool_calls else ""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": content, "refusal": None}]
    deltas += [{"reasoning_content": text} for text in reasoning]
    deltas += [{"content": text} for text in texts]
    deltas += [{"tool_calls": [call]} for position, tool in enumerate(tool_calls) for call in _openai_tool_deltas(position, tool)]
    extra: dict[str, Any] = {} if usage is None else {"usage": None}
    chunk = functools.partial(openai_chunk, model=model, id=id)
    chunks = [chunk(delta, index=index, **extra) for delta in deltas for index in range(n)]
    if finish is not None:
        chunks += [chunk({}, index=index, finish=finish, **extra) for index in range(n)]
    if usage is not None:
        chunks.append(chunk(None, usage=dict(usage)))
    return [sse(None, chunk) for chunk in chunks] + ([DONE] if done else [])


def _openai_tool_deltas(position: int, tool: Tool) -> list[dict[str, Any]]:
    start = {"index": position, "id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": ""}}
    return [start, *({"index": position, "function": {"arguments": fragment}} for fragment in tool.arguments)]


def openai_whole(
    text: str | None = "Hello",
    *,
    model: str = "gpt-4o-mini",
    finish: str = "stop",
    usage: Mapping[str, Any] | None = None,
    tool_calls: Sequence[Tool] = (),
    n: int = 1,
    id: str = "chatcmpl-1",  # noqa: A002
) -> dict[str, Any]:
    """A whole chat completion; every choice says the same."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if tool_calls:
        message["tool_calls"] = [
            {"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": "".join(tool.arguments)}}
            for tool in tool_calls
        ]
    return {
        "id": id,
        "object": "chat.completion",
        "created": 1760000000,
        "model": model,
        "choices": [{"index": index, "message": message, "logprobs": None, "finish_reason": finish} for index in range(n)],
        "usage": openai_usage() if usage is None else dict(usage),
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def openai_error(message: str = "Server error", *, kind: str = "server_error", code: str | None = None) -> dict[str, Any]:
    """An error body, whole or as an event in a stream."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# --- OpenAI legacy completions and embeddings ------------------------------------------------------------------------


def completions_whole(
    text: str = "Hello",
    *,
    model: str = "gpt-3.5-turbo-instruct",
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    n: int = 1,
) -> dict[str, Any]:
    """A whole completion; every choice says the same."""
    choices = [{"index": index, "text": text, "logprobs": None, "finish_reason": finish} for index in range(n)]
    numbers = openai_usage() if usage is None else dict(usage)
    return {**_completion(model), "choices": choices, "usage": numbers}


def completions_chunks(
    texts: Iterable[str] = (),
    *,
    model: str = "gpt-3.5-turbo-instruct",
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    n: int = 1,
    done: bool = True,
) -> list[bytes]:
    """A streamed completion, by the rules of `openai_chunks`."""
    said = [(text, None) for text in texts] + ([("", finish)] if finish is not None else [])
    chunks = [
        {**_completion(model), "choices": [{"index": index, "text": text, "logprobs": None, "finish_reason": reason}]}
        for text, reason in said
        for index in range(n)
    ]
    if usage is not None:
        chunks.append({**_completion(model), "choices": [], "usage": dict(usage)})
    return [sse(None, chunk) for chunk in chunks] + ([DONE] if done else [])


def _completion(model: str) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 1760000000, "model": model, "system_fingerprint": "fp_1"}


def embeddings_whole(
    vectors: Sequence[Sequence[float] | str], *, model: str = "text-embedding-3-small", tokens: int = 1000
) -> dict[str, Any]:
    """An answer of embeddings, each a list of numbers or, in base64, a string."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


# --- OpenAI responses -------------------------------------------------------------------------------------------------


def responses_usage(input: int = 12, output: int = 5, *, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:  # noqa: A002
    """A usage object; the input includes the cached tokens, the output the reasoning tokens."""
    return {
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": input + output,
    }


def responses_whole(
    text: str | None = "Hello",
    *,
    model: str = "gpt-4o-mini",
    reasoning: str | None = None,
    tool_calls: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    status: str = "completed",
    id: str = "resp_1",  # noqa: A002
    **extra: Any,
) -> dict[str, Any]:
    """A whole response: its items in the order reasoning, message, function calls. ``extra`` is added at its top level."""
    items: list[dict[str, Any]] = []
    if reasoning is not None:
        items.append({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": reasoning}]})
    if text is not None:
        items.append(_responses_message([_responses_text(text)]))
    items += [_responses_call(tool, "".join(tool.arguments)) for tool in tool_calls]
    return {
        "id": id,
        "object": "response",
        "created_at": 1760000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": model,
        "output": items,
        "parallel_tool_calls": True,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "usage": responses_usage() if usage is None else dict(usage),
        **extra,
    }


def _responses_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _responses_message(content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def _responses_call(tool: Tool, arguments: str, status: str = "completed") -> dict[str, Any]:
    function = {"id": f"fc_{tool.id}", "type": "function_call", "status": status}
    return {**function, "name": tool.name, "call_id": tool.id, "arguments": arguments}


def responses_events(
    texts: Iterable[str] = (),
    *,
    reasoning: Iterable[str] | None = None,
    tool_calls: Sequence[Tool] = (),
    terminal: str | None = "response.completed",
    **whole: Any,
) -> list[bytes]:
    """A streamed response: each item is announced, streamed and repeated, and the terminal event repeats the whole.

    ``terminal=None`` leaves the terminal event out; ``whole`` is what `responses_whole` takes.
    """
    texts, thoughts = list(texts), None if reasoning is None else list(reasoning)
    response = responses_whole(
        "".join(texts) if texts else None,
        reasoning=None if thoughts is None else "".join(thoughts),
        tool_calls=tool_calls,
        **whole,
    )
    begun: dict[str, Any] = {**response, "status": "in_progress", "output": [], "usage": None, "service_tier": "auto"}
    begun |= {"error": None, "incomplete_details": None}
    events: list[dict[str, Any]] = [{"type": f"response.{state}", "response": begun} for state in ("created", "in_progress")]
    streams = [_responses_reasoning(thoughts)] if thoughts is not None else []
    streams += [_responses_texts(texts)] if texts else []
    streams += [_responses_arguments(tool) for tool in tool_calls]
    for index, (head, pieces) in enumerate(streams):
        place = {"output_index": index}
        events.append({"type": "response.output_item.added", **place, "item": head})
        events += [{**place, "item_id": head["id"], **piece} for piece in pieces]
        events.append({"type": "response.output_item.done", **place, "item": response["output"][index]})
    if terminal is not None:
        events.append({"type": terminal, "response": response})
    return [sse(event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events)]


_ItemStream: TypeAlias = tuple[dict[str, Any], list[dict[str, Any]]]
"""An item as it is announced, and the events that stream it."""


def _responses_reasoning(texts: list[str]) -> _ItemStream:
    place = {"summary_index": 0}
    name = "response.reasoning_summary"
    return {"id": "rs_1", "type": "reasoning", "summary": []}, [
        {"type": f"{name}_part.added", **place, "part": {"type": "summary_text", "text": ""}},
        *({"type": f"{name}_text.delta", **place, "delta": text} for text in texts),
        {"type": f"{name}_text.done", **place, "text": "".join(texts)},
        {"type": f"{name}_part.done", **place, "part": {"type": "summary_text", "text": "".join(texts)}},
    ]


def _responses_texts(texts: list[str]) -> _ItemStream:
    place: dict[str, Any] = {"content_index": 0}
    return _responses_message([], "in_progress"), [
        {"type": "response.content_part.added", **place, "part": _responses_text("")},
        *({"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in texts),
        {"type": "response.output_text.done", **place, "text": "".join(texts), "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _responses_text("".join(texts))},
    ]


def _responses_arguments(tool: Tool) -> _ItemStream:
    name = "response.function_call_arguments"
    return _responses_call(tool, "", "in_progress"), [
        *({"type": f"{name}.delta", "delta": fragment} for fragment in tool.arguments),
        {"type": f"{name}.done", "name": tool.name, "arguments": "".join(tool.arguments)},
    ]


def responses_error(message: str = "Server error", *, code: str = "server_error") -> dict[str, Any]:
    """An error event as a stream has it that the SDK does not raise: its code is at the top."""
    return {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 9}


# --- Anthropic messages ----------------------------------------------------------------------------------------------


def anthropic_usage(input: int = 12, output: int = 5, *, cache_read: int = 0, cache_creation: int = 0) -> dict[str, Any]:  # noqa: A002
    """A usage object; the input does not include the cache tokens."""
    return {
        "input_tokens": input,
        "cache_creation_input_tokens": cache_creation,
        "cache_read_input_tokens": cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": cache_creation, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }


def anthropic_events(
    texts: Iterable[str] = (),
    *,
    model: str = "claude-haiku-4-5",
    thinking: Iterable[str] | None = None,
    tool: Tool | None = None,
    usage: Mapping[str, Any] | None = None,
    stop_reason: str | None = "end_turn",
    stop: bool = True,
    id: str = "msg_1",  # noqa: A002
) -> list[bytes]:
    """A streamed message: its blocks in the order thinking, text, tool.

    The usage is reported as real ones are: at the start with a placeholder for the output, at the end as a running total.
    ``stop_reason=None`` leaves the last message_delta out, ``stop=False`` the terminal message_stop.
    """
    numbers = anthropic_usage() if usage is None else dict(usage)
    started = anthropic_whole("", model=model, usage={**numbers, "output_tokens": 1}, id=id)
    started |= {"content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
    for index, (block, deltas) in enumerate(_anthropic_blocks(list(texts), thinking, tool)):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        if index == 0:
            events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    if stop_reason is not None:
        total = {name: numbers[name] for name in _CUMULATIVE if name in numbers}
        events.append({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": total})
    if stop:
        events.append({"type": "message_stop"})
    return [sse(event["type"], event) for event in events]


_CUMULATIVE: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def _anthropic_blocks(
    texts: list[str], thinking: Iterable[str] | None, tool: Tool | None
) -> Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if thinking is not None:
        thoughts = [{"type": "thinking_delta", "thinking": text} for text in thinking]
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, {"type": "signature_delta", "signature": "c2ln"}]
    if texts:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]
    if tool is not None:
        fragments = [{"type": "input_json_delta", "partial_json": text} for text in ("", *tool.arguments)]
        yield {"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}}, fragments


def anthropic_whole(
    text: str | None = "Hello",
    *,
    model: str = "claude-haiku-4-5",
    thinking: str | None = None,
    tool: Tool | None = None,
    usage: Mapping[str, Any] | None = None,
    stop_reason: str = "end_turn",
    id: str = "msg_1",  # noqa: A002
) -> dict[str, Any]:
    """A whole message: its blocks in the order thinking, text, tool."""
    content: list[dict[str, Any]] = []
    if thinking is not None:
        content.append({"type": "thinking", "thinking": thinking, "signature": "c2ln"})
    if text is not None:
        content.append({"type": "text", "text": text})
    if tool is not None:
        content.append({"type": "tool_use", "id": tool.id, "name": tool.name, "input": json.loads("".join(tool.arguments))})
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": anthropic_usage() if usage is None else dict(usage),
    }


def anthropic_error(message: str = "Overloaded", *, kind: str = "overloaded_error") -> dict[str, Any]:
    """An error body, whole or, in ``sse("error", ...)``, in the middle of a stream."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


# --- Google's generateContent ----------------------------------------------------------------------------------------


def google_usage(
    prompt: int = 12, candidates: int = 5, *, thoughts: int | None = None, cached: int | None = None
) -> dict[str, Any]:
    """A usage object; the prompt includes the cached tokens, the candidates do not include the thoughts."""
    numbers = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": cached,
        "totalTokenCount": prompt + candidates + (thoughts or 0),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    return {name: number for name, number in numbers.items() if number is not None}


def google_chunk(
    parts: Sequence[Mapping[str, Any]] | None,
    *,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    model: str = "gemini-2.5-flash",
    index: int = 0,
    id: str = "resp_1",  # noqa: A002
    **extra: Any,
) -> dict[str, Any]:
    """One chunk, or a whole answer, with one candidate; without parts one with no candidates."""
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    reported = {} if usage is None else {"usageMetadata": dict(usage)}
    candidates = {} if parts is None else {"candidates": [candidate]}
    return {**candidates, **reported, "modelVersion": model, "responseId": id, **extra}


def google_chunks(
    texts: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    finish: str | None = "STOP",
    **options: Any,
) -> list[bytes]:
    """A streamed answer, whose every chunk reports the usage so far; ``finish=None`` leaves the last one out."""
    total = google_usage() if usage is None else dict(usage)
    started = {name: total[name] for name in ("promptTokenCount", "promptTokensDetails")}
    parts: list[dict[str, Any]] = [{"text": text, "thought": True} for text in thinking]
    parts += [{"text": text} for text in texts]
    parts += [_google_call(tool) for tool in tools]
    chunks = [google_chunk([part], usage=started, **options) for part in parts]
    if finish is not None:
        chunks.append(google_chunk([{"text": ""}], finish=finish, usage=total, **options))
    return [sse(None, chunk).replace(b"\n\n", b"\r\n\r\n") for chunk in chunks]


def _google_call(tool: Tool) -> dict[str, Any]:
    return {"functionCall": {"id": tool.id, "name": tool.name, "args": json.loads("".join(tool.arguments))}}


def google_whole(
    text: str = "Hello",
    *,
    thinking: str | None = None,
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    finish: str = "STOP",
    **options: Any,
) -> dict[str, Any]:
    """A whole answer: its parts in the order thinking, text, tools."""
    parts: list[dict[str, Any]] = [] if thinking is None else [{"text": thinking, "thought": True}]
    parts += [{"text": text}, *map(_google_call, tools)]
    return google_chunk(parts, finish=finish, usage=google_usage() if usage is None else usage, **options)


def google_error(message: str = "The model is overloaded.", *, code: int = 503, status: str = "UNAVAILABLE") -> dict[str, Any]:
    """An error body, whole or as an event in a stream."""
    return {"error": {"code": code, "message": message, "status": status}}


# --- Google's interactions -------------------------------------------------------------------------------------------


def interaction_usage(
    input: int = 12,  # noqa: A002
    output: int = 5,
    *,
    thoughts: int = 0,
    cached: int = 0,
    tools: int = 0,
) -> dict[str, Any]:
    """A usage object; the input includes the cached tokens, the output does not include the thoughts."""
    return {
        "total_tokens": input + output + thoughts + tools,
        "total_input_tokens": input,
        "input_tokens_by_modality": [{"modality": "text", "tokens": input}],
        "total_cached_tokens": cached,
        "total_output_tokens": output,
        "total_tool_use_tokens": tools,
        "total_thought_tokens": thoughts,
    }


def interaction_whole(
    text: str = "Hello",
    *,
    thinking: str | None = None,
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    status: str = "completed",
    old: bool = False,
    **extra: Any,
) -> dict[str, Any]:
    """A whole interaction: in steps, or in outputs as the ``old`` API has it."""
    said: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    steps = [{"type": "thought", "summary": [{"type": "text", "text": thinking}], "signature": "c2ln"}] if thinking else []
    steps += said if old else [{"type": "model_output", "content": said}] if said else []
    steps += [_interaction_call(tool, json.loads("".join(tool.arguments))) for tool in tools]
    return {**_interaction(status), "outputs" if old else "steps": steps, "usage": usage or interaction_usage(), **extra}


def interaction_events(
    texts: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    tools: Sequence[Tool] = (),
    usage: Mapping[str, Any] | None = None,
    status: str | None = "completed",
    old: bool = False,
    **extra: Any,
) -> list[bytes]:
    """A streamed interaction; ``status=None`` leaves its end out."""
    created, completed, unit = ("start", "complete", "content") if old else ("created", "completed", "step")
    thoughts: list[dict[str, Any]] = [{"type": "thought_summary", "content": {"type": "text", "text": text}} for text in thinking]
    said: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    steps = [({"type": "thought"}, [*thoughts, {"type": "thought_signature", "signature": "c2ln"}])] if thoughts else []
    if said:
        steps.append(({"type": "text" if old else "model_output"}, said))
    for tool in tools:
        call = _interaction_call(tool, json.loads("".join(tool.arguments)))
        pieces = [{"type": "arguments_delta", "arguments": piece} for piece in tool.arguments]
        steps.append(({"type": "function_call"}, [call]) if old else (_interaction_call(tool, {}), pieces))

    events: list[dict[str, Any]] = [{"event_type": f"interaction.{created}", "interaction": _interaction("in_progress")}]
    events.append({"event_type": "interaction.status_update", "interaction_id": "v1_1", "status": "in_progress"})
    for index, (head, deltas) in enumerate(steps):
        events.append({"event_type": f"{unit}.start", "index": index, unit: head})
        events += [{"event_type": f"{unit}.delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"event_type": f"{unit}.stop", "index": index})
    if status is not None:
        whole = {**_interaction(status), "usage": usage or interaction_usage(), **extra}
        events.append({"event_type": f"interaction.{completed}", "interaction": whole})
    done = [] if status is None else [b"event: done\ndata: [DONE]\n\n"]
    return [sse(event["event_type"], event) for event in events] + done


def _interaction(status: str) -> dict[str, Any]:
    return {"id": "v1_1", "object": "interaction", "model": "gemini-2.5-flash", "status": status, "role": "model"}


def _interaction_call(tool: Tool, arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": tool.id, "name": tool.name, "arguments": arguments}


def interaction_error(message: str = "The model is overloaded.", *, code: str = "UNAVAILABLE") -> dict[str, Any]:
    """An error as an event in a stream."""
    return {"event_type": "error", "error": {"code": code, "message": message}}
