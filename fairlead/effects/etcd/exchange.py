"""Just enough HTTP/1.1 to ask one server: kept connections, one exchange at a time on each, answers of any length.

What matters to a caller is whether a request that failed can have reached the server; `Unreachable` and `Interrupted`
tell the two cases apart.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

import httptools

_BUFFERED = 4 << 20
"""Bytes of an answer that may wait for their reader before the server is made to wait."""


class Unreachable(Exception):  # noqa: N818 - what it says of the server
    """Nothing was sent."""


class Interrupted(Exception):  # noqa: N818 - what happened to the exchange
    """Sent, and no (whole) answer came: what was asked may have been done."""


class Exchange(asyncio.Protocol):
    """One connection and the answer that is on its way over it."""

    def __init__(self) -> None:
        self.status = 0
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._complete = True
        self._lost = False
        self._wake: asyncio.Future[None] | None = None

    @property
    def idle(self) -> bool:
        return self._complete and not self._lost

    def send(self, request: bytes) -> None:
        """Begin an exchange."""
        assert self._transport is not None
        self.status, self._waiting, self._complete = 0, 0, False
        self._chunks.clear()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)

    async def chunk(self) -> bytes:
        """The next bytes of the answer's body, b"" at its end. Raises `Interrupted`."""
        while not self._chunks:
            if self._complete:
                return b""
            if self._lost:
                raise Interrupted("the connection was closed")
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        chunk = self._chunks.popleft()
        if self._waiting > _BUFFERED >= self._waiting - len(chunk) and self._transport is not None:
            self._transport.resume_reading()
        self._waiting -= len(chunk)
        return chunk

    def close(self) -> None:
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio calls these ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        self._rouse()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # --- httptools calls these ----------------------------------------------------------------

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        if self._waiting <= _BUFFERED < self._waiting + len(body) and self._transport is not None:
            self._transport.pause_reading()
        self._waiting += len(body)

    def on_message_complete(self) -> None:
        self._complete = True
        if self._parser is not None and not self._parser.should_keep_alive():
            self._lost = True


Connect = Callable[[], Awaitable[Exchange]]


def request(path: str, body: bytes, *headers: str) -> bytes:
    """A POST with this body; a GET without."""
    verb = "POST" if body else "GET"
    lines = (f"{verb} {path} HTTP/1.1", "Host: etcd", *headers, f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "\r\n")).encode() + body


class Server:
    """A server and the connections to it that wait for the next request. `connect` makes a new one."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._idle: list[Exchange] = []

    async def ask(self, message: bytes, patience: float) -> tuple[int, bytes]:
        """Status and body of the answer. Raises `Unreachable` or `Interrupted`; no answer within `patience` seconds
        is the latter."""
        exchange = await self._begin(message, patience)
        try:
            async with asyncio.timeout(patience):
                body = await _whole(exchange)
        except BaseException as error:
            exchange.close()
            if isinstance(error, TimeoutError):
                raise Interrupted(f"no answer within {patience:.3g} s") from None
            raise
        if exchange.idle:
            self._idle.append(exchange)
        return exchange.status, body

    async def lines(self, message: bytes, patience: float) -> AsyncGenerator[bytes, None]:
        """The lines of an answer that may never end. `patience` is for the connection."""
        exchange = await self._begin(message, patience)
        parts: list[bytes] = []
        try:
            while chunk := await exchange.chunk():
                first, *others = chunk.split(b"\n")
                parts.append(first)
                for following in others:
                    yield b"".join(parts)
                    parts = [following]
        finally:
            exchange.close()

    def close(self) -> None:
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()

    async def _begin(self, message: bytes, patience: float) -> Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if exchange.idle:
                exchange.send(message)
                return exchange
        try:
            async with asyncio.timeout(patience):
                exchange = await self._connect()
        except OSError as error:  # TimeoutError is one of them
            raise Unreachable(str(error) or "no connection in time") from None
        exchange.send(message)
        return exchange


async def _whole(exchange: Exchange) -> bytes:
    chunks = []
    while chunk := await exchange.chunk():
        chunks.append(chunk)
    return b"".join(chunks)
