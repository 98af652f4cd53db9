"""The resolver's TCP clients (RFC 7766): several queries on a connection, answered in any order.

No client holds anything that another needs. A connection has at most `PENDING` queries under way and
is not read beyond them, nor while its client does not take the replies; it is closed when no whole
query has come for `IDLE` seconds, however busily bytes trickle in. A sandbox has at most `CONNECTIONS` of
them: the one that was silent for longest makes room for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CONNECTIONS = 64
PENDING = 32
IDLE = 10.0
_UNSENT_MAX = 65536

Asker = Callable[[bytes, Callable[[bytes], None]], bool]
"""Takes a query and whom to tell the reply; False when no reply will ever come."""


class TcpClient(asyncio.Protocol):
    """One connection. `siblings` are all of the same sandbox, the one that was silent for longest first."""

    def __init__(self, ask: Asker, siblings: dict[TcpClient, None]) -> None:
        self._ask, self._siblings = ask, siblings
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._pending = 0
        self._clogged = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_UNSENT_MAX)
        self._siblings[self] = None
        if len(self._siblings) > CONNECTIONS:
            next(iter(self._siblings)).abort()
        self._touch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._siblings.pop(self, None)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._consume()

    def eof_received(self) -> bool:
        """The client asks no more, but may still wait for replies."""
        self._ended = True
        return self._pending > 0

    def pause_writing(self) -> None:
        self._clogged = True
        self._regulate()

    def resume_writing(self) -> None:
        self._clogged = False
        self._consume()

    def abort(self) -> None:
        """Close now, without waiting for unsent replies."""
        self._siblings.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def _consume(self) -> None:
        """Take whole queries out of the buffer for as long as there is room for their replies."""
        while self._has_room and len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2])
            if len(self._buffer) < end:
                break
            query, self._buffer = self._buffer[2:end], self._buffer[end:]
            self._touch()
            self._pending += 1
            if not self._ask(query, self._reply):
                # Framed bytes that are no query at all: whatever speaks there, it is not DNS.
                self.abort()
                return
        self._regulate()

    def _reply(self, data: bytes) -> None:
        self._pending -= 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(data).to_bytes(2) + data)
            if self._ended and not self._pending:
                self._transport.close()
            else:
                self._loop.call_soon(self._consume)

    @property
    def _has_room(self) -> bool:
        return self._pending < PENDING and not self._clogged

    def _regulate(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._ended:
            return
        if self._has_room:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _touch(self) -> None:
        """A sign of life: last to be put out, and `IDLE` seconds from now at the earliest."""
        if self in self._siblings:
            del self._siblings[self]
            self._siblings[self] = None
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(IDLE, self.abort)
