"""The sockets of the daemon's gossip node: UDP and TCP on one port."""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EADDRNOTAVAIL
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.wire.datagram import DatagramShell, Load
from fairlead.effects.wire.stream import ConversationMachine, StreamShell
from fairlead.model.errors import Failed, KernelRefused
from fairlead.model.plan import HOST

_BACKLOG = 128
_RECEIVE_BUFFER = 1 << 20
"""Room for what arrives while the loop is busy: a few milliseconds of a thousand nodes' news."""


class GossipLine:
    """A machine on its sockets, from `start` to `close`."""

    def __init__(
        self, machine: ConversationMachine, sockets: list[socket.socket], on_event: Callable[[Any], None]
    ) -> None:
        self._machine, self._sockets = machine, sockets
        self._shell = DatagramShell(machine, sockets[0], on_event)
        self._streams: StreamShell | None = None

    async def start(self, max_frame: int, make_socket: Callable[[int], socket.socket]) -> None:
        self._streams = StreamShell(self._machine, self._shell, self._sockets[1], max_frame, make_socket)
        await self._streams.start()

    def turn(self) -> None:
        """Carry out what the machine wants done; to be called after talking to it directly."""
        self._shell.turn()

    def load(self) -> Load:
        return self._shell.load()

    async def close(self) -> None:
        self._shell.close()
        if self._streams is not None:
            await self._streams.close()
        for sock in self._sockets:
            sock.close()


class GossipSockets:
    """Opens lines in a namespace; HOST is the daemon's own."""

    def __init__(self, ns_path: str = HOST) -> None:
        self._ns_path = ns_path

    async def open(
        self,
        machine: ConversationMachine,
        address: IPv4Address | IPv6Address,
        port: int,
        on_event: Callable[[Any], None],
        max_frame: int,
    ) -> GossipLine:
        """Raises Failed when the port is taken. An address that is not this host's (it is translated on the way) is
        listened for on all addresses."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        line = GossipLine(machine, self._bound(family, str(address), port), on_event)
        await line.start(max_frame, self._unbound)
        return line

    def _bound(self, family: int, address: str, port: int) -> list[socket.socket]:
        try:
            opened = open_sockets(self._ns_path, _specs(family, address, port))
        except KernelRefused as refused:
            if refused.errno == EADDRNOTAVAIL and address:
                return self._bound(family, "", port)
            where = f"{address or '*'} port {port}"
            raise Failed(f"cannot listen for other nodes on {where}: {refused.message}") from refused
        opened[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        return opened

    def _unbound(self, family: int) -> socket.socket:
        return open_sockets(self._ns_path, [SocketSpec(socket.SOCK_STREAM, family=family)])[0]


def _specs(family: int, address: str, port: int) -> list[SocketSpec]:
    return [
        SocketSpec(socket.SOCK_DGRAM, (address, port), family, reuse=False),
        SocketSpec(socket.SOCK_STREAM, (address, port), family, backlog=_BACKLOG),
    ]
