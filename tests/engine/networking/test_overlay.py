"""Overlay networks between hosts, packet by packet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.effects.kernel.conftest import ip, link
from tests.engine.networking.hosts import Hosts, hosts, swarm_network


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
