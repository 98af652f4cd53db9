"""One time of leading: the loops of `core.swarm`, run over the store by its one leader.

Everything that the leader writes goes through here, one transaction after another: what nodes reported and what the
loops make of it are decided on the same snapshot and committed together, so the loops never race with the leader's
own other writes. Users' verbs, on any manager, may still come in between; then the transaction does not stand, all
that was decided is thrown away, and the loops are made anew from the store: they hold nothing that does not follow
from it. Every write carries the fence of the leadership. A turn costs what changed since the last one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from fairlead.core.swarm.changes import Change, Drop, Thing
from fairlead.core.swarm.control import Control
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Fence
from fairlead.engine.swarm.subscription import Subscription
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import Failed, Refusal, Unavailable
from fairlead.model.swarm.errors import Deposed, Elsewhere, Outdated

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds before the loops are made anew, doubled while nothing gets written."""
FAULT_PAUSE = 5.0
LONGEST_SLEEP = 3600.0

Decision = Callable[[Snapshot], Iterable[Change]]
"""What to write, as the present asks for it. It is asked again when a transaction did not stand, so it must find out by
itself that nothing is left to do. May raise Refusals, which reach who proposed."""

_log = logging.getLogger("fairlead.swarm.leader")


@dataclass(slots=True, eq=False)
class _Proposal:
    decide: Decision
    written: asyncio.Future[None]


class Reign:
    """`run` until deposed; `propose` meanwhile."""

    def __init__(self, mirror: Mirror, fence: Fence, clock: Clock, entropy: Entropy) -> None:
        self._mirror, self._fence = mirror, fence
        self._clock, self._entropy = clock, entropy
        self._proposals: list[_Proposal] = []
        self._asked = asyncio.Event()
        self._over = False
        self._pause = FIRST_PAUSE

    async def propose(self, decide: Decision) -> None:
        """Returns when what `decide` answers is in the store. Raises what it raises, and Elsewhere when the reign ends
        before."""
        if self._over:
            raise Elsewhere("")
        proposal = _Proposal(decide, asyncio.get_running_loop().create_future())
        self._proposals.append(proposal)
        self._asked.set()
        await proposal.written

    async def run(self) -> None:
        """Raises Deposed when another leads."""
        try:
            while True:
                await self._attempt()
        finally:
            self._over = True
            for proposal in self._proposals:
                if not proposal.written.done():
                    proposal.written.set_exception(Elsewhere(""))

    async def _attempt(self) -> None:
        """Govern until something does not stand; wait a little then, longer each time that nothing was achieved."""
        try:
            await self._mirror.refresh()
            control = Control(self._mirror.snapshot.things())
            with closing(self._mirror.changes()) as subscription:
                await self._govern(control, subscription)
        except Deposed:
            raise
        except Outdated as outdated:
            _log.debug("decided on the past, deciding anew", extra={"reason": outdated.message})
        except Unavailable as refusal:
            level = logging.WARNING if self._pause == FIRST_PAUSE else logging.DEBUG
            _log.log(level, "the store cannot decide", extra={"reason": refusal.message})
        except Exception:
            _log.exception("a loop failed; all loops are made anew")
            self._pause = FAULT_PAUSE
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _govern(self, control: Control, subscription: Subscription) -> None:
        while True:
            control.feed(unseen(subscription.drain(), control.snapshot))
            if await self._turn(control):
                self._pause = FIRST_PAUSE
            elif not self._proposals:
                await self._rest(control, subscription)

    async def _turn(self, control: Control) -> bool:
        """Decide and write once; tells whether there was anything."""
        self._asked.clear()
        proposals, self._proposals = self._proposals, []
        try:
            changes = list(merged(self._decided(control, proposals), self._ask_loops(control)))
            control.committed(await self._mirror.write(changes, self._fence))
        except BaseException:
            self._proposals[:0] = [proposal for proposal in proposals if not proposal.written.done()]
            raise
        for proposal in proposals:
            if not proposal.written.done():
                proposal.written.set_result(None)
        return bool(changes)

    def _decided(self, control: Control, proposals: Iterable[_Proposal]) -> list[Change]:
        decided: list[Change] = []
        for proposal in proposals:
            if proposal.written.done():
                continue
            try:
                changes = list(proposal.decide(control.snapshot))
            except Refusal as refusal:
                proposal.written.set_exception(refusal)
                continue
            except Exception as fault:
                _log.exception("a decision broke; nothing of it is written")
                proposal.written.set_exception(Failed(f"internal error: {fault!r}"))
                continue
            control.feed(changes)
            decided += changes
        return decided

    def _ask_loops(self, control: Control) -> list[Change]:
        return control.turn(Moment(self._clock.now(), self._entropy.swarm_id))

    async def _rest(self, control: Control, subscription: Subscription) -> None:
        """Until something changed, was proposed, or is due."""
        deadline = control.next_deadline()
        seconds = (deadline[0] - self._clock.now()) / 1e9 if deadline else LONGEST_SLEEP
        await first_of(self._asked.wait(), subscription.wait(), seconds=min(seconds, LONGEST_SLEEP))


def unseen(changes: Iterable[Change], snapshot: Snapshot) -> Iterator[Change]:
    """Those that `snapshot` does not have yet: the store also tells a writer what it wrote itself."""
    for change in changes:
        known = snapshot.present(change.thing)
        if isinstance(change, Drop):
            if known is not None:
                yield change
        elif known is None or known.version < change.thing.version:
            yield change


def merged(first: Iterable[Change], then: Iterable[Change]) -> Iterator[Change]:
    """One change per object, the last; what was made and dropped in between never was."""
    last: dict[tuple[type[Thing], str], Change] = {}
    for change in (*first, *then):
        key = type(change.thing), change.thing.id
        last.pop(key, None)
        last[key] = change
    return (change for change in last.values() if not (isinstance(change, Drop) and change.thing.version == 0))
