"""Frames made by hand, sent and heard on links inside namespaces."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from struct import pack

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.announce import checksum
from fairlead.effects.kernel.attributes import mac_bytes

_EVERYTHING = 0x0003
BROADCAST = "ff:ff:ff:ff:ff:ff"


def ethernet(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    return mac_bytes(target) + mac_bytes(source) + pack(">H", protocol) + payload


def udp4(source: str, target: str, payload: bytes, port: int = 9) -> bytes:
    """An IPv4 packet with a UDP datagram (no UDP checksum)."""
    datagram = pack(">HHHH", port, port, 8 + len(payload), 0) + payload
    head = pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    addresses = IPv4Address(source).packed + IPv4Address(target).packed
    check = checksum(head + addresses)
    return head[:10] + pack(">H", check) + addresses + datagram


def arp(operation: int, mac: str, address: str, target_mac: str, target: str) -> bytes:
    sender = mac_bytes(mac) + IPv4Address(address).packed
    return pack(">HHBBH", 1, 0x0800, 6, 4, operation) + sender + mac_bytes(target_mac) + IPv4Address(target).packed


def icmp6(source: str, target: str, kind: int, body: bytes) -> bytes:
    size = 4 + len(body)
    addresses = IPv6Address(source).packed + IPv6Address(target).packed
    pseudo = addresses + pack(">II", size, 58)
    check = checksum(pseudo + pack(">BBH", kind, 0, 0) + body)
    return pack(">IHBB", 0x60000000, size, 58, 255) + addresses + pack(">BBH", kind, 0, check) + body


def vxlan(vni: int, frame: bytes) -> bytes:
    """RFC 7348, figure 1, from the VXLAN header on."""
    return pack(">BxxxI", 0x08, vni << 8) + frame


def send(ns: str, link: str, frame: bytes) -> None:
    with netns.entered(ns), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((link, 0))
        wire.send(frame)


class Ear:
    """Hears every frame on a link, also what the link itself sends."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def hears(self, mark: bytes, patience: float = 0.3) -> bool:
        """Whether a frame with these bytes in it comes."""
        return self.frame(mark, patience) is not None

    def frame(self, mark: bytes, patience: float = 0.3) -> bytes | None:
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            self._wire.settimeout(left)
            try:
                heard = self._wire.recv(65536)
            except TimeoutError:
                return None
            if mark in heard:
                return heard
        return None


@contextmanager
def listening(ns: str, link: str) -> Iterator[Ear]:
    with netns.entered(ns):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
    with wire:
        wire.bind((link, _EVERYTHING))
        yield Ear(wire)
