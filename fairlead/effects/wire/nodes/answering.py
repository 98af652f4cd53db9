"""A manager's end of one connection: requests in, answers out, one at a time.

A request is judged by its head. One that is refused is read to its end, though not kept, so that its caller hears why.
When the connection ends, the answer that is being made is cancelled and its stream closed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import httptools

from fairlead.effects.wire.nodes.addresses import written
from fairlead.effects.wire.nodes.refusals import status_of, trailer
from fairlead.effects.wire.nodes.tls import Shown, shown
from fairlead.model.errors import Failed, Invalid, NotAllowed, Refusal, Unauthorized
from fairlead.model.swarm.calls import Answerer, Call, MayCall

LARGEST, LARGEST_OF_STRANGERS = 16 << 20, 64 << 10
"""Bytes of a request's body."""

LARGEST_HEAD = 32 << 10
"""Bytes before the body."""

REQUEST_SECONDS = 30.0
"""From the first byte of a request to its last."""

STRANGER_SECONDS = 10.0
"""How long a stranger may be silent before it asks."""

MOST_STRANGERS = 256
"""At the same time, so that they cannot take all file descriptors from the nodes."""

_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nTrailer: Refusal\r\n\r\n"
)
_END = b"0\r\n\r\n"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Desk:
    """What all connections of a listener share. `cluster_id` is the swarm whose nodes are known."""

    may_call: MayCall
    answer: Answerer
    cluster_id: str
    connections: set[AnsweringConnection] = field(default_factory=set)
    strangers: int = 0


class AnsweringConnection(asyncio.Protocol):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._shown = Shown()
        self._address = ""
        self._name, self._body, self._fault = "", bytearray(), cast(Refusal | None, None)
        self._receiving, self._headed, self._taken = False, False, 0
        self._answering: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()

    @property
    def answering(self) -> asyncio.Task[None] | None:
        return self._answering

    def hang_up(self) -> None:
        self._transport.abort()

    # --- the transport's calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shown = shown(transport.get_extra_info("peercert"), self._desk.cluster_id)
        self._address = written(transport.get_extra_info("peername"))
        if self._shown.until:
            self._expiry = self._loop.call_later(max(0.0, self._shown.until - time.time()), self._expired)
        self._desk.connections.add(self)
        self._desk.strangers += self._shown.peer is None
        self._wait()
        if self._shown.peer is None and self._desk.strangers > MOST_STRANGERS:
            self._cut_off("too many strangers are connected")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._cut_off(f"what it sends is not HTTP/1.1: {error}")
        if self._receiving:
            self._bound(len(data))

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._desk.connections.discard(self)
        self._desk.strangers -= self._shown.peer is None
        self._set_alarm(None)
        if self._expiry is not None:
            self._expiry.cancel()
        if self._answering is not None:
            self._answering.cancel()

    # --- the parser's calls -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answering is not None:
            self._cut_off("it asks again before it is answered")
            return
        self._name, self._body, self._fault = "", bytearray(), None
        self._receiving, self._headed, self._taken = True, False, 0
        self._set_alarm(REQUEST_SECONDS)

    def on_url(self, url: bytes) -> None:
        self._name += url.decode("ascii", "replace")

    def on_headers_complete(self) -> None:
        self._headed = True
        if self._receiving:
            self._name = self._name.removeprefix("/")
            self._fault = self._judge(self._parser.get_method())

    def on_body(self, data: bytes) -> None:
        if self._receiving and self._fault is None:
            self._body += data
            if len(self._body) > self._largest:
                self._fault = Invalid(f"a request has {self._largest} bytes at most")
                self._body = bytearray()

    def on_message_complete(self) -> None:
        if not self._receiving:
            return
        self._receiving = False
        self._set_alarm(None)
        if self._fault is not None:
            self._refuse(self._fault)
            self._transport.close()
            return
        call = Call(self._name, bytes(self._body), self._shown.peer, self._address)
        self._body = bytearray()
        self._answering = self._loop.create_task(self._answer(call))

    @property
    def _largest(self) -> int:
        return LARGEST if self._shown.peer else LARGEST_OF_STRANGERS

    def _bound(self, size: int) -> None:
        """`size` bytes more of a request that is not complete yet."""
        self._taken += size
        if self._taken > LARGEST_HEAD + self._largest * self._headed:
            self._cut_off("its request has no end")

    def _cut_off(self, why: str) -> None:
        self._log_refusal(why)
        self._transport.abort()

    # --- judging ----------------------------------------------------------------------------------

    def _judge(self, method: bytes) -> Refusal | None:
        if self._shown.fault:
            return NotAllowed(self._shown.fault)
        if method != b"POST":
            return Invalid(f"nodes call each other by POST, not by {method.decode('ascii', 'replace')}")
        if not self._desk.may_call(self._name, self._shown.peer):
            return NotAllowed(f'the call "{self._name[:64]}" is not open to {self._who()}')
        return None

    def _who(self) -> str:
        peer = self._shown.peer
        return f"{peer.role} {peer.node_id}" if peer else "strangers"

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal. Those that are about who asks are logged."""
        if isinstance(refusal, NotAllowed | Unauthorized | Invalid):
            self._log_refusal(refusal.message)
        self._send(status_of(refusal), refusal.message.encode())

    def _log_refusal(self, why: str) -> None:
        node = self._shown.peer.node_id if self._shown.peer else ""
        fields = {"address": self._address, "call": self._name[:64], "node": node}
        log.warning("refused a node's call: %s", why, extra=fields)

    # --- answering --------------------------------------------------------------------------------

    async def _answer(self, call: Call) -> None:
        try:
            reply = await self._desk.answer(call)
            if isinstance(reply, bytes):
                self._send(200, reply)
            else:
                await self._stream(call.name, reply)
        except Refusal as refusal:
            self._refuse(refusal)
        except Exception:
            log.exception("a node's call failed", extra={"call": call.name, "address": call.address})
            self._refuse(Failed(f"{call.name}: internal error"))
        self._answering = None
        if not self._transport.is_closing():
            self._wait()

    async def _stream(self, name: str, lines: AsyncIterator[bytes]) -> None:
        self._transport.write(_STREAM)
        end = _END
        try:
            async for line in lines:
                self._transport.write(b"%x\r\n%b\n\r\n" % (len(line) + 1, line))
                await self._room.wait()
        except Refusal as refusal:
            end = b"0\r\nRefusal: %b\r\n\r\n" % trailer(refusal)
        except Exception:
            log.exception("a stream to a node failed", extra={"call": name, "address": self._address})
            end = b"0\r\nRefusal: %b\r\n\r\n" % trailer(Failed(f"{name}: internal error"))
        finally:
            if hasattr(lines, "aclose"):
                await lines.aclose()
        self._transport.write(end)

    def _send(self, status: int, body: bytes) -> None:
        word = b"OK" if status == 200 else b"Refused"
        self._transport.write(b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n\r\n%b" % (status, word, len(body), body))

    # --- time -------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """For the next request. Nodes may take their time."""
        self._set_alarm(None if self._shown.peer else STRANGER_SECONDS)

    def _set_alarm(self, seconds: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if seconds is None else self._loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self._receiving:
            self._log_refusal(f"its request did not arrive within {REQUEST_SECONDS:g} s")
        self._transport.abort()

    def _expired(self) -> None:
        self._cut_off("its certificate has expired")
