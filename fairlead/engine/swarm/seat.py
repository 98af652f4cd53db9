"""A manager's seat: its member of the consensus, the mirror of the store, the ear for nodes, and its candidacy.

It may take long to be seated (no majority of managers answers, say); meanwhile the node serves its own containers, and
calls are told to come again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import closing, suppress

from fairlead.engine.memory import Memory
from fairlead.engine.swarm.admission import Admission
from fairlead.engine.swarm.consensus_trust import ConsensusTrust
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.leader import Leader
from fairlead.engine.swarm.log_broker import LogBroker
from fairlead.engine.swarm.logs import Logs
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Answerer, Call, ClusterStore, ConsensusStart, Reply
from fairlead.engine.swarm.reign import Decision
from fairlead.engine.swarm.telling import tell_events
from fairlead.engine.swarm.writing import write
from fairlead.model.errors import NotAllowed, NotFound, Unavailable
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.errors import Elsewhere
from fairlead.model.swarm.identity import Identity, Peer
from fairlead.model.swarm.node import MANAGER

LED = frozenset({"session", "beat", "report", "leave", "attach", "detach"})
"""Calls that only the leading manager answers."""
QUIET, CALM = 1.0, 2.0
"""Seconds between looks at whether a majority answers: while none does, and while one does."""
ROOM = 20.0
"""Seconds between looks at whether the store has room."""
GRACE = 8.0
"""Seconds without a majority after which what is known is not told any more."""

_log = logging.getLogger("fairlead.swarm.seat")


class Seat:
    """`open` once, `close` once. `mirror` is there when it is `seated`. `changed` is called when it becomes so, and
    when the swarm's settings change."""

    mirror: Mirror

    def __init__(self, memory: Memory, manager: Manager, logs: Logs, hands: Hands, changed: Callable[[], None]) -> None:
        self._manager, self._logs, self._events = manager, logs, memory.events
        self._clock, self._entropy = memory.clock, memory.entropy
        self._hands, self._changed = hands, changed
        self._calls: Mapping[str, Answerer] = {}
        self._leader: Leader | None = None
        self._node_id = self._leader_id = self._url = ""
        self._standing: asyncio.Task[None] | None = None
        self._running: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()
        self._trust = ConsensusTrust(hands.consensus, self._place_in_line)
        self._decided = 0.0

    @property
    def majority(self) -> bool:
        """Did the store decide lately? A change of its leader takes seconds, in which what is known is good enough."""
        return self._clock.monotonic() - self._decided < GRACE

    @property
    def seated(self) -> bool:
        return self._ready.is_set()

    async def listen(self, identity: Identity) -> None:
        """Take the port for nodes. Raises Failed when it cannot be had."""
        await self._hands.listener.open(identity.listen, identity, self.answer)

    async def open(self, start: ConsensusStart, identity: Identity) -> None:
        """Start the consensus member, and take the seat as soon as there is a majority. Raises Failed when the member
        does not start."""
        self._node_id, self._url = identity.peer.node_id, start.peer_url
        self._trust.begin(start.files)
        store = self._hands.seal(await self._hands.consensus.start(start), identity.store_key)
        self._run(self._take(store, identity))

    async def ready(self) -> None:
        """Returns when it is seated."""
        await self._ready.wait()

    async def close(self, *, forget: bool = False) -> None:
        """`forget`: the consensus member's data too."""
        self._ready.clear()
        await self.stand_down()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        await self._hands.listener.close()
        if hasattr(self, "mirror"):
            await self.mirror.close()
        await self._hands.consensus.stop(forget=forget)

    def stand(self) -> None:
        """Be a candidate for leadership."""
        if self._standing is None and self._leader is not None:
            self._standing = asyncio.create_task(self._leader.run())

    async def stand_down(self) -> None:
        """Lead no more, and stand for it no more."""
        standing, self._standing = self._standing, None
        if standing is not None:
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)

    async def taken_out(self) -> bool:
        """Have the others taken this manager out of the consensus, and do they know? One that led it might be the only
        one to know, and hands over first."""
        if self._hands.consensus.removed:
            return True
        with suppress(Unavailable):
            await self._hands.consensus.hand_over()
            return all(member.peer_url != self._url for member in await self._hands.consensus.members())
        return False

    def _run(self, *work: Coroutine[object, object, None]) -> None:
        self._running += [asyncio.create_task(one) for one in work]

    async def _take(self, store: ClusterStore, identity: Identity) -> None:
        self.mirror = Mirror(store, self._clock)
        await self._read()
        self._decided = self._clock.monotonic()
        hands, node_id = self._hands, self._node_id
        self._leader = Leader(node_id, store, self.mirror, hands.consensus, self._clock, self._entropy)
        self._leader.on_reign = self._reigning
        admission = Admission(self.mirror, self._write, hands, self._clock, self._entropy, identity.store_key)
        self._calls = {**admission.calls, **self._logs.calls}
        self._ready.set()
        self._changed()
        self.stand()
        self._run(self._follow_leaders(store.leaders()), self._watch_majority())
        self._run(self._keep_room(), self._watch_settings(), tell_events(self.mirror, self._events, self._clock))
        _log.info("seated among the managers", extra={"node": node_id})

    async def _read(self) -> None:
        """Read the store, as soon as a majority answers."""
        waiting = False
        while True:
            try:
                await self.mirror.start()
            except Unavailable as refusal:
                if not waiting:
                    _log.warning("waiting for a majority of managers", extra={"reason": refusal.message})
                waiting = True
                await asyncio.sleep(QUIET)
            else:
                return

    async def _write(self, decide: Decision) -> None:
        await write(self._manager, decide)

    async def _watch_settings(self) -> None:
        with closing(self.mirror.changes()) as subscription:
            async for changes in subscription:
                if any(isinstance(change.thing, Cluster) for change in changes):
                    self._changed()

    # --- the leader ---------------------------------------------------------------------------

    @property
    def leading(self) -> bool:
        return self._leader is not None and self._leader.leading

    @property
    def leader_address(self) -> str:
        """HOST:PORT of the leading manager, "" while none is known."""
        node = self.mirror.snapshot.nodes.get(self._leader_id) if self.seated else None
        return node.manager.address if node is not None and node.manager is not None else ""

    async def ask_leader(self, name: str, body: bytes) -> AsyncIterator[bytes]:
        """A streamed call to the leader. Raises Unavailable while there is none."""
        address = self.leader_address
        if not address:
            raise Unavailable("the swarm has no leader now")
        async for line in self._hands.caller.stream(address, name, body):
            yield line

    async def _follow_leaders(self, leaders: AsyncIterator[str]) -> None:
        async for leader_id in leaders:
            self._leader_id = leader_id

    def _reigning(self, leader: Leader) -> None:
        """Leading began or ended."""
        dispatcher = leader.dispatcher
        broker = LogBroker(self.mirror, dispatcher.wish, self._entropy) if dispatcher is not None else None
        self._logs.broker = broker

    async def _watch_majority(self) -> None:
        alone = False
        while True:
            try:
                await self.mirror.refresh()
            except Unavailable as refusal:
                if not alone:
                    _log.warning("no majority of managers answers", extra={"reason": refusal.message})
                alone = True
            else:
                self._decided = self._clock.monotonic()
                if alone:
                    _log.info("a majority of managers answers again")
                alone = False
            await asyncio.sleep(QUIET if alone else CALM)

    async def _keep_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM)
            with suppress(Unavailable):
                await self._hands.consensus.make_room()

    async def renew(self, identity: Identity) -> None:
        """Show other papers, and believe others."""
        self._hands.listener.renew(identity)
        if await self._trust.renew(identity):
            self._run(self._trust.follow(identity))

    def _place_in_line(self) -> int:
        """Among the managers by id; the leader comes last."""
        nodes = self.mirror.snapshot.nodes.values() if self.seated else ()
        line = sorted((node.id == self._leader_id, node.id) for node in nodes if node.role == MANAGER)
        return next((place for place, (_, node_id) in enumerate(line) if node_id == self._node_id), 0)

    # --- calls of nodes -----------------------------------------------------------------------

    async def answer(self, call: Call) -> Reply:
        """Raises Elsewhere, with the leader's address, for what only that answers."""
        if not self.seated:
            raise Unavailable("this manager is not at work yet")
        if call.peer is not None:
            await self._admit(call.peer)
        answerer = self._calls.get(call.name) or (self._leader.calls.get(call.name) if self._leader else None)
        if answerer is not None:
            return await answerer(call)
        if call.name in LED:
            raise Elsewhere("" if self.leading else self.leader_address)
        raise NotFound(f"there is no call {call.name}")

    async def _admit(self, peer: Peer) -> None:
        """A removed node's certificate is worth nothing, however long it would be valid. One that this manager does not
        know may have joined at another in this moment: only the store's last word shuts it out."""
        if peer.node_id not in self.mirror.snapshot.nodes:
            await self.mirror.refresh()
        snapshot = self.mirror.snapshot
        of_another = snapshot.cluster is not None and peer.cluster_id != snapshot.cluster.id
        if of_another or peer.node_id not in snapshot.nodes:
            _log.warning("refused a node that was removed from the swarm", extra={"node": peer.node_id})
            raise NotAllowed(f"node {peer.node_id} was removed from the swarm")
