"""What a container may do to its own surroundings."""

from __future__ import annotations

from fairlead.model.container import ContainerSpec

_NET_ADMIN = "NET_ADMIN"


def may_change_network(spec: ContainerSpec) -> bool:
    """Whether its processes can change interfaces, addresses and routes: they are privileged or have CAP_NET_ADMIN."""
    added = {name.upper().removeprefix("CAP_") for name in spec.cap_add}
    return spec.privileged or not added.isdisjoint((_NET_ADMIN, "ALL"))
