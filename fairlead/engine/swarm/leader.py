"""A manager's part in the leadership: stand for it, and lead while elected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm.attaching import Attaching
from fairlead.engine.swarm.dispatcher import Dispatcher
from fairlead.engine.swarm.keeper import Keeper
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Answerer, ClusterStore, Consensus, Leadership
from fairlead.engine.swarm.reign import Reign
from fairlead.engine.swarm.session_outcomes import everybody_unknown
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.node import MANAGER

TERM = 3.0
"""Seconds after which a leader that says nothing has ceased to be one."""
PAUSE = 0.5

_log = logging.getLogger("fairlead.swarm.leader")


class Leader:
    """`dispatcher` and `calls` are there only while this manager leads."""

    def __init__(
        self, node_id: str, store: ClusterStore, mirror: Mirror, consensus: Consensus, clock: Clock, entropy: Entropy
    ) -> None:
        self._node_id, self._store, self._mirror, self._consensus = node_id, store, mirror, consensus
        self._clock, self._entropy = clock, entropy
        self.dispatcher: Dispatcher | None = None
        self.calls: Mapping[str, Answerer] = {}
        self.on_reign: Callable[[Leader], None] = lambda leader: None
        """Called when leading begins and when it ends."""

    @property
    def leading(self) -> bool:
        return self.dispatcher is not None

    async def run(self) -> None:
        """Until cancelled: stand, lead, and stand again."""
        said = ""
        while True:
            try:
                if self._may_lead():
                    await self._stand()
                said = ""
            except Unavailable as refusal:
                if refusal.message != said:
                    _log.info("not leading", extra={"reason": refusal.message})
                said = refusal.message
            except Exception:
                _log.exception("leading failed")
            await asyncio.sleep(PAUSE)

    async def _stand(self) -> None:
        leadership = await self._store.campaign(self._node_id, TERM)
        try:
            await self._lead(leadership)
        finally:
            await self._resign(leadership)

    def _may_lead(self) -> bool:
        own = self._mirror.snapshot.nodes.get(self._node_id)
        return own is not None and own.role == MANAGER

    async def _lead(self, leadership: Leadership) -> None:
        _log.info("leading the swarm", extra={"node": self._node_id})
        await self._mirror.refresh()
        reign = Reign(self._mirror, leadership.fence, self._clock, self._entropy)
        dispatcher = Dispatcher(self._mirror, reign.propose, self._clock)
        attaching = Attaching(self._mirror, reign.propose, self._clock, self._entropy)
        keeper = Keeper(self._node_id, self._mirror, self._consensus, reign.propose, self._clock, self._entropy)

        async def serve() -> None:
            await reign.propose(partial(everybody_unknown, self._clock.now()))
            self.dispatcher, self.calls = dispatcher, {**dispatcher.calls, **attaching.calls}
            self.on_reign(self)
            await dispatcher.run()

        try:
            await first_of(reign.run(), serve(), keeper.run(), leadership.lost())
        finally:
            self.dispatcher, self.calls = None, {}
            self.on_reign(self)
            _log.info("leading no more", extra={"node": self._node_id})

    async def _resign(self, leadership: Leadership) -> None:
        try:
            await leadership.resign()
        except Unavailable as refusal:
            _log.debug("could not resign", extra={"reason": refusal.message})
