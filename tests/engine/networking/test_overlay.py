"""Overlay networks between hosts, packet by packet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from fairlead.core.drivers.overlay_stations import Entry
from fairlead.model.discovery import CONTAINER, Presence
from fairlead.model.errors import Conflict, Failed
from fairlead.model.network import SWARM, Network, Pool
from tests.effects.kernel.conftest import ip, link, run
from tests.engine.networking.hosts import Hosts, Node, hosts, inside, swarm_network


@pytest.fixture
async def pair(host: None, tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts(tmp_path, 2) as made:
        yield made


async def test_containers_of_two_hosts_reach_each_other_and_nobody_of_another_network(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red"), swarm_network("blue", "10.0.2.0/24", 4099))
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    await b.put("spy", blue="10.0.2.6")
    await pair.meet("red", "blue")
    assert a.reaches("web", "10.0.1.6")
    assert b.reaches("db", "10.0.1.5")
    assert not b.reaches("spy", "10.0.1.5", 0.3)
    assert not a.reaches("web", "10.0.2.6", 0.3)
    for node in pair.nodes:
        await node.check()


async def test_a_network_is_on_a_host_while_an_endpoint_is(pair: Hosts) -> None:
    a, _ = pair.nodes
    await pair.ensure(swarm_network("red"))
    assert not [path for path in await a.namespaces.existing() if "/1-" in path]
    await a.put("web", red="10.0.1.5")
    home = str(a.config.netns_dir / "1-red0123456")
    assert (link("br0", home) or {})["mtu"] == 1450
    vxlan = (link("vxlan0", home) or {})["linkinfo"]["info_data"]
    assert (vxlan["id"], vxlan["port"], vxlan["learning"], vxlan["proxy"]) == (4097, 4789, False, True)
    gateway = ip("address", "show", "dev", "br0", ns=home)[0]["addr_info"]
    assert [(each["local"], each["prefixlen"]) for each in gateway] == [("10.0.1.1", 24)]
    await a.stop("web")
    assert not [path for path in await a.namespaces.existing() if "/1-" in path]
    await a.put("web", red="10.0.1.5")
    await a.check()


async def test_it_survives_the_daemon(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red"))
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    await b.put("old", red="10.0.1.7")
    await pair.meet("red")
    await a.die()
    assert b.reaches("db", "10.0.1.5")
    await b.stop("old")
    await a.start()
    await a.check()
    assert a.reaches("web", "10.0.1.6")
    assert any(entry.mac == "02:42:0a:00:01:07" for entry in await stations(a))
    await pair.meet("red")
    assert a.reaches("web", "10.0.1.6")
    assert not any(entry.mac == "02:42:0a:00:01:07" for entry in await stations(a))


async def test_after_a_restart_nobody_is_cut_off_before_all_have_spoken(host: None, tmp_path: Path) -> None:
    async with hosts(tmp_path, 3) as made:
        a, b, c = made.nodes
        await made.ensure(swarm_network("red"))
        for number, node in enumerate(made.nodes):
            await node.put(f"c{number}", red=f"10.0.1.{5 + number}")
        await made.meet("red")
        await a.restart()
        a.overlays.remote(a.state.network("red").id, b.presences("red")[0])
        await a.overlays.settled()
        assert c.reaches("c2", "10.0.1.5")
        await a.overlays.peers([b.address])
        await made.meet("red")
        assert c.reaches("c2", "10.0.1.5"), "who announces endpoints is a node, whatever the managers know"


async def stations(node: Node) -> list[Entry]:
    return list(await node.kernel.stations(str(node.config.netns_dir / "1-red0123456")))


async def test_what_others_take_away_comes_back(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red"))
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    await pair.meet("red")
    home = str(a.config.netns_dir / "1-red0123456")
    for lost in ("link del vxlan0", "link del br0", "link set vxlan0 down", "address flush dev br0"):
        run("ip", *lost.split(), ns=home)
        await a.repaired()
        assert a.reaches("web", "10.0.1.6"), lost
    await a.check()


async def test_two_subnets_are_two_segments(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red", "10.0.1.0/24 10.0.9.0/24"))
    await a.put("web", red="10.0.1.5")
    await a.put("app", red="10.0.9.5")
    await b.put("db", red="10.0.9.6")
    await pair.meet("red")
    home = str(a.config.netns_dir / "1-red0123456")
    assert {each["ifname"] for each in ip("link", ns=home)} >= {"br0", "vxlan0", "br1", "vxlan1"}
    assert a.reaches("app", "10.0.9.6")
    assert not a.reaches("web", "10.0.9.6", 0.3)


async def test_ipv6_goes_along(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red", "10.0.1.0/24 fd00:1::/64"))
    await a.put("web", red="10.0.1.5 fd00:1::5")
    await a.put("near", red="10.0.1.7 fd00:1::7")
    await b.put("db", red="10.0.1.6 fd00:1::6")
    await pair.meet("red")
    for address in ("fd00:1::6", "fd00:1::7", "10.0.1.6", "fd00:1::1"):
        assert a.reaches("web", address), address


async def test_ipv6_can_be_alone_and_beneath(host: None, tmp_path: Path) -> None:
    async with hosts(tmp_path, 2, subnet="fd60::/64") as made:
        a, b = made.nodes
        await made.ensure(swarm_network("red", "fd00:1::/64"))
        await a.put("web", red="fd00:1::5")
        await b.put("db", red="fd00:1::6")
        await made.meet("red")
        assert a.reaches("web", "fd00:1::6")
        home = str(a.config.netns_dir / "1-red0123456")
        assert (link("br0", home) or {})["mtu"] == 1430


async def test_full_packets_pass_unbroken(host: None, tmp_path: Path) -> None:
    """Derived from the underlay: 9000 carries 8950, and what does not fit is refused with the reason."""
    async with hosts(tmp_path, 2, mtu=9000) as made:
        a, b = made.nodes
        await made.ensure(swarm_network("red"))
        await a.put("web", red="10.0.1.5")
        await b.put("db", red="10.0.1.6")
        await made.meet("red")
        assert ip("link", "show", "eth0", ns=a.ns("web"))[0]["mtu"] == 8950
        big = ("ping", "-c", "1", "-W", "1", "-M", "do", "-s", str(8950 - 28), "10.0.1.6")
        assert inside(a.ns("web"), *big).returncode == 0
        large = swarm_network("large", "10.0.8.0/24", 4300, {"com.docker.network.driver.mtu": "9000"})
        with pytest.raises(Failed, match="MTU 9000 is too large: .* 9000 bytes, and with VXLAN at most 8950 fit"):
            await a.ensure(large)
        small = swarm_network("small", "10.0.8.0/24", 4300, {"com.docker.network.driver.mtu": "1400"})
        await a.ensure(small)
        await a.put("tiny", small="10.0.8.5")
        assert ip("link", "show", "eth0", ns=a.ns("tiny"))[0]["mtu"] == 1400


@pytest.mark.timed
async def test_a_thousand_remote_endpoints_are_written_together(pair: Hosts) -> None:
    a, b = pair.nodes
    network = swarm_network("red", "10.8.0.0/16")
    await pair.ensure(network)
    await a.put("web", red="10.8.0.5")
    began = time.perf_counter()
    for number in range(1000):
        address = IPv4Address("10.8.1.0") + number
        mac = "02:42:" + address.packed.hex(":")
        a.overlays.remote(network.id, Presence(f"e{number}", CONTAINER, "b", b.address, mac, (address,)))
    await a.overlays.settled()
    took = time.perf_counter() - began
    assert len(await stations(a)) == 2000
    assert took < 2, took
    for number in range(1000):
        a.overlays.remote_gone(network.id, f"e{number}")
    a.overlays.told(network.id)
    await a.overlays.settled()
    assert await stations(a) == []


async def test_where_frames_find_their_way_alone_nothing_is_done_for_them(pair: Hosts) -> None:
    """A macvlan may be the swarm's; what is on it is on the wire."""
    a, b = pair.nodes
    wire = Network("w" * 25, "wire", "macvlan", 1, scope=SWARM, pools=(Pool(ip_network("10.99.0.0/24"), None),))
    a.state.put_network(wire)
    there = Presence("e", CONTAINER, "b", b.address, "02:42:0a:63:00:09", (IPv4Address("10.99.0.9"),))
    a.overlays.remote(wire.id, there)
    await a.overlays.settled()
    assert not list(a.fabric.remotes.expected())


