"""Noticing that somebody takes away our tables inside a namespace that is not the host's.

Changes of nf_tables carry the port id of the socket that made them, and our own have ids of a range of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.effects.kernel.ear import NOT_OURS, Ear
from fairlead.effects.kernel.monitor import NFTABLES_GROUP, table_lost
from fairlead.effects.kernel.netlink import NETFILTER, split
from fairlead.model.observed import Drift


class TablesInside:
    """Listens on the running event loop for what is lost of tables whose names begin with `name`. Raises KernelRefused
    when there is no such namespace."""

    def __init__(self, ns: str, name: str, on_drift: Callable[[Drift], None]) -> None:
        self._ns, self._name, self._on_drift = ns, name, on_drift
        self._ear = Ear((NETFILTER, NFTABLES_GROUP), self._heard, ns, NOT_OURS)
        self.close = self._ear.close

    def _heard(self, datagrams: Sequence[bytes], lost: bool) -> None:
        messages = (message for datagram in datagrams for message in split(datagram))
        if lost or any(self._is_loss(kind, payload) for kind, _, _, payload in messages):
            self._on_drift(Drift("rules-gone", self._ns))

    def _is_loss(self, kind: int, payload: bytes) -> bool:
        found = table_lost(kind, payload)
        return found is not None and found[1].startswith(self._name)
