"""The two directions of a connection that outlive one callback: raw bytes after a hijack, and a body that streams."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from fairlead.model.errors import Invalid

HIGH_WATER = 1 << 18


class Inflow:
    """Bytes that arrive faster than their reader wants them.

    `pause` and `resume` govern the socket: it is not read while more than `HIGH_WATER` bytes wait here.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._arrival: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER:
            self._pause()
        self._wake()

    def end(self) -> None:
        """Nothing will follow."""
        self._ended = True
        self._wake()

    async def take(self) -> bytes:
        """All that waits, or the next to arrive; b"" at the end."""
        while not self._waiting:
            if self._ended:
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        data = b"".join(self._waiting)
        self._waiting.clear()
        if self._size > HIGH_WATER:
            self._resume()
        self._size = 0
        return data

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class Outflow:
    """The way out: writes wait while the client is slow, and fail when it is gone."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._clear = asyncio.Event()
        self._clear.set()
        self.gone = False

    @property
    def blocked(self) -> bool:
        return not self._clear.is_set()

    def block(self) -> None:
        self._clear.clear()

    def unblock(self) -> None:
        self._clear.set()

    def lose(self) -> None:
        self.gone = True
        self._clear.set()

    def write(self, data: bytes) -> None:
        """Write without waiting; nothing happens when the client is gone."""
        if not self.gone:
            self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """Write, then wait until the client has taken enough. Raises ConnectionError when it is gone."""
        self.write(data)
        await self._clear.wait()
        if self.gone:
            raise ConnectionResetError("the client is gone")


class TakenConnection:
    """What a handler holds after a hijack (`fairlead.api.http.Channel`)."""

    def __init__(self, transport: asyncio.Transport, inflow: Inflow, outflow: Outflow) -> None:
        self._transport, self._inflow, self._outflow = transport, inflow, outflow

    async def read(self) -> bytes:
        return await self._inflow.take()

    async def write(self, data: bytes) -> None:
        await self._outflow.send(data)

    async def write_eof(self) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()


class BodyStream:
    """The body of a request while it arrives. It must be whole: a client that leaves in the middle is an error."""

    def __init__(self, inflow: Inflow) -> None:
        self._inflow = inflow
        self._fault = ""

    def feed(self, data: bytes) -> None:
        self._inflow.feed(data)

    def complete(self) -> None:
        self._inflow.end()

    def fail(self, fault: str) -> None:
        self._fault = fault
        self._inflow.end()

    async def chunks(self) -> AsyncIterator[bytes]:
        while data := await self._inflow.take():
            yield data
        if self._fault:
            raise Invalid(self._fault)
