"""TCP clients of the resolver: the many, the slow and the greedy."""

import asyncio
import socket
import struct
import time

import dns.message
import pytest

from fairlead.effects.wire import dns_tcp
from tests.effects.wire.dns_puppet import Puppet
from tests.effects.wire.dns_world import DnsWorld, addresses, eventually, upstream


def framed(*names: str) -> bytes:
    queries = [dns.message.make_query(name, "A", id=number).to_wire() for number, name in enumerate(names)]
    return b"".join(struct.pack("!H", len(query)) + query for query in queries)


def read_reply(client: socket.socket) -> dns.message.Message:
    size = int.from_bytes(_exactly(client, 2))
    return dns.message.from_wire(_exactly(client, size))


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, "the resolver closed the connection"
        data += piece
    return data


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


async def test_several_queries_on_one_connection(world: DnsWorld) -> None:
    await world.open()
    with await asyncio.to_thread(world.connect) as client:
        client.sendall(framed(*["db", "cache"] * 100))
        replies = [await asyncio.to_thread(read_reply, client) for _ in range(200)]
    assert sorted(reply.id for reply in replies) == list(range(200))
    assert {addresses(reply)[0] for reply in replies} == {"172.18.0.3", "172.18.0.4"}


async def test_a_query_may_come_byte_by_byte(world: DnsWorld) -> None:
    await world.open()
    with await asyncio.to_thread(world.connect) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed("db"):
            client.sendall(bytes((byte,)))
        assert addresses(await asyncio.to_thread(read_reply, client)) == ["172.18.0.3"]


async def test_a_client_that_says_it_is_done_still_gets_its_replies(world: DnsWorld) -> None:
    world.dnsmasq(world.outside(), "--address=/outside.test/192.0.2.1")
    await world.open(upstream())
    with await asyncio.to_thread(world.connect) as client:
        client.sendall(framed("outside.test"))
        client.shutdown(socket.SHUT_WR)
        assert addresses(await asyncio.to_thread(read_reply, client)) == ["192.0.2.1"]
        assert await asyncio.to_thread(ended, client)


async def test_slow_clients_do_not_block_anybody(world: DnsWorld) -> None:
    await world.open()
    slow = [await asyncio.to_thread(world.connect) for _ in range(dns_tcp.CONNECTIONS)]
    try:
        for client in slow:
            client.sendall(framed("db")[:-3])
        assert addresses(await world.ask("db")) == ["172.18.0.3"]
        assert addresses(await world.ask("db", tcp=True)) == ["172.18.0.3"]
    finally:
        for client in slow:
            client.close()


async def test_the_longest_silent_client_makes_room(world: DnsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_tcp, "CONNECTIONS", 2)
    await world.open()
    first, second = [await asyncio.to_thread(world.connect) for _ in range(2)]
    with first, second:
        first.sendall(framed("db"))
        await asyncio.to_thread(read_reply, first)
        with await asyncio.to_thread(world.connect) as third:
            third.sendall(framed("db"))
            await asyncio.to_thread(read_reply, third)
            assert await asyncio.to_thread(ended, second)
            first.sendall(framed("cache"))
            assert addresses(await asyncio.to_thread(read_reply, first)) == ["172.18.0.4"]


async def test_bytes_that_trickle_are_no_sign_of_life(world: DnsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_tcp, "IDLE", 0.3)
    await world.open()
    with await asyncio.to_thread(world.connect) as client:
        assert await asyncio.to_thread(_seconds_of_trickling, client) < 2


def _seconds_of_trickling(client: socket.socket) -> float:
    """How long one may go on to send a byte now and then."""
    client.settimeout(0.02)
    start = time.monotonic()
    while time.monotonic() - start < 5:
        try:
            client.sendall(b"\xff")
            if client.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    return time.monotonic() - start


async def test_a_client_that_does_not_read_is_not_read_either(world: DnsWorld) -> None:
    for number in range(60):
        world.attach(f"all-task{number}", f"172.18.1.{number + 1}/16")
    await world.open()
    loop = asyncio.get_running_loop()
    with await asyncio.to_thread(world.connect) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.sock_sendall(client, framed(*["all"] * 1000) * 2000), timeout=1)
        assert addresses(await world.ask("db")) == ["172.18.0.3"]


async def test_queries_beyond_the_limit_wait_their_turn(world: DnsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Puppet(world.outside(), lambda query, send: None)
    try:
        await world.open(upstream())
        with await asyncio.to_thread(world.connect) as client:
            client.sendall(framed(*[f"x{number}.test" for number in range(dns_tcp.PENDING)], "db"))
            await asyncio.to_thread(eventually, lambda: len(silent.heard) >= dns_tcp.PENDING)
            assert len(world.server._waiting) == dns_tcp.PENDING
            assert addresses(await world.ask("db")) == ["172.18.0.3"]
    finally:
        silent.stop()
