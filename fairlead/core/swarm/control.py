"""All loops together: fed with what changed, asked what to do.

`feed` tells each loop's keys of interest from a change that is in the store already. `turn` lets each loop look at its
keys, applies its answer to the snapshot, and goes on until none has anything left; what it returns must be committed
before the next `turn` (an object made and dropped within one turn never was). If the commit fails (another leader, a
conflicting write) the control is thrown away and made anew from the store: it holds nothing that does not follow from
it.

A loop that answers without end would be a fault; `turn` then raises instead of hanging a manager.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count
from types import ModuleType
from typing import cast

from fairlead.core.swarm import (
    enforcer,
    jobs,
    orchestrate_global,
    orchestrate_replicated,
    orphans,
    reaper,
    removal,
    roles,
    rollout,
    scheduler,
)
from fairlead.core.swarm.allocator import Allocator
from fairlead.core.swarm.changes import Change, Drop, Key, Thing
from fairlead.core.swarm.loop import Loop, Moment
from fairlead.core.swarm.snapshot import Snapshot

MODULES: tuple[ModuleType, ...] = (
    removal,
    orphans,
    enforcer,
    orchestrate_replicated,
    orchestrate_global,
    jobs,
    rollout,
    scheduler,
    reaper,
    roles,
)
ROUNDS = 64


class Control:
    """The loops over one snapshot. `looks` counts keys looked at, by loop: the work done."""

    def __init__(self, things: Iterable[Thing] = ()) -> None:
        present = list(things)
        self.snapshot = Snapshot(present)
        self.loops: tuple[Loop, ...] = (*(cast(Loop, module) for module in MODULES[:3]), *self._rest(present))
        self.looks: dict[str, int] = {loop.name: 0 for loop in self.loops}
        self._dirty: dict[str, dict[Key, None]] = {loop.name: {} for loop in self.loops}
        self._wakes: list[tuple[int, int, str, Key]] = []
        self._planned: dict[tuple[str, Key], int] = {}
        self._order = count()
        for thing in self.snapshot.things():
            self._mark(None, thing)

    @staticmethod
    def _rest(present: list[Thing]) -> tuple[Loop, ...]:
        places = [cast(Loop, module) for module in MODULES[3:]]
        return (*places[:4], Allocator(present), *places[4:])

    def feed(self, changes: Iterable[Change]) -> None:
        """Changes that others made, in the order of the store."""
        for change in changes:
            old = self.snapshot.apply(change)
            self._mark(old, None if isinstance(change, Drop) else change.thing)

    def turn(self, moment: Moment) -> list[Change]:
        """Everything to commit now, in order; the last write of an object stands."""
        self._wake(moment.now)
        answer: dict[tuple[type, str], Change] = {}
        for _ in range(ROUNDS):
            if not any(self._dirty.values()):
                return list(answer.values())
            for loop in self.loops:
                for change in self._ask(loop, moment):
                    answer.pop((type(change.thing), change.thing.id), None)
                    if not (isinstance(change, Drop) and change.thing.version == 0):
                        answer[type(change.thing), change.thing.id] = change
        busy = {name: list(keys)[:3] for name, keys in self._dirty.items() if keys}
        raise RuntimeError(f"the loops do not come to rest: {busy}")

    def committed(self, things: Iterable[Thing]) -> None:
        """Take over the versions that the store gave to what `turn` answered; no loop needs to look."""
        for thing in things:
            self.snapshot.put(thing)

    def next_deadline(self) -> tuple[int, str] | None:
        """When to call `turn` though nothing changed, and which loop asked for it."""
        return (self._wakes[0][0], self._wakes[0][2]) if self._wakes else None

    def _ask(self, loop: Loop, moment: Moment) -> Iterable[Change]:
        keys, self._dirty[loop.name] = self._dirty[loop.name], {}
        if not keys:
            return ()
        self.looks[loop.name] += len(keys)
        answer = loop.decide(self.snapshot, keys, moment)
        for when, key in answer.wakes:
            self._plan(when, loop.name, key)
        changes = list(answer)
        self.feed(changes)
        return changes

    def _mark(self, old: Thing | None, new: Thing | None) -> None:
        for loop in self.loops:
            dirty = self._dirty[loop.name]
            for key in loop.concerns(old, new, self.snapshot):
                dirty[key] = None

    def _plan(self, when: int, name: str, key: Key) -> None:
        known = self._planned.get((name, key))
        if known is None or when < known:
            self._planned[name, key] = when
            heappush(self._wakes, (when, next(self._order), name, key))

    def _wake(self, now: int) -> None:
        while self._wakes and self._wakes[0][0] <= now:
            when, _, name, key = heappop(self._wakes)
            if self._planned.get((name, key)) == when:
                del self._planned[name, key]
                self._dirty[name][key] = None
