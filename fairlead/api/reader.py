"""From bytes to requests, without I/O: `receive` what came, then ask for `next_event` as long as wanted.

A request is a `RequestHead`, then any number of body pieces (`bytes`), then `END_OF_REQUEST`. Nothing behind
the request that was asked for is looked at, so that a connection can be taken over at any border.
"""

from __future__ import annotations

from enum import Enum

from fairlead.api.framing import Framing, Malformed, framing_of
from fairlead.api.head import END_OF_HEAD, RequestHead, read_head

MAX_HEAD = 1 << 17


class Mark(Enum):
    END_OF_REQUEST = "end of request"


END_OF_REQUEST = Mark.END_OF_REQUEST

Event = RequestHead | bytes | Mark


class HeadTooLarge(Malformed):
    """More than `MAX_HEAD` bytes and still no end."""


class RequestReader:
    def __init__(self) -> None:
        self._inbox = bytearray()
        self._scanned = 0
        self._inside = False
        self._framing: Framing | None = None

    @property
    def waiting(self) -> int:
        """Bytes received and not yet part of an event."""
        return len(self._inbox)

    @property
    def unfinished(self) -> bool:
        """A request has begun and its end has not arrived."""
        return self._inside or bool(self._inbox)

    def receive(self, data: bytes) -> None:
        self._inbox += data

    def rest(self) -> bytes:
        """Give up reading requests: the bytes that follow the last one."""
        data = bytes(self._inbox)
        self._inbox.clear()
        return data

    def next_event(self) -> Event | None:
        """None when more bytes must come first. Raises `Malformed`; then the connection is beyond repair."""
        if not self._inside:
            return self._head()
        if self._framing is not None and (data := self._framing.take(self._inbox)):
            return data
        if self._framing is None or self._framing.done:
            self._inside = False
            return END_OF_REQUEST
        return None

    def _head(self) -> RequestHead | None:
        while self._inbox:
            end = self._inbox.find(END_OF_HEAD, self._scanned)
            if max(end, len(self._inbox) if end < 0 else 0) > MAX_HEAD:
                raise HeadTooLarge("request header is too large")
            if end < 0:
                self._scanned = max(0, len(self._inbox) - len(END_OF_HEAD) + 1)
                return None
            end += len(END_OF_HEAD)
            data = bytes(self._inbox[:end])
            del self._inbox[:end]
            self._scanned = 0
            if head := read_head(data):
                self._framing, self._inside = framing_of(head.headers), True
                return head
        return None