async def test_a_container_that_is_reborn_elsewhere_is_found_there(host: None, tmp_path: Path) -> None:
    """Its new node speaks before its old one falls silent, or after: both ends know it where it is."""
    async with hosts(tmp_path, 3) as made:
        a, b, c = made.nodes
        await made.ensure(swarm_network("red"))
        await a.put("web", red="10.0.1.5")
        await b.put("db", red="10.0.1.6")
        await made.meet("red")
        old, network_id = b.presences("red")[0], a.state.network("red").id
        await b.stop("db")
        await c.put("db", red="10.0.1.6")
        new = c.presences("red")[0]
        a.overlays.remote(network_id, new)
        a.overlays.remote_gone(network_id, old.endpoint_id)
        c.overlays.remote(network_id, a.presences("red")[0])
        await a.overlays.settled()
        await c.overlays.settled()
        assert a.reaches("web", "10.0.1.6")


async def test_another_data_address_moves_the_networks(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(swarm_network("red"))
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    run("ip", "address", "add", "192.168.60.99/24", "dev", "eth0", ns=a.place)
    a.address = IPv4Address("192.168.60.99")
    for node in pair.nodes:
        await node.overlays.enter(node.address, 7777)
    await b.overlays.peers([a.address])
    await a.overlays.peers([b.address])
    await pair.meet("red")
    assert a.reaches("web", "10.0.1.6")
    for node in pair.nodes:
        await node.check()


async def test_leaving_the_swarm_takes_everything_away(pair: Hosts) -> None:
    a, _ = pair.nodes
    await pair.ensure(swarm_network("red"))
    await a.put("web", red="10.0.1.5")
    with pytest.raises(Conflict, match="network red still has endpoints here: web"):
        await a.overlays.release(a.state.network("red").id)
    await a.overlays.leave()
    assert not a.state.endpoints
    assert a.state.find_network("red") is None
    assert "fairlead-underlay" not in run("nft", "list", "tables", ns=a.place)
    await a.check()
