"""The kernel as the engine sees it: plans done, facts observed, drift reported."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from fairlead.effects.kernel import netns, observe, verify, xfrm
from fairlead.effects.kernel.apply import Executor
from fairlead.effects.kernel.inside_monitor import InsideMonitor
from fairlead.effects.kernel.links_inside import LinksInside
from fairlead.effects.kernel.monitor import Monitor
from fairlead.effects.kernel.neighbours import make_room
from fairlead.effects.kernel.operations import perform
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.probe import features_in
from fairlead.effects.kernel.reaper import Reaper
from fairlead.effects.kernel.tables_inside import TablesInside
from fairlead.effects.kernel.worker import Worker
from fairlead.model.errors import KernelRefused
from fairlead.model.host import HostFacts
from fairlead.model.observed import Drift, ObservedLink, Traffic
from fairlead.model.plan import HOST, AddAssociation, AddFdb, AddNeighbour, AddPolicy, Operation, Plan, PortBlock
from fairlead.model.ruleset import Element

TRIAL_SECONDS = 2.0
"""How long the namespace that features were tried in is kept. The kernel takes some 0.1 s to clear it away, under the
lock that a daemon needs while it starts."""


class LinuxKernel:
    """Fulfils `Kernel` in the namespace it is started in. `owner` begins the alias of each of our links."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._worker = Worker("kernel")
        self._reaper = Reaper()
        self._executor = Executor(perform, self._reaper)
        self._features: frozenset[str] | None = None
        self._trial = -1
        self._trial_over: asyncio.TimerHandle | None = None
        self._on_drift: Callable[[Drift], None] | None = None
        self._attended: dict[str, LinksInside] = {}
        self._guarded: dict[str, TablesInside] = {}
        self._monitors: tuple[Monitor, InsideMonitor] | None = None

    async def start(self) -> None:
        self._worker.start()
        await self._worker.run(self._executor.open)
        await self._worker.run(make_room)
        self._reaper.start()

    async def close(self) -> None:
        """Finish what was asked for; what is doomed is deleted."""
        for monitor in (*(self._monitors or ()), *self._attended.values(), *self._guarded.values()):
            monitor.close()
        await self._worker.run(self._reaper.close)
        await self._worker.close()
        self._executor.close()
        if self._trial_over is not None:
            self._trial_over.cancel()
            self._end_trial()

    async def apply(self, plan: Plan, first: Callable[[], None] | None = None) -> None:
        self._expect_changes()
        await self._worker.run(self._executor.apply, plan, first)

    async def attempt(self, plan: Plan, first: Callable[[], None] | None = None) -> list[Exception]:
        self._expect_changes()
        return await self._worker.run(self._executor.attempt, plan, first)

    def _expect_changes(self) -> None:
        """What is told of links soon is our own doing: the loop need not wake for it while the thread works."""
        if self._monitors is not None:
            self._monitors[0].gather()

    async def flush_deletions(self) -> None:
        """In a thread of its own: plans go on meanwhile."""
        if not self._reaper.at_rest():
            await asyncio.to_thread(self._reaper.reap)

    async def facts(self) -> HostFacts:
        facts = await self._worker.run(self._facts)
        if self._trial >= 0 and self._trial_over is None:
            self._trial_over = asyncio.get_running_loop().call_later(TRIAL_SECONDS, self._end_trial)
        return facts

    def _facts(self) -> HostFacts:
        if self._features is None:
            self._trial = netns.make_namespace()
            self._features = features_in(self._trial)
        return observe.observe_host(self._executor.host, self._features, self._owner)

    def _end_trial(self) -> None:
        if self._trial >= 0:
            os.close(self._trial)
            self._trial = -1

    async def links(self, ns: str = HOST) -> Sequence[ObservedLink]:
        """Every link of a namespace. Raises KernelRefused when it is gone."""
        return await self._worker.run(self._links, ns)

    def _links(self, ns: str) -> list[ObservedLink]:
        if ns == HOST:
            return observe.observe_links(self._executor.host.route)
        place = Place(ns)
        try:
            return observe.observe_links(place.route)
        finally:
            place.close()

    async def elements(self, family: str, table: str, set_name: str) -> Sequence[Element] | None:
        return await self._worker.run(self._elements, family, table, set_name)

    def _elements(self, family: str, table: str, set_name: str) -> list[Element] | None:
        return self._executor.host.nftables.elements(family, table, set_name)

    async def stations(self, ns: str) -> Sequence[AddFdb | AddNeighbour]:
        return await self._worker.run(self._stations, ns)

    def _stations(self, ns: str) -> list[AddFdb | AddNeighbour]:
        place = Place(ns)
        try:
            return observe.observe_stations(place)
        finally:
            place.close()

    async def associations(self, request_id: int) -> Sequence[tuple[AddAssociation, Traffic]]:
        return await self._worker.run(lambda: list(xfrm.associations(self._executor.host.xfrm, request_id)))

    async def policies(self, sources: PortBlock) -> Sequence[AddPolicy]:
        return await self._worker.run(lambda: list(xfrm.policies(self._executor.host.xfrm, sources)))

    async def missing(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        return await self._worker.run(verify.missing, self._executor.host, operations)

    def attend(self, ns: str) -> None:
        """Report the loss of our links and entries inside a namespace too, once `watch` has been called."""
        if self._on_drift is not None and ns not in self._attended:
            self._attended[ns] = LinksInside(ns, self._owner, self._on_drift)

    def guard(self, ns: str, table: str) -> None:
        """Report the loss of tables inside a namespace too, whose names begin so, once `watch` has been called. A
        namespace that is gone has nothing to lose."""
        if self._on_drift is None or ns in self._guarded:
            return
        with suppress(KernelRefused):
            self._guarded[ns] = TablesInside(ns, table, self._on_drift)

    def neglect(self, ns: str) -> None:
        """Not any more; open ears would keep the namespace alive."""
        for ear in (self._attended.pop(ns, None), self._guarded.pop(ns, None)):
            if ear is not None:
                ear.close()

    def watch(self, on_drift: Callable[[Drift], None]) -> None:
        """Call back on the running event loop, from now on. Once only."""
        self._on_drift = on_drift
        host = Monitor(self._owner, self._executor.host.netfilter.port_id, on_drift)
        self._monitors = host, InsideMonitor(on_drift)
