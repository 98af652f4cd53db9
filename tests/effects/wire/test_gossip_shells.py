"""The datagram and stream shells, driving gossip nodes over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from fairlead.core import gossip
from fairlead.effects.kernel.netns import SocketSpec, entered, make_namespace, open_sockets
from fairlead.effects.wire.datagram import DatagramShell
from fairlead.effects.wire.stream import StreamShell
from tests.effects.wire.gossip_world import Puppet, Running, eventually, loopback_sockets

Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[Running] = []

    async def make(name: str, *seeds: Running, sockets=None, **options) -> Running:
        node = Running(name, sockets or loopback_sockets(), **options)
        running.append(node)
        await node.start(*seeds)
        return node

    yield make
    for node in running:
        await node.close()


@pytest.fixture
def namespace() -> Iterator[str]:
    """The path of a fresh network namespace with its loopback up; it ends with its descriptor."""
    descriptor = make_namespace()
    path = f"/proc/self/fd/{descriptor}"
    try:
        with entered(path):
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield path
    finally:
        os.close(descriptor)


async def test_several_nodes_in_one_process_share_a_table(start: Start) -> None:
    a = await start("a")
    b, c = await start("b", a), await start("c", a)
    await eventually(lambda: a.status(c) == b.status(c) == c.status(b) == "ALIVE")
    b.write("web", b"1")
    await eventually(lambda: a.rows() == c.rows() == {"web": b"1"})


async def test_a_closed_port_buries_its_node_at_once(start: Start) -> None:
    a = await start("a")
    b, c = await start("b", a), await start("c", a)
    await eventually(lambda: a.status(c) == b.status(c) == "ALIVE")
    await c.close()
    begun = asyncio.get_running_loop().time()
    await eventually(lambda: a.status(c) == b.status(c) == "DEAD")
    assert asyncio.get_running_loop().time() - begun < gossip.LOCAL.suspicion_floor


async def test_a_row_larger_than_a_datagram_goes_by_stream(start: Start) -> None:
    a = await start("a")
    b = await start("b", a)
    await eventually(lambda: a.status(b) == "ALIVE")
    large = os.urandom(40_000)
    a.write("large", large)
    await eventually(lambda: b.rows() == {"large": large})
    assert b.node.counters.call_bytes_received > 40_000


async def test_how_a_call_ends_is_told_apart(namespace: str) -> None:
    """In a namespace of its own, whose only way out is a loopback."""
    udp, listener, mute, deaf = open_sockets(
        namespace,
        [
            SocketSpec(socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            SocketSpec(socket.SOCK_STREAM, ("127.0.0.1", 0), backlog=8),
            SocketSpec(socket.SOCK_STREAM, ("127.0.0.1", 0), backlog=8),
            SocketSpec(socket.SOCK_STREAM, ("127.0.0.1", 0)),
        ],
    )
    puppet = Puppet(
        {
            "served": listener.getsockname(),
            "mute": mute.getsockname(),
            "deaf": deaf.getsockname(),
            "nowhere": ("192.0.2.1", 9),
        }
    )

    def make_socket(family: int) -> socket.socket:
        return open_sockets(namespace, [SocketSpec(socket.SOCK_STREAM, family=family)])[0]

    shell = DatagramShell(puppet, udp, lambda event: None)
    streams = StreamShell(puppet, shell, listener, 1000, make_socket)
    try:
        await streams.start()
        await eventually(lambda: len(puppet.ends) == 4)
        assert puppet.ends == {
            "served": "answer to question", "mute": "stalled", "deaf": "refused", "nowhere": "silent",
        }  # fmt: skip
    finally:
        shell.close()
        await streams.close()
        for each in (udp, listener, mute, deaf):
            each.close()


async def test_garbage_on_either_port_only_counts(start: Start) -> None:
    a = await start("a")
    b = await start("b", a)
    await eventually(lambda: a.status(b) == "ALIVE")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.sendto(os.urandom(500), a.address)
    for junk in (b"GET / HTTP/1.1\r\n\r\n", (1 << 31).to_bytes(4, "big"), (8).to_bytes(4, "big") + os.urandom(8)):
        reader, writer = await asyncio.open_connection(*a.address)
        writer.write(junk)
        writer.write_eof()
        assert len(await reader.read()) == 12  # the hello, and then nothing
        writer.close()
    await eventually(lambda: sum(a.node.counters.peer_errors.values()) >= 2)
    a.write("still", b"here")
    await eventually(lambda: b.rows() == {"still": b"here"})


async def test_processor_time_and_bytes_are_measured(start: Start) -> None:
    a = await start("a")
    b = await start("b", a)
    await eventually(lambda: a.status(b) == "ALIVE" and a.node.counters.probes > 2)
    load = a.shell.load()
    assert 0 < load.cpu_share < 1
    assert load.bytes_sent_s > 0
    assert load.bytes_received_s > 0
    assert a.shell.bytes_received >= a.node.counters.bytes_received + a.node.counters.call_bytes_received
    assert a.shell.bytes_sent >= a.node.counters.bytes_sent
