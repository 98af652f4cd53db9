"""Hosts with a router between them whose links are narrower than the hosts' own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.effects.wire.path import PathProbe
from tests.effects.kernel.conftest import ip, run
from tests.engine.networking.hosts import Hosts, Node, hosts, inside, swarm_network

NARROW = 1400


@pytest.fixture
async def pair(host: None, tmp_path: Path) -> AsyncIterator[Hosts]:
    """Two hosts whose switch is a router: what they send each other goes through it."""
    async with hosts(tmp_path, 2) as made:
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", ns=made.switch)
        for number, node in enumerate(made.nodes, 1):
            run("ip", "link", "set", f"p{number}", "nomaster", ns=made.switch)
            run("ip", "address", "add", f"192.168.60.{number}/32", "dev", f"p{number}", ns=made.switch)
            run("ip", "route", "add", f"{node.address}/32", "dev", f"p{number}", ns=made.switch)
            run("ip", "address", "flush", "dev", "eth0", ns=node.place)
            run("ip", "address", "add", f"{node.address}/32", "dev", "eth0", ns=node.place)
            gateway = f"192.168.60.{number}"
            run("ip", "route", "add", gateway, "dev", "eth0", ns=node.place)
            run("ip", "route", "add", "default", "via", gateway, "dev", "eth0", ns=node.place)
        yield made


def narrow(world: Hosts) -> None:
    """Every way between the hosts, and nothing that they see of their own."""
    for number, node in enumerate(world.nodes, 1):
        route = (f"{node.address}/32", "dev", f"p{number}", "mtu", "lock", str(NARROW))
        run("ip", "route", "replace", *route, ns=world.switch)


def table(name: str, hook: str, rule: str) -> str:
    return f"add table ip {name} {{ chain only {{ type filter hook {hook} priority -500; {rule}; }}; }}"


async def measured(world: Hosts, most: int = 1500) -> int:
    a, b = world.nodes
    return await PathProbe(a.place, patience=0.2).measure(b.address, most)


async def test_a_wide_way_is_as_wide_as_the_link(pair: Hosts) -> None:
    assert await measured(pair) == 1500


async def test_a_way_of_ipv6_is_asked_too(host: None, tmp_path: Path) -> None:
    async with hosts(tmp_path, 2, mtu=9000, subnet="fd60::/64") as made:
        assert await measured(made, 9000) == 9000


async def test_a_router_tells_what_its_link_takes(pair: Hosts) -> None:
    narrow(pair)
    assert await measured(pair) == NARROW


async def test_a_router_that_keeps_silent_is_found_out(pair: Hosts) -> None:
    narrow(pair)
    run("nft", table("quiet", "output", "icmp type 3 icmp code 4 drop"), ns=pair.switch)
    assert await measured(pair) == NARROW


async def test_where_nobody_answers_nothing_is_said(pair: Hosts) -> None:
    b = pair.nodes[1]
    run("nft", table("mute", "input", "udp dport 33434 drop"), ns=b.place)
    assert await measured(pair) == 0


async def wide_then_narrow(pair: Hosts) -> Node:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red"))
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    await pair.meet("red")
    narrow(pair)
    for node in pair.nodes:
        node.overlays.paths.probe = PathProbe(node.place)
        await node.overlays.peers([other.address for other in pair.nodes if other is not node])
    for node in pair.nodes:
        await known(node)
    return a


async def known(node: Node) -> None:
    """Returns when the host knows how narrow its way is."""
    async with asyncio.timeout(30):
        while True:
            underlay = node.fabric.host.facts.underlay
            if underlay is not None and underlay.path:
                return await node.repaired()
            await asyncio.sleep(0.02)


async def test_what_comes_to_a_narrow_way_fits_it(pair: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    a = await wide_then_narrow(pair)
    assert f"the way to {pair.nodes[1].address} takes packets of {NARROW} bytes only" in caplog.text
    await a.put("late", red="10.0.1.9")
    assert ip("link", "show", "eth0", ns=a.ns("late"))[0]["mtu"] == NARROW - 50
    assert ip("link", "show", "eth0", ns=a.ns("web"))[0]["mtu"] == 1450
    await a.repaired()
    await a.check()


async def test_no_connection_sends_what_does_not_arrive_whole(pair: Hosts) -> None:
    """Fragments are lost on the way, as many networks lose them: connections between full MTUs pass nevertheless."""
    a = await wide_then_narrow(pair)
    b = pair.nodes[1]
    run("nft", table("lossy", "prerouting", "ip frag-off & 0x3fff != 0 drop"), ns=b.place)
    assert inside(a.ns("web"), "ping", "-c", "1", "-W", "1", "-s", str(1450 - 28), "10.0.1.6").returncode
    server = await asyncio.create_subprocess_exec(
        "nsenter", f"--net={b.ns('db')}", "python3", "-c", _SERVER, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout
    assert await server.stdout.readline() == b"listening\n"
    sent = inside(a.ns("web"), "python3", "-c", _CLIENT)
    assert sent.stdout == "1310 1000000\n", sent.stderr
    assert await asyncio.wait_for(server.wait(), 30) == 0


_SERVER = """
import socket
with socket.create_server(("10.0.1.6", 80)) as listening:
    print("listening", flush=True)
    talk, _ = listening.accept()
    talk.settimeout(5)
    left = 1000000
    while left:
        left -= len(talk.recv(65536))
    talk.sendall(bytes(1000000))
"""

_CLIENT = """
import socket
with socket.create_connection(("10.0.1.6", 80), timeout=5) as talk:
    size = talk.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    talk.sendall(bytes(1000000))
    heard = 0
    while heard < 1000000:
        heard += len(talk.recv(65536))
    print(size + 12, heard)
"""
