"""One request and its answer: runs the handler and writes what it returns.

A plain `def` handler is answered at once, without a task. An operation that changes something is never
cancelled because its client left: the engine would be halfway. Reads, streams and taken-over connections
are (`may_abandon`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from inspect import isawaitable
from typing import Protocol

from fairlead.api.channel import BodyStream, Inflow, Outflow, TakenConnection
from fairlead.api.head import CHUNKED, CLOSE, answer_head, hijack_head, websocket_head
from fairlead.api.http import Answer, Hijack, Response, StreamResponse
from fairlead.api.status import message, refused
from fairlead.api.target import Opened
from fairlead.model.errors import Refusal

MAX_BODY = 1 << 24

log = logging.getLogger("fairlead.api")


class BodyTooLarge(Exception):  # noqa: N818 - a state of the request, answered with 413
    """A body that is not streamed has more than `MAX_BODY` bytes."""


class Line(Protocol):
    """The connection as an exchange sees it."""

    outflow: Outflow

    def new_inflow(self) -> Inflow: ...

    def answered(self, keep_alive: bool) -> None:
        """The answer is out; the connection may go on with the next request."""
        ...

    @property
    def closing(self) -> bool:
        """The connection will not serve another request."""
        ...

    def take_over(self) -> TakenConnection: ...

    def hang_up(self) -> None:
        """Close in the middle of an answer, so that the client sees that it is not whole."""
        ...


class Exchange:
    """`endless`: the answer is a stream or a taken-over connection."""

    def __init__(self, line: Line, opened: Opened) -> None:
        self._line = line
        self._route, self._request, self._head = opened
        self._body = bytearray()
        self._stream: BodyStream | None = None
        self._whole = False
        self.task: asyncio.Task[None] | None = None
        self.endless = False

    @property
    def may_abandon(self) -> bool:
        return self.endless or self._request.method in ("GET", "HEAD")

    def begin(self) -> None:
        """The head has been read."""
        if self._head.headers.get("expect", "").lower() == "100-continue":
            self._line.outflow.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._route.streams_body:
            self._stream = BodyStream(self._line.new_inflow())
            self._request.stream = self._stream.chunks()
            self._start()

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._stream is not None:
            self._stream.feed(data)
        elif len(self._body) + len(data) > MAX_BODY:
            raise BodyTooLarge
        else:
            self._body += data

    def complete(self) -> None:
        """The request has arrived whole."""
        self._whole = True
        if self._stream is not None:
            self._stream.complete()
            return
        if self._body:
            self._request.body = bytes(self._body)
        self._start()

    def lose_body(self) -> None:
        """The rest of the body will not come, or cannot be read."""
        if self._stream is not None and not self._whole:
            self._stream.fail("the request body ended in the middle")

    def abandon(self) -> None:
        """The client is gone."""
        if self.task is not None and self.may_abandon:
            self.task.cancel()

    def break_off(self) -> None:
        """The server is closing."""
        if self.task is not None and self.endless:
            self.task.cancel()

    def _start(self) -> None:
        try:
            answer = self._route.handler(self._request)
        except Exception as error:
            answer = self._failure(error)
        if isinstance(answer, Response):
            self._send(answer)
        else:
            self.task = asyncio.get_running_loop().create_task(self._answer(answer))

    async def _answer(self, pending: Answer | Awaitable[Answer]) -> None:
        try:
            await self._deliver(await self._outcome(pending))
        except ConnectionError:
            self._line.hang_up()
        except asyncio.CancelledError:
            self._line.hang_up()
            raise
        except Exception:
            log.exception("%s %s broke off", self._request.method, self._request.path)
            self._line.hang_up()

    async def _outcome(self, pending: Answer | Awaitable[Answer]) -> Answer:
        try:
            return await pending if isawaitable(pending) else pending
        except Exception as error:
            return self._failure(error)

    async def _deliver(self, answer: Answer) -> None:
        if isinstance(answer, Response):
            self._send(answer)
            return
        self.endless = True
        if isinstance(answer, StreamResponse):
            await self._send_stream(answer)
        else:
            await self._give_away(answer)

    def _send(self, response: Response) -> None:
        keep_alive = self._keep_alive()
        framing = b"" if response.status in (204, 304) else b"Content-Length: %d\r\n" % len(response.body)
        framing += _connection_line(keep_alive, self._head.http11)
        head = answer_head(response.status, response.content_type, response.headers, framing)
        self._line.outflow.write(head if self._request.method == "HEAD" else head + response.body)
        self._line.answered(keep_alive)

    async def _send_stream(self, answer: StreamResponse) -> None:
        chunked = self._head.http11
        keep_alive = chunked and self._keep_alive()
        framing = (CHUNKED if chunked else b"") + _connection_line(keep_alive, chunked)
        try:
            await self._line.outflow.send(answer_head(answer.status, answer.content_type, answer.headers, framing))
            if self._request.method != "HEAD":
                await self._send_chunks(answer.chunks, chunked)
        finally:
            if isinstance(answer.chunks, AsyncGenerator):
                await answer.chunks.aclose()
        self._line.answered(keep_alive)

    async def _send_chunks(self, chunks: AsyncIterator[bytes], chunked: bool) -> None:
        send = self._line.outflow.send
        async for chunk in chunks:
            if chunk:
                await send(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            await send(b"0\r\n\r\n")

    async def _give_away(self, answer: Hijack) -> None:
        channel = self._line.take_over()
        accept = answer.websocket_accept
        upgraded = "upgrade" in self._head.headers
        self._line.outflow.write(websocket_head(accept) if accept else hijack_head(answer.content_type, upgraded))
        await answer.run(channel)
        self._line.answered(keep_alive=False)

    def _keep_alive(self) -> bool:
        return self._head.keep_alive and self._whole and not self._line.closing

    def _failure(self, error: Exception) -> Response:
        if isinstance(error, Refusal):
            return refused(error)
        log.error("%s %s failed", self._request.method, self._request.path, exc_info=error)
        return message(500, f"internal error, see the log of the daemon: {type(error).__name__}")


def _connection_line(keep_alive: bool, http11: bool) -> bytes:
    """Said only where it differs from what the client takes for granted."""
    if keep_alive:
        return b"" if http11 else b"Connection: keep-alive\r\n"
    return CLOSE
