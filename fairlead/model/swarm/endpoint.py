"""How a service is reached: its virtual addresses and its published ports."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fairlead.model.swarm.attachment import SwarmAddress

VIP, DNSRR = "vip", "dnsrr"
INGRESS, HOST = "ingress", "host"
PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class PortConfig:
    """A port to publish. `published` 0 leaves the choice to the swarm (ingress) or to the node (host).

    `host_ip` binds it to one address of the nodes; "" means every local address.
    """

    target: int
    published: int = 0
    protocol: str = "tcp"
    mode: str = INGRESS
    name: str = ""
    host_ip: str = ""

    @property
    def text(self) -> str:
        """PORT/PROTOCOL as published."""
        return f"{self.published}/{self.protocol}"

    def at(self, published: int) -> PortConfig:
        return replace(self, published=published)


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    mode: str = VIP
    ports: tuple[PortConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualIp:
    """Both addresses are None on a network without virtual addresses: there the name resolves to the tasks."""

    network_id: str
    address: SwarmAddress | None = None
    address6: SwarmAddress | None = None

    @property
    def addresses(self) -> tuple[SwarmAddress, ...]:
        return tuple(one for one in (self.address, self.address6) if one is not None)


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """What the allocator made of an `EndpointSpec`: every ingress port has a number, every network an address."""

    spec: EndpointSpec = EndpointSpec()
    ports: tuple[PortConfig, ...] = ()
    virtual_ips: tuple[VirtualIp, ...] = ()
