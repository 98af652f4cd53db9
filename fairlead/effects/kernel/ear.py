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
_RCVBUFFORCE = 33

NOT_OURS = (bpf.word(bpf.PORT_AT), bpf.masked("=I", OWN_PORTS_MASK), bpf.drop_if("=I", OWN_PORTS))
"""Passes what others have changed. Besides waking nobody, our own changes take no room in the socket's queue, which one
table of virtual addresses would overrun."""

Heard = Callable[[Sequence[bytes], bool], None]
"""Datagrams, at most a burst of them, and whether others were lost because nobody read them in time."""


def listener(kind: tuple[int, int], ns: str = HOST, steps: Sequence[bpf.Step] = (), buffer: int = 0) -> socket.socket:
    """A socket that hears groups of a netlink protocol: `kind` is the protocol and a mask of them. `steps` filter what
    comes, before the first of it; `buffer` is how many bytes may wait, 0 the usual. Raises KernelRefused."""
    protocol, groups = kind
    with entered(ns):
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    if steps:
        bpf.attach(made, steps)
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, buffer)
    made.bind((0, groups))
    return made


class Ear:
    """An open ear keeps its namespace alive. Raises KernelRefused when there is no such namespace."""

    def __init__(self, kind: tuple[int, int], on_heard: Heard, ns: str = HOST, steps: Sequence[bpf.Step] = ()) -> None:
        """`kind` and `steps` as of `listener`."""
        self._on_heard = on_heard
        self._loop = asyncio.get_running_loop()
        self.socket = listener(kind, ns, steps)
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
