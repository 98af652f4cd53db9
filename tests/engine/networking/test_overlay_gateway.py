"""The way out of overlay networks: docker_gwbridge."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.engine.sandboxes.egress import NAME
from fairlead.model.endpoint import PortRequest
from fairlead.model.errors import Failed
from tests.effects.kernel.conftest import ip
from tests.engine.networking.hosts import PORT, Node, addressed, hosts, swarm_network


@pytest.fixture
async def node(host: None, tmp_path: Path) -> AsyncIterator[Node]:
    async with hosts(tmp_path, 1) as made:
        node = made.nodes[0]
        await node.overlays.enter(node.address, PORT)
        await node.ensure(swarm_network("red"), swarm_network("shut", "10.0.3.0/24", 4200, internal=True))
        yield node


def ways(node: Node, container: str) -> list[tuple[str, str]]:
    """Default routes: (gateway, interface)."""
    routes = ip("route", "show", "default", ns=node.ns(container))
    return [(route["gateway"], route["dev"]) for route in routes]


def shown(node: Node, container: str) -> list[str]:
    view = node.sandboxes.settings(node.state.container(container))
    return sorted(network.name for network in view.networks)


async def test_it_is_made_as_docker_makes_it(node: Node) -> None:
    made = node.networks.find(NAME)
    assert (made.driver, made.scope, made.link) == ("bridge", "local", NAME)
    assert str(made.pools[0].subnet) == "172.18.0.0/16"
    assert dict(made.options) == {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.name": "docker_gwbridge",
    }


async def test_a_bridge_of_that_name_is_used_as_it_is(host: None, tmp_path: Path) -> None:
    async with hosts(tmp_path, 1) as made:
        node = made.nodes[0]
        own = await node.network(NAME, "10.99.0.0/24")
        await node.overlays.enter(node.address, PORT)
        assert node.networks.find(NAME).id == own


async def test_a_container_on_an_overlay_gets_a_leg_that_it_is_not_told_of(node: Node) -> None:
    await node.put("web", red="10.0.1.5")
    assert ways(node, "web") == [("172.18.0.1", "eth1")]
    assert shown(node, "web") == ["red"]
    leg = node.networks.attached(node.networks.find(NAME))[0]
    assert leg.name == f"gateway_{leg.endpoint.sandbox[:12]}"
    assert leg.endpoint.names == ()
    hosts_file = node.fabric.etc._files.read(leg.container_id, "hosts")
    assert "10.0.1.5" in hosts_file
    assert "172.18." not in hosts_file
    assert list(node.said("connect")) == ["red"]
    await node.check()
    await node.rename("web", "shop")
    assert node.networks.attached(node.networks.find(NAME))[0].name == leg.name
    await node.stop("shop")
    assert not node.networks.attached(node.networks.find(NAME))
    assert list(node.said("disconnect")) == ["red"]
    await node.check()


async def test_it_leads_outside_and_not_to_neighbours(node: Node) -> None:
    await node.ensure(swarm_network("blue", "10.0.2.0/24", 4099))
    await node.put("web", red="10.0.1.5")
    await node.put("spy", blue="10.0.2.5")
    neighbour = node.networks.attached(node.networks.find(NAME))[0].endpoint
    assert node.reaches("spy", str(node.address))
    assert neighbour.ipv4 is not None
    assert not node.reaches("spy", str(neighbour.ipv4.ip), 0.3)


async def test_internal_networks_have_no_way_out(node: Node) -> None:
    await node.put("vault", shut="10.0.3.5")
    assert ways(node, "vault") == []
    assert not node.networks.attached(node.networks.find(NAME))


async def test_the_leg_comes_and_goes_with_the_need(node: Node) -> None:
    await node.network("local", "10.50.0.0/24")
    await node.run("web", "local")
    await node.connect("red", "web", ipv4="10.0.1.5")
    assert ways(node, "web") == [("10.50.0.1", "eth0")]
    await node.disconnect("local", "web")
    assert ways(node, "web") == [("172.18.0.1", "eth0")]
    await node.check()
    await node.connect("local", "web")
    assert [gateway for gateway, _ in ways(node, "web")] == ["10.50.0.1"]
    assert not node.networks.attached(node.networks.find(NAME))
    await node.disconnect("local", "web")
    await node.disconnect("red", "web")
    assert ways(node, "web") == []
    assert shown(node, "web") == []
    await node.check()


async def test_a_leg_survives_a_restart(node: Node) -> None:
    await node.put("web", red="10.0.1.5")
    await node.restart()
    await node.check()
    await node.stop("web")
    assert not node.networks.attached(node.networks.find(NAME))
    await node.put("web", red="10.0.1.5")
    assert shown(node, "web") == ["red"]


async def test_published_ports_go_through_it(node: Node) -> None:
    wanted = (PortRequest(80, host_ports=(8080, 8080)),)
    with node.inside():
        await node.run("web", "red", endpoints={"red": addressed("10.0.1.5")}, ports=wanted)
    leg = node.endpoint("web", NAME)
    assert {port.host_port for port in leg.published} == {8080}
    with netns.entered(node.ns("web")):
        server = socket.create_server(("0.0.0.0", 80))
    with server, node.inside(), socket.create_connection(("127.0.0.1", 8080), 2):
        server.settimeout(2)
        server.accept()[0].close()


async def test_an_address_that_the_swarm_did_not_give_is_not_made_up(node: Node) -> None:
    with pytest.raises(Failed, match="network red spans a swarm, whose managers have given no IPv4 address"):
        await node.run("web", "red")
    await node.check()
