"""Users' own containers on attachable networks: told to the others like tasks, which their agent tells itself."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.engine.discovery.node import Here
from fairlead.engine.state import State
from fairlead.model.discovery import BALANCER, CONTAINER, Presence
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.model.sandbox import INGRESS


class Observed:
    """Kept also while this node is in no swarm, or does not know yet that it is (at boot)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._endpoints: dict[str, tuple[Endpoint, Network]] = {}

    def add(self, endpoint: Endpoint, network: Network) -> bool:
        """False for a task's. The node's own end of the mesh is told of like a container's."""
        container = self._state.containers.get(endpoint.container_id)
        known = endpoint.container_id == INGRESS or container is not None
        if not known or (container is not None and container.spec.task_id):
            return False
        self._endpoints[endpoint.id] = endpoint, network
        return True

    def drop(self, endpoint_id: str) -> bool:
        """False when it was none of ours."""
        return self._endpoints.pop(endpoint_id, None) is not None

    def presence(self, endpoint_id: str, here: Here) -> Presence:
        endpoint, _ = self._endpoints[endpoint_id]
        return _presence(endpoint, here)

    def presences(self, here: Here) -> Iterator[tuple[Network, Presence]]:
        for endpoint, network in self._endpoints.values():
            yield network, _presence(endpoint, here)


def _presence(endpoint: Endpoint, here: Here) -> Presence:
    own = endpoint.container_id == INGRESS
    return Presence(
        endpoint_id=endpoint.id,
        kind=BALANCER if own else CONTAINER,
        node_id=here.node_id,
        vtep=here.address,
        mac=endpoint.mac,
        addresses=tuple(interface.ip for interface in endpoint.addresses),
        name=endpoint.names[0] if endpoint.names and not own else "",
        aliases=() if own else endpoint.names[1:],
    )
