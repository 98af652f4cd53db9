"""A netlink socket that listens to multicast groups on the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from fairlead.effects.kernel import socket_filter as bpf
from fairlead.effects.kernel.netlink import OWN_PORTS, OWN_PORTS_MASK
from fairlead.effects.kernel.netns import entered
from fairlead.model.plan import HOST

_RECEIVE, _BURST = 1 << 16, 64

NOT_OURS = (bpf.word(bpf.PORT_AT), bpf.masked("=I", OWN_PORTS_MASK), bpf.drop_if("=I", OWN_PORTS))
"""Passes what others have changed. Besides waking nobody, our own changes take no room in the socket's queue, which one
table of virtual addresses would overrun."""

Heard = Callable[[Sequence[bytes], bool], None]
"""Datagrams, at most a burst of them, and whether others were lost because nobody read them in time."""


class Ear:
    """An open ear keeps its namespace alive. Raises KernelRefused when there is no such namespace."""

    def __init__(self, kind: tuple[int, int], on_heard: Heard, ns: str = HOST, steps: Sequence[bpf.Step] = ()) -> None:
        """`kind` is a netlink protocol and a mask of its groups; `steps` filter what comes."""
        protocol, groups = kind
        self._on_heard = on_heard
        self._loop = asyncio.get_running_loop()
        with entered(ns):
            self.socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
            )
        if steps:
            bpf.attach(self.socket, steps)
        self.socket.bind((0, groups))
        self._loop.add_reader(self.socket, self._drain)

    def close(self) -> None:
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _drain(self) -> None:
        datagrams: list[bytes] = []
        lost = False
        for _ in range(_BURST):
            try:
                datagrams.append(self.socket.recv(_RECEIVE))
            except BlockingIOError:
                break
            except OSError:
                lost = True
        self._on_heard(datagrams, lost)
