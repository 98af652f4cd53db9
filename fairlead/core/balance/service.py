"""What is balanced: services as their clients' sandboxes and the nodes' ingress see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from fairlead.model.config import IPVS, NFT
from fairlead.model.endpoint import TCP
from fairlead.model.errors import Invalid
from fairlead.model.network import Address

ROUND_ROBIN, RANDOM, SOURCE = "round-robin", "random", "source"
ALGORITHMS = (ROUND_ROBIN, RANDOM, SOURCE)
"""By turns; by chance; the same client always to the same backend, as long as that is there."""

LEAST = "least"
"""Whoever has the fewest connections of the client. Only IPVS counts them; elsewhere it is by turns."""

LABEL = "com.fairlead.balance"
"""The label of a service that names its algorithm."""


def algorithm(wish: str, balancer: str = NFT) -> str:
    """The algorithm that a service's label asks for, where `balancer` leads; "" is by turns. Raises Invalid."""
    if wish == LEAST and balancer != IPVS:
        raise Invalid(
            f"invalid value {LEAST!r} of label {LABEL}: it needs IPVS, which counts connections; "
            f'start the daemons with "fairlead-balancer": "{IPVS}"'
        )
    if wish not in ("", *ALGORITHMS, LEAST):
        raise Invalid(f"invalid value {wish!r} of label {LABEL}: must be one of {', '.join((*ALGORITHMS, LEAST))}")
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

    def after(self, turnover: Turnover[Backend]) -> VirtualService:
        """The service with these tasks as they are now."""
        backends = (backend for backend in self.backends if backend.address not in turnover.tasks)
        leaving = self.leaving - turnover.tasks.keys() | turnover.leaving
        return replace(self, backends=(*backends, *turnover.serving), leaving=leaving)


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

    def after(self, turnover: Turnover[MeshBackend]) -> MeshService:
        """The service with these tasks as they are now."""
        backends = (backend for backend in self.backends if backend.address not in turnover.tasks)
        leaving = self.leaving - turnover.tasks.keys() | turnover.leaving
        return replace(self, backends=(*backends, *turnover.serving), leaving=leaving)


Served = TypeVar("Served", Backend, MeshBackend)


@dataclass(frozen=True, slots=True)
class Turnover(Generic[Served]):
    """What became of some tasks of a service that was told before, by their addresses: None is gone, and one of weight
    0 keeps the connections that it has. Everything else of the service is as it was told last."""

    tasks: Mapping[Address, Served | None]

    @property
    def serving(self) -> tuple[Served, ...]:
        return tuple(task for task in self.tasks.values() if task is not None and task.weight)

    @property
    def leaving(self) -> frozenset[Address]:
        return frozenset(task.address for task in self.tasks.values() if task is not None and not task.weight)

    def after(self, turnover: Turnover[Served]) -> Turnover[Served]:
        """Both, one after the other."""
        return Turnover({**self.tasks, **turnover.tasks})


@dataclass(frozen=True, slots=True)
class Entrance:
    """A node's end of the routing mesh on the ingress network (its BALANCER endpoint)."""

    mac: str
    address: Address
