"""The floor: the least that Python can do to make, fill and empty a network, as one straight line of raw netlink.

Nothing here is shared with Fairlead, knows names or errors, checks or undoes anything. It shows what the kernel itself
costs, so that the rest can be told from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNET = 0x40000000
_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_REQUEST, _ACK, _CREATE, _EXCLUDE = 1, 4, 0x400, 0x200
_MASTER, _NAME, _MTU, _ADDRESS, _GROUP, _LINK_INFO, _NS_FD = 10, 3, 4, 1, 27, 18, 28
_DOOMED = 0x0F100


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", len(payload) + 4, kind) + payload + bytes(-len(payload) & 3)


def message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags | _REQUEST | _ACK, 1, 0) + body


def link(index: int, up: bool, *attributes: bytes) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, int(up), int(up)) + b"".join(attributes)


class Floor:
    """One bridge 10.77.0.1/16 and one nft map in the namespace of the thread."""

    def __init__(self) -> None:
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.rules = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.bridge = 0

    def close(self) -> None:
        self.route.close()
        self.rules.close()
        os.close(self.home)

    def namespace(self) -> int:
        """A fresh namespace, entered from and left to home."""
        _libc.unshare(_NEWNET)
        descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _libc.setns(self.home, _NEWNET)
        return descriptor

    def create(self, name: str) -> None:
        """A bridge, up, with an address."""
        info = attribute(_LINK_INFO, attribute(1, b"bridge\0"))
        body = link(0, True, attribute(_NAME, name.encode() + b"\0"), info)
        self._exchange(self.route, message(_NEWLINK, _CREATE | _EXCLUDE, body), 1)
        self.bridge = socket.if_nametoindex(name)
        self._exchange(self.route, self._address(self.bridge, bytes((10, 77, 0, 1))), 1)

    def table(self) -> None:
        """A map ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service."""
        name = attribute(1, b"floor\0")
        described = [(3, 8), (4, 7 << 12 | 12 << 6 | 13), (5, 12), (6, 7 << 6 | 13), (7, 8), (10, 1)]
        declared = name + attribute(2, b"ports\0") + b"".join(attribute(k, struct.pack(">I", v)) for k, v in described)
        self._batch(self._nft(0, _CREATE, name), self._nft(9, _CREATE, declared))

    def connect(self, name: str, number: int, inside: int) -> None:
        """A veth into a given namespace with address and default route, and one published port."""
        host = bytes((10, 77, number >> 8, number & 255))
        peer = link(0, False, attribute(_NAME, b"eth0\0"), attribute(_ADDRESS, b"\2\x42" + host))
        peer += attribute(_NS_FD, struct.pack("=I", inside))
        info = attribute(_LINK_INFO, attribute(1, b"veth\0") + attribute(2, attribute(1, peer)))
        own = attribute(_NAME, name.encode() + b"\0") + attribute(_MASTER, struct.pack("=I", self.bridge))
        self._exchange(self.route, message(_NEWLINK, _CREATE | _EXCLUDE, link(0, True, own, info)), 1)
        _libc.setns(inside, _NEWNET)
        within = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        index = socket.if_nametoindex("eth0")
        _libc.setns(self.home, _NEWNET)
        raised = message(_NEWLINK, 0, link(index, True))
        gateway = attribute(5, bytes((10, 77, 0, 1))) + attribute(4, struct.pack("=I", index))
        default = message(_NEWROUTE, _CREATE, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + gateway)
        self._exchange(within, self._address(index, host) + raised + default, 3)
        within.close()
        self.publish(number, host)

    def disconnect(self, name: str, number: int) -> None:
        """The port taken back, the link moved to a group that is deleted later."""
        key = attribute(1, attribute(1, struct.pack(">4xI", 6 << 24) + struct.pack(">HH", number, 0)))
        self._batch(self._nft(14, 0, self._elements(key)))
        group = attribute(_NAME, name.encode() + b"\0") + attribute(_GROUP, struct.pack("=I", _DOOMED))
        self._exchange(self.route, message(_NEWLINK, 0, link(0, False, group)), 1)

    def reap(self) -> None:
        self._exchange(self.route, message(17, 0, link(0, False, attribute(_GROUP, struct.pack("=I", _DOOMED)))), 1)

    def publish(self, port: int, host: bytes) -> None:
        """One element of the map."""
        key = attribute(1, attribute(1, struct.pack(">4xI", 6 << 24) + struct.pack(">HH", port, 0)))
        data = attribute(2, attribute(1, host + struct.pack(">HH", 80, 0)))
        self._batch(self._nft(12, _CREATE, self._elements(key + data)))

    def _elements(self, element: bytes) -> bytes:
        return attribute(1, b"floor\0") + attribute(2, b"ports\0") + attribute(3, attribute(1, element))

    def _address(self, index: int, host: bytes) -> bytes:
        body = struct.pack("=BBBBI", 2, 16, 0, 0, index) + attribute(2, host) + attribute(1, host)
        return message(_NEWADDR, _CREATE | _EXCLUDE, body)

    def _nft(self, kind: int, flags: int, attributes: bytes) -> bytes:
        body = b"\1\0\0\0" + attributes
        return struct.pack("=IHHII", 16 + len(body), 10 << 8 | kind, flags | _REQUEST, 1, 0) + body

    def _batch(self, *messages: bytes) -> None:
        edge = [struct.pack("=IHHIIBB", 20, kind, _REQUEST, 1, 0, 0, 0) + b"\0\n" for kind in (0x10, 0x11)]
        self.rules.send(edge[0] + b"".join(messages) + edge[1])
        try:
            refused = self.rules.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        raise OSError(-struct.unpack_from("=i", refused, 16)[0], "nf_tables")

    def _exchange(self, channel: socket.socket, data: bytes, answers: int) -> None:
        channel.send(data)
        while answers:
            answer = channel.recv(65536)
            code = -struct.unpack_from("=i", answer, 16)[0]
            if code:
                raise OSError(code, os.strerror(code))
            answers -= 1


def serve() -> None:
    """For each line of stdin connect and disconnect, then say how many seconds the connect took: what is deleted keeps
    the kernel's lock busy, and would be waited for by whoever is measured in turn."""
    straight = Floor()
    inside = straight.namespace()
    straight.table()
    straight.create("floor0")
    for number, _ in enumerate(sys.stdin, 1):
        began = time.perf_counter()
        straight.connect(f"floor{number}", number, inside)
        taken = time.perf_counter() - began
        straight.disconnect(f"floor{number}", number)
        straight.reap()
        print(taken, flush=True)


@contextlib.contextmanager
def remote(command: Sequence[str]) -> Iterator[Callable[[], float]]:
    """`serve` in another namespace: each call connects once and returns the seconds."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def connect() -> float:
            print(file=told, flush=True)
            return float(heard.readline())

        try:
            yield connect
        finally:
            told.close()


if __name__ == "__main__":
    serve()
