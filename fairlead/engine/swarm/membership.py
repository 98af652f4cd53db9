"""This node's membership: in no swarm, or in one as a worker or a manager; how it begins, pauses and ends.

What the node is lies in the keystore and outlives the daemon. A member runs an agent (`agent`); what the managers tell
of the membership itself is brought about by `tending`, and a manager's seat by `seating`, both in the background, so
that the node serves its own containers however the swarm does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_address

from fairlead.core.swarm import whereabouts
from fairlead.engine.discovery.discovery import Discovery
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.agent import Agent
from fairlead.engine.swarm.describing import describe
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.messages import News
from fairlead.engine.swarm.ports import Keystore
from fairlead.engine.swarm.seat import Seat
from fairlead.engine.swarm.seating import MakeSeat, Seating
from fairlead.engine.swarm.standing import ACTIVE, ERROR, LOCKED, NO_MEMBER, PENDING, Standing
from fairlead.engine.swarm.surroundings import Place, Surroundings
from fairlead.engine.swarm.tending import EXPIRED, Tending
from fairlead.model.errors import Conflict, Unavailable
from fairlead.model.swarm.identity import Identity

ENTRY = 20.0
"""Seconds that a user waits for a node to be in the swarm."""
TIMEOUT = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. "
    'Use the "docker info" command to see the current swarm status of your node.'
)

_log = logging.getLogger("fairlead.swarm")


class Membership:
    """`identity` is None in no swarm. Verbs that change the membership take turns (`turn`)."""

    def __init__(
        self,
        host: OneHost,
        discovery: Discovery,
        keystore: Keystore,
        make_hands: Callable[[], Hands],
        make_seat: MakeSeat,
    ) -> None:
        self._host, self._discovery = host, discovery
        self._keystore, self._make_hands = keystore, make_hands
        self.turn = asyncio.Lock()
        self.identity: Identity | None = None
        self.agent: Agent | None = None
        self.unlock_key = ""
        self.remote_managers: tuple[tuple[str, str], ...] = ()
        """(node id, HOST:PORT) of the managers as heard of last."""
        self._seating = Seating(self, host.clock, make_seat)
        self._tending = Tending(self, self._seating, host.clock, host.entropy)
        self._locked = False
        self._heard, self._seated = asyncio.Event(), asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    @cached_property
    def hands(self) -> Hands:
        """Made when they are needed: a node in no swarm does without."""
        return self._make_hands()

    # --- how it stands ------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        if self._locked:
            return Standing(LOCKED)
        if self.identity is None:
            return Standing()
        peer, seat = self.identity.peer, self._seating.seat
        seated = seat is not None and seat.seated
        error, shut_out = self._tending.error, self.agent.shut_out if self.agent is not None else ""
        state = ACTIVE if self._heard.is_set() or seated else PENDING
        if shut_out or error == EXPIRED:
            state, error = ERROR, shut_out or error
        return Standing(state, peer.node_id, peer.manager, seated, error)

    @property
    def own(self) -> Identity:
        """What the node is; only for a member."""
        assert self.identity is not None
        return self.identity

    @property
    def seat(self) -> Seat:
        """Raises Unavailable where there is none."""
        if self._seating.seat is None:
            raise Unavailable("this node has no seat among the managers")
        return self._seating.seat

    @property
    def address(self) -> str:
        """Where the node is for the others, without a port; "" in no swarm."""
        return whereabouts.split(self.identity.advertise)[0] if self.identity is not None else ""

    # --- the daemon's life --------------------------------------------------------------------

    async def boot(self) -> None:
        """Go on where the daemon stopped. Waits for nobody."""
        if await asyncio.to_thread(self._keystore.locked):
            self._locked = True
            _log.warning("the swarm's keys are sealed: docker swarm unlock")
            return
        identity = await asyncio.to_thread(self._keystore.load)
        if identity is not None:
            await self.enter(identity)

    async def unlock(self, key: str) -> None:
        """Raises Locked for a wrong key."""
        async with self.turn:
            if not self._locked:
                raise Conflict("swarm is not locked") if self.identity is not None else Unavailable(NO_MEMBER)
            identity = await asyncio.to_thread(self._keystore.load, key)
            self._locked, self.unlock_key = False, key
            if identity is not None:
                await self.enter(identity)

    async def enter(self, identity: Identity, seat: Seat | None = None) -> None:
        """Be a member from now on; `seat` is there if it was taken already."""
        self.identity, self._seating.seat = identity, seat
        self._tending.begin(identity)
        self._heard.clear()
        self.hands.caller.renew(identity)
        place, host = self.place(identity), self._host
        surroundings = Surroundings(lambda: describe(host.system), self.heard, host.overlays, self._discovery)
        self.agent = Agent(host, self.hands.caller, place, surroundings)
        await self._discovery.start(identity.peer.node_id, place.data_address, identity.peer.cluster_id)
        await self.agent.adopt()
        self._running = [asyncio.create_task(self.agent.run()), asyncio.create_task(self._tending.run())]
        self.seat_changed()

    async def pause(self) -> None:
        """End the session and give the seat up for now; the node stays a member, and its tasks run on."""
        await self._stop_tending()
        if self.agent is not None:
            await self.agent.close()
        await self._seating.close()

    async def close(self) -> None:
        """The daemon stops."""
        await self.pause()
        await self.hands.caller.close()

    async def forget(self) -> None:
        """The node is in no swarm any more."""
        await self._stop_tending()
        await self._seating.close(forget=True)
        self.identity, self.agent = None, None
        await self._discovery.stop()
        await self._host.ingress.close()
        await self._host.overlays.leave()
        self._locked, self.unlock_key, self.remote_managers = False, "", ()
        self.hands.caller.renew(None)
        await asyncio.to_thread(self._keystore.clear)

    async def _stop_tending(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []

    def place(self, identity: Identity) -> Place:
        """Where it is, as whom, for its agent."""
        host = whereabouts.split(identity.advertise)[0]
        manager = identity.advertise if identity.peer.manager else ""
        data = ip_address(identity.data_path or host)
        return Place(identity.peer.node_id, host, data, manager, identity.managers)

    async def entered(self) -> None:
        """Returns when the managers have taken the node in. Raises Unavailable after `ENTRY` seconds."""
        try:
            async with asyncio.timeout(ENTRY):
                await self._heard.wait()
                if self.own.peer.manager:
                    await self._seated.wait()
        except TimeoutError:
            raise Unavailable(TIMEOUT) from None

    async def save(self, identity: Identity) -> None:
        """Be this from now on, also after a restart."""
        self.identity = identity
        key = self.unlock_key if identity.autolock else ""
        await asyncio.to_thread(self._keystore.save, identity, key)

    def new_seat(self) -> Seat:
        return self._seating.new()

    # --- what comes by itself -----------------------------------------------------------------

    async def heard(self, news: News) -> None:
        """The managers have told the node's agent something."""
        if news.managers:
            self.remote_managers = tuple(zip(news.manager_ids, news.managers, strict=False))
        if news.data_path_port:
            await self._host.overlays.enter(self.place(self.own).data_address, news.data_path_port)
        self._heard.set()
        self._tending.heard(news)

    def seat_changed(self) -> None:
        """The seat was taken or given up, or the swarm's settings changed."""
        if self._seating.seat is not None and self._seating.seat.seated:
            self._seated.set()
        else:
            self._seated.clear()
        self._tending.look()
