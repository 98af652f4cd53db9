"""What discovery needs of the world and of its neighbours in the engine, as Protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from fairlead.core.balance.service import Backend, Entrance, MeshBackend, MeshKey, MeshService, Turnover, VirtualService
from fairlead.core.gossip import Event, Node
from fairlead.model.discovery import Presence
from fairlead.model.network import Address


class Line(Protocol):
    """A gossip node on its sockets."""

    def turn(self) -> None:
        """Carry out what the node wants done; to be called after talking to it directly."""
        ...

    async def close(self) -> None: ...


class Sockets(Protocol):
    async def open(
        self, machine: Node, address: Address, port: int, on_event: Callable[[Event], None], max_frame: int
    ) -> Line:
        """Raises Failed when the port is taken."""
        ...


class Overlays(Protocol):
    """Where frames for endpoints on other nodes go. Calls are cheap and are carried out in batches."""

    def remote(self, network_id: str, presence: Presence) -> None:
        """An endpoint on another node: new, or changed."""
        ...

    def remote_gone(self, network_id: str, endpoint_id: str) -> None: ...

    def told(self, network_id: str) -> None:
        """Every remote endpoint that is known anywhere has been told since the start."""
        ...

    async def settled(self) -> None:
        """Returns when everything that was told until now is carried out."""
        ...


class Balancing(Protocol):
    """Who stands behind virtual addresses in the sandboxes of this host."""

    async def services(
        self, network_id: str, told: Mapping[Address, VirtualService | Turnover[Backend] | None]
    ) -> None: ...

    async def complete(self, network_id: str) -> None:
        """All that is known anywhere has been told since the start."""
        ...

    def drop(self, network_id: str) -> None:
        """This node has left the network."""
        ...


class Mesh(Protocol):
    """Who stands behind published ports, by whatever node their clients come in."""

    async def mesh(self, told: Mapping[MeshKey, MeshService | Turnover[MeshBackend] | None]) -> None: ...

    async def entrances(self, nodes: Mapping[str, Entrance]) -> None:
        """All nodes' ends of the mesh, by node id."""
        ...

    async def complete(self) -> None:
        """All that is known anywhere has been told since the start."""
        ...
