"""Telling a segment where an address lives: a gratuitous ARP (RFC 5227, 3) or an unsolicited neighbour
advertisement (RFC 4861, 7.2.6)."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from struct import pack

from fairlead.effects.kernel.attributes import mac_bytes
from fairlead.effects.kernel.netns import entered
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import AnnounceAddress

_BROADCAST = b"\xff" * 6
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ALL_NODES = IPv6Address("ff02::1").packed
_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6, _ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_ADDRESS = 58, 136, 0x20000000, 2


def announce(operation: AnnounceAddress) -> None:
    """Send the frame out of the link. Raises KernelRefused."""
    mac = mac_bytes(operation.mac)
    address = operation.address
    frame = gratuitous_arp(address, mac) if isinstance(address, IPv4Address) else advertisement(address, mac)
    try:
        with entered(operation.ns), socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as wire:
            wire.bind((operation.link, 0))
            wire.send(frame)
    except OSError as refused:
        raise KernelRefused(f"announce {address} on {operation.link}", refused.errno or 0) from refused


def gratuitous_arp(address: IPv4Address, mac: bytes) -> bytes:
    """An Ethernet frame: a request for our own address, to everybody."""
    ethernet = _BROADCAST + mac + pack(">H", _ARP)
    return ethernet + pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + address.packed + bytes(6) + address.packed


def advertisement(address: IPv6Address, mac: bytes) -> bytes:
    """An Ethernet frame: a neighbour advertisement that overrides what the nodes have cached."""
    body = pack(">I", _OVERRIDE) + address.packed + pack("BB", _TARGET_LINK_ADDRESS, 1) + mac
    size = 4 + len(body)
    pseudo = address.packed + _ALL_NODES + pack(">II", size, _ICMPV6)
    check = checksum(pseudo + pack("BBH", _ADVERTISEMENT, 0, 0) + body)
    header = pack(">IHBB", 0x60000000, size, _ICMPV6, 255) + address.packed + _ALL_NODES
    return _ALL_NODES_MAC + mac + pack(">H", _IPV6) + header + pack(">BBH", _ADVERTISEMENT, 0, check) + body


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
