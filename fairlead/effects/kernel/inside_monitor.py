"""Noticing that addresses or routes go, on the host and inside namespaces, without looking.

A rtnetlink socket that listens to all namespaces (NETLINK_LISTEN_ALL_NSID, netlink(7)) hears of every namespace that
has an id here: a link of ours that leads into it gives it one, or we do. A filter in the kernel passes only the
deletions that somebody else asked for: messages without a sender are consequences of something else, and our own
sockets have port ids of a range of their own. So ten thousand attaches wake nobody.

IPv6 addresses go without a sender and are not noticed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.effects.kernel import socket_filter as bpf
from fairlead.effects.kernel.ear import NOT_OURS, Ear
from fairlead.effects.kernel.netlink import ROUTE
from fairlead.model.observed import Drift

_ADDRESS_GROUPS, _ROUTE_GROUPS = 0x10 | 0x100, 0x40 | 0x400
_DELADDR, _DELROUTE = 21, 25
_SOL_NETLINK, _LISTEN_ALL_NSID = 270, 8

_DELETIONS_OF_OTHERS = (
    bpf.half(bpf.TYPE_AT),
    *bpf.drop_unless("=H", _DELADDR, _DELROUTE),
    bpf.word(bpf.PORT_AT),
    bpf.drop_if("=I", 0),
    *NOT_OURS,
)
"""Passes a message if it deletes an address or a route, and its sender is neither nobody (0) nor us."""


class InsideMonitor:
    """Listens on the running event loop, in the namespace of its thread."""

    def __init__(self, on_drift: Callable[[Drift], None]) -> None:
        self._on_drift = on_drift
        self._ear = Ear((ROUTE, _ADDRESS_GROUPS | _ROUTE_GROUPS), self._heard, steps=_DELETIONS_OF_OTHERS)
        self._ear.socket.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
        self.close = self._ear.close

    def _heard(self, _datagrams: Sequence[bytes], _lost: bool) -> None:
        """Whatever it says, it says the same: something is gone. Lost messages say it too."""
        self._on_drift(Drift("address-gone", ""))
