"""Who is called what.

A container answers to its name and aliases. A task besides to `tasks.` and its service's names, together with its
brothers; where the service has no virtual address, also to the service's names alone. What follows the first dot of
`web.net` is the network's affair, and the zone's.
"""

from __future__ import annotations

from collections.abc import Collection

from fairlead.core.discovery.differences import Named, ServiceHead
from fairlead.model.discovery import BALANCER, TASK, MeshPort, Presence
from fairlead.model.network import Address

TASKS = "tasks."
OF_SERVICE = "service/"
"""Before a service's id where it owns names: no endpoint's id has a slash."""


def endpoint_names(presence: Presence) -> Named | None:
    """The names of an endpoint; None for one that has none now."""
    if presence.kind == BALANCER or not presence.serving:
        return None
    service = service_names(presence)
    shared = (*(TASKS + name for name in service), *(service if not presence.vips else ()))
    names = tuple(dict.fromkeys(name for name in (presence.name, *presence.aliases, *shared) if name))
    return Named(presence.endpoint_id, names, presence.addresses, presence.name) if names else None


def service_names(presence: Presence) -> tuple[str, ...]:
    """What the endpoint's service is called, () for none."""
    if presence.kind != TASK:
        return ()
    return tuple(dict.fromkeys(name for name in (presence.service, *presence.service_aliases) if name))


def virtual_names(serving: ServiceHead | None) -> Named | None:
    """The names of a service's virtual addresses, if it has such and somebody to serve."""
    if serving is None or not serving.vips:
        return None
    names = tuple(name for name in (serving.name, *serving.aliases) if name)
    owner = OF_SERVICE + serving.service_id
    return Named(owner, names, serving.vips, serving.name, virtual=True) if names else None


def head_of(presence: Presence) -> ServiceHead | None:
    """What a task says of its service; None for an endpoint of no service."""
    if presence.kind != TASK or not presence.service_id:
        return None
    names = service_names(presence)
    return ServiceHead(
        presence.service_id,
        names[0] if names else "",
        tuple(sorted(names[1:])),
        tuple(sorted(presence.vips, key=_by_family)),
        tuple(sorted(presence.mesh, key=_by_port)),
        presence.balance,
    )


def merged(heads: Collection[ServiceHead]) -> ServiceHead | None:
    """One head of what several tasks say, the same in whatever order they said it."""
    if len(heads) <= 1:
        return next(iter(heads), None)
    names = sorted({head.name for head in heads} - {""})
    aliases = {*names[1:], *(alias for head in heads for alias in head.aliases)} - {*names[:1]}
    return ServiceHead(
        min(head.service_id for head in heads),
        names[0] if names else "",
        tuple(sorted(aliases)),
        tuple(sorted({vip for head in heads for vip in head.vips}, key=_by_family)),
        tuple(sorted({port for head in heads for port in head.mesh}, key=_by_port)),
        max(head.balance for head in heads),
    )


def _by_family(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def _by_port(port: MeshPort) -> tuple[int, str, str, int, bool]:
    return port.published, port.protocol, port.host_ip, port.target, port.snat
