"""Hardware addresses follow from IP addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fairlead.core.ipam import mac


def test_the_mac_is_0242_and_the_bytes_of_the_ipv4_address() -> None:
    assert mac.of(IPv4Address("172.17.0.2"), None) == "02:42:ac:11:00:02"
    assert mac.of(IPv4Address("172.17.0.2"), IPv6Address("fd00::2")) == "02:42:ac:11:00:02"


def test_an_ipv6_address_alone_gives_a_stable_local_unicast_mac() -> None:
    one, other = mac.of(None, IPv6Address("fd00::2")), mac.of(None, IPv6Address("fd01::2"))
    assert one == mac.of(None, IPv6Address("fd00::2"))
    assert one != other
    assert int(one[:2], 16) & 0b11 == 0b10
