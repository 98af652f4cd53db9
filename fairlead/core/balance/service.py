"""What is balanced: services as their clients' sandboxes and the nodes' ingress see them."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.endpoint import TCP
from fairlead.model.errors import Invalid
from fairlead.model.network import Address

ROUND_ROBIN, RANDOM, SOURCE = "round-robin", "random", "source"
ALGORITHMS = (ROUND_ROBIN, RANDOM, SOURCE)
"""By turns; by chance; the same client always to the same backend, as long as that is there."""

LABEL = "com.fairlead.balance"
"""The label of a service that names its algorithm."""


def algorithm(wish: str) -> str:
    """The algorithm that a service's label asks for; "" is by turns. Raises Invalid."""
    if wish not in ("", *ALGORITHMS):
        raise Invalid(f"invalid value {wish!r} of label {LABEL}: must be one of {', '.join(ALGORITHMS)}")
    return wish or ROUND_ROBIN


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """A task that takes new connections. `weight` is its share among the others; 0 takes none."""

    address: Address
    weight: int = 1


@dataclass(frozen=True, slots=True)
class VirtualService:
    """Who stands behind a virtual address. `leaving` are tasks that still live and keep their connections but get no
    new ones. An address that was in either and is in neither now is gone: its connections are reset."""

    vip: Address
    backends: tuple[Backend, ...] = ()
    leaving: frozenset[Address] = frozenset()
    algorithm: str = ROUND_ROBIN


@dataclass(frozen=True, slots=True)
class MeshKey:
    """A port that every node shows. `host_ip` "" is every address of the node."""

    published: int
    protocol: str = TCP
    host_ip: str = ""


@dataclass(frozen=True, slots=True, order=True)
class MeshBackend:
    """A task as the mesh reaches it: its address on the ingress network, and the port that it listens at."""

    address: Address
    port: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class MeshService:
    """Who stands behind a port of the mesh; `leaving` as for a `VirtualService`. `snat`: the tasks shall see the node
    that the client came in by, instead of the client. `service` is its name, for whoever wants the port too."""

    key: MeshKey
    backends: tuple[MeshBackend, ...] = ()
    algorithm: str = ROUND_ROBIN
    snat: bool = False
    service: str = ""
    leaving: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Entrance:
    """A node's end of the routing mesh on the ingress network (its BALANCER endpoint)."""

    mac: str
    address: Address
