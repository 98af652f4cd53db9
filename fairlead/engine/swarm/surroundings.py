"""What a node's agent needs of the other parts of its engine, as Protocols: the swarm's networks, and what is told
about their endpoints. Both may be missing; then tasks have only the networks of their own host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.engine.swarm.messages import News
from fairlead.model.discovery import Presence
from fairlead.model.network import Address
from fairlead.model.swarm.cluster import EncryptionKey, GossipKey
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import NodeDescription


class Overlays(Protocol):
    """Swarm networks as networks of this host."""

    async def ensure(self, network: SwarmNetwork, data_address: Address, port: int) -> None:
        """From now on containers can be put on it by its id or name. Idempotent; raises Refusal when this host cannot
        have such a network."""
        ...

    async def release(self, network_id: str) -> None:
        """No container of this host is on it any more."""
        ...

    async def peers(self, addresses: Sequence[Address]) -> None:
        """The data addresses of all other nodes, each time all of them."""
        ...

    async def keys(self, keys: Sequence[EncryptionKey], primary: int) -> None:
        """The swarm's IPsec keys, all of them each time; `primary` is the Lamport time of the one to send with."""
        ...


class Discovery(Protocol):
    """What this node tells others about its endpoints."""

    async def tell(self, peers: Sequence[Address], keys: Sequence[GossipKey]) -> None:
        """The other nodes that are up, and the swarm's keys (all of them, each time)."""
        ...

    async def announce(self, network_id: str, presence: Presence) -> None:
        """Set or replace an own entry."""
        ...

    async def withdraw(self, network_id: str, endpoint_id: str) -> None: ...

    async def heeded(self, network_id: str, endpoint_id: str, patience: float) -> bool:
        """Returns when every node of the network acts by what was announced last of an endpoint that serves no more;
        False when that takes more than `patience` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`describe` tells what the node is now; `heard` gets every piece of news before its tasks are acted on (own role,
    managers, trust, a forced renewal: the affairs of the membership)."""

    describe: Callable[[], NodeDescription]
    heard: Callable[[News], Awaitable[None]]
    overlays: Overlays | None = None
    discovery: Discovery | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where and as whom this node is in the swarm. `address` is the one that others see; `manager_address` HOST:PORT of
    its own listener for nodes if it is a manager; `managers` those that it knows at the start."""

    node_id: str
    address: str
    data_address: Address
    manager_address: str = ""
    managers: tuple[str, ...] = ()
