"""A manager's ear for nodes: takes connections, shakes hands, and gives each to an `AnsweringConnection`.

Hands are shaken by a task per connection, since only so does OpenSSL's word on why somebody was refused come back with
the address that it is about. Those who do not finish, or are too many at once, are turned away.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from functools import partial

from fairlead.effects.wire.nodes.addresses import split, written
from fairlead.effects.wire.nodes.answering import AnsweringConnection, Desk
from fairlead.effects.wire.nodes.tls import listening, notice_silence
from fairlead.model.errors import Failed
from fairlead.model.swarm.calls import Answerer, MayCall
from fairlead.model.swarm.identity import Identity

HANDSHAKE_SECONDS, GOODBYE_SECONDS = 10.0, 2.0
MOST_HANDSHAKES = 512
"""At the same time; more are turned away, and nodes come again."""

BACKLOG = 1024
_PAUSE_S = 0.5

log = logging.getLogger(__name__)


class Listener:
    """Fulfils `engine.swarm.ports.Listener`. `may_call` is the table of who may call what."""

    def __init__(self, may_call: MayCall) -> None:
        self._may_call = may_call
        self._socket: socket.socket | None = None
        self._desk: Desk | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._greeting: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """HOST:PORT where it listens, "" when it does not."""
        return written(self._socket.getsockname()) if self._socket is not None else ""

    async def open(self, address: str, identity: Identity, answer: Answerer) -> None:
        if self._socket is not None:
            raise Failed(f"this node listens for nodes already, on {self.address}")
        self._context = listening(identity)
        self._socket = _bound(address)
        self._desk = Desk(self._may_call, answer, identity.peer.cluster_id)
        self._accepting = asyncio.create_task(self._accept(self._socket, self._desk))
        log.info("listening for nodes", extra={"address": self.address})

    def renew(self, identity: Identity) -> None:
        """For connections that are made from now on; those that stand go on until they end."""
        self._context = listening(identity)

    async def close(self) -> None:
        """Hang up on everybody. Answers that were being made are cancelled."""
        if self._socket is None or self._desk is None or self._accepting is None:
            return
        answering = [one.answering for one in self._desk.connections if one.answering is not None]
        tasks = [self._accepting, *self._greeting, *answering]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()
        for connection in list(self._desk.connections):
            connection.hang_up()
        self._socket = self._desk = self._accepting = None

    async def _accept(self, listening_socket: socket.socket, desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, source = await loop.sock_accept(listening_socket)
            except OSError as error:
                log.error("cannot take a node's connection: %s", error.strerror)
                await asyncio.sleep(_PAUSE_S)
                continue
            if len(self._greeting) >= MOST_HANDSHAKES:
                _log_refusal(written(source), "too many connect at the same time")
                sock.close()
                continue
            task = asyncio.create_task(self._greet(sock, written(source), desk))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, sock: socket.socket, address: str, desk: Desk) -> None:
        try:
            notice_silence(sock)
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(AnsweringConnection, desk),
                sock,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
        except ssl.SSLError as error:
            _log_refusal(address, _reason(error))
        except ConnectionAbortedError:
            _log_refusal(address, f"its TLS handshake was not over within {HANDSHAKE_SECONDS:g} s")
        except OSError as error:
            log.debug("a connection ended before it began: %s", error, extra={"address": address})
            sock.close()


def _bound(address: str) -> socket.socket:
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise Failed(f"listen tcp {address}: bind: {str(error.strerror or error).lower()}") from error
    return sock


def _reason(error: ssl.SSLError) -> str:
    """What went wrong in a handshake, as an operator would say it."""
    if error.reason == "HTTP_REQUEST":
        return "it speaks plain HTTP, and only TLS is spoken here"
    if error.reason == "CERTIFICATE_VERIFY_FAILED":
        text = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return f"its certificate does not hold: {text}"
    return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _log_refusal(address: str, why: str) -> None:
    log.warning("refused a connection to the port for nodes: %s", why, extra={"address": address})
