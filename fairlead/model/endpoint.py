"""Endpoints: a container's place on a network, and the ports that it shows outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.lease import Lease
from fairlead.model.network import Address

TCP, UDP, SCTP = "tcp", "udp", "sctp"


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """What a user may say about one attachment (`EndpointSettings` of the API), as typed.

    `aliases` are network-scoped names; `links` are `container:alias` pairs.
    """

    ipv4: str = ""
    ipv6: str = ""
    link_local: tuple[str, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    gw_priority: int = 0


@dataclass(frozen=True, slots=True)
class PortRequest:
    """One `-p`: container port and where to show it. `host_ports` (0, 0) means any free one.

    `host_ip` empty means every local address of the families that the network has.
    """

    container_port: int
    protocol: str = TCP
    host_ip: str = ""
    host_ports: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port that is shown outside, resolved. `host_ip` is 0.0.0.0 or :: for every local address."""

    container_port: int
    protocol: str
    host_ip: Address
    host_port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container on a network.

    `sandbox` is the id of the sandbox that holds it. `ifname` is its name inside ("eth0"),
    `host_ifname` the host's end where the driver has one. `segment` is the bridge of the network's chain of bridges
    that it hangs on (0: the network's own). `order` counts connections of the container, the earliest first.
    `names` are the DNS names it answers to on this network.
    `lease` is what the addresses come from where the physical network gives them out.
    `published` is empty unless this endpoint is the one that carries the container's ports.
    `egress`: the engine made it as a way out; the container is not told of it.
    """

    id: str
    network_id: str
    container_id: str
    sandbox: str
    name: str
    ifname: str
    mac: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    gateway4: Address | None = None
    gateway6: Address | None = None
    host_ifname: str = ""
    segment: int = 0
    order: int = 0
    spec: EndpointSpec = field(default_factory=EndpointSpec)
    names: tuple[str, ...] = ()
    published: tuple[PublishedPort, ...] = ()
    lease: Lease | None = None
    egress: bool = False

    @property
    def addresses(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        return tuple(a for a in (self.ipv4, self.ipv6) if a is not None)
