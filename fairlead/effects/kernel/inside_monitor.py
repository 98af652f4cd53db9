"""Noticing that addresses or routes go, on the host and inside namespaces, without looking.

A rtnetlink socket that listens to all namespaces (NETLINK_LISTEN_ALL_NSID, netlink(7)) hears of every namespace that
has an id here: a link of ours that leads into it gives it one, or we do. A filter in the kernel (SO_ATTACH_FILTER)
passes only the deletions that somebody else asked for: messages without a sender are consequences of something else,
and our own sockets have port ids of a range of their own. So ten thousand attaches wake nobody.

IPv6 addresses go without a sender and are not noticed here.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable

from fairlead.effects.kernel.netlink import OWN_PORTS, OWN_PORTS_MASK, ROUTE
from fairlead.model.observed import Drift

_ADDRESS_GROUPS, _ROUTE_GROUPS = 0x10 | 0x100, 0x40 | 0x400
_DELADDR, _DELROUTE = 21, 25
_SOL_NETLINK, _LISTEN_ALL_NSID, _ATTACH_FILTER = 270, 8, 26
_RECEIVE, _BURST = 1 << 16, 64

_LOAD_HALF, _LOAD_WORD, _AND, _EQUAL, _RETURN = 0x28, 0x20, 0x54, 0x15, 0x06
"""Classic BPF (linux/filter.h): load 16 or 32 bits from a fixed place, mask, jump if equal, pass so many bytes on."""
_TYPE_AT, _PORT_AT = 4, 12


class InsideMonitor:
    """Listens on the running event loop, in the namespace of its thread."""

    def __init__(self, on_drift: Callable[[Drift], None]) -> None:
        self._on_drift = on_drift
        self._loop = asyncio.get_running_loop()
        self._socket = _listener()
        self._loop.add_reader(self._socket, self._drain)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        """Whatever it says, it says the same: something is gone. Lost messages say it too."""
        for _ in range(_BURST):
            try:
                self._socket.recv(_RECEIVE)
            except BlockingIOError:
                break
            except OSError:
                continue
        self._on_drift(Drift("address-gone", ""))


def _listener() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    made = socket.socket(socket.AF_NETLINK, kind, ROUTE)
    program = b"".join(_filter())
    buffer = ctypes.create_string_buffer(program)
    made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(buffer)))
    made.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
    made.bind((0, _ADDRESS_GROUPS | _ROUTE_GROUPS))
    return made


def _filter() -> list[bytes]:
    """Pass a message if it deletes an address or a route, and its sender is neither nobody (0) nor us."""
    return [
        _instruction(_LOAD_HALF, _TYPE_AT),
        _instruction(_EQUAL, _as_loaded("=H", _DELADDR), then=1),
        _instruction(_EQUAL, _as_loaded("=H", _DELROUTE), otherwise=5),
        _instruction(_LOAD_WORD, _PORT_AT),
        _instruction(_EQUAL, 0, then=3),
        _instruction(_AND, _as_loaded("=I", OWN_PORTS_MASK)),
        _instruction(_EQUAL, _as_loaded("=I", OWN_PORTS), then=1),
        _instruction(_RETURN, 0xFFFFFFFF),
        _instruction(_RETURN, 0),
    ]


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """`then` and `otherwise` are how many instructions to skip."""
    return struct.pack("=HBBI", code, then, otherwise, value)


def _as_loaded(form: str, value: int) -> int:
    """Netlink is in the host's byte order, and the filter loads in the network's."""
    return int.from_bytes(struct.pack(form, value), "big")
