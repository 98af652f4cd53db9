"""Load balancing on this node: services' elements in the sandboxes of their clients, and the node's ingress."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.balance.service import Entrance, MeshKey, MeshService, VirtualService
from fairlead.engine.fabric import Fabric
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Address
from fairlead.model.sandbox import Sandbox


class Balancing:
    """Keeps what it was told last and brings the kernel to it. Calls never raise for one sandbox's trouble: it is
    logged, and what is missing there is made at the next change or at the next `joined`."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    async def services(self, network_id: str, changed: Mapping[Address, VirtualService | None]) -> None:
        """These virtual addresses of the network are served so from now on; None: no longer at all. One call per
        change, or one for many; each local sandbox on the network pays for the slots that move."""

    async def mesh(self, changed: Mapping[MeshKey, MeshService | None]) -> None:
        """These ports are shown by this node and lead there from now on; None: no longer shown."""

    async def entrances(self, nodes: Mapping[str, Entrance]) -> None:
        """All nodes' ends of the mesh by node id, this one's included: local tasks answer clients through the one that
        these came in by, and take nothing from anybody else."""

    async def joined(self, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """A sandbox has got an endpoint on a swarm network: called before its container's first instruction."""

    async def left(self, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """The endpoint of a sandbox that goes on living has gone."""
