"""Hosts on one switch whose engines find each other's containers by real gossip over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from fairlead.effects.wire.gossip import GossipSockets
from fairlead.engine.discovery.discovery import Discovery
from fairlead.engine.discovery.outlets import Actors
from fairlead.model.discovery import TASK, Presence
from fairlead.model.dns import Verdict
from fairlead.model.swarm.cluster import GOSSIP, EncryptionKey, GossipKey
from fairlead.model.swarm.network import SwarmNetwork
from tests.core.dns.asking import told
from tests.effects.kernel.conftest import run
from tests.engine.networking.hosts import Hosts, Node, hosts, swarm_network

ATT = swarm_network("att", attachable=True)
CLUSTER = "cluster0123456789abcdefgh"


def keys(*lamports: int, primary: int = 0) -> list[GossipKey]:
    """Keys that follow from their numbers; the first is primary unless said otherwise."""
    primary = primary or lamports[0]
    return [GossipKey(EncryptionKey(GOSSIP, each, f"{each:02x}" * 16), each == primary) for each in lamports]


class Town:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self.nodes: Sequence[Node] = hosts.nodes
        self.discoveries: dict[Node, Discovery] = {}
        self.keys = keys(1)

    def __getitem__(self, number: int) -> Node:
        return self.nodes[number]

    def discovery(self, node: Node) -> Discovery:
        return self.discoveries[node]

    # --- life -------------------------------------------------------------------------------------

    async def wake(self, node: Node) -> None:
        """What the daemon does at its start, and the manager's first news."""
        await self.rise(node)
        await self.tell(node)

    async def rise(self, node: Node) -> None:
        """What the daemon does at its start, before any manager has spoken."""
        actors = Actors(node.overlays, node.fabric.balancing)
        discovery = self.discoveries[node] = Discovery(node.fabric, GossipSockets(node.place), actors)
        discovery.load_state(node.fabric.store.load())
        for endpoint in node.state.endpoints.values():
            network = node.state.networks[endpoint.network_id]
            if network.scope == "swarm":
                discovery.appeared(endpoint, network)
        await discovery.start(self.name(node), node.address, CLUSTER)

    async def tell(self, node: Node, *networks: SwarmNetwork) -> None:
        others = [other.address for other in self.nodes if other is not node]
        await self.discoveries[node].tell(others, self.keys)

    async def kill(self, node: Node) -> None:
        """The process is gone: its sockets close, and nobody says goodbye. Its containers run on."""
        await self.discoveries.pop(node).close()

    def name(self, node: Node) -> str:
        return f"node{self.nodes.index(node) + 1}0123456789"

    def cut(self, node: Node) -> None:
        self._cable(node, "down")

    def heal(self, node: Node) -> None:
        self._cable(node, "up")

    def _cable(self, node: Node, state: str) -> None:
        run("ip", "link", "set", f"p{self.nodes.index(node) + 1}", state, ns=self._hosts.switch)

    # --- what is asked ----------------------------------------------------------------------------

    def resolve(self, node: Node, container: str, name: str, rtype: str = "A") -> set[str]:
        """What the container's resolver says."""
        sandbox = node.state.sandboxes[node.state.container(container).id]
        said = told(node.fabric.names._sandboxes[sandbox.id].resolver.answer, name, rtype)
        return set() if isinstance(said, Verdict) else set(said)

    def rows(self, node: Node) -> set[tuple[str, bool]]:
        """The endpoints that a node knows of on the network, and whether they are silent."""
        group = self.discoveries[node]._groups.get(ATT.id)
        return {(row.presence.endpoint_id, row.silent) for row in group.view.rows()} if group else set()

    async def agree(self, seconds: float, *nodes: Node) -> float:
        """Seconds until all nodes hold the same rows, none of them silent; what follows from them is done then."""

        def same() -> bool:
            first, *others = (self.rows(node) for node in nodes or self.nodes)
            return all(other == first for other in others) and not any(silent for _, silent in first)

        took = await within(seconds, same)
        for node in nodes or self.nodes:
            await self.discovery(node).settled()
        return took

    def task(self, node: Node, service: str, slot: int, address: str, vip: str = "10.0.1.2") -> Presence:
        """A task that no container stands for."""
        ip = ip_address(address)
        return Presence(
            endpoint_id=f"{service}{slot}",
            kind=TASK,
            node_id=self.name(node),
            vtep=node.address,
            mac="02:42:" + ip.packed.hex(":"),
            addresses=(ip,),
            name=f"{service}.{slot}.abc",
            service_id=f"{service}id",
            service=service,
            vips=(ip_address(vip),) if vip else (),
        )


async def within(seconds: float, condition: Callable[[], object]) -> float:
    """How long it took until the condition held; fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds:g} s")
        await asyncio.sleep(0.002)
    return time.monotonic() - began


@asynccontextmanager
async def town(root: Path, count: int = 3) -> AsyncIterator[Town]:
    async with hosts(root, count) as made:
        await made.ensure(ATT)
        made_town = Town(made)
        try:
            for node in made.nodes:
                await made_town.wake(node)
            yield made_town
        finally:
            await asyncio.gather(*(discovery.close() for discovery in made_town.discoveries.values()))
