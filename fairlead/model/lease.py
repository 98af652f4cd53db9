"""Leases of addresses that somebody else gives out: a DHCP server on the physical network."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

FOREVER = 0xFFFF_FFFF
"""Seconds of a lease without an end, as DHCP writes it."""


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Who asks, and where: `link` is the host's interface on the segment, `mac` the client's ("" for the link's own).

    `client_id` tells clients behind one MAC apart (option 61); it stays the same for a container on a network.
    """

    link: str
    mac: str
    client_id: bytes
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a server granted. `server_mac` is the station that it, or its relay, was heard from.

    `obtained` is ns since the epoch; `renew`, `rebind` and `expire` are seconds after it.
    """

    address: IPv4Interface
    gateway: IPv4Address | None
    server: IPv4Address
    server_mac: str
    renew: int
    rebind: int
    expire: int
    obtained: int = 0
