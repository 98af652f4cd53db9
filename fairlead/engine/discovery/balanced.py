"""From services as their tasks tell of them to what balancing is told: virtual addresses and ports of the mesh.

An address or a port belongs to one service at a time. While one service hands it to another, rows of both are about;
the one that has tasks that serve counts, and among equals the greater id.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from fairlead.core.balance.service import (
    ALGORITHMS,
    ROUND_ROBIN,
    Backend,
    MeshBackend,
    MeshKey,
    MeshService,
    VirtualService,
)
from fairlead.core.discovery.differences import Service, ServiceChange, ServiceHead
from fairlead.model.discovery import MeshPort, Presence
from fairlead.model.network import Address

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Balanced:
    """The services of one network, by id, address and port."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._by_vip: dict[Address, dict[str, None]] = {}
        self._by_port: dict[MeshKey, dict[str, None]] = {}

    def change(
        self, changes: Iterable[ServiceChange]
    ) -> tuple[Mapping[Address, VirtualService | None], Mapping[MeshKey, MeshService | None]]:
        """What balancing must be told after these changes; None: nobody's any more."""
        vips: dict[Address, None] = {}
        ports: dict[MeshKey, None] = {}
        for change in changes:
            self._services.pop(change.service_id, None)
            now = change.now.head if change.now else None
            if change.now is not None:
                self._services[change.service_id] = change.now
            vips.update(_moved(self._by_vip, change.service_id, _vips(change.before), _vips(now)))
            ports.update(_moved(self._by_port, change.service_id, _ports(change.before), _ports(now)))
        return (
            {vip: self._of(self._by_vip, vip, virtual_service) for vip in vips},
            {port: self._of(self._by_port, port, mesh_service) for port in ports},
        )

    def _of(self, index: Mapping[Key, Iterable[str]], key: Key, make: Callable[[Key, Service], Value]) -> Value | None:
        owners = [(bool(self._services[one].serving), one) for one in index.get(key, ())]
        return make(key, self._services[max(owners)[1]]) if owners else None


def virtual_service(vip: Address, service: Service) -> VirtualService:
    """Who stands behind a virtual address: addresses of its family."""
    fitting = [(task, address) for task in service.serving if (address := _alike(task, vip)) is not None]
    leaving = (address for task in service.leaving if (address := _alike(task, vip)) is not None)
    return VirtualService(
        vip,
        tuple(Backend(address, task.weight) for task, address in fitting),
        frozenset(leaving),
        _algorithm(service.head),
    )


def mesh_service(key: MeshKey, service: Service) -> MeshService:
    """Who stands behind a published port, each at the port of its own that it says. `snat` if any says so."""
    answers = [(task, port) for task in service.serving for port in task.mesh if _key(port) == key]
    return MeshService(
        key,
        tuple(MeshBackend(address, port.target, task.weight) for task, port in answers for address in task.addresses),
        _algorithm(service.head),
        any(port.snat for _, port in answers),
        service.head.name,
        frozenset(address for task in service.leaving for address in task.addresses),
    )


def _moved(
    index: dict[Key, dict[str, None]], service_id: str, before: Iterable[Key], now: Iterable[Key]
) -> dict[Key, None]:
    """The keys that the service had or has, with the index brought up to date."""
    touched = dict.fromkeys((*before, *now))
    for key in touched:
        index.setdefault(key, {}).pop(service_id, None)
    for key in now:
        index[key][service_id] = None
    for key in touched:
        if not index[key]:
            del index[key]
    return touched


def _vips(head: ServiceHead | None) -> tuple[Address, ...]:
    return head.vips if head else ()


def _ports(head: ServiceHead | None) -> tuple[MeshKey, ...]:
    return tuple(dict.fromkeys(_key(port) for port in head.mesh)) if head else ()


def _key(port: MeshPort) -> MeshKey:
    return MeshKey(port.published, port.protocol, port.host_ip)


def _alike(task: Presence, vip: Address) -> Address | None:
    return next((address for address in task.addresses if address.version == vip.version), None)


def _algorithm(head: ServiceHead) -> str:
    """What a peer of another version may call for, and we do not know, is balanced by turns."""
    return head.balance if head.balance in ALGORITHMS else ROUND_ROBIN
