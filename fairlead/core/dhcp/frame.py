"""UDP over IPv4 in an Ethernet frame, for a client that has no address to send from.

The UDP checksum of what comes in is not looked at: on its way between interfaces of one machine it is not computed yet
(checksum offload), and a DHCP message proves itself by its transaction id.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

SERVER_PORT, CLIENT_PORT = 67, 68
EVERYBODY = "ff:ff:ff:ff:ff:ff"
EVERY_ADDRESS = IPv4Address("255.255.255.255")

_ETHERNET = struct.Struct("!6s6sH")
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_IPV4, _UDP_PROTOCOL, _TTL = 0x0800, 17, 64
_FRAGMENT = 0x3FFF


@dataclass(frozen=True, slots=True)
class Route:
    """From where to where a frame goes."""

    source_mac: str
    source: IPv4Address
    target_mac: str = EVERYBODY
    target: IPv4Address = EVERY_ADDRESS


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram for a DHCP client, and the station that sent it."""

    sender_mac: str
    sender: IPv4Address
    data: bytes


def wrap(route: Route, data: bytes) -> bytes:
    """The frame of a datagram from the client's port to the server's."""
    length = _UDP.size + len(data)
    udp = _UDP.pack(CLIENT_PORT, SERVER_PORT, length, 0)
    pseudo = route.source.packed + route.target.packed + struct.pack("!BBH", 0, _UDP_PROTOCOL, length)
    udp = _UDP.pack(CLIENT_PORT, SERVER_PORT, length, checksum(pseudo + udp + data) or 0xFFFF)
    addresses = (route.source.packed, route.target.packed)
    ip = _IP.pack(0x45, 0, _IP.size + length, 0, 0, _TTL, _UDP_PROTOCOL, 0, *addresses)
    ip = _IP.pack(0x45, 0, _IP.size + length, 0, 0, _TTL, _UDP_PROTOCOL, checksum(ip), *addresses)
    return _ETHERNET.pack(_octets(route.target_mac), _octets(route.source_mac), _IPV4) + ip + udp + data


def unwrap(frame: bytes) -> Received | None:
    """The datagram to the client's port that the frame carries; None for anything else."""
    if len(frame) < _ETHERNET.size + _IP.size or _ETHERNET.unpack_from(frame)[2] != _IPV4:
        return None
    packet = frame[_ETHERNET.size :]
    header = (packet[0] & 0x0F) * 4
    _, _, total, _, fragment, _, protocol, _, sender, _ = _IP.unpack_from(packet)
    if packet[0] >> 4 != 4 or header < _IP.size or not header + _UDP.size <= total <= len(packet):
        return None
    if protocol != _UDP_PROTOCOL or fragment & _FRAGMENT or checksum(packet[:header]):
        return None
    _, port, length, _ = _UDP.unpack_from(packet, header)
    if port != CLIENT_PORT or not _UDP.size <= length <= total - header:
        return None
    data = packet[header + _UDP.size : header + length]
    return Received(frame[6:12].hex(":"), IPv4Address(sender), data)


def checksum(data: bytes) -> int:
    """RFC 1071; 0 over data that carries its right checksum."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
