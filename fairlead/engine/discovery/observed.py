"""Users' own containers on attachable networks: told to the others like tasks, which their agent tells itself."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.swarm.naming import PREFIX
from fairlead.engine.discovery.node import Here
from fairlead.engine.state import State
from fairlead.model.discovery import CONTAINER, Presence
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network

TASK_ID = PREFIX + "task.id"


class Observed:
    """Kept also while this node is in no swarm, or does not know yet that it is (at boot)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._endpoints: dict[str, tuple[Endpoint, Network]] = {}

    def add(self, endpoint: Endpoint, network: Network) -> bool:
        """False for a task's."""
        container = self._state.containers.get(endpoint.container_id)
        if container is None or TASK_ID in container.spec.labels:
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
    return Presence(
        endpoint_id=endpoint.id,
        kind=CONTAINER,
        node_id=here.node_id,
        vtep=here.address,
        mac=endpoint.mac,
        addresses=tuple(interface.ip for interface in endpoint.addresses),
        name=endpoint.names[0] if endpoint.names else "",
        aliases=endpoint.names[1:],
    )
