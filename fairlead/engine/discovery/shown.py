"""What `docker network inspect` shows of a swarm network's nodes and, when asked in full, of its services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address

from fairlead.core import gossip
from fairlead.core.discovery.naming import head_of
from fairlead.engine.discovery.group import Group
from fairlead.model.discovery import BALANCER, MeshPort, Presence

NO_SERVICE = ""
"""Under this name stand the endpoints that belong to no service."""


@dataclass(frozen=True, slots=True)
class ShownPeer:
    """A node that takes part in the network. `name` is 12 hex digits made of its id."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ShownTask:
    name: str
    endpoint_id: str
    address: str
    host: str


@dataclass(frozen=True, slots=True)
class ShownService:
    """`vip` "" is none, `index` the number by which this node knows its balancing, 0 without."""

    name: str
    vip: str = ""
    ports: tuple[str, ...] = ()
    index: int = 0
    tasks: tuple[ShownTask, ...] = ()


def shown_peers(members: Iterable[gossip.Member]) -> tuple[ShownPeer, ...]:
    """By address."""
    found = sorted(members, key=lambda member: (ip_address(member.address[0]).packed, member.name))
    return tuple(ShownPeer(sha256(member.name.encode()).hexdigest()[:12], member.address[0]) for member in found)


def shown_services(group: Group, indexes: Mapping[str, int]) -> tuple[ShownService, ...]:
    """By name; what serves and is known to live. Nodes' own endpoints are shown on the ingress network only."""
    tasks: dict[str, list[Presence]] = {}
    for row in group.shown():
        presence = row.presence
        if presence.serving and (presence.kind != BALANCER or group.network.ingress):
            head = head_of(presence)
            tasks.setdefault(head.service_id if head else NO_SERVICE, []).append(presence)
    shown = [_service(group, service_id, found, indexes) for service_id, found in tasks.items()]
    return tuple(sorted(shown, key=lambda service: service.name))


def _service(group: Group, service_id: str, tasks: list[Presence], indexes: Mapping[str, int]) -> ShownService:
    described = tuple(sorted((_task(group, task) for task in tasks), key=lambda task: (task.name, task.endpoint_id)))
    head = head_of(tasks[0])
    if head is None:
        return ShownService(NO_SERVICE, tasks=described)
    vip = str(head.vips[0]) if head.vips else ""
    return ShownService(head.name, vip, tuple(map(_port, head.mesh)), indexes.get(service_id, 0), described)


def _task(group: Group, presence: Presence) -> ShownTask:
    name = f"{group.network.name}-endpoint" if presence.kind == BALANCER else presence.name
    address = str(presence.addresses[0]) if presence.addresses else ""
    return ShownTask(name, presence.endpoint_id, address, str(presence.vtep))


def _port(port: MeshPort) -> str:
    return f"Target: {port.target}, Publish: {port.published}"
