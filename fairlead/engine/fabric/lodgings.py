"""Places on the swarm's attachable networks for users' own containers.

Addresses of such a network are the managers' to give. Before a container comes to it they are asked for a place: a task
that stands for the container, with addresses, which also keeps the network from being removed. When the container has
gone from the network the place is given back, in the background: nobody should wait for managers to stop a container.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from fairlead.engine.state import State
from fairlead.model.attachment import Attachment, Lodging
from fairlead.model.container import Container
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import NotFound
from fairlead.model.network import SWARM, Network
from fairlead.model.swarm.attachment import SwarmAddress


@dataclass(frozen=True, slots=True)
class Given:
    """`addresses` is empty on a network whose addresses are each host's own affair."""

    network_id: str
    task_id: str
    addresses: tuple[SwarmAddress, ...]


class Keeper(Protocol):
    """Whoever asks the managers (`fairlead.engine.swarm.guests`)."""

    async def lodge(self, container_id: str, network: str, addresses: tuple[str, ...]) -> Given:
        """A place on the network (id or name), which this host knows from now on. Raises NotFound when there is none of
        that name in the swarm, or no swarm, and Failed with the reason why there is no place on it."""
        ...

    def leave(self, task_id: str) -> None:
        """Give a place back, as soon as a manager hears it."""
        ...

    async def left(self, task_id: str) -> None:
        """Returns when a place that is being given back is given back, or nobody hears it."""
        ...


class Lodgings:
    def __init__(self, state: State) -> None:
        self.keeper: Keeper | None = None
        self._state = state

    async def take(self, container: Container, wish: Attachment) -> tuple[Attachment, Network]:
        """The wish as it can be fulfilled, and its network. Raises NotFound, or Failed when there is no place."""
        network = self._local(wish.network)
        if network is not None and (network.scope != SWARM or container.spec.task_id or self.keeper is None):
            return replace(wish, network=network.name), network
        if self.keeper is None:
            raise NotFound(f"network {wish.network} not found")
        asked = wish.lodging.asked if wish.lodging else wish.spec
        if wish.lodging:
            await self.keeper.left(wish.lodging.task_id)
        typed = tuple(text for text in (asked.ipv4, asked.ipv6) if text)
        given = await self.keeper.lodge(container.id, wish.network, typed)
        network = self._state.networks[given.network_id]
        lodging = Lodging(given.task_id, asked)
        return replace(wish, network=network.name, spec=_with(asked, given.addresses), lodging=lodging), network

    def leave(self, wishes: Iterable[Attachment]) -> None:
        """The container is on these networks no more."""
        for wish in wishes:
            if wish.lodging is not None and self.keeper is not None:
                self.keeper.leave(wish.lodging.task_id)

    def _local(self, reference: str) -> Network | None:
        try:
            return self._state.network(reference)
        except NotFound:
            return None


def as_asked(wish: Attachment) -> Attachment:
    """The wish without the addresses that came with a place."""
    return replace(wish, spec=wish.lodging.asked, lodging=None) if wish.lodging else wish


def _with(asked: EndpointSpec, addresses: Iterable[SwarmAddress]) -> EndpointSpec:
    by_version = {address.version: str(address.ip) for address in addresses}
    return replace(asked, ipv4=by_version.get(4, asked.ipv4), ipv6=by_version.get(6, asked.ipv6))
