"""Where a request ends: the bodies of HTTP/1.1, by length or in chunks (RFC 9112, sections 6 and 7).

httptools reads the heads; bodies are framed here, because a connection that is taken over (attach, exec)
needs every byte behind the request untouched, which a parser that runs ahead cannot promise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

MAX_CHUNK_LINE = 4096
MAX_TRAILER = 16384

_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")


class Malformed(Exception):  # noqa: N818 - named for the message that it describes
    """The peer's bytes are not HTTP."""


class Framing(Protocol):
    """Knows how much of what has arrived belongs to the body."""

    done: bool

    def take(self, inbox: bytearray) -> bytes:
        """Remove the body's next bytes from `inbox` and return them; b"" when more must come first or it is done."""
        ...


class Length:
    """A body of `remaining` bytes."""

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining
        self.done = remaining == 0

    def take(self, inbox: bytearray) -> bytes:
        data = bytes(inbox[: self.remaining])
        del inbox[: len(data)]
        self.remaining -= len(data)
        self.done = self.remaining == 0
        return data


class Chunked:
    """A body in chunks. Extensions and trailers are read over."""

    def __init__(self) -> None:
        self.done = False
        self._left = 0
        self._between = False
        self._trailer = False

    def take(self, inbox: bytearray) -> bytes:
        while not self.done:
            if self._left:
                return self._data(inbox)
            line = _line(inbox, MAX_TRAILER if self._trailer else MAX_CHUNK_LINE)
            if line is None:
                break
            self._read_line(line)
        return b""

    def _data(self, inbox: bytearray) -> bytes:
        data = bytes(inbox[: self._left])
        del inbox[: len(data)]
        self._left -= len(data)
        self._between = self._left == 0
        return data

    def _read_line(self, line: bytes) -> None:
        if self._trailer:
            self.done = not line
        elif self._between:
            if line:
                raise Malformed("a chunk is longer than its size")
            self._between = False
        elif size := _CHUNK_SIZE.fullmatch(line):
            self._left = int(size[1], 16)
            self._trailer = self._left == 0
        else:
            raise Malformed("invalid chunk size")


def _line(inbox: bytearray, limit: int) -> bytes | None:
    end = inbox.find(b"\r\n", 0, limit)
    if end < 0:
        if len(inbox) >= limit:
            raise Malformed("a line of a chunked body is too long")
        return None
    line = bytes(inbox[:end])
    del inbox[: end + 2]
    return line


def framing_of(headers: Mapping[str, str]) -> Framing | None:
    """How the body of a request with these headers is framed; None when it has none."""
    if encoding := headers.get("transfer-encoding"):
        if encoding.strip().lower() != "chunked" or "content-length" in headers:
            raise Malformed("unsupported transfer encoding")
        return Chunked()
    length = headers.get("content-length", "0").strip()
    if not _LENGTH.fullmatch(length):
        raise Malformed("invalid Content-Length")
    return Length(int(length)) if int(length) else None
