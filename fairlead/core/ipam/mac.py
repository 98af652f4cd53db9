"""Hardware addresses that follow from IP addresses, so that a neighbour cache which outlives a container still tells
the truth when its address is used again."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address


def of(ipv4: IPv4Address | None, ipv6: IPv6Address | None) -> str:
    """`02:42:` and the four bytes of the IPv4 address; without one, a local unicast address drawn from the IPv6
    address by a hash, since the low bytes alone would repeat between networks that share a parent interface."""
    if ipv4 is not None:
        return from_ipv4(ipv4)
    if ipv6 is None:
        raise ValueError("an endpoint without any address has no hardware address of its own")
    digest = sha256(ipv6.packed).digest()
    return _text(bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])


def from_ipv4(address: IPv4Address) -> str:
    return _text(b"\x02\x42" + address.packed)


def of_lease(container_id: str, network_id: str) -> str:
    """For an endpoint that needs its hardware address before it has any other: the same for a container on a network
    whenever it starts, so that it is leased the same address again."""
    return _text(b"\x02\x42" + sha256(f"{container_id}/{network_id}".encode()).digest()[:4])


def _text(octets: bytes) -> str:
    return octets.hex(":")
