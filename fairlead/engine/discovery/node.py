"""This daemon as a node of the swarm's gossip: opened when there are keys, silent or gone when told so."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fairlead.core import gossip
from fairlead.core.discovery.presence import Refused, encode
from fairlead.engine.discovery.ports import Line, Sockets
from fairlead.engine.ports import Entropy
from fairlead.model.discovery import Presence
from fairlead.model.network import Address

PORT = 7946
TABLE = "endpoints"
FAREWELL_SECONDS = 2.0
SESSION_BITS = 56

_log = logging.getLogger("fairlead.engine.discovery")


@dataclass(frozen=True, slots=True)
class Here:
    """Who and where this node is. Other nodes' data addresses are where their gossip is, too."""

    node_id: str
    address: Address
    cluster_id: str
    port: int = PORT


class GossipNode:
    """`life` numbers the lives of this node's name, each greater than the last (`gossip.Identity.epoch`)."""

    def __init__(self, sockets: Sockets, here: Here, entropy: Entropy, heard: Callable[[gossip.Event], None]) -> None:
        self._sockets = sockets
        self._here = here
        self._entropy = entropy
        self._heard = heard
        self._line: Line | None = None
        self._node: gossip.Node | None = None
        self._seeds: tuple[gossip.Address, ...] = ()
        self._whole = False

    @property
    def open(self) -> bool:
        return self._line is not None

    async def start(self, life: int, keyring: gossip.Keyring) -> None:
        """Begin to listen, knowing nobody yet (`join`). Raises Failed when the port is taken."""
        here = self._here
        session = self._entropy.number(1 << SESSION_BITS).to_bytes(SESSION_BITS // 8, "big")
        identity = gossip.Identity(here.node_id, (str(here.address), here.port), here.cluster_id, session, life)
        chance = random.Random(self._entropy.number(1 << 64))
        node = gossip.Node(identity, keyring, chance, _now())
        self._line = await self._sockets.open(node, here.address, here.port, self._heard, node.config.max_frame)
        self._node = node
        self._whole = False

    def seek(self, peers: Iterable[Address]) -> None:
        """These are the other nodes that are up."""
        seeds = tuple((str(peer), self._here.port) for peer in peers if peer != self._here.address)
        if seeds != self._seeds:
            self._seeds = seeds
            self.join()

    def join(self) -> None:
        """Enter the cluster through any of the others, now or as soon as one answers. What is said in networks until
        then is exchanged at once."""
        if self._node is not None and self._seeds:
            self._node.join(self._seeds, _now())
            self._turn()

    def enter(self, network_id: str) -> None:
        """Take part in a network."""
        if self._node is None or network_id in self._node.networks:
            return
        try:
            self._node.join_network(network_id, _now())
        except gossip.GossipError as error:
            _log.error("nothing is heard of a network: %s", error, extra={"network": network_id})
        self._turn()

    def leave_network(self, network_id: str) -> None:
        if self._node is not None:
            self._node.leave_network(network_id, _now())
            self._turn()

    def write(self, network_id: str, presence: Presence) -> gossip.Entry | None:
        """Tell the network of an own endpoint. None: that could not be."""
        if self._node is None:
            return None
        try:
            return self._node.set_entry(network_id, TABLE, presence.endpoint_id, encode(presence), _now())
        except (Refused, gossip.GossipError) as refused:
            _log.error("an endpoint cannot be told of: %s", refused, extra={"endpoint": presence.endpoint_id})
            return None
        finally:
            self._turn()

    def heed(self, entries: Iterable[gossip.Entry]) -> None:
        """Tell the owners of these rows that this host acts by them."""
        if self._node is not None:
            self._node.heed(entries, _now())
            self._turn()

    def erase(self, network_id: str, endpoint_id: str) -> None:
        if self._node is not None:
            self._node.delete_entry(network_id, TABLE, endpoint_id, _now())
            self._turn()

    def complete(self) -> None:
        """Every endpoint of ours has been told of since `start`: others may forget what an earlier life told."""
        if self._node is not None and not self._whole:
            self._node.complete(_now())
            self._whole = True
            self._turn()

    async def say_goodbye(self) -> None:
        """Leave the cluster; returns when others know, or after a short while."""
        if self._node is None:
            return
        self._node.leave(_now())
        self._turn()
        deadline = _now() + FAREWELL_SECONDS
        while not self._node.farewell_said and _now() < deadline:  # noqa: ASYNC110 - the machine has no events
            await asyncio.sleep(self._node.config.gossip_interval)

    async def close(self) -> None:
        """Fall silent. Others find that out, and keep what they know of us for our return."""
        line, self._line, self._node = self._line, None, None
        if line is not None:
            await line.close()

    # --- what is known ----------------------------------------------------------------------------

    def peers(self, network_id: str) -> list[gossip.Member]:
        """The living members that take part in a network, this one included."""
        if self._node is None:
            return []
        found = (self._node.member(name) for name in self._node.participants(network_id))
        return [member for member in found if member is not None and member.present]

    def others(self, network_id: str) -> list[str]:
        """Those of `peers` that are not this one."""
        return [member.name for member in self.peers(network_id) if member.name != self._here.node_id]

    @property
    def alone(self) -> bool:
        """Whether others should be there and none is heard."""
        if self._node is None:
            return True
        return bool(self._seeds) and not any(
            member.present and member.name != self._here.node_id for member in self._node.members()
        )

    def report(self) -> dict[str, object]:
        return self._node.report(_now()) if self._node else {}

    def _turn(self) -> None:
        if self._line is not None:
            self._line.turn()


def _now() -> float:
    """The clock of the shells that drive the node."""
    return asyncio.get_running_loop().time()
