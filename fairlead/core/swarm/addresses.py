"""Who has which address of the swarm's networks: tasks, services (virtual addresses) and nodes, each by id.

Derived from the store and rebuilt by a new leader. Addresses are serial, so that a stale neighbour or DNS entry seldom
meets a new owner. Invariant: an address is held by at most one owner; an owner may hold several networks'.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface

from fairlead.core.ipam.leases import SERIAL, Leases
from fairlead.model.errors import Failed, Refusal
from fairlead.model.network import SWARM, Network
from fairlead.model.swarm.attachment import SwarmAddress
from fairlead.model.swarm.network import SwarmNetwork


class Addresses:
    def __init__(self) -> None:
        self._leases: dict[str, Leases] = {}
        self._networks: dict[str, SwarmNetwork] = {}
        self._held: dict[str, dict[str, tuple[SwarmAddress, ...]]] = {}

    def open(self, network: SwarmNetwork) -> None:
        """Begin to lease from an allocated network; it is known already if its pools did not change."""
        known = self._networks.get(network.id)
        self._networks[network.id] = network
        if known is None or known.pools != network.pools:
            as_local = Network(network.id, network.name, network.driver, 0, SWARM, pools=network.pools)
            self._leases[network.id] = Leases(as_local, SERIAL)

    def close(self, network_id: str) -> None:
        self._leases.pop(network_id, None)
        self._networks.pop(network_id, None)
        for owner in [owner for owner, held in self._held.items() if network_id in held]:
            self._forget(owner, network_id)

    def of(self, owner: str) -> dict[str, tuple[SwarmAddress, ...]]:
        """What `owner` holds, by network."""
        return self._held.get(owner, {})

    def lease(self, owner: str, network: SwarmNetwork, asked: Iterable[str] = ()) -> tuple[SwarmAddress, ...]:
        """One address per family of the network, or those `asked` for; what `owner` has there already, it keeps.

        Raises Refusal when the network has none left or an asked one is not to be had; nothing is held then.
        """
        if (held := self.of(owner).get(network.id)) is not None:
            return held
        leases, given = self._leases[network.id], list[SwarmAddress]()
        try:
            for text in asked:
                given.append(leases.claim(text))
            missing = _families(network) - {one.version for one in given}
            given += [leases.lease(version) for version in sorted(missing)]
        except Refusal as refusal:
            for address in given:
                leases.release(address)
            raise _explained(refusal, network, len(leases)) from None
        self._held.setdefault(owner, {})[network.id] = tuple(given)
        return tuple(given)

    def restore(self, owner: str, network_id: str, addresses: tuple[SwarmAddress, ...]) -> None:
        """Take over, after a change of leader, what the store says that `owner` holds."""
        if network_id in self._leases and addresses:
            self._leases[network_id].restore(addresses)
            self._held.setdefault(owner, {})[network_id] = addresses

    def release(self, owner: str, network_id: str = "") -> bool:
        """Take back all that `owner` holds, or what it holds of one network. Tells whether there was any."""
        networks = [network_id] if network_id else list(self.of(owner))
        released = [self._forget(owner, one) for one in networks]
        return any(released)

    def _forget(self, owner: str, network_id: str) -> bool:
        held = self._held.get(owner, {})
        addresses = held.pop(network_id, None)
        if not held:
            self._held.pop(owner, None)
        for address in addresses or ():
            if network_id in self._leases:
                self._leases[network_id].release(address)
        return addresses is not None


def _families(network: SwarmNetwork) -> set[int]:
    return {4 if pool.subnet.version == 4 else 6 for pool in network.pools}


def _explained(refusal: Refusal, network: SwarmNetwork, used: int) -> Refusal:
    if not isinstance(refusal, Failed):
        return refusal
    return Failed(
        f"{refusal.message}: {used} are held by tasks, virtual IPs and nodes; remove some or make the network again "
        "with a larger --subnet"
    )


def split(addresses: tuple[SwarmAddress, ...]) -> tuple[SwarmAddress | None, SwarmAddress | None]:
    """The IPv4 and the IPv6 address among them."""
    v4 = next((one for one in addresses if isinstance(one, IPv4Interface)), None)
    return v4, next((one for one in addresses if not isinstance(one, IPv4Interface)), None)
