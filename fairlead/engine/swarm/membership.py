"""This node's membership: in no swarm, or in one as a worker or a manager; how it gets in, stays in, and gets out.

What the node is lies in the keystore and outlives the daemon. A member runs an agent; a manager also takes its seat,
in the background, so that the node serves its own containers however the swarm does. What the managers tell (`heard`:
a new role, other roots, a forced renewal) only marks what is due; one task (`_tend`) brings the node in line with it,
and tries again until it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from fairlead.core.swarm import whereabouts
from fairlead.core.swarm.identity import renewal
from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.agent import Agent
from fairlead.engine.swarm.describing import describe
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.keeper import peer_url
from fairlead.engine.swarm.messages import News, RenewAnswer, RenewRequest, SeatAnswer, SeatRequest
from fairlead.engine.swarm.ports import ConsensusStart, Keystore
from fairlead.engine.swarm.seat import Seat, files_of, members_of
from fairlead.engine.swarm.standing import ACTIVE, ERROR, LOCKED, NO_MEMBER, PENDING, Standing
from fairlead.engine.swarm.surroundings import Place, Surroundings
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import Conflict, Failed, Refusal, Unavailable
from fairlead.model.swarm.identity import Identity

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

RETRY = 1.0
"""Seconds between attempts at what did not succeed."""
ENTRY = 20.0
"""Seconds that a user waits for a node to be in the swarm."""
COUNTED = 15.0
"""Seconds after which a demoted manager goes though the others still count on it: they may have begun anew."""
EXPIRED = "Swarm certificates have expired. To replace them, leave the swarm and join again."
TIMEOUT = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. "
    'Use the "docker info" command to see the current swarm status of your node.'
)
LONGEST_SLEEP, UNSETTLED_SLEEP = 24 * 3600.0, 2.0

_log = logging.getLogger("fairlead.swarm")


class Membership:
    """`identity` is None in no swarm. Verbs that change the membership take turns (`turn`)."""

    def __init__(self, engine: Engine, keystore: Keystore, make_hands: Callable[[], Hands]) -> None:
        self._engine, self._keystore, self._make_hands = engine, keystore, make_hands
        self.turn = asyncio.Lock()
        self.identity: Identity | None = None
        self.agent: Agent | None = None
        self.unlock_key = ""
        self.remote_managers: tuple[tuple[str, str], ...] = ()
        """(node id, HOST:PORT) of the managers as heard of last."""
        self._seat: Seat | None = None
        self._locked = False
        self._error = ""
        self._heard, self._seated = asyncio.Event(), asyncio.Event()
        self._due = asyncio.Event()
        self._must_renew = False
        self._trust = ""
        self._role = ""
        self._renew_at = 0
        self._risen = 0.0
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
        peer, seated = self.identity.peer, self._seat is not None and self._seat.seated
        state = ERROR if self._error == EXPIRED else ACTIVE if self._heard.is_set() or seated else PENDING
        return Standing(state, peer.node_id, peer.manager, seated, self._error)

    @property
    def seat(self) -> Seat:
        """Raises Unavailable where there is none."""
        if self._seat is None:
            raise Unavailable("this node has no seat among the managers")
        return self._seat

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
        self.identity, self._seat, self._error = identity, seat, ""
        self._role, self._trust, self._must_renew = identity.peer.role, identity.trust, False
        self._heard.clear()
        self._plan_renewal(identity)
        self.hands.caller.renew(identity)
        place, engine = self._place(identity), self._engine
        surroundings = Surroundings(lambda: describe(engine), self.heard, engine.overlays, engine.discovery)
        self.agent = Agent(engine, self.hands.caller, place, surroundings)
        await engine.discovery.start(identity.peer.node_id, place.data_address, identity.peer.cluster_id)
        await self.agent.adopt()
        self._running = [asyncio.create_task(self.agent.run()), asyncio.create_task(self._tend())]
        self._seat_changed()

    async def pause(self) -> None:
        """End the session and give the seat up for now; the node stays a member, and its tasks run on."""
        await self._stop_tending()
        if self.agent is not None:
            await self.agent.close()
        seat, self._seat = self._seat, None
        if seat is not None:
            await seat.close()

    async def close(self) -> None:
        """The daemon stops."""
        await self.pause()
        await self.hands.caller.close()

    async def forget(self) -> None:
        """The node is in no swarm any more."""
        await self._stop_tending()
        if self._seat is not None:
            await self._seat.close(forget=True)
        self.identity, self.agent, self._seat = None, None, None
        await self._engine.discovery.stop()
        await self._engine.ingress.close()
        await self._engine.overlays.leave()
        self._locked, self.unlock_key, self._error, self.remote_managers = False, "", "", ()
        self.hands.caller.renew(None)
        await asyncio.to_thread(self._keystore.clear)

    async def _stop_tending(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []

    def _place(self, identity: Identity) -> Place:
        host = whereabouts.split(identity.advertise)[0]
        manager = identity.advertise if identity.peer.manager else ""
        data = ip_address(identity.data_path or host)
        return Place(identity.peer.node_id, host, data, manager, identity.managers)

    async def entered(self) -> None:
        """Returns when the managers have taken the node in. Raises Unavailable after `ENTRY` seconds."""
        try:
            async with asyncio.timeout(ENTRY):
                await self._heard.wait()
                if self._own().peer.manager:
                    await self._seated.wait()
        except TimeoutError:
            raise Unavailable(TIMEOUT) from None

    # --- what managers tell -------------------------------------------------------------------

    async def heard(self, news: News) -> None:
        if news.managers:
            self.remote_managers = tuple(zip(news.manager_ids, news.managers, strict=False))
        if news.node is not None:
            self._role = news.node.role
        if news.root:
            self._trust = news.root
        self._must_renew |= news.force_renew
        if news.data_path_port:
            await self._engine.overlays.enter(self._place(self._own()).data_address, news.data_path_port)
        self._heard.set()
        self._due.set()

    # --- keeping in line ----------------------------------------------------------------------

    async def _tend(self) -> None:
        """Until cancelled."""
        while True:
            longest = LONGEST_SLEEP if self._settled else UNSETTLED_SLEEP
            seconds = min((self._renew_at - self._engine.clock.now()) / 1e9, longest)
            await first_of(self._due.wait(), seconds=seconds)
            self._due.clear()
            try:
                await self._fall_in()
                self._error = ""
            except Refusal as refusal:
                if refusal.message != self._error:
                    _log.warning("not in line with the swarm yet", extra={"reason": refusal.message})
                self._error = refusal.message
                await asyncio.sleep(RETRY)
                self._due.set()
            except Exception as fault:
                _log.exception("tending the membership failed")
                self._error = str(fault)
                await asyncio.sleep(RETRY)
                self._due.set()

    @property
    def _settled(self) -> bool:
        return self.standing.manager == self.standing.seated

    async def _fall_in(self) -> None:
        """One look at everything that may be due."""
        identity = self._own()
        now = self._engine.clock.now()
        if self.hands.authority.lifetime(identity.certificate)[1] <= now:
            raise Failed(EXPIRED)
        if self._trust != identity.trust:
            await self._become(replace(identity, trust=self._trust))
        if self._role != identity.peer.role or self._must_renew or self._renew_at <= now:
            await self._renew()
        known = tuple(address for _, address in self.remote_managers)
        if known and set(known) != set(self._own().managers):
            await self.save(replace(self._own(), managers=known))
        await self._sit()
        await self._seal()

    def _own(self) -> Identity:
        assert self.identity is not None
        return self.identity

    async def _renew(self) -> None:
        """A new certificate, in the role that the managers say."""
        identity, agent = self._own(), self.agent
        assert agent is not None
        key, csr = self.hands.authority.request()
        consensus_key, consensus_csr = "", ""
        if identity.consensus_certificate:
            consensus_key, consensus_csr = self.hands.authority.request((self.address,))
        request = encode(RenewRequest(csr, consensus_csr))
        answer = decode(RenewAnswer, await agent.ask("renew", request))
        self._must_renew = False
        self._role, self._trust = answer.role, answer.root
        peer = replace(identity.peer, role=answer.role)
        renewed = replace(identity, peer=peer, certificate=answer.certificate, key=key, trust=answer.root)
        if answer.consensus_certificate:
            renewed = replace(renewed, consensus_certificate=answer.consensus_certificate, consensus_key=consensus_key)
        await self._become(renewed)
        self._plan_renewal(renewed)
        _log.info("the node's certificate was renewed", extra={"role": answer.role})
        if peer.role != identity.peer.role:
            agent.move(self._place(renewed))

    def _plan_renewal(self, identity: Identity) -> None:
        fraction = self._engine.entropy.number(1 << 16) / (1 << 16)
        self._renew_at = renewal(self.hands.authority.lifetime(identity.certificate), fraction)

    async def _become(self, identity: Identity) -> None:
        """Show other papers, or believe others."""
        await self.save(identity)
        self.hands.caller.renew(identity)
        if self._seat is not None:
            await self._seat.renew(identity)

    async def save(self, identity: Identity) -> None:
        self.identity = identity
        key = self.unlock_key if identity.autolock else ""
        await asyncio.to_thread(self._keystore.save, identity, key)

    # --- the seat -----------------------------------------------------------------------------

    async def _sit(self) -> None:
        """Have a seat as a manager, none as a worker."""
        identity = self._own()
        if not identity.peer.manager:
            await self._stand_up(identity)
            return
        if self._seat is not None and self._risen:
            await self._sit_down_again(self._seat, identity)
        if self._seat is not None and self.hands.consensus.removed:
            # Taken out while it was away, and a manager all the same: it begins anew.
            await self._give_up(self._seat)
        if self._seat is not None:
            return
        identity, seat = self._own(), self.new_seat()
        if identity.consensus_certificate:
            start = ConsensusStart(identity.peer.node_id, peer_url(identity.advertise), files_of(identity))
        else:
            identity, start = await self._ask_for_seat(identity)
        try:
            await seat.listen(identity)
            await seat.open(start, identity)
            if identity is not self.identity:
                await self.save(identity)
        except BaseException:
            await seat.close()
            raise
        self._seat = seat
        self._seat_changed()

    async def _sit_down_again(self, seat: Seat, identity: Identity) -> None:
        """Demoted, and promoted before the seat was given up."""
        if seat.majority and not await seat.taken_out():
            seat.stand()
            self._risen = 0.0
        else:
            await self._stand_up(identity)

    async def _stand_up(self, identity: Identity) -> None:
        """Give the seat up, once the other managers do not count on it any more: before that its consensus member may
        be needed for a majority. Raises Unavailable while they do."""
        if self._seat is None and not identity.consensus_certificate:
            return
        if self._seat is not None:
            now = self._engine.clock.monotonic()
            self._risen = self._risen or now
            await self._seat.stand_down()
            if not await self._seat.taken_out() and now - self._risen < COUNTED:
                raise Unavailable("the other managers still count on this one")
        await self._give_up(self._seat or self.new_seat())

    async def _give_up(self, seat: Seat) -> None:
        self._seat, self._risen = None, 0.0
        await seat.close(forget=True)
        self._seat_changed()
        await self.save(replace(self._own(), store_key="", consensus_certificate="", consensus_key=""))

    def new_seat(self) -> Seat:
        return Seat(self._engine, self.hands, self._seat_changed)

    def _seat_changed(self) -> None:
        if self._seat is not None and self._seat.seated:
            self._seated.set()
        else:
            self._seated.clear()
        self._due.set()

    async def _ask_for_seat(self, identity: Identity) -> tuple[Identity, ConsensusStart]:
        assert self.agent is not None
        await self.hands.consensus.stop(forget=True)
        consensus_key, csr = self.hands.authority.request((self.address,))
        request = encode(SeatRequest(identity.advertise, csr))
        answer = decode(SeatAnswer, await self.agent.ask("seat", request, patience=ENTRY))
        identity = replace(
            identity,
            store_key=answer.key,
            consensus_certificate=answer.consensus_certificate,
            consensus_key=consensus_key,
        )
        members = members_of(answer.initial_cluster)
        url = peer_url(identity.advertise)
        return identity, ConsensusStart(identity.peer.node_id, url, files_of(identity), members, join=True)

    async def _seal(self) -> None:
        """Keep the keys sealed as the cluster says: with the newest unlock key, or not at all."""
        if self._seat is None or not self._seat.seated:
            return
        cluster = self._seat.mirror.snapshot.cluster
        if cluster is None:
            return
        key = cluster.unlock_keys[0] if cluster.spec.autolock and cluster.unlock_keys else ""
        identity = self._own()
        if identity.autolock != bool(key) or self.unlock_key != key:
            self.unlock_key = key
            await self.save(replace(identity, autolock=bool(key)))
