"""What follows from all endpoints of a sandbox together: the default routes, and the names of interfaces.

The default gateway of each family is given by the leg with the highest gateway priority, then by the smallest network
name; internal networks and legs without a way out are never asked. It is chosen anew whenever a leg comes or goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Address, Network
from fairlead.model.plan import AddRoute, DelRoute, Operation, Plan

VERSIONS = (4, 6)


@dataclass(frozen=True, slots=True)
class Leg:
    """One endpoint as the sandbox sees it.

    `gateway4`/`gateway6` are None where the network offers none. `onlink4`/`onlink6`: the default route needs no
    gateway, the interface itself is the way out (ipvlan in its routed modes).
    """

    endpoint_id: str
    network_name: str
    ifname: str
    priority: int = 0
    internal: bool = False
    gateway4: Address | None = None
    gateway6: Address | None = None
    onlink4: bool = False
    onlink6: bool = False

    @classmethod
    def by_gateway(cls, network: Network, endpoint: Endpoint) -> Leg:
        """Of a network whose way out is its gateway."""
        priority, gateways = endpoint.spec.gw_priority, (endpoint.gateway4, endpoint.gateway6)
        return cls(endpoint.id, network.name, endpoint.ifname, priority, network.internal, *gateways)

    def gateway(self, version: int) -> Address | None:
        return self.gateway4 if version == 4 else self.gateway6

    def leads_out(self, version: int) -> bool:
        onlink = self.onlink4 if version == 4 else self.onlink6
        return not self.internal and (onlink or self.gateway(version) is not None)


def ranked(legs: Iterable[Leg]) -> list[Leg]:
    """Legs in gateway order: by priority, then by network name; internal ones last. DNS asks networks in this order."""
    return sorted(legs, key=lambda leg: (leg.internal, -leg.priority, leg.network_name))


def way_out(legs: Iterable[Leg], version: int) -> Leg | None:
    """The leg that the default route of IP `version` uses."""
    return _first_out(ranked(legs), version)


def _first_out(ranking: Iterable[Leg], version: int) -> Leg | None:
    return next((leg for leg in ranking if leg.leads_out(version)), None)


def route_changes(before: Collection[Leg], after: Collection[Leg], ns: str) -> Plan:
    """The default routes that change when the legs of the sandbox `ns` change from `before` to `after`.

    Routes through an interface that is gone went with it and are not taken back by name.
    """
    remaining = {leg.ifname for leg in after}
    operations: list[Operation] = []
    former, present = ranked(before), ranked(after)
    for version in VERSIONS:
        old, new = _first_out(former, version), _first_out(present, version)
        if new is not None and (old is None or _way(old, version) != _way(new, version)):
            operations.append(_default_route(new, version, ns))
        if new is None and old is not None and old.ifname in remaining:
            operations.append(DelRoute(None, old.ifname, old.gateway(version), ns, version))
    return Plan(tuple(operations))


def default_routes(legs: Collection[Leg], ns: str) -> Plan:
    """All default routes that must be there for these legs."""
    return route_changes((), legs, ns)


def _way(leg: Leg, version: int) -> tuple[str, Address | None]:
    return leg.ifname, leg.gateway(version)


def _default_route(leg: Leg, version: int, ns: str) -> AddRoute:
    via = leg.gateway(version)
    return AddRoute(None, leg.ifname, via, ns, version, scope_link=via is None)


def next_ifname(taken: Collection[str], prefix: str = "eth") -> str:
    """The name of the next interface: the prefix and the lowest number that no interface of the sandbox has."""
    number = 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"
