"""A leader over a real store: its reign, and users and rivals who write beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from fairlead.core.swarm.changes import Put, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.effects.clock import SystemEntropy
from fairlead.effects.etcd.store import EtcdStore
from fairlead.engine.records import encode
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Call, Fence, Leadership, Write
from fairlead.engine.swarm.reign import Reign
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.identity import Peer
from tests.core.swarm.builders import NOW

PATIENCE = 30.0
TERM = 2.0


@dataclass(slots=True)
class HandClock:
    """Goes on when it is told to."""

    seconds: float = 1000.0

    def now(self) -> int:
        return NOW + int(self.seconds * 1e9)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class ContestedStore:
    """The real store, in which somebody is quicker than the leader: `rivals` act one by one, each just before another
    of the leader's transactions reaches the store; `fenced` counts these."""

    def __init__(self, store: EtcdStore) -> None:
        self._store = store
        self.rivals: list[Callable[[], Awaitable[object]]] = []
        self.fenced = 0
        self.load, self.revision, self.watch = store.load, store.revision, store.watch
        self.campaign, self.leader, self.leaders = store.campaign, store.leader, store.leaders

    async def commit(self, writes: Sequence[Write], fence: Fence | None = None) -> int:
        if fence is not None and writes:
            self.fenced += 1
            if self.rivals:
                await self.rivals.pop(0)()
        return await self._store.commit(writes, fence)


@dataclass(slots=True)
class Court:
    """`mirror` is the leader's copy of the store, `user` another manager's."""

    store: ContestedStore
    mirror: Mirror
    user: Mirror
    clock: HandClock
    leadership: Leadership
    reign: Reign
    running: asyncio.Task[None]

    @property
    def snapshot(self) -> Snapshot:
        return self.mirror.snapshot

    async def put(self, *things: Thing) -> None:
        """A user writes, at another manager, and the leader hears of it."""
        await self.user.write(map(Put, things))
        await self.mirror.refresh()

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Until it holds of the leader's copy of the store."""
        subscription = self.mirror.changes()
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    await subscription.wait()
                    subscription.drain()
        except TimeoutError:
            raise AssertionError(f"{what or 'what was waited for'} did not come") from None
        finally:
            subscription.close()


@asynccontextmanager
async def holding_court(store: EtcdStore) -> AsyncIterator[Court]:
    contested, clock = ContestedStore(store), HandClock()
    mirror, user = Mirror(contested, clock), Mirror(store, clock)
    await mirror.start()
    await user.start()
    leadership = await store.campaign("n1", TERM)
    reign = Reign(mirror, leadership.fence, clock, SystemEntropy())
    running = asyncio.create_task(reign.run())
    try:
        yield Court(contested, mirror, user, clock, leadership, reign, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with suppress(Unavailable):
            await leadership.resign()
        await user.close()
        await mirror.close()


def called(name: str, body: object, node_id: str, role: str = "worker") -> Call:
    """A call as the listener hands it on."""
    return Call(name, encode(body), Peer(node_id, role, "cluster"), "192.168.1.9:40000")
