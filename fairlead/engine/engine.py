"""The engine: one host, and the swarm that it may be a node of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.one_host import OneHost

if TYPE_CHECKING:
    from fairlead.engine.discovery.discovery import Discovery
    from fairlead.engine.network_scopes import NetworkScopes
    from fairlead.engine.swarm.swarm import Swarm


class Engine(OneHost):
    swarm: Swarm
    network_scopes: NetworkScopes

    @property
    def discovery(self) -> Discovery:
        """What the nodes of the swarm tell each other of endpoints."""
        return self.swarm.discovery
