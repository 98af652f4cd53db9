"""Sockets towards upstream servers, for the machine that decides what goes through them.

A UDP channel is a connected socket in the namespace from which its server is to be asked; so the
kernel lets in nothing from other addresses and tells at once when nobody listens. It is used for
`FRESH` seconds and kept for late replies until it is `KEPT` seconds old: a source port that changes
often is half of what a forger must guess, and an idle sandbox soon holds no socket at all.

A TCP channel is one connection for each query, in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, socket

from fairlead.effects.wire.dns_relay import Relay
from fairlead.model.dns import Channel, Transmit
from fairlead.model.errors import Failed

FRESH, KEPT = 5.0, 10.0
CONVERSATION = 5.0
BUDGET = 64
_DATAGRAM_MAX = 65535

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Outlet:
    """A UDP socket connected to the server of `channel`."""

    channel: Channel
    sock: socket
    born: float


class UpstreamSockets:
    """`open_socket` makes a non-blocking socket of (family, type) in a sandbox's namespace ("" for the host's), or
    raises Failed; `pump` is called after the machine was fed."""

    def __init__(self, relay: Relay, open_socket: Callable[[str, int, int], socket], pump: Callable[[], None]) -> None:
        self._relay, self._open_socket, self._pump = relay, open_socket, pump
        self._loop = asyncio.get_running_loop()
        self._current: dict[Channel, _Outlet] = {}
        self._outlets: dict[_Outlet, asyncio.TimerHandle] = {}
        self._conversations: dict[asyncio.Task[None], str] = {}

    def send(self, transmit: Transmit) -> None:
        """Send one query. What goes wrong is reported to the machine, now or later."""
        if transmit.channel.tcp:
            task = self._loop.create_task(self._converse(transmit))
            self._conversations[task] = transmit.channel.sandbox
            task.add_done_callback(self._conversations.pop)
            return
        try:
            self._outlet(transmit.channel).sock.send(transmit.data)
        except (OSError, Failed) as error:
            _log.debug("cannot ask %s: %s", transmit.channel.upstream, error)
            self._relay.failed(transmit.channel, self._loop.time(), transmit.number)

    def forget(self, sandbox: str) -> None:
        """Close everything inside the sandbox: an open socket would keep its namespace alive."""
        for outlet in [outlet for outlet in self._outlets if outlet.channel.sandbox == sandbox]:
            self._discard(outlet)
        for task in [task for task, owner in self._conversations.items() if owner == sandbox]:
            task.cancel()

    def close(self) -> None:
        for outlet in list(self._outlets):
            self._discard(outlet)
        for task in self._conversations:
            task.cancel()

    # --- UDP --------------------------------------------------------------------------------------

    def _outlet(self, channel: Channel) -> _Outlet:
        outlet = self._current.get(channel)
        now = self._loop.time()
        if outlet is None or now - outlet.born > FRESH:
            outlet = self._current[channel] = _Outlet(channel, self._connect(channel), now)
            self._loop.add_reader(outlet.sock.fileno(), self._on_datagrams, outlet)
            self._outlets[outlet] = self._loop.call_later(KEPT, self._discard, outlet)
        return outlet

    def _connect(self, channel: Channel) -> socket:
        sock = self._open(channel, SOCK_DGRAM)
        try:
            sock.connect(_address(channel))
        except OSError:
            sock.close()
            raise
        return sock

    def _on_datagrams(self, outlet: _Outlet) -> None:
        now = self._loop.time()
        for _ in range(BUDGET):
            try:
                data = outlet.sock.recv(_DATAGRAM_MAX)
            except BlockingIOError:
                break
            except OSError as error:
                _log.debug("%s does not answer: %s", outlet.channel.upstream, error)
                self._relay.failed(outlet.channel, now)
            else:
                self._relay.receive(data, outlet.channel, now)
        self._pump()

    def _discard(self, outlet: _Outlet) -> None:
        self._outlets.pop(outlet).cancel()
        if self._current.get(outlet.channel) is outlet:
            del self._current[outlet.channel]
        self._loop.remove_reader(outlet.sock.fileno())
        outlet.sock.close()

    # --- TCP --------------------------------------------------------------------------------------

    async def _converse(self, transmit: Transmit) -> None:
        try:
            with self._open(transmit.channel, SOCK_STREAM) as sock:
                async with asyncio.timeout(CONVERSATION):
                    reply = await self._exchange(sock, transmit)
        except (OSError, EOFError, Failed) as error:
            _log.debug("cannot ask %s by TCP: %s", transmit.channel.upstream, error)
            self._relay.failed(transmit.channel, self._loop.time(), transmit.number)
        else:
            self._relay.receive(reply, transmit.channel, self._loop.time())
        self._pump()

    async def _exchange(self, sock: socket, transmit: Transmit) -> bytes:
        await self._loop.sock_connect(sock, _address(transmit.channel))
        await self._loop.sock_sendall(sock, len(transmit.data).to_bytes(2) + transmit.data)
        return await self._read(sock, int.from_bytes(await self._read(sock, 2)))

    async def _read(self, sock: socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = await self._loop.sock_recv(sock, size - len(data))
            if not piece:
                raise EOFError("closed before the reply was complete")
            data += piece
        return data

    def _open(self, channel: Channel, kind: int) -> socket:
        family = AF_INET if channel.upstream.address.version == 4 else AF_INET6
        return self._open_socket(channel.sandbox, family, kind)


def _address(channel: Channel) -> tuple[str, int]:
    return str(channel.upstream.address), channel.upstream.port
