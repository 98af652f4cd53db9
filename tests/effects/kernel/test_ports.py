"""Held ports and what they carry, with real sockets over loopback and between namespaces."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from ipaddress import ip_address, ip_interface

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.kernel.ports import HostPorts
from fairlead.model.errors import Failed
from fairlead.model.plan import AddAddress, AddBridge, AddRoute, AddVeth, Plan, SetLink
from tests.effects.kernel.conftest import run
from tests.support.machines import eventually

Container = Callable[[str], str]
PATIENCE = 30


@pytest.fixture
async def ports(host: None) -> AsyncIterator[HostPorts]:
    run("ip", "link", "set", "lo", "up")
    ports = HostPorts()
    await ports.start()
    yield ports
    await ports.close()


@pytest.fixture
async def inside(kernel: LinuxKernel, container: Container) -> str:
    """A container 10.9.0.2 that the host reaches."""
    ns = container("c1")
    run("ip", "link", "set", "lo", "up", ns=ns)
    await kernel.apply(
        Plan(
            (
                AddBridge("br0"),
                AddAddress("br0", ip_interface("10.9.0.1/24")),
                AddVeth("veth1", "eth0", ns, master="br0"),
                AddAddress("eth0", ip_interface("10.9.0.2/24"), ns),
                SetLink("eth0", ns, up=True),
                AddRoute(None, "eth0", ip_address("10.9.0.1"), ns),
            )
        )
    )
    return ns


async def own(address: str) -> None:
    """One more address of the host's. The kernel makes the way to it a moment later."""
    run("ip", "address", "add", f"{address}/64", "dev", "br0", "nodad")
    await eventually(lambda: run("ip", "-6", "route", "show", "table", "local", address))


def listener(address: str, port: int, kind: int = socket.SOCK_STREAM, reuse: bool = True) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    if reuse:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


async def test_a_held_port_is_nobody_elses(ports: HostPorts) -> None:
    await ports.hold([("0.0.0.0", 8080, "tcp"), ("::", 8080, "tcp"), ("127.0.0.1", 8080, "udp")])
    for address, kind in (
        ("0.0.0.0", socket.SOCK_STREAM),
        ("::", socket.SOCK_STREAM),
        ("127.0.0.1", socket.SOCK_DGRAM),
    ):
        with pytest.raises(OSError, match="Address already in use"):
            listener(address, 8080, kind, reuse=kind == socket.SOCK_STREAM)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8080), PATIENCE)
    await ports.release([("0.0.0.0", 8080, "tcp"), ("::", 8080, "tcp"), ("never", 1, "tcp")])
    listener("0.0.0.0", 8080).close()


