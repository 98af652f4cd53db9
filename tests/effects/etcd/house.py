"""Managers' stores on real etcd processes: each in a network namespace of its own, all on one bridge in the test's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fairlead.effects.etcd.member import EtcdConsensus
from fairlead.effects.etcd.store import EtcdStore
from fairlead.effects.pki.authority import Authority
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.consensus import ConsensusFiles, ConsensusMember, ConsensusStart
from fairlead.model.swarm.identity import Peer, Root
from fairlead.model.swarm.store import Write
from tests.effects.wire.spaces import Space

HOUR = 3600 * 10**9
CLUSTER = "cluster1"


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 45.0) -> None:
    """Until `holds` answers True; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - the condition lies in another process
            await asyncio.sleep(0.05)


class Manager:
    """One node: its namespace, its certificate, its member."""

    def __init__(self, house: House, number: int) -> None:
        self.house, self.name, self.address = house, f"n{number}", f"10.77.0.{number}"
        self.url = f"https://{self.address}:2380"
        self.link = f"m{number}"
        self.space = Space()
        self.folder = house.folder / self.name
        self.store: EtcdStore
        self.consensus = self.anew()
        self._wire()

    def anew(self) -> EtcdConsensus:
        """As a daemon that has just been started."""
        within = ("nsenter", f"--net={self.space.path}", "--")
        self.consensus = EtcdConsensus(self.folder / "data", self.folder / "run", within)
        return self.consensus

    def files(self, root: Root | None = None, trust: str = "", cluster: str = CLUSTER) -> ConsensusFiles:
        root, now = root or self.house.root, time.time_ns()
        key, csr = self.house.authority.request((self.address,))
        peer = Peer(self.name, "manager", cluster)
        certificate = self.house.authority.issue_consensus(root, csr, peer, now, HOUR)
        return ConsensusFiles(certificate, key, trust or root.certificate)

    def how(self, **more: object) -> ConsensusStart:
        return ConsensusStart(self.name, self.url, self.files(), **more)  # type: ignore[arg-type]

    async def start(self, **more: object) -> EtcdStore:
        self.store = await self.consensus.start(self.how(**more))
        return self.store

    async def join(self, through: Manager) -> EtcdStore:
        answer = await through.consensus.add(self.url, self.name)
        cluster = dict(pair.split("=", 1) for pair in answer.split(","))
        await self.start(initial_cluster=cluster, join=True)
        member = await through.member(self.name)
        await eventually(lambda: through.consensus.promote(member.id))
        await eventually(self.answers)  # it hears of its promotion a moment after those that decided it
        return self.store

    async def answers(self) -> bool:
        """Does its store answer?"""
        try:
            await self.store.revision()
        except Unavailable:
            return False
        return True

    async def member(self, name: str) -> ConsensusMember:
        """The member `name` as this one knows it."""
        return next(one for one in await self.consensus.members() if one.name == name)

    async def leads(self) -> bool:
        return any(one.leader and one.name == self.name for one in await self.consensus.members())

    def kill(self) -> None:
        pid = self.consensus.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def pause(self) -> None:
        pid = self.consensus.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        pid = self.consensus.pid
        assert pid is not None
        os.kill(pid, signal.SIGCONT)

    def cut(self) -> None:
        _ip("link", "set", self.link, "down")

    def heal(self) -> None:
        _ip("link", "set", self.link, "up")

    def _wire(self) -> None:
        holder = self.space.path.split("/")[2]
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", holder)
        _ip("link", "set", self.link, "master", "managers", "up")
        self.space.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.space.run("ip", "link", "set", "eth0", "up")


class House:
    """The bridge and who is on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.root = self.authority.root(time.time_ns())
        self.managers: list[Manager] = []
        _ip("link", "add", "managers", "type", "bridge")
        _ip("address", "add", "10.77.0.254/24", "dev", "managers")
        _ip("link", "set", "managers", "up")

    def manager(self) -> Manager:
        manager = Manager(self, len(self.managers) + 1)
        self.managers.append(manager)
        return manager

    async def managed_by(self, count: int) -> list[Manager]:
        """A swarm of so many managers."""
        managers = [self.manager() for _ in range(count)]
        await managers[0].start()
        for manager in managers[1:]:
            await manager.join(managers[0])
        return managers

    async def close(self) -> None:
        for manager in self.managers:
            if manager.consensus.pid is not None:
                manager.resume()
            await manager.consensus.stop()
            manager.space.close()


def task(id_: str, version: int | None = 0, value: bytes | None = b"{}") -> Write:
    return Write("task", id_, value, version)


def service(id_: str, name: str, version: int = 0, old_name: str = "", value: bytes | None = b"{}") -> Write:
    return Write("service", id_, value, version, name if value is not None else "", old_name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)
