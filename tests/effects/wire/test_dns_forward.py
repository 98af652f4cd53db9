"""Names of the world: real servers, dead servers, and servers that lie."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import dns.flags
import dns.message
import dns.query
import pytest

from tests.effects.wire.dns_puppet import Puppet, response
from tests.effects.wire.dns_world import OUTSIDE, DnsWorld, addresses, eventually, rcode, upstream
from tests.effects.wire.spaces import Space, inside, unused_port


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_a_real_server_is_asked_from_inside_the_sandbox(world: DnsWorld, tcp: bool) -> None:
    world.dnsmasq(world.outside(), "--address=/outside.test/192.0.2.1", "--address=/nothing.test/")
    await world.open(upstream())
    assert addresses(await world.ask("www.outside.test", tcp=tcp)) == ["192.0.2.1"]
    assert rcode(await world.ask("nothing.test", tcp=tcp)) == "NXDOMAIN"
    assert addresses(await world.ask("db", tcp=tcp)) == ["172.18.0.3"]


async def test_a_server_on_the_hosts_loopback_is_asked_from_the_host(world: DnsWorld) -> None:
    host = Space.__new__(Space)
    host.path = "/proc/self/ns/net"
    port = unused_port(host)
    world.dnsmasq(host, "--address=/outside.test/192.0.2.2", address="127.0.0.1", port=port)
    await world.open(upstream("127.0.0.1", port, inside=False))
    assert addresses(await world.ask("outside.test")) == ["192.0.2.2"]


async def test_the_users_loopback_server_is_the_containers_own(world: DnsWorld) -> None:
    world.dnsmasq(world.box, "--address=/outside.test/192.0.2.3", address="127.0.0.1")
    await world.open(upstream("127.0.0.1"))
    assert addresses(await world.ask("outside.test")) == ["192.0.2.3"]


async def test_a_long_answer_is_fetched_by_tcp_for_a_client_that_came_by_tcp(world: DnsWorld) -> None:
    texts = [f"--txt-record=long.test,{'x' * 200}{number}" for number in range(20)]
    world.dnsmasq(world.outside(), *texts)
    await world.open(upstream())
    assert (await world.ask("long.test", "TXT")).flags & dns.flags.TC
    assert len(addresses(await world.ask("long.test", "TXT", tcp=True))) == 20


@pytest.mark.timed
async def test_an_internal_sandbox_sends_nothing_through_the_host(world: DnsWorld) -> None:
    puppet = Puppet(world.outside(), lambda query, send: send(response(query)))
    try:
        world.network = replace(world.network, internal=True)
        world.populate()
        await world.open(upstream(inside=False))
        started = time.monotonic()
        assert rcode(await world.ask("secret.exfiltrated.test")) == "SERVFAIL"
        assert rcode(await world.ask("secret.exfiltrated.test", tcp=True)) == "SERVFAIL"
        assert time.monotonic() - started < 1
        assert puppet.heard == []
    finally:
        puppet.stop()


async def test_an_internal_sandbox_may_ask_a_server_that_it_reaches(world: DnsWorld) -> None:
    world.dnsmasq(world.outside(), "--address=/outside.test/192.0.2.4")
    world.network = replace(world.network, internal=True)
    world.populate()
    await world.open(upstream())
    assert addresses(await world.ask("outside.test")) == ["192.0.2.4"]


@pytest.mark.timed
async def test_an_internal_sandbox_is_told_at_once_what_it_cannot_reach(world: DnsWorld) -> None:
    world.network = replace(world.network, internal=True)
    world.populate()
    await world.open(upstream("203.0.113.1"))
    started = time.monotonic()
    assert rcode(await world.ask("outside.test")) == "SERVFAIL"
    assert time.monotonic() - started < 1


@pytest.mark.timed
async def test_a_closed_port_is_noticed_at_once(world: DnsWorld) -> None:
    world.outside()
    await world.open(upstream())
    started = time.monotonic()
    assert rcode(await world.ask("outside.test")) == "SERVFAIL"
    assert time.monotonic() - started < 1


async def test_the_second_server_helps_when_the_first_is_dead(world: DnsWorld) -> None:
    world.dnsmasq(world.outside(), "--address=/outside.test/192.0.2.5")
    await world.open(upstream("10.9.0.200"), upstream())
    assert addresses(await world.ask("outside.test")) == ["192.0.2.5"]


async def test_only_the_answer_to_the_question_counts(world: DnsWorld) -> None:
    def lie(query: bytes, send: Callable[[bytes], object]) -> None:
        true = response(query)
        wrong_id = bytes(2) if query[:2] != bytes(2) else b"\1\1"
        for forged in (b"", true[:7], wrong_id + true[2:], query, response(query.replace(b"\4real", b"\4fake"))):
            send(forged)
        send(b"\xff" * 4096)
        send(true)

    puppet = Puppet(world.outside(), lie)
    try:
        await world.open(upstream())
        assert addresses(await world.ask("real.test")) == ["192.0.2.7"]
        assert world.names.counters()["stray"] >= 5
    finally:
        puppet.stop()


async def test_a_stranger_cannot_answer(world: DnsWorld) -> None:
    outside = world.outside()
    world.box.run("sh", "-c", "echo 40000 40200 > /proc/sys/net/ipv4/ip_local_port_range")
    stranger = inside(outside.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    stranger.bind((OUTSIDE, 5353))

    def play(query: bytes, send: Callable[[bytes], object]) -> None:
        for port in range(40000, 40201):
            stranger.sendto(response(query, "6.6.6.6"), ("10.9.0.2", port))
        send(response(query))

    puppet = Puppet(outside, play)
    try:
        await world.open(upstream())
        assert addresses(await world.ask("real.test")) == ["192.0.2.7"]
    finally:
        puppet.stop()
        stranger.close()


async def test_a_reply_too_long_for_its_client_is_cut(world: DnsWorld) -> None:
    puppet = Puppet(world.outside(), lambda query, send: send(response(query, count=100)))
    try:
        await world.open(upstream())
        cut = await world.ask("big.test")
        assert cut.flags & dns.flags.TC
        assert len(addresses(await world.ask("big.test", use_edns=0, payload=4096))) == 100
    finally:
        puppet.stop()


async def test_a_flood_at_a_silent_server_does_not_keep_others_waiting(world: DnsWorld) -> None:
    puppet = Puppet(world.outside(), lambda query, send: None)
    other = world.space()
    world.dnsmasq(other, "--address=/outside.test/192.0.2.6", address="127.0.0.1")
    world.attach("cache", "172.18.0.4/16", sandbox="other")
    try:
        ports = await world.open(upstream())
        await world.open(upstream("127.0.0.1"), sandbox="other", space=other)
        await asyncio.to_thread(_flood, world.box.path, ports.udp)
        await asyncio.to_thread(eventually, lambda: world.names.counters().get("refused", 0) > 0)
        assert addresses(await world.ask("db")) == ["172.18.0.3"]
        request = dns.message.make_query("outside.test", "A")
        answer = await asyncio.to_thread(_ask_in, other.path, request, world.ports["other"].udp)
        assert addresses(answer) == ["192.0.2.6"]
    finally:
        puppet.stop()


def _flood(path: str, port: int) -> None:
    with inside(path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as flood:
        for number in range(500):
            flood.sendto(dns.message.make_query(f"x{number}.test", "A").to_wire(), ("127.0.0.11", port))


def _ask_in(path: str, request: dns.message.Message, port: int) -> dns.message.Message:
    return inside(path, lambda: dns.query.udp(request, "127.0.0.11", port=port, timeout=5))


async def test_closing_while_a_query_is_out_leaves_nothing(world: DnsWorld) -> None:
    puppet = Puppet(world.outside(), lambda query, send: None)
    try:
        ports = await world.open(upstream())
        client = inside(world.box.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with client:
            client.sendto(dns.message.make_query("x.test", "A").to_wire(), ("127.0.0.11", ports.udp))
            await asyncio.to_thread(eventually, lambda: len(puppet.heard) > 0)
        await world.names.close_sandbox("box")
        assert "10.9.0.1:53" not in world.box.run("ss", "-Hnu")
        assert world.server._waiting == {}
    finally:
        puppet.stop()