async def test_all_or_none(ports: HostPorts) -> None:
    with listener("127.0.0.1", 8081):
        with pytest.raises(Failed) as refused:
            await ports.hold([("0.0.0.0", 8080, "tcp"), ("0.0.0.0", 8081, "tcp")])
        assert refused.value.message == "failed to bind host port for 0.0.0.0:8081/tcp: address already in use"
    listener("0.0.0.0", 8080).close()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_every_address_of_both_families_is_one_socket(ports: HostPorts, protocol: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    pair = [("0.0.0.0", 8080, protocol), ("::", 8080, protocol)]
    await ports.hold(pair)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    for first, second in ((0, 1), (1, 0)):
        await ports.release([pair[first]])
        with pytest.raises(OSError, match="in use"):
            listener(pair[second][0], 8080, kind, reuse=False)
        await ports.release([pair[second]])
        listener("::", 8080, kind, reuse=False).close()
        await ports.hold(pair)


async def test_an_address_that_is_not_ours(ports: HostPorts) -> None:
    with pytest.raises(Failed, match=r"for 10\.9\.9\.9:8000/udp: cannot assign requested address"):
        await ports.hold([("10.9.9.9", 8000, "udp")])
    with pytest.raises(Failed, match=r"for \[fd00::9\]:8000/tcp: cannot assign requested address"):
        await ports.hold([("fd00::9", 8000, "tcp")])


async def test_a_port_held_twice_is_refused_also_where_only_we_know(ports: HostPorts) -> None:
    for protocol in ("tcp", "udp", "sctp"):
        await ports.hold([("0.0.0.0", 9000, protocol)])
        with pytest.raises(Failed, match="address already in use"):
            await ports.hold([("0.0.0.0", 9000, protocol)])


async def test_lingering_connections_do_not_keep_a_port(ports: HostPorts) -> None:
    with listener("127.0.0.1", 8082) as server, socket.create_connection(("127.0.0.1", 8082)) as client:
        served, _ = server.accept()
        served.close()
        assert client.recv(1) == b""
    await ports.hold([("0.0.0.0", 8082, "tcp")])
    with pytest.raises(OSError, match="Address already in use"):
        listener("0.0.0.0", 8082)


async def test_a_carried_connection_loses_nothing(ports: HostPorts, inside: str) -> None:
    """8 MiB there and its digest back, after the sender's half is closed."""
    server = await echo_digest(inside)
    await carried(ports, "tcp")
    payload = os.urandom(8 << 20)
    async with server, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("::1", 8080)
        writer.write(payload)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    assert answer == hashlib.sha256(payload).digest()


async def echo_digest(ns: str) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(hashlib.sha256(await reader.read()).digest())
        writer.close()

    (listening,) = open_sockets(ns, [SocketSpec(socket.SOCK_STREAM, ("0.0.0.0", 80), backlog=5)])
    return await asyncio.start_server(serve, sock=listening)


async def carried(ports: HostPorts, protocol: str, loopback_only: bool = False) -> None:
    await ports.hold([("::", 8080, protocol)])
    await ports.splice(("::", 8080, protocol), ip_address("10.9.0.2"), 80, loopback_only)


async def asked(address: str) -> bytes:
    reader, writer = await asyncio.open_connection(address, 8080)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_target_that_does_not_answer_resets(ports: HostPorts, inside: str) -> None:
    await carried(ports, "tcp")
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConnectionResetError):
            await asked("::1")


async def test_only_loopback_is_carried_when_asked_so(ports: HostPorts, inside: str) -> None:
    await own("fd77::1")
    server = await echo_digest(inside)
    await carried(ports, "tcp", loopback_only=True)
    async with server, asyncio.timeout(PATIENCE):
        with pytest.raises(ConnectionResetError):
            await asked("fd77::1")
        reader, writer = await asyncio.open_connection("::1", 8080)
        writer.write_eof()
        assert await reader.read() == hashlib.sha256().digest()
        writer.close()


async def test_releasing_ends_what_is_carried(ports: HostPorts, inside: str) -> None:
    server = await echo_digest(inside)
    await carried(ports, "tcp")
    async with server, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("::1", 8080)
        await ports.release([("::", 8080, "tcp")])
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("::1", 8080)


async def test_datagrams_find_their_way_back_from_the_address_that_was_asked(ports: HostPorts, inside: str) -> None:
    await own("fd77::1")
    await own("fd77::2")
    (server,) = open_sockets(inside, [SocketSpec(socket.SOCK_DGRAM, ("0.0.0.0", 80))])
    loop = asyncio.get_running_loop()
    loop.add_reader(server, lambda: server.sendto(*server.recvfrom(2000)))
    await carried(ports, "udp")
    clients = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(3)]
    try:
        async with asyncio.timeout(PATIENCE):
            for client in clients:
                client.setblocking(False)
                client.connect(("fd77::2", 8080))  # a connected socket takes answers from that address only
            answers = [await answer(client, b"%d" % number) for number, client in enumerate(clients)]
        assert answers == [b"0", b"1", b"2"]
    finally:
        loop.remove_reader(server)
        for each in (server, *clients):
            each.close()


async def answer(client: socket.socket, question: bytes) -> bytes:
    """A datagram may be lost, while the neighbour is not known say: it is sent until there is an answer."""
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(client, question)
        with suppress(TimeoutError):
            return await asyncio.wait_for(loop.sock_recv(client, 100), 0.5)


async def test_what_is_not_held_cannot_be_carried(ports: HostPorts) -> None:
    with pytest.raises(Failed, match=r"cannot carry \[::\]:8080/tcp"):
        await ports.splice(("::", 8080, "tcp"), ip_address("10.9.0.2"), 80)
