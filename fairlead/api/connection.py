"""One client's connection: requests in order, one answered at a time, however their bytes arrive.

Phases: READING (a request, up to its end), ANSWERING (what follows waits, unread by the parser), TAKEN (bytes
go to the handler that took the connection over), LINGER. An end that may leave unread bytes goes through
LINGER, where they are dropped until the client closes: closing at once would reset the connection and could
cost the client its answer.
"""

from __future__ import annotations

import asyncio
import select
import socket
from enum import Enum, auto
from typing import cast

from fairlead.api.channel import HIGH_WATER, Inflow, Outflow, TakenConnection
from fairlead.api.exchange import BodyTooLarge, Exchange
from fairlead.api.framing import Malformed
from fairlead.api.head import CLOSE, RequestHead, answer_head
from fairlead.api.http import Response
from fairlead.api.reader import END_OF_REQUEST, HeadTooLarge, RequestReader
from fairlead.api.status import message
from fairlead.api.target import Opener

PATIENCE = 60.0
"""Seconds that a client may take between the pieces of a request."""
LINGER_SECONDS = 2.0


class Phase(Enum):
    READING = auto()
    ANSWERING = auto()
    TAKEN = auto()
    LINGER = auto()


class Connection(asyncio.Protocol):
    def __init__(self, opener: Opener, connections: set[Connection]) -> None:
        self._opener, self._connections = opener, connections
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._phase = Phase.READING
        self._advancing = False
        self._stalled = 0.0
        self._heard_eof = False
        self.closing = False

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.outflow = Outflow(self._transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._stalled = 0.0
        if self._phase is Phase.TAKEN:
            self._inflow.feed(data)
        elif self._phase is Phase.READING and (known := self._opener.recall(data)) and self._is_idle():
            self._exchange = Exchange(self, known)
            self._phase = Phase.ANSWERING
            self._exchange.complete()
        elif self._phase is not Phase.LINGER:
            self._reader.receive(data)
            self._advance()
            if self._reader.waiting > HIGH_WATER:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """True keeps the way out open: a client may close its side and still want the answer."""
        self.closing = self._heard_eof = True
        if self._exchange is None:
            return False
        if self._phase is Phase.TAKEN:
            self._inflow.end()
        self._exchange.lose_body()
        if self._exchange.may_abandon and self._gone_for_good():
            self._transport.abort()
        return self._exchange.task is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self.closing = True
        self.outflow.lose()
        if self._phase is Phase.TAKEN:
            self._inflow.end()
        if self._exchange is not None:
            self._exchange.lose_body()
            self._exchange.abandon()

    def pause_writing(self) -> None:
        self.outflow.block()

    def resume_writing(self) -> None:
        self.outflow.unblock()
        self._transport.resume_reading()
        self._advance()

    # What the server asks

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The answer being worked on."""
        return self._exchange.task if self._exchange else None

    def retire(self) -> None:
        """Close once the current answer is out; answers without an end are broken off now."""
        self.closing = True
        if self._exchange is None:
            self._transport.close()
        else:
            self._exchange.break_off()

    def check_pace(self, now: float) -> None:
        """Close if the client has begun a request and then kept us waiting. Called now and then."""
        if self._phase is not Phase.READING or not (self._reader.unfinished and self._transport.is_reading()):
            return
        self._stalled = self._stalled or now
        if now - self._stalled > PATIENCE:
            self._transport.abort()

    # What an exchange asks

    def new_inflow(self) -> Inflow:
        self._inflow = Inflow(self._transport.pause_reading, self._transport.resume_reading)
        return self._inflow

    def answered(self, keep_alive: bool) -> None:
        self._exchange = None
        if not keep_alive:
            self._linger()
            return
        self._phase = Phase.READING
        self._transport.resume_reading()
        if not self._advancing:
            self._advance()

    def take_over(self) -> TakenConnection:
        self._phase = Phase.TAKEN
        inflow = self.new_inflow()
        if rest := self._reader.rest():
            inflow.feed(rest)
        if self.closing:
            inflow.end()
        self._transport.resume_reading()
        return TakenConnection(self._transport, inflow, self.outflow)

    def hang_up(self) -> None:
        self._exchange = None
        self._transport.close()

    # Reading requests

    def _is_idle(self) -> bool:
        return not self._reader.unfinished and not self.outflow.blocked

    def _advance(self) -> None:
        """Read and answer as far as the bytes allow, and as long as the client takes its answers."""
        self._advancing = True
        try:
            while self._phase is Phase.READING and not self.outflow.blocked and self._read_one():
                pass
        except HeadTooLarge as error:
            self._break_off(message(431, str(error)))
        except BodyTooLarge:
            self._break_off(message(413, "request body is too large"))
        except Malformed as error:
            self._break_off(message(400, f"malformed HTTP request: {error}"))
        finally:
            self._advancing = False

    def _read_one(self) -> bool:
        event = self._reader.next_event()
        if isinstance(event, RequestHead):
            self._exchange = Exchange(self, self._opener.open(event))
            self._exchange.begin()
        elif event is END_OF_REQUEST:
            self._phase = Phase.ANSWERING
            self._expect_exchange().complete()
        elif event is not None:
            self._expect_exchange().feed(event)
        return event is not None

    def _expect_exchange(self) -> Exchange:
        assert self._exchange is not None, "a request's body came before its head"
        return self._exchange

    def _break_off(self, answer: Response) -> None:
        """What follows cannot be read. A handler at work learns it from its body; else `answer` is the last word."""
        self.closing = True
        if self._exchange is not None and self._exchange.task is not None:
            self._phase = Phase.ANSWERING
            self._exchange.lose_body()
            return
        self._exchange = None
        framing = b"Content-Length: %d\r\n" % len(answer.body) + CLOSE
        self.outflow.write(answer_head(answer.status, answer.content_type, {}, framing) + answer.body)
        self._linger()

    def _linger(self) -> None:
        self._phase = Phase.LINGER
        self.closing = True
        if self._heard_eof or not self._transport.can_write_eof() or self._transport.is_closing():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)

    def _gone_for_good(self) -> bool:
        """Whether the client left altogether rather than finished sending. Only a unix socket knows for sure."""
        client: socket.socket = self._transport.get_extra_info("socket")
        if client.family != socket.AF_UNIX:
            return self._phase is not Phase.TAKEN and self._exchange is not None and self._exchange.endless
        poll = select.poll()
        poll.register(client.fileno(), 0)
        return bool(poll.poll(0))
