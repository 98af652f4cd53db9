"""Noticing that somebody takes away our tables inside a namespace that is not the host's.

Changes of nf_tables carry the port id of the socket that made them, and our own have ids of a range of their own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from fairlead.effects.kernel.monitor import NFTABLES_GROUP, table_lost
from fairlead.effects.kernel.netlink import NETFILTER, OWN_PORTS, OWN_PORTS_MASK, split_with_sender
from fairlead.effects.kernel.netns import entered
from fairlead.model.observed import Drift

_RECEIVE, _BURST = 1 << 16, 64


class TablesInside:
    """Listens on the running event loop for what is lost of tables whose names begin with `name`. An open ear keeps the
    namespace alive. Raises KernelRefused when there is no such namespace."""

    def __init__(self, ns: str, name: str, on_drift: Callable[[Drift], None]) -> None:
        self._ns, self._name, self._on_drift = ns, name, on_drift
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with entered(ns):
            self._socket = socket.socket(socket.AF_NETLINK, kind, NETFILTER)
        self._socket.bind((0, NFTABLES_GROUP))
        self._loop.add_reader(self._socket, self._drain)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        lost = False
        for _ in range(_BURST):
            try:
                datagram = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                break
            except OSError:
                lost = True
                continue
            lost = lost or any(self._is_loss(*message) for message in split_with_sender(datagram))
        if lost:
            self._on_drift(Drift("rules-gone", self._ns))

    def _is_loss(self, kind: int, _flags: int, _sequence: int, port: int, payload: bytes) -> bool:
        if port & OWN_PORTS_MASK == OWN_PORTS:
            return False
        found = table_lost(kind, payload)
        return found is not None and found[1].startswith(self._name)
