"""What a lab consists of, as values: hosts, switches, routers and the links between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network

DEFAULT_MTU = 1500
OUTSIDE = "outside"
"""The router that every simple lab has: gateway, name server and a web server for the way out."""


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of a node. `ifname` is its name inside (`eth0`); with a `vlan`, `eth0.10` on top of it. An `mtu` of
    0 is the switch's."""

    switch: str
    ifname: str = ""
    address: IPv4Interface | None = None
    vlan: int = 0
    mtu: int = 0

    @property
    def cable(self) -> str:
        """The interface that is plugged in: `eth0`, also for `eth0.10`."""
        return self.ifname.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Switch:
    name: str
    subnet: IPv4Network | None = None
    mtu: int = DEFAULT_MTU


@dataclass(frozen=True, slots=True)
class Host:
    """`role` is "", "manager" or "worker". `daemon` is None for a host without one, else its further flags."""

    name: str
    links: tuple[Link, ...]
    daemon: tuple[str, ...] | None = ()
    role: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Router:
    """`nat` names the link that masquerades; with `uplink` it leads to the machine's own network besides."""

    name: str
    links: tuple[Link, ...]
    nat: str = ""
    uplink: bool = False

    def masquerades_on(self, link: Link) -> bool:
        return bool(self.nat) and self.nat in (link.switch, link.ifname)


@dataclass(frozen=True, slots=True)
class Topology:
    switches: Mapping[str, Switch] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    routers: Mapping[str, Router] = field(default_factory=dict)

    @property
    def nodes(self) -> Mapping[str, Host | Router]:
        return {**self.routers, **self.hosts}
