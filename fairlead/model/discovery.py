"""What nodes tell each other about the endpoints of swarm networks: the values in gossip's per-network tables.

A node owns the entries of its own endpoints and nobody else writes them. Everything that forwards, names or balances
on other nodes follows from these entries alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.endpoint import TCP
from fairlead.model.network import Address

CONTAINER, TASK, BALANCER = "container", "task", "balancer"


@dataclass(frozen=True, slots=True)
class MeshPort:
    """A port that the service shows through the routing mesh. `host_ip` "" is every address. `snat`: the user asked
    that the entering node translate the client's address."""

    published: int
    target: int
    protocol: str = TCP
    host_ip: str = ""
    snat: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """One endpoint on one swarm network. `vtep` is the data address of its node.

    `name` is the container's, `aliases` other names of this endpoint alone. A `TASK` belongs to a service: its
    `service` name resolves to `vips` (VIP mode) or to the addresses of all its serving tasks (`vips` empty), its
    `service_aliases` likewise; `mesh` are the ports that reach it from outside. It is `serving` from healthy to asked
    to stop: names and balancing know it only while it is, forwarding from the first moment to the last. `weight` is a
    backend's share, `balance` the service's choice of algorithm ("", "source", "least", ...).
    A `BALANCER` is a node's own address on the network (its end of the routing mesh): forwarded to, never named.
    """

    endpoint_id: str
    kind: str
    node_id: str
    vtep: Address
    mac: str
    addresses: tuple[Address, ...]
    name: str = ""
    aliases: tuple[str, ...] = ()
    service_id: str = ""
    service: str = ""
    service_aliases: tuple[str, ...] = ()
    vips: tuple[Address, ...] = ()
    mesh: tuple[MeshPort, ...] = ()
    serving: bool = True
    weight: int = 1
    balance: str = ""
