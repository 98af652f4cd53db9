"""Several hosts on one switch, each a network namespace with an engine of its own, and swarm networks between them.

Discovery is played by the test: `Hosts.meet` tells each host what runs on the others.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from fairlead.core.drivers.overlay_options import VNIS
from fairlead.effects.kernel import netns
from fairlead.engine.fabric.expectation import Expectation
from fairlead.model.discovery import CONTAINER, Presence
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.network import Address, NetworkSpec, Pool
from fairlead.model.swarm.network import SwarmNetwork
from tests.effects.kernel.conftest import run
from tests.engine.networking.house import PATIENCE, House

PORT = 4789


def swarm_network(
    name: str, subnets: str = "10.0.1.0/24", vni: int = 4097, options: dict[str, str] | None = None, **spec: Any
) -> SwarmNetwork:
    pools = tuple(Pool(net, net[1]) for net in map(ip_network, subnets.split()))
    vnis = tuple(range(vni, vni + len(pools)))
    return SwarmNetwork(
        id=f"{name}0123456789abcdefghijklmno"[:25],
        spec=NetworkSpec(name, driver="overlay", options=options or {}, **spec),
        driver="overlay",
        options={**(options or {}), VNIS: ",".join(map(str, vnis))},
        pools=pools,
        vnis=vnis,
        allocated=True,
        created=1,
    )


class Node(House):
    """A host with its address on the switch."""

    def __init__(self, root: Path, place: Path, address: Address) -> None:
        super().__init__(root)
        self.place, self.address = str(place), address

    @contextmanager
    def inside(self) -> Iterator[None]:
        with netns.entered(self.place):
            yield

    async def start(self) -> None:
        with self.inside():
            await super().start()

    async def restart(self) -> None:
        await self.die()
        await self.start()

    async def ensure(self, *networks: SwarmNetwork) -> None:
        for network in networks:
            await self.overlays.ensure(network, self.address, PORT)

    async def put(self, name: str, **addresses: str) -> None:
        """Run a container on networks: `web="10.0.1.5"`, with both families `web="10.0.1.5 fd00::5"`."""
        endpoints = {network: addressed(text) for network, text in addresses.items()}
        await self.run(name, next(iter(endpoints)), endpoints=endpoints)

    def presences(self, network: str) -> list[Presence]:
        network_id = self.state.network(network).id
        return [self._presence(endpoint) for endpoint in self.state.endpoints_on(network_id)]

    def _presence(self, endpoint: Endpoint) -> Presence:
        addresses = tuple(address.ip for address in endpoint.addresses)
        return Presence(endpoint.id, CONTAINER, "node", self.address, endpoint.mac, addresses, endpoint.name)

    async def repaired(self) -> None:
        """Returns when all is there again that was taken away."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if not await self.kernel.missing(Expectation(self.fabric).operations()):
                    return
                await asyncio.sleep(0.05)

    def reaches(self, container: str, address: str, patience: float = 1.0) -> bool:
        command = ("ping", "-c", "1", "-i", "0.2", "-W", str(patience), address)
        return inside(self.ns(container), *command).returncode == 0


def addressed(text: str) -> EndpointSpec:
    found = {ip_address(word).version: word for word in text.split()}
    return EndpointSpec(ipv4=found.get(4, ""), ipv6=found.get(6, ""))


def inside(ns: str, *command: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("nsenter", f"--net={ns}", *command), capture_output=True, text=True, timeout=timeout, check=False
    )


class Hosts:
    def __init__(self, nodes: Sequence[Node], switch: str) -> None:
        self.nodes, self.switch = nodes, switch

    async def ensure(self, *networks: SwarmNetwork) -> None:
        """All hosts know the networks, and each other as peers."""
        for node in self.nodes:
            await node.ensure(*networks)
            await node.overlays.peers(other.address for other in self.nodes if other is not node)

    async def meet(self, *networks: str) -> None:
        """Everybody hears what everybody has; what somebody had and has no more is told as gone."""
        for network in networks:
            for node in self.nodes:
                await self._tell(node, network)

    async def _tell(self, node: Node, network: str) -> None:
        network_id = node.state.network(network).id
        others = [presence for other in self.nodes if other is not node for presence in other.presences(network)]
        known = dict(node.fabric.remotes._of(network_id).presences)
        for gone in known.keys() - {presence.endpoint_id for presence in others}:
            node.overlays.remote_gone(network_id, gone)
        for presence in others:
            node.overlays.remote(network_id, presence)
        node.overlays.told(network_id)
        await node.overlays.settled()


@asynccontextmanager
async def hosts(root: Path, count: int, mtu: int = 1500, subnet: str = "192.168.60.0/24") -> AsyncIterator[Hosts]:
    """`count` hosts with the addresses .11, .12 ... of the subnet on their eth0."""
    directory = root / "hosts"
    netns.make_private_mount(directory)
    try:
        switch = namespace(directory / "switch")
        run("ip", "link", "add", "sw", "mtu", str(mtu), "type", "bridge", ns=switch)
        run("ip", "link", "set", "sw", "up", ns=switch)
        nodes = [_node(root, directory, number, switch, mtu, subnet) for number in range(1, count + 1)]
        async with _running(nodes):
            yield Hosts(nodes, switch)
    finally:
        for path in directory.iterdir():
            netns.forget_namespace(path)
        netns.unmount(directory)


@asynccontextmanager
async def _running(nodes: Sequence[Node]) -> AsyncIterator[None]:
    started: list[Node] = []
    try:
        for node in nodes:
            await node.start()
            started.append(node)
        yield
    finally:
        for node in started:
            try:
                await asyncio.wait_for(node.close(), 20)
            finally:
                clear(node.config.netns_dir)


def clear(directory: Path) -> None:
    """Whatever a failed test has left."""
    for path in directory.iterdir():
        netns.forget_namespace(path)
    netns.unmount(directory)


def namespace(path: Path) -> str:
    descriptor = netns.make_namespace()
    try:
        netns.name_namespace(descriptor, path)
    finally:
        os.close(descriptor)
    run("ip", "link", "set", "lo", "up", ns=str(path))
    return str(path)


def _node(root: Path, directory: Path, number: int, switch: str, mtu: int, subnet: str) -> Node:
    place = namespace(directory / f"h{number}")
    address = plug(switch, place, number, mtu, subnet)
    (root / f"h{number}").mkdir()
    return Node(root / f"h{number}", Path(place), address)


def plug(switch: str, place: str, number: int, mtu: int = 1500, subnet: str = "192.168.60.0/24") -> Address:
    """A cable from the switch to eth0 of a namespace; its address."""
    net = ip_network(subnet)
    address = ip_interface(f"{net[10 + number]}/{net.prefixlen}")
    run("ip", "link", "add", f"p{number}", "mtu", str(mtu), "type", "veth", "peer", "name", f"q{number}", ns=switch)
    run("ip", "link", "set", f"q{number}", "netns", place, "name", "eth0", ns=switch)
    run("ip", "link", "set", f"p{number}", "master", "sw", "up", ns=switch)
    extra = () if isinstance(address.ip, IPv4Address) else ("nodad",)
    run("ip", "link", "set", "eth0", "mtu", str(mtu), "up", ns=place)
    run("ip", "address", "add", str(address), "dev", "eth0", *extra, ns=place)
    return address.ip
