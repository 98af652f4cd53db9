"""Gossip nodes over real sockets: each a shell pair in this process, on loopback."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable
from dataclasses import replace

from fairlead.core import gossip
from fairlead.effects.wire.datagram import DatagramShell
from fairlead.effects.wire.stream import StreamShell, tcp_socket

CONFIG = replace(gossip.LOCAL, probe_interval=0.2, probe_timeout=0.06, indirect_timeout=0.12, relay_patience=0.03)
PATIENCE = 30.0


class Running:
    """A node with its sockets."""

    def __init__(
        self,
        name: str,
        sockets: tuple[socket.socket, socket.socket],
        make_socket: Callable[[int], socket.socket] = tcp_socket,
    ) -> None:
        self.closed = False
        self.udp, self.tcp = sockets
        self.address: gossip.Address = self.udp.getsockname()
        identity = gossip.Identity(name, self.address, "test", os.urandom(7))
        now = asyncio.get_running_loop().time()
        self.node = gossip.Node(identity, gossip.Keyring(b"k" * 32), random.Random(name), now, CONFIG)
        self.events: list[gossip.Event] = []
        self.shell = DatagramShell(self.node, self.udp, self.events.append)
        self.streams = StreamShell(self.node, self.shell, self.tcp, CONFIG.max_frame, make_socket)

    async def start(self, *seeds: Running) -> None:
        await self.streams.start()
        self.node.join([seed.address for seed in seeds], self.shell.now())
        self.node.join_network("net", self.shell.now())
        self.shell.turn()

    def write(self, key: str, value: bytes) -> None:
        self.node.set_entry("net", "table", key, value, self.shell.now())
        self.shell.turn()

    def rows(self) -> dict[str, bytes]:
        return {entry.key: entry.value for entry in self.node.entries("net", "table")}

    def status(self, other: Running) -> str | None:
        member = self.node.member(other.node.name)
        return None if member is None else member.status.name

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.shell.close()
        await self.streams.close()
        self.udp.close()
        self.tcp.close()


def loopback_sockets() -> tuple[socket.socket, socket.socket]:
    """A datagram socket and a listener on one free port."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return udp, tcp


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most for `PATIENCE` seconds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - conditions are spread over several objects
            await asyncio.sleep(0.01)


class Puppet:
    """A machine that makes the calls it is told to and notes what became of them."""

    def __init__(self, targets: dict[str, gossip.Address]) -> None:
        self._names = dict(enumerate(targets))
        self._orders = [gossip.Call(number, to, 0.3) for number, to in enumerate(targets.values())]
        self.ends: dict[str, str] = {}

    def calls(self) -> list[gossip.Call]:
        orders, self._orders = self._orders, []
        return orders

    def ask(self, call: int, hello: bytes) -> bytes | None:
        return b"question"

    def answered(self, call: int, data: bytes, now: float) -> None:
        self.ends[self._names[call]] = data.decode()

    def call_failed(self, call: int, how: str, now: float) -> None:
        self.ends[self._names[call]] = how

    def hello(self) -> bytes:
        return b"twelve bytes"

    def answer(self, hello: bytes, question: bytes, source: gossip.Address, now: float) -> bytes | None:
        return b"answer to " + question

    def receive(self, data: bytes, source: gossip.Address, now: float) -> None:
        raise AssertionError("nobody sends datagrams here")

    def handle_timeout(self, now: float) -> None:
        raise AssertionError("no deadline was set")

    def next_deadline(self) -> None:
        return None

    def transmits(self) -> list[gossip.Datagram]:
        return []

    def events(self) -> list[gossip.Event]:
        return []
