"""A packet and the host it meets, as far as a ruleset can look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Protocol

from fairlead.model.network import Address, Subnet

LOOPBACK_LINK = "lo"
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
WITH_PORTS = frozenset({6, 17, 132})
ICMP_OF = {4: 1, 6: 58}
"""Protocol numbers: TCP, UDP and SCTP have ports; ICMP belongs to one IP version."""

Held = Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]]


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow, or one of a known flow. `protocol` is IANA's number; `icmp_type` counts for ICMP.
    `hardware` is where its frame comes from, `aim` where a rule sends it to; both "" for whatever the links make it.
    `vni` is of the frame that it carries by VXLAN, 0 for none; `sealed`: its route leads through encryption."""

    source: Address
    destination: Address
    protocol: int = 6
    sport: int = 40000
    dport: int = 0
    icmp_type: int = 0
    mark: int = 0
    hardware: str = ""
    aim: str = ""
    vni: int = 0
    sealed: bool = False

    @property
    def version(self) -> int:
        return self.destination.version


class Stack(Protocol):
    """The part of a namespace's network stack that rules and hooks ask: its addresses and its routes."""

    def holder(self, address: Address) -> str:
        """The link that has `address`; every loopback address is lo's."""
        ...

    def is_local(self, address: Address) -> bool: ...

    def route(self, address: Address, mark: int = 0) -> str:
        """The link that a packet to `address` leaves by; "" when there is none."""
        ...

    def way(self, packet: Packet, iif: str) -> str:
        """The same for a whole packet that came by `iif` ("" for the stack's own)."""
        ...

    def address_on(self, link: str, version: int) -> Address | None:
        """The address that the host sends from on `link`."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """Links with their addresses, routes beside the connected ones, and the link of the default route ("" for none).
    `marked`: packets whose mark has one of these bits leave by that link."""

    links: Held
    routes: Mapping[Subnet, str] = field(default_factory=dict)
    uplink: str = ""
    marked: Mapping[int, str] = field(default_factory=dict)

    def is_local(self, address: Address) -> bool:
        return self.holder(address) != ""

    def holder(self, address: Address) -> str:
        """The link that has `address`; every loopback address is lo's."""
        if any(address in network for network in _LOOPBACK):
            return LOOPBACK_LINK
        return next((link for link, held in self.links.items() if any(address == own.ip for own in held)), "")

    def route(self, address: Address, mark: int = 0) -> str:
        """The link that a packet to `address` leaves by; "" when there is none."""
        if self.is_local(address):
            return LOOPBACK_LINK
        for bit, link in self.marked.items():
            if mark & bit:
                return link
        connected = [(own.network, link) for link, held in self.links.items() for own in held]
        fitting = [(net, link) for net, link in (*connected, *self.routes.items()) if address in net]
        return max(fitting, key=lambda found: found[0].prefixlen)[1] if fitting else self.uplink

    def way(self, packet: Packet, iif: str) -> str:
        """The same for a packet, whatever it came by."""
        return self.route(packet.destination, packet.mark)

    def address_on(self, link: str, version: int) -> Address | None:
        """The address that the host sends from on `link`."""
        return next((own.ip for own in self.links.get(link, ()) if own.version == version), None)


LOCALHOST: Mapping[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}
