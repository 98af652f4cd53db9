"""Noticing that somebody takes our links, or forwarding and neighbour entries, away inside a network's own namespace.

Deletions of links do not tell who asked for them, so this cannot be filtered out of what all namespaces say
(`inside_monitor`); a namespace that is a network's own is quiet enough to be listened to by itself. As on the host,
what we delete is in the doomed group before. Of entries nobody knows who deleted them: each loss is a reason to look.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from fairlead.effects.kernel import links
from fairlead.effects.kernel.link_reader import read_link
from fairlead.effects.kernel.netlink import ROUTE, split
from fairlead.effects.kernel.netns import entered
from fairlead.effects.kernel.reaper import DOOMED
from fairlead.model.observed import Drift

_GROUPS = 0x1 | 0x4
"""Links and neighbours."""
_DELNEIGH = 29
_RECEIVE, _BURST = 1 << 16, 64


class LinksInside:
    """Listens on the running event loop. Raises KernelRefused when there is no such namespace."""

    def __init__(self, ns: str, owner: str, on_drift: Callable[[Drift], None]) -> None:
        self._ns, self._owner, self._on_drift = ns, owner, on_drift
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with entered(ns):
            self._socket = socket.socket(socket.AF_NETLINK, kind, ROUTE)
        self._socket.bind((0, _GROUPS))
        self._loop.add_reader(self._socket, self._drain)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        for _ in range(_BURST):
            try:
                datagram = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError:
                self._on_drift(Drift("address-gone", ""))
                self._on_drift(Drift("entry-gone", self._ns))
                continue
            messages = [(kind, payload) for kind, _, _, payload in split(datagram)]
            if any(self._is_loss(*message) for message in messages):
                self._on_drift(Drift("address-gone", ""))
            if any(kind == _DELNEIGH for kind, _ in messages):
                self._on_drift(Drift("entry-gone", self._ns))

    def _is_loss(self, kind: int, payload: bytes) -> bool:
        if kind not in (links.NEWLINK, links.DELLINK) or payload[0] != socket.AF_UNSPEC:
            return False
        link = read_link(payload)
        ours = link.alias.startswith(self._owner) and link.group != DOOMED
        return ours and (kind == links.DELLINK or not link.up)
