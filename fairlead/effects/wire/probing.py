"""One packet, really sent from a namespace: what comes back, in words. And one DNS question.

Each blocks for at most its deadline: call them in a thread.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from struct import pack, unpack_from

from fairlead.effects.kernel.netns import entered
from fairlead.model.network import Address
from fairlead.model.trace import ANSWERED, REFUSED, SILENT, UNREACHABLE

_REFUSALS = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: REFUSED,
    errno.ENETUNREACH: UNREACHABLE,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.EACCES: UNREACHABLE,
    errno.EPERM: UNREACHABLE,
    errno.ETIMEDOUT: SILENT,
    errno.EINPROGRESS: SILENT,
}
_ECHO = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}
_A, _AAAA = 1, 28
_SIZES = {_A: 4, _AAAA: 16}


def probe(ns: str, destination: Address, protocol: str, port: int, seconds: float) -> str:
    """ANSWERED, REFUSED, UNREACHABLE or SILENT. Raises KernelRefused when the namespace is gone."""
    sender = {"tcp": _tcp, "udp": _udp}.get(protocol, _icmp)
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    with entered(ns):
        made = _made(family, protocol)
    with made:
        made.settimeout(seconds)
        try:
            return sender(made, destination, port, seconds)
        except TimeoutError:
            return SILENT
        except OSError as refused:
            return _REFUSALS.get(refused.errno or 0, f"{UNREACHABLE}: {refused.strerror}")


def _made(family: int, protocol: str) -> socket.socket:
    if protocol == "tcp":
        return socket.socket(family, socket.SOCK_STREAM)
    if protocol == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    number = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    return socket.socket(family, socket.SOCK_RAW, number)


def _tcp(made: socket.socket, destination: Address, port: int, _: float) -> str:
    made.connect((str(destination), port))
    return ANSWERED


def _udp(made: socket.socket, destination: Address, port: int, _: float) -> str:
    """Silence is no proof of anything: who takes a datagram need not answer."""
    made.connect((str(destination), port))
    made.send(b"\n")
    made.recv(1)
    return ANSWERED


def _icmp(made: socket.socket, destination: Address, _: int, seconds: float) -> str:
    version, number = destination.version, time.monotonic_ns() & 0xFFFF
    head = pack("!BBHHH", _ECHO[version], 0, 0, number, 1)
    if version == 4:
        head = pack("!BBHHH", _ECHO[version], 0, _checksum(head), number, 1)
    made.sendto(head, (str(destination), 0))
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        made.settimeout(left)
        data, _sender = made.recvfrom(1024)
        data = data[(data[0] & 15) * 4 :] if version == 4 else data
        if len(data) >= 8 and data[0] == _REPLY[version] and unpack_from("!H", data, 4)[0] == number:
            return ANSWERED
    return SILENT


def _checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def ask(ns: str, server: Address, name: str, seconds: float) -> tuple[Address, ...] | None:
    """The addresses of `name` that a server tells who is asked from this namespace; () when it knows none; None when it
    does not answer. Raises KernelRefused."""
    wire = b"".join(bytes((len(label),)) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
    first = _asked(ns, server, wire, _A, seconds)
    if first is None:
        return None
    return (*first, *(_asked(ns, server, wire, _AAAA, seconds) or ()))


def _asked(ns: str, server: Address, wire: bytes, kind: int, seconds: float) -> tuple[Address, ...] | None:
    family = socket.AF_INET if server.version == 4 else socket.AF_INET6
    with entered(ns):
        made = socket.socket(family, socket.SOCK_DGRAM)
    with made:
        made.settimeout(seconds)
        try:
            made.connect((str(server), 53))
            made.send(pack("!HHHHHH", kind, 0x0100, 1, 0, 0, 0) + wire + pack("!HH", kind, 1))
            reply = made.recv(4096)
        except OSError:
            return None
    return tuple(_addresses(reply, 12 + len(wire) + 4, kind))


def _addresses(reply: bytes, at: int, kind: int) -> Iterator[Address]:
    """Those of the answer's records; a name in it is a pointer or spelled out."""
    for _ in range(unpack_from("!H", reply, 6)[0]):
        while at < len(reply) and 0 < reply[at] < 0xC0:
            at += 1 + reply[at]
        at += 2 if at < len(reply) and reply[at] >= 0xC0 else 1
        if at + 10 > len(reply):
            return
        found, _class, _ttl, size = unpack_from("!HHIH", reply, at)
        if found == kind and size == _SIZES[kind]:
            yield ip_address(reply[at + 10 : at + 10 + size])
        at += 10 + size
