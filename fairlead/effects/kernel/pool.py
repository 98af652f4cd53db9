"""A pool of network namespaces made ahead, so that no container waits for one.

A pooled namespace has no name: only a descriptor of the daemon keeps it, so a daemon that dies leaves none behind.
Taking one gives it a file, named after the sandbox, which keeps it over restarts of the daemon.

There are two kinds: bare ones, and such as rules were written into. The first table of a namespace makes the kernel
wait for all its processors (3 to 12 ms), which is nobody's wish while a container starts.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.apply import Executor
from fairlead.effects.kernel.links import Change, change
from fairlead.effects.kernel.netlink import ROUTE, Channel
from fairlead.effects.kernel.operations import perform
from fairlead.effects.kernel.reaper import Reaper
from fairlead.effects.kernel.sysctl import write_here
from fairlead.effects.kernel.worker import Worker
from fairlead.model.errors import KernelRefused
from fairlead.model.ids import short
from fairlead.model.plan import Plan

_log = logging.getLogger(__name__)

_DOCKERS = (("net/ipv4/ip_unprivileged_port_start", "0"), ("net/ipv4/ping_group_range", "0 2147483647"))
_IPV6 = "net/ipv6/conf/default/disable_ipv6"
"""Of links yet to come: the loopback that is there keeps its ::1."""
_LOOPBACK_UP = change("lo", Change(up=True))


def _nothing(_ns: str) -> Plan:
    return Plan()


class NamespacePool:
    """Fulfils `Namespaces`: keeps `size` namespaces of each kind ready, and files of the taken ones in `directory`.

    `rules` is the plan that makes a bare namespace, given by its path, into one of the other kind.
    """

    def __init__(self, directory: Path, size: int = 8, rules: Callable[[str], Plan] = _nothing) -> None:
        self._directory, self._size = directory, size
        self._rules = rules
        self._filling = False
        self._ready: dict[bool, deque[int]] = {True: deque(), False: deque()}
        self._executor = Executor(perform, Reaper())
        self._worker = Worker("namespaces", idle=self._refill)

    async def start(self) -> None:
        netns.make_private_mount(self._directory)
        for path in self._directory.iterdir():
            if not netns.is_namespace(path):
                netns.forget_namespace(path)
        self._worker.start()

    async def close(self) -> None:
        """Drop what nobody took; the taken ones stay."""
        await self._worker.close()
        for descriptor in (*self._ready[True], *self._ready[False]):
            os.close(descriptor)
        if not self._taken():
            netns.unmount(self._directory)

    def fill(self) -> None:
        """Begin to make namespaces ahead, if `take` has not begun it."""
        self._filling = True
        self._worker.wake()

    async def take(self, sandbox_id: str, ipv6: bool, ruled: bool = False) -> str:
        """Raises KernelRefused, EEXIST when the sandbox has one."""
        path = self._directory / short(sandbox_id)
        await self._worker.run(self._take, path, ipv6, ruled)
        return str(path)

    async def release(self, path: str) -> None:
        if Path(path).parent == self._directory:
            await self._worker.run(netns.forget_namespace, Path(path))

    async def existing(self) -> Sequence[str]:
        return await self._worker.run(self._taken)

    def _taken(self) -> list[str]:
        return sorted(str(path) for path in self._directory.iterdir() if netns.is_namespace(path))

    def _take(self, path: Path, ipv6: bool, ruled: bool) -> None:
        self._filling = True
        ready = self._ready[ruled]
        descriptor = ready.popleft() if ready else self._make(ruled)
        try:
            if ipv6:
                with netns.entered_descriptor(descriptor):
                    write_here(_IPV6, "0")
            netns.name_namespace(descriptor, path)
        finally:
            os.close(descriptor)

    def _refill(self) -> bool:
        """Make one; whether there is room for more. Taking goes before, because it only runs when nothing is asked."""
        ruled = len(self._ready[True]) <= len(self._ready[False])
        if not self._filling or len(self._ready[ruled]) >= self._size:
            return False
        try:
            self._ready[ruled].append(self._make(ruled))
        except KernelRefused as refused:
            _log.warning("cannot make a network namespace ahead: %s", refused.message)
            return False
        return True

    def _make(self, ruled: bool) -> int:
        descriptor = furnished_namespace()
        if ruled:
            try:
                self._executor.apply(self._rules(f"/proc/self/fd/{descriptor}"))
            except BaseException:
                os.close(descriptor)
                raise
        return descriptor


def furnished_namespace() -> int:
    """Loopback up, IPv6 off on every further link, and Docker's rights for unprivileged processes."""
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            if os.path.exists(f"/proc/sys/{_IPV6}"):
                write_here(_IPV6, "1")
            for path, value in _DOCKERS:
                write_here(path, value)
            _raise_loopback()
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _raise_loopback() -> None:
    channel = Channel(ROUTE)
    try:
        ack = channel.request([_LOOPBACK_UP])[0]
    finally:
        channel.close()
    if ack.errno:
        raise KernelRefused("set lo up", ack.errno, ack.detail)
