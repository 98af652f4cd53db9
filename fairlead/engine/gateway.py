"""Which of a container's endpoints carries its default route, and in which order its networks are asked for names.

Docker's rule: the highest priority that the user gave, then the network's name; networks without a way out
(internal ones) never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Address, Network
from fairlead.model.plan import AddRoute, DelRoute, Operation


def in_order(endpoints: Iterable[Endpoint], networks: Mapping[str, Network]) -> list[Endpoint]:
    """Best gateway first, internal networks last."""

    def rank(endpoint: Endpoint) -> tuple[bool, int, str]:
        network = networks[endpoint.network_id]
        return (network.internal, -endpoint.spec.gw_priority, network.name)

    return sorted(endpoints, key=rank)


def chosen(endpoints: Iterable[Endpoint], networks: Mapping[str, Network], family: int) -> Endpoint | None:
    """The endpoint with the default route of IP `family` (4 or 6), if any has a gateway."""
    ranked = in_order(endpoints, networks)
    return next((item for item in ranked if _gateway(item, family) and not networks[item.network_id].internal), None)


def moved(before: Endpoint | None, after: Endpoint | None, family: int, ns: str) -> list[Operation]:
    """Take the default route of one family from `before` to `after`; nothing when it stays."""
    if before is not None and after is not None and before.id == after.id:
        return []
    if after is not None:
        return [AddRoute(None, after.ifname, _gateway(after, family), ns, family)]
    if before is not None:
        return [DelRoute(None, before.ifname, _gateway(before, family), ns, family)]
    return []


def _gateway(endpoint: Endpoint, family: int) -> Address | None:
    return endpoint.gateway4 if family == 4 else endpoint.gateway6
