"""Rows to feed views with, and what a listener makes of what a view says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from fairlead.core.discovery.differences import Differences, Named, Service, ServiceChange
from fairlead.model.discovery import BALANCER, CONTAINER, TASK, Presence

HERE, THERE, ELSEWHERE = "node1here", "node2there", "node3elsewhere"
VTEPS = {HERE: "192.0.2.1", THERE: "192.0.2.2", ELSEWHERE: "192.0.2.3"}


def container(name: str, address: str, node: str = THERE, endpoint_id: str = "") -> Presence:
    ip = ip_address(address)
    return Presence(
        endpoint_id=endpoint_id or f"ep{name}",
        kind=CONTAINER,
        node_id=node,
        vtep=ip_address(VTEPS[node]),
        mac="02:42:" + ip.packed[:4].hex(":"),
        addresses=(ip,),
        name=name,
    )


def task(service: str, slot: int, address: str, node: str = THERE, vip: str = "") -> Presence:
    plain = container(f"{service}.{slot}", address, node, f"{service}{slot}")
    vips = (ip_address(vip),) if vip else ()
    return replace(plain, kind=TASK, service_id=f"{service}id", service=service, vips=vips)


def balancer(address: str, node: str = THERE) -> Presence:
    return replace(container("net-endpoint", address, node, f"lb{node}"), kind=BALANCER)


@dataclass
class Listener:
    """The forwarding, the names and the services of somebody who applied every difference so far."""

    forwarded: dict[str, Presence] = field(default_factory=dict)
    named: dict[str, Named] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    balancers: set[Presence] = field(default_factory=set)
    tasks: dict[str, dict[str, Presence]] = field(default_factory=dict)

    def hear(self, differences: Differences) -> Listener:
        for endpoint_id in differences.unforward:
            del self.forwarded[endpoint_id]
        for presence in differences.forward:
            self.forwarded[presence.endpoint_id] = presence
        for owner in differences.unnamed:
            del self.named[owner]
        for named in differences.named:
            self.named[named.owner] = named
        for change in differences.services:
            assert change.before == (self.services[change.service_id].head if change.before else None)
            self._follow(change)
            if change.now is None:
                del self.services[change.service_id]
            else:
                self.services[change.service_id] = change.now
        if differences.balancers is not None:
            self.balancers = set(differences.balancers)
        return self

    def _follow(self, change: ServiceChange) -> None:
        """Whoever follows the tasks one by one knows what the whole is."""
        tasks = self.tasks.setdefault(change.service_id, {})
        for was, now in change.tasks:
            if was is not None:
                assert tasks.pop(was.endpoint_id) == was
            if now is not None:
                tasks[now.endpoint_id] = now
        if change.now is None:
            assert not self.tasks.pop(change.service_id)
            return
        assert {one for one in tasks.values() if one.serving} == set(change.now.serving)
        assert {one for one in tasks.values() if not one.serving} == set(change.now.leaving)

    def addresses(self, name: str) -> set[str]:
        """What the name resolves to."""
        owners = (named for named in self.named.values() if name in named.names)
        return {str(address) for named in owners for address in named.addresses}

    def ways(self) -> dict[str, tuple[object, ...]]:
        """What forwarding depends on."""
        return {key: (one.vtep, one.mac, one.addresses) for key, one in self.forwarded.items()}

    def backends(self, service_id: str) -> set[str]:
        """Who takes new connections, by endpoint id."""
        return {task.endpoint_id for task in self.services[service_id].serving}

    def standing(self) -> dict[str, tuple[object, ...]]:
        """The services, whatever the order of their tasks."""
        return {key: (one.head, set(one.serving), set(one.leaving)) for key, one in self.services.items()}
