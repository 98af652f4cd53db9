"""From services as their tasks tell of them to what balancing is told: virtual addresses and ports of the mesh.

An address or a port belongs to one service at a time. While one service hands it to another, rows of both are about;
the one that has tasks that serve counts, and among equals the greater id.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from fairlead.core.balance.service import (
    ALGORITHMS,
    LEAST,
    ROUND_ROBIN,
    Backend,
    MeshBackend,
    MeshKey,
    MeshService,
    Turnover,
    VirtualService,
)
from fairlead.core.discovery.differences import Service, ServiceChange, ServiceHead
from fairlead.model.discovery import MeshPort, Presence
from fairlead.model.network import Address

Key = TypeVar("Key", bound=Hashable)
Whole = TypeVar("Whole")
Part = TypeVar("Part")
Vips = Mapping[Address, VirtualService | Turnover[Backend] | None]
Ports = Mapping[MeshKey, MeshService | Turnover[MeshBackend] | None]


class Balanced:
    """The services of one network, by id, address and port."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._vips: _Claims[Address] = _Claims(self._services)
        self._ports: _Claims[MeshKey] = _Claims(self._services)

    def change(self, changes: Iterable[ServiceChange]) -> tuple[Vips, Ports]:
        """What balancing must be told after these changes; None: nobody's any more. Of a service that it was told of
        already, what became of those tasks that changed."""
        concerned = {change.service_id: change for change in changes}
        vips: dict[Address, None] = {}
        ports: dict[MeshKey, None] = {}
        for change in concerned.values():
            self._services.pop(change.service_id, None)
            if change.now is not None:
                self._services[change.service_id] = change.now
            now = change.now.head if change.now else None
            vips.update(self._vips.moved(change.service_id, _vips(change.before), _vips(now)))
            ports.update(self._ports.moved(change.service_id, _ports(change.before), _ports(now)))
        return (
            dict(self._vips.news(vips, concerned, virtual_service, _virtual_turnover)),
            dict(self._ports.news(ports, concerned, mesh_service, _mesh_turnover)),
        )


class _Claims(Generic[Key]):
    """Who claims what, and whose it was when it was last asked for."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services
        self._claimants: dict[Key, dict[str, None]] = {}
        self._owners: dict[Key, str] = {}

    def moved(self, service_id: str, before: Iterable[Key], now: Iterable[Key]) -> dict[Key, None]:
        """What the service claimed or claims, with the claims brought up to date."""
        touched = dict.fromkeys((*before, *now))
        for key in touched:
            self._claimants.setdefault(key, {}).pop(service_id, None)
        for key in now:
            self._claimants[key][service_id] = None
        for key in touched:
            if not self._claimants[key]:
                del self._claimants[key]
        return touched

    def news(
        self,
        keys: Iterable[Key],
        changes: Mapping[str, ServiceChange],
        whole: Callable[[Key, Service], Whole],
        turnover: Callable[[Key, ServiceChange], Part],
    ) -> Iterator[tuple[Key, Whole | Part | None]]:
        """What is to be told of each."""
        for key in keys:
            before, owner = self._owners.pop(key, None), self._owner(key)
            if owner is None:
                yield key, None
                continue
            self._owners[key] = owner
            change, service = changes.get(owner), self._services[owner]
            if owner != before or (change is not None and change.before != service.head):
                yield key, whole(key, service)
            elif change is not None:
                yield key, turnover(key, change)

    def _owner(self, key: Key) -> str | None:
        claimants = self._claimants.get(key, ())
        return max(claimants, key=lambda one: (bool(self._services[one].serving), one), default=None)


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


def _virtual_turnover(vip: Address, change: ServiceChange) -> Turnover[Backend]:
    """What of these tasks is to be told of a virtual address."""
    told: dict[Address, Backend | None] = {}
    for was, _ in change.tasks:
        if was is not None and (address := _alike(was, vip)) is not None:
            told[address] = None
    for _, now in change.tasks:
        if now is not None and (address := _alike(now, vip)) is not None:
            told[address] = Backend(address, now.weight if now.serving else 0)
    return Turnover(told)


def mesh_service(key: MeshKey, service: Service) -> MeshService:
    """Who stands behind a published port, each at the port of its own that it says. `snat` if any says so."""
    answers = [(task, port) for task in service.serving for port in task.mesh if _key(port) == key]
    return MeshService(
        key,
        tuple(MeshBackend(address, port.target, task.weight) for task, port in answers for address in task.addresses),
        _algorithm(service.head),
        any(port.snat for port in service.head.mesh if _key(port) == key),
        service.head.name,
        frozenset(address for task in service.leaving for address in task.addresses),
    )


def _mesh_turnover(key: MeshKey, change: ServiceChange) -> Turnover[MeshBackend]:
    """What of these tasks is to be told of a published port."""
    gone = (address for task, _ in change.tasks if task is not None for address in task.addresses)
    told: dict[Address, MeshBackend | None] = dict.fromkeys(gone)
    for _, task in change.tasks:
        if task is None:
            continue
        port = next((port.target for port in task.mesh if _key(port) == key), None)
        for address in task.addresses:
            if not task.serving:
                told[address] = MeshBackend(address, port or 0, 0)
            elif port is not None:
                told[address] = MeshBackend(address, port, task.weight)
    return Turnover(told)


def vips_followed(before: Vips, later: Vips) -> Vips:
    """One after the other, as if it had been told at once."""
    return {**before, **{vip: _virtual_after(before.get(vip), news) for vip, news in later.items()}}


def ports_followed(before: Ports, later: Ports) -> Ports:
    """One after the other, as if it had been told at once."""
    return {**before, **{key: _mesh_after(before.get(key), news) for key, news in later.items()}}


def _virtual_after(
    before: VirtualService | Turnover[Backend] | None, news: VirtualService | Turnover[Backend] | None
) -> VirtualService | Turnover[Backend] | None:
    return before.after(news) if before is not None and isinstance(news, Turnover) else news


def _mesh_after(
    before: MeshService | Turnover[MeshBackend] | None, news: MeshService | Turnover[MeshBackend] | None
) -> MeshService | Turnover[MeshBackend] | None:
    return before.after(news) if before is not None and isinstance(news, Turnover) else news


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
    return head.balance if head.balance in (*ALGORITHMS, LEAST) else ROUND_ROBIN
