"""Noticing that somebody takes our links, or forwarding and neighbour entries, away inside a network's own namespace.

Deletions of links do not tell who asked for them, so this cannot be filtered out of what all namespaces say
(`inside_monitor`); a namespace that is a network's own is quiet enough to be listened to by itself. As on the host,
what we delete is in the doomed group before. Of entries nobody knows who deleted them: each loss is a reason to look.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from fairlead.effects.kernel import links
from fairlead.effects.kernel.ear import Ear
from fairlead.effects.kernel.link_reader import read_link
from fairlead.effects.kernel.netlink import ROUTE, split
from fairlead.effects.kernel.reaper import DOOMED
from fairlead.model.observed import Drift

_GROUPS = 0x1 | 0x4
"""Links and neighbours."""
_DELNEIGH = 29


class LinksInside:
    """Listens on the running event loop. Raises KernelRefused when there is no such namespace."""

    def __init__(self, ns: str, owner: str, on_drift: Callable[[Drift], None]) -> None:
        self._ns, self._owner, self._on_drift = ns, owner, on_drift
        self._ear = Ear((ROUTE, _GROUPS), self._heard, ns)
        self.close = self._ear.close

    def _heard(self, datagrams: Sequence[bytes], lost: bool) -> None:
        messages = [(kind, payload) for datagram in datagrams for kind, _, _, payload in split(datagram)]
        if lost or any(self._is_loss(*message) for message in messages):
            self._on_drift(Drift("address-gone", ""))
        if lost or any(kind == _DELNEIGH for kind, _ in messages):
            self._on_drift(Drift("entry-gone", self._ns))

    def _is_loss(self, kind: int, payload: bytes) -> bool:
        if kind not in (links.NEWLINK, links.DELLINK) or payload[0] != socket.AF_UNSPEC:
            return False
        link = read_link(payload)
        ours = link.alias.startswith(self._owner) and link.group != DOOMED
        return ours and (kind == links.DELLINK or not link.up)
