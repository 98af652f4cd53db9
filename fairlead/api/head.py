"""The heads of HTTP: a request's, read by httptools, and an answer's, written here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import httptools

from fairlead import __version__
from fairlead.api.framing import Malformed

END_OF_HEAD = b"\r\n\r\n"

_REASONS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_EVERY_ANSWER = (
    f"Api-Version: 1.50\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Fairlead/{__version__} (linux)\r\n"
).encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"


@dataclass(slots=True)
class RequestHead:
    """Header names are lower case; a header given twice is joined by commas. `http11` is false for HTTP/1.0.

    `raw` is the head as it came.
    """

    method: str
    target: str
    headers: dict[str, str]
    keep_alive: bool
    http11: bool
    raw: bytes


class _Reader:
    """Collects what httptools calls out."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[str, str] = {}
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self.complete = True


def read_head(data: bytes) -> RequestHead | None:
    """The request of a complete head; None for blank lines before one. Raises `Malformed`."""
    reader = _Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise Malformed(str(error) or "malformed request") from error
    if not reader.complete:
        if data.strip():
            raise Malformed("malformed request")
        return None
    http11 = parser.get_http_version() != "1.0"
    return RequestHead(
        parser.get_method().decode("latin-1"),
        reader.target.decode("latin-1"),
        reader.headers,
        _keeps_alive(reader.headers.get("connection", ""), http11),
        http11,
        data,
    )


def _keeps_alive(connection: str, http11: bool) -> bool:
    """RFC 9112, section 9.3."""
    if not connection:
        return http11
    options = [option.strip().lower() for option in connection.split(",")]
    return "close" not in options if http11 else "keep-alive" in options


class _DateLine:
    """The Date header, formatted once a second."""

    def __init__(self) -> None:
        self._second, self._line = 0, b""

    def __call__(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


_date = _DateLine()


def answer_head(status: int, content_type: str, headers: Mapping[str, str], framing: bytes) -> bytes:
    """The head of an answer. `framing` is the lines that tell where its body and the connection end."""
    described = _described(status, content_type, *headers.items()) if headers else _described(status, content_type)
    return b"".join((described, _date(), framing, b"\r\n"))


@lru_cache(maxsize=256)
def _described(status: int, content_type: str, *headers: tuple[str, str]) -> bytes:
    """What of an answer's head is the same in every answer of its kind."""
    parts = [_REASONS.get(status) or b"HTTP/1.1 %d \r\n" % status, _EVERY_ANSWER]
    if content_type:
        parts.append(b"Content-Type: %s\r\n" % content_type.encode("latin-1"))
    return b"".join([*parts, *(_header(name, value) for name, value in headers)])


def websocket_head(accept: str) -> bytes:
    """The head after which a connection is a WebSocket."""
    lines = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n" % accept.encode("latin-1")
    return b"".join([b"HTTP/1.1 101 Switching Protocols\r\n", lines, _EVERY_ANSWER, b"\r\n"])


def hijack_head(content_type: str, upgrade: bool) -> bytes:
    """The head after which a connection belongs to its handler."""
    if upgrade:
        first, last = b"HTTP/1.1 101 UPGRADED\r\n", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
    else:
        first, last = _REASONS[200], b""
    return b"".join([first, b"Content-Type: %s\r\n" % content_type.encode("latin-1"), last, _EVERY_ANSWER, b"\r\n"])


def _header(name: str, value: str) -> bytes:
    """One line, whatever the value has in it: a message must not be able to add headers."""
    line = f"{name}: {value}"
    if "\r" in line or "\n" in line:
        line = " ".join(line.split())
    return line.encode("latin-1", "replace") + b"\r\n"
