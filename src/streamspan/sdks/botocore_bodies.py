"""How a whole answer that botocore, or aiobotocore, gives as a stream of bytes is read along with the application.

The application keeps the SDK's own body, and the HTTP library's own response in it, from which it may read as well. What is
replaced is the last thing before the socket: urllib3's file, or aiohttp's stream reader.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

from streamspan import live
from streamspan.call import Call
from streamspan.errors import guard, logger
from streamspan.sse import WireReader
from streamspan.tap import wrap_body


def tap_body(body: Any, headers: Mapping[str, str], call: Call) -> bool:
    """Has ``call`` observe a body that is not read yet; false if this version's body is of a kind that is not known.

    Args:
        body: The SDK's ``StreamingBody``, which is a proxy in aiobotocore 2.
        headers: Those of the response, in lower case.
        call: Who is told.
    """
    response: Any = getattr(body, "_raw_stream" if hasattr(body, "_raw_stream") else "__wrapped__", None)
    reading = Reading(headers.get("content-length"), call)
    if hasattr(response, "_fp"):
        response._fp = File(response._fp, reading, ref(body))
    elif hasattr(response, "aiter_raw"):
        wrap_body(response, call, WireReader(headers))
    elif hasattr(response, "content"):
        response.content = Content(response.content, reading)
    else:
        logger.info("%s cannot be read along with", type(body).__qualname__)
        return False
    return True


class Reading:
    """What the application has read so far."""

    def __init__(self, length: str | None, call: Call) -> None:
        self._call = call
        self._data: list[bytes] | None = []
        """``None`` once the call has ended."""
        self._left = int(length) if length and length.isdecimal() else None

    @guard("reading along with a body")
    def take(self, data: bytes, *, last: bool) -> None:
        """Takes the next bytes; ``last`` if none can follow."""
        if self._data is None:
            return
        self._data.append(data)
        if self._left is not None:
            self._left -= len(data)
        if last or self._left == 0:
            self._end(self._call.exhausted if self._left else self._call.passed)

    @guard("reading along with a body")
    def closed(self) -> None:
        """The application closed the body: before its end, or after it, as the end of a body without a length may not show."""
        self._end(self._call.closed)

    def _end(self, unfinished: Callable[[], None]) -> None:
        """Ends the call, by ``unfinished`` if what was read is no answer."""
        if self._data is None:
            return
        body, self._data = b"".join(self._data), None
        try:
            answer = json.loads(body)
        except ValueError:
            unfinished()
        else:
            self._call.answered(answer)

    def stopped(self, error: BaseException) -> None:
        """Reading raised ``error``, which goes on to the application."""
        self._data = None
        self._call.stopped(error)

    def dropped(self) -> None:
        """The application dropped the body; for ``__del__``."""
        live.drop(self._call)


class Source:
    """Stands for what bytes are read from; what it does not have, that has."""

    def __init__(self, inner: Any, reading: Reading) -> None:
        self._inner = inner
        self._reading = reading

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_inner"), name)

    def __del__(self) -> None:
        self._reading.dropped()


class File(Source):
    """Of urllib3, which reads by these methods only, and which closes what is dropped."""

    def __init__(self, inner: Any, reading: Reading, body: ref[Any]) -> None:
        super().__init__(inner, reading)
        self._body = body

    def read(self, amt: int | None = None) -> bytes:
        """The next ``amt`` bytes, or all."""
        try:
            data: bytes = self._inner.read(amt)
        except BaseException as error:
            self._reading.stopped(error)
            raise
        self._reading.take(data, last=amt is None or (not data and amt != 0))
        return data

    def read1(self, amt: int = -1) -> bytes:
        """What is there already, at most ``amt`` bytes."""
        try:
            data: bytes = self._inner.read1(amt)
        except BaseException as error:
            self._reading.stopped(error)
            raise
        self._reading.take(data, last=not data and amt != 0)
        return data

    def close(self) -> None:
        """Closes the connection, for the application or for the finalizer of a response whose body is gone already."""
        if self._body() is not None:
            self._reading.closed()
        self._inner.close()


class Content(Source):
    """Of aiohttp, which tells it by an exception that the response is closed or released."""

    async def read(self, n: int = -1) -> bytes:
        """The next ``n`` bytes, or all."""
        data: bytes = await self._await(self._inner.read(n))
        self._reading.take(data, last=n < 0 or (not data and n != 0))
        return data

    async def readany(self) -> bytes:
        """What is there already."""
        data: bytes = await self._await(self._inner.readany())
        self._reading.take(data, last=not data)
        return data

    async def readline(self, **options: Any) -> bytes:
        """The next line."""
        data: bytes = await self._await(self._inner.readline(**options))
        self._reading.take(data, last=not data)
        return data

    async def readchunk(self) -> tuple[bytes, bool]:
        """The next bytes, and whether they end a chunk."""
        data: tuple[bytes, bool] = await self._await(self._inner.readchunk())
        self._reading.take(data[0], last=data == (b"", False))
        return data

    def __aiter__(self) -> Any:
        return self._inner.__class__.__aiter__(self)

    def iter_any(self) -> Any:
        """The SDK's iterator, over what is read here."""
        return self._inner.__class__.iter_any(self)

    def iter_chunked(self, n: int) -> Any:
        """The same by ``n`` bytes."""
        return self._inner.__class__.iter_chunked(self, n)

    def iter_chunks(self) -> Any:
        """The same by chunks."""
        return self._inner.__class__.iter_chunks(self)

    def set_exception(self, *exception: Any) -> None:
        """What the response calls where it is closed."""
        self._reading.closed()
        self._inner.set_exception(*exception)

    async def _await(self, read: Any) -> Any:
        try:
            return await read
        except BaseException as error:
            self._reading.stopped(error)
            raise
