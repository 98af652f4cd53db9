"""Rows to feed views with, and what a listener makes of what a view says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from fairlead.core.discovery.differences import Differences, Named, ServiceHead
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
    heads: dict[str, ServiceHead] = field(default_factory=dict)
    backends: dict[str, dict[str, Presence]] = field(default_factory=dict)

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
            backends = self.backends.setdefault(change.service_id, {})
            for endpoint_id in change.left:
                del backends[endpoint_id]
            backends.update((joined.endpoint_id, joined) for joined in change.joined)
            if change.head is None:
                assert not self.backends.pop(change.service_id), "a service went before its backends"
                del self.heads[change.service_id]
            else:
                self.heads[change.service_id] = change.head
        return self

    def addresses(self, name: str) -> set[str]:
        """What the name resolves to."""
        owners = (named for named in self.named.values() if name in named.names)
        return {str(address) for named in owners for address in named.addresses}

    def ways(self) -> dict[str, tuple[object, ...]]:
        """What forwarding depends on."""
        return {key: (one.vtep, one.mac, one.addresses) for key, one in self.forwarded.items()}
