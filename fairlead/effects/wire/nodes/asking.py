"""A caller's end of one connection: a request out, its answer in, one at a time.

A whole answer is collected; a stream's lines are kept until they are fetched, and while many are waiting the connection
is not read. What the other end sends is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

import httptools

from fairlead.effects.wire.nodes.refusals import parse_trailer, refusal_of
from fairlead.model.errors import Refusal, Unavailable

LARGEST = 16 << 20
"""Bytes of an answer, or of a stream's line."""

_WAITING = 1 << 20
"""Bytes of lines that wait to be fetched before reading stops."""


class Broken(Unavailable):
    """The connection ended before the answer did. `unheard`: before anything of it had come."""

    def __init__(self, text: str, *, unheard: bool) -> None:
        super().__init__(text)
        self.unheard = unheard


@dataclass(slots=True)
class _Answer:
    """What has come of an answer. `size` is that of the body, or of the line of a stream that is still incomplete
    (`rest`); `waiting` that of the lines which nobody has fetched yet."""

    streaming: bool = False
    status: int = 0
    complete: bool = False
    parts: list[bytes] = field(default_factory=list)
    lines: deque[bytes] = field(default_factory=deque)
    rest: bytearray = field(default_factory=bytearray)
    size: int = 0
    waiting: int = 0
    refusal: Refusal | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


class AskingConnection(asyncio.Protocol):
    """`calls` counts those that were answered. Of a broken one nothing more can be asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.calls = 0
        self._ended = ""
        self._stirred = asyncio.Event()
        self._parser, self._answer = httptools.HttpResponseParser(self), _Answer(complete=True)

    @property
    def usable(self) -> bool:
        return not self._ended and self._answer.complete

    async def ask(self, name: str, body: bytes) -> bytes:
        """Raises the other end's refusal, or Broken."""
        self._request(name, body, streaming=False)
        while not self._answer.complete:
            await self._stir()
        self.calls += 1
        answer = self._answer.body
        if self._answer.status != 200:
            raise refusal_of(self._answer.status, answer.decode("utf-8", "replace"))
        return answer

    async def open_stream(self, name: str, body: bytes) -> None:
        """Returns when the other end has begun to answer; then there are `lines`. Raises as `ask`."""
        self._request(name, body, streaming=True)
        while not self._answer.status:
            await self._stir()
        if self._answer.status != 200:
            while not self._answer.complete:
                await self._stir()
            raise refusal_of(self._answer.status, self._answer.body.decode("utf-8", "replace"))

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Until the other end ends the stream. Raises the refusal in which it ends, or Broken."""
        while True:
            while self._answer.lines:
                line = self._answer.lines.popleft()
                self._answer.waiting -= len(line)
                if self._answer.waiting < _WAITING:
                    self._transport.resume_reading()
                yield line
            if self._answer.complete:
                break
            await self._stir()
        if self._answer.refusal is not None:
            raise self._answer.refusal

    def close(self) -> None:
        """In good order; for one that nobody waits for."""
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # --- the transport's calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer.complete:
            self._end("it speaks without being asked")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"its answer is not HTTP/1.1: {error}")
        self._stirred.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._ended or (str(exc) if exc else "it closed the connection")
        self._stirred.set()

    # --- the parser's calls -----------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer.status and name.lower() == b"refusal":
            self._answer.refusal = parse_trailer(value)

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self._answer.streaming = self._answer.streaming and self._answer.status == 200

    def on_body(self, data: bytes) -> None:
        self._answer.size += len(data)
        if not self._answer.streaming:
            self._answer.parts.append(data)
        else:
            self._cut(data)
        if self._answer.size > LARGEST:
            self._end(f"its answer is longer than {LARGEST} bytes")

    def on_message_complete(self) -> None:
        self._answer.complete = not self._ended

    # --- inside -----------------------------------------------------------------------------------

    def _request(self, name: str, body: bytes, *, streaming: bool) -> None:
        self._parser, self._answer = httptools.HttpResponseParser(self), _Answer(streaming)
        head = f"POST /{name} HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _cut(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._answer.rest += first
        for part in others:
            self._answer.lines.append(bytes(self._answer.rest))
            self._answer.waiting += len(self._answer.rest)
            self._answer.rest = bytearray(part)
        self._answer.size = len(self._answer.rest)
        if self._answer.waiting >= _WAITING:
            self._transport.pause_reading()

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._transport.abort()
        self._stirred.set()

    async def _stir(self) -> None:
        """Until something more has come. Raises Broken when nothing more will."""
        if self._ended:
            unheard = not self._answer.status
            hint = "; does it accept this node's certificate?" if unheard and not self.calls else ""
            raise Broken(f"the manager at {self.address} did not answer: {self._ended}{hint}", unheard=unheard)
        self._stirred.clear()
        await self._stirred.wait()
