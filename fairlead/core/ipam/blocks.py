"""Text to prefixes and addresses, strictly: what a person may write in an `IPAM.Config` entry, and nothing looser.

Python's own parsers also take bare addresses, dotted masks and zone names where Docker's API does not.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from fairlead.model.network import Address, Subnet

_CIDR = re.compile(r"[0-9A-Fa-f.:]+/(0|[1-9][0-9]{0,2})")


def parse_block(text: str) -> tuple[Address, Subnet] | None:
    """The address as written and the prefix it lies in; None when `text` is not CIDR notation."""
    if not _CIDR.fullmatch(text):
        return None
    try:
        interface = ip_interface(text)
    except ValueError:
        return None
    return interface.ip, interface.network


def parse_address(text: str) -> Address | None:
    """The address, or None when `text` is not one (a zone name makes it none)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def usable(subnet: Subnet) -> tuple[int, int]:
    """The first and last address, as numbers, that a host of `subnet` may have.

    Without the network and broadcast address in IPv4 (but /31 by RFC 3021 and /32 have neither), and without the
    subnet-router anycast address in IPv6 (RFC 4291 2.6.1; a /127 by RFC 6164 and a /128 have none).
    """
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    if subnet.max_prefixlen - subnet.prefixlen < 2:
        return first, last
    return first + 1, last - 1 if subnet.version == 4 else last


def address_of(subnet: Subnet, number: int) -> Address:
    """`number` as an address of the family of `subnet`."""
    return IPv4Address(number) if subnet.version == 4 else IPv6Address(number)
