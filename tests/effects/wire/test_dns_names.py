"""Names, heard by clients inside a namespace."""

import asyncio
import os
import socket

import dns.flags
import dns.message
import dns.reversename
import pytest

from fairlead.effects.wire.dns import ADDRESS
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import KernelRefused
from tests.effects.wire.dns_world import DnsWorld, addresses, rcode
from tests.effects.wire.spaces import inside


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_names_aliases_and_addresses(world: DnsWorld, tcp: bool) -> None:
    await world.open()
    assert addresses(await world.ask("db", tcp=tcp)) == ["172.18.0.3"]
    assert addresses(await world.ask("DB.pets", tcp=tcp)) == ["172.18.0.3"]
    assert set(addresses(await world.ask("all", tcp=tcp))) == {"172.18.0.5", "172.18.0.6"}
    assert addresses(await world.ask("3.0.18.172.in-addr.arpa", "PTR", tcp=tcp)) == ["db.pets."]
    assert rcode(await world.ask("db", "AAAA", tcp=tcp)) == "NOERROR"
    assert rcode(await world.ask("nosuch", tcp=tcp)) == "SERVFAIL"


async def test_dig_is_content(world: DnsWorld) -> None:
    ports = await world.open()
    for options in (("+noedns",), ("+bufsize=4096", "+dnssec"), ("+tcp",), ("+cookie",)):
        said = await asyncio.to_thread(
            world.box.run,
            "dig",
            "db",
            f"@{ADDRESS}",
            "-p",
            str(ports.tcp if "+tcp" in options else ports.udp),
            *options,
        )
        assert "status: NOERROR" in said
        assert "172.18.0.3" in said
        assert "WARNING" not in said


async def test_a_large_set_is_cut_for_udp_and_whole_for_tcp(world: DnsWorld) -> None:
    for number in range(60):
        world.attach(f"all-task{number}", f"172.18.1.{number + 1}/16")
    await world.open()
    plain = await world.ask("all")
    assert plain.flags & dns.flags.TC
    assert 20 < len(addresses(plain)) < 62
    assert len(addresses(await world.ask("all", use_edns=0, payload=4096))) == 62
    assert len(addresses(await world.ask("all", tcp=True))) == 62


async def test_changes_are_heard_at_once(world: DnsWorld) -> None:
    await world.open()
    assert addresses(await world.ask("db")) == ["172.18.0.3"]
    world.names.drop_endpoint("db@pets")
    assert rcode(await world.ask("db")) == "SERVFAIL"
    world.attach("db", "172.18.0.99/16")
    assert addresses(await world.ask("db")) == ["172.18.0.99"]


async def test_links_are_private(world: DnsWorld) -> None:
    await world.open()
    endpoint = world.attach("web", "172.18.0.2/16", sandbox="box", links=("db:store", f"{'c' * 64}:far"))
    assert endpoint.spec == EndpointSpec(links=("db:store", f"{'c' * 64}:far"))
    assert addresses(await world.ask("store")) == ["172.18.0.3"]
    other = world.space()
    world.attach("cache", "172.18.0.4/16", sandbox="other")
    await world.open(sandbox="other", space=other)
    request = dns.message.make_query("store", "A")
    assert rcode(await asyncio.to_thread(_ask_in, other.path, request, world.ports["other"].udp)) == "SERVFAIL"


def _ask_in(path: str, request: dns.message.Message, port: int) -> dns.message.Message:
    return inside(path, lambda: dns.query.udp(request, ADDRESS, port=port, timeout=5))


async def test_what_is_no_query_is_refused_or_ignored_and_the_next_is_answered(world: DnsWorld) -> None:
    ports = await world.open()
    sock = inside(world.box.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    good = dns.message.make_query("db", "A").to_wire()
    with sock:
        sock.settimeout(5)
        sock.connect((ADDRESS, ports.udp))
        for junk in (b"", b"x", good[:11], good[:2] + b"\x80" + good[3:], os.urandom(4000)):
            sock.send(junk)
        for broken in (good + b"x", good[:-2], good[:12] + b"\xc0\x0c" + good[-4:]):
            sock.send(broken)
            reply = await asyncio.to_thread(_next_with_id, sock, good[:2])
            assert rcode(dns.message.from_wire(reply)) == "FORMERR"
        sock.send(good)
        reply = await asyncio.to_thread(_next_with_id, sock, good[:2])
        assert addresses(dns.message.from_wire(reply)) == ["172.18.0.3"]


def _next_with_id(sock: socket.socket, number: bytes) -> bytes:
    while True:
        reply = sock.recv(4096)
        if reply[:2] == number:
            return reply


async def test_opening_twice_keeps_the_ports(world: DnsWorld) -> None:
    assert await world.open() == await world.open()


async def test_a_sandbox_that_is_not_there_is_refused(world: DnsWorld) -> None:
    with pytest.raises(KernelRefused, match="no such file"):
        await world.names.open_sandbox("ghost", "/run/no-such-namespace", ())


async def test_closing_leaves_nothing_open(world: DnsWorld) -> None:
    before = _sockets()
    await world.open()
    clients = [await asyncio.to_thread(world.connect) for _ in range(3)]
    await world.ask("db", tcp=True)
    await world.names.close_sandbox("box")
    await world.names.close_sandbox("box")
    for client in clients:
        with client:
            assert await asyncio.to_thread(_ended, client)
    assert _sockets() == before
    assert "127.0.0.11" not in world.box.run("ss", "-Hlntu")


def _sockets() -> int:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.lexists(link) and os.readlink(link).startswith("socket:") for link in links)


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
