"""Who has which address: one `Leases` per network, computed from the endpoints that exist."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.ipam.leases import Interface, Leases
from fairlead.engine.state import State
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.errors import Failed
from fairlead.model.network import SWARM, Network


class Addresses:
    def __init__(self, state: State) -> None:
        self._state = state
        self._leases: dict[str, Leases] = {}

    def lease(self, network: Network, spec: EndpointSpec) -> tuple[Interface, ...]:
        """The addresses of a new endpoint, one per family that the network has. All or none.

        Raises NotAllowed when an address asked for is in use, Failed when the network is full.
        """
        leases = self._of(network)
        leased: list[Interface] = []
        try:
            for version, asked in _families(network, spec):
                if not asked and network.scope == SWARM and DRIVERS[network.driver].scope == SWARM:
                    raise Failed(
                        f"network {network.name} spans a swarm, whose managers have given no IPv{version} address"
                    )
                leased.append(leases.claim(asked) if asked else leases.lease(version))
        except BaseException:
            for address in leased:
                leases.release(address)
            raise
        return tuple(leased)

    def release(self, endpoint: Endpoint) -> None:
        """Give an endpoint's addresses back."""
        leases = self._leases.get(endpoint.network_id)
        if leases is not None:
            for address in endpoint.addresses:
                leases.release(address)

    def forget(self, network_id: str) -> None:
        """The network is gone."""
        self._leases.pop(network_id, None)

    def _of(self, network: Network) -> Leases:
        leases = self._leases.get(network.id)
        if leases is None:
            leases = self._leases[network.id] = Leases(network)
            for endpoint in self._state.users_of(network.id):
                leases.restore(endpoint.addresses)
        return leases


def _families(network: Network, spec: EndpointSpec) -> Iterator[tuple[int, str]]:
    versions = {pool.subnet.version for pool in network.pools}
    if network.ipv4 and 4 in versions:
        yield 4, spec.ipv4
    if network.ipv6 and 6 in versions:
        yield 6, spec.ipv6
