"""Somebody deletes what overlays and balancing have in namespaces and on hosts: it is back within two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fairlead.core.balance.service import Backend, VirtualService
from fairlead.model.sandbox import INGRESS
from tests.effects.kernel.conftest import run
from tests.engine.networking.hosts import Hosts, Node, hosts, inside, swarm_network
from tests.engine.networking.test_balancing_mesh import PUBLISHED, world
from tests.support.answering import Answerers, ask

__all__ = ["world"]

pytestmark = pytest.mark.timed

WITHIN = 2.0
VIP = IPv4Address("10.0.1.2")


@pytest.fixture
async def pair(host: None, tmp_path: Path) -> AsyncIterator[Hosts]:
    """A container on each of two hosts, the second one behind a virtual address."""
    async with hosts(tmp_path, 2) as made:
        a, b = made.nodes
        await made.ensure(swarm_network("red"))
        await a.put("web", red="10.0.1.5")
        await b.put("db", red="10.0.1.6")
        await made.meet("red")
        service = VirtualService(VIP, (Backend(IPv4Address("10.0.1.6")),))
        for node in made.nodes:
            await node.fabric.balancing.services(node.state.network("red").id, {VIP: service})
        yield made


def home(node: Node) -> str:
    return str(node.config.netns_dir / "1-red0123456")


def ruleset(ns: str) -> str:
    """Without what counts on: handles, and the turn of what is asked by turns."""
    return run("nft", "-s", "list", "ruleset", ns=ns)


async def again(ns: str, before: str) -> None:
    """The namespace has the rules that it had."""
    async with asyncio.timeout(WITHIN):
        while ruleset(ns) != before:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)


LOSSES = (
    "flush ruleset",
    "delete table inet fairlead",
    "flush chain inet fairlead balance",
    "flush map inet fairlead ways4",
)


@pytest.mark.parametrize("loss", LOSSES)
async def test_virtual_addresses_in_a_sandbox(pair: Hosts, loss: str) -> None:
    a = pair.nodes[0]
    before = ruleset(a.ns("web"))
    assert a.reaches("web", str(VIP))
    run("nft", *loss.split(), ns=a.ns("web"))
    assert ruleset(a.ns("web")) != before
    await again(a.ns("web"), before)
    assert a.reaches("web", str(VIP))


@pytest.mark.parametrize(
    "loss", ["flush ruleset", "flush chain bridge fairlead prerouting", "flush set bridge fairlead home"]
)
async def test_the_filter_of_a_network(pair: Hosts, loss: str) -> None:
    a = pair.nodes[0]
    before = ruleset(home(a))
    run("nft", *loss.split(), ns=home(a))
    await again(home(a), before)
    assert a.reaches("web", "10.0.1.6")


@pytest.mark.parametrize(
    "loss", ["flush ruleset", "flush chain inet fairlead-underlay input", "flush set inet fairlead-underlay peers4"]
)
async def test_what_looks_at_the_hosts_packets(pair: Hosts, loss: str) -> None:
    a = pair.nodes[0]
    before = run("nft", "-s", "list", "table", "inet", "fairlead-underlay", ns=a.place)
    run("nft", *loss.split(), ns=a.place)
    async with asyncio.timeout(WITHIN):
        while inside(a.place, "nft", "-s", "list", "table", "inet", "fairlead-underlay").stdout != before:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert a.reaches("web", "10.0.1.6")


async def test_where_other_nodes_endpoints_are(pair: Hosts) -> None:
    a, b = pair.nodes
    mac = b.endpoint("db", "red").mac
    before = sorted(map(str, await a.kernel.stations(home(a))))
    run("bridge", "fdb", "delete", mac, "dev", "vxlan0", "dst", str(b.address), ns=home(a))
    run("ip", "neighbour", "delete", "10.0.1.6", "dev", "vxlan0", ns=home(a))
    async with asyncio.timeout(WITHIN):
        while sorted(map(str, await a.kernel.stations(home(a)))) != before:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert a.reaches("web", "10.0.1.6")


async def test_where_our_own_endpoints_are(pair: Hosts) -> None:
    a = pair.nodes[0]
    own = a.endpoint("web", "red")
    run("bridge", "fdb", "delete", own.mac, "dev", own.host_ifname, "master", ns=home(a))
    assert (
        own.mac
        not in run("bridge", "fdb", "show", "dev", own.host_ifname, "state", "static", ns=home(a)).split("self")[0]
    )
    async with asyncio.timeout(WITHIN):
        await a.repaired()
    assert pair.nodes[1].reaches("db", "10.0.1.5")


async def test_the_mesh(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    first, second = made.nodes
    task, entrance = second.ns("task"), first.state.sandboxes[INGRESS].ns
    for ns in (entrance, task):
        before = ruleset(ns)
        run("nft", "flush", "ruleset", ns=ns)
        await again(ns, before)
        assert ask(second.place, str(first.address), PUBLISHED).name == "task"


@pytest.mark.parametrize(
    "loss", ["flush ruleset", "delete table inet fairlead-near", "flush map inet fairlead-near slots4"]
)
async def test_the_hosts_own_way_to_its_tasks(world: tuple[Hosts, Answerers], loss: str) -> None:
    made, _ = world
    first, second = made.nodes
    before = inside(second.place, "nft", "-s", "list", "table", "inet", "fairlead-near").stdout
    assert "172.18.0." in before
    run("nft", *loss.split(), ns=second.place)
    async with asyncio.timeout(WITHIN):
        while inside(second.place, "nft", "-s", "list", "table", "inet", "fairlead-near").stdout != before:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert ask(first.place, str(second.address), PUBLISHED).name == "task"
