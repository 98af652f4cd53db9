"""Noticing that addresses or routes go, on the host and inside namespaces, without looking.

A rtnetlink socket that listens to all namespaces (NETLINK_LISTEN_ALL_NSID, netlink(7)) hears of every namespace that
has an id here: a link of ours that leads into it gives it one, or we do. A filter in the kernel passes only the
deletions that somebody else asked for: messages without a sender are consequences of something else, and our own
sockets have port ids of a range of their own. So ten thousand attaches wake nobody.

IPv6 addresses go without a sender and are not noticed here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from fairlead.effects.kernel import socket_filter as bpf
from fairlead.effects.kernel.netlink import OWN_PORTS, OWN_PORTS_MASK, ROUTE
from fairlead.model.observed import Drift

_ADDRESS_GROUPS, _ROUTE_GROUPS = 0x10 | 0x100, 0x40 | 0x400
_DELADDR, _DELROUTE = 21, 25
_SOL_NETLINK, _LISTEN_ALL_NSID = 270, 8
_RECEIVE, _BURST = 1 << 16, 64


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
    bpf.attach(made, _deletions_of_others())
    made.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
    made.bind((0, _ADDRESS_GROUPS | _ROUTE_GROUPS))
    return made


def _deletions_of_others() -> list[bpf.Step]:
    """Pass a message if it deletes an address or a route, and its sender is neither nobody (0) nor us."""
    return [
        bpf.half(bpf.TYPE_AT),
        *bpf.drop_unless("=H", _DELADDR, _DELROUTE),
        bpf.word(bpf.PORT_AT),
        bpf.drop_if("=I", 0),
        bpf.masked("=I", OWN_PORTS_MASK),
        bpf.drop_if("=I", OWN_PORTS),
    ]
