"""A member's seat among the managers: taken when its role says so, and given up when it does not any more.

A seat is not simply dropped: the other managers may need its vote until they have taken it out. And one that was taken
out while it was away, or demoted and promoted again in a moment, has to begin anew or to go on as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fairlead.engine.ports import Clock
from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.consensus_trust import files_of, members_of
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.keeper import peer_url
from fairlead.engine.swarm.member import Member
from fairlead.engine.swarm.messages import SeatAnswer, SeatRequest
from fairlead.engine.swarm.ports import ConsensusStart
from fairlead.engine.swarm.seat import Seat
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.identity import Identity

MakeSeat = Callable[[Hands, Callable[[], None]], Seat]
"""From a member's hands, and what to call when the seat is taken or the swarm's settings change."""

COUNTED = 15.0
"""Seconds after which a demoted manager goes though the others still count on it: they may have begun anew."""
PATIENCE = 20.0
"""Seconds that the managers have to give a seat."""


class Seating:
    """`seat` is there while there is one, at work (`seated`) or not yet."""

    def __init__(self, member: Member, clock: Clock, make_seat: MakeSeat) -> None:
        self._member, self._clock, self._make_seat = member, clock, make_seat
        self.seat: Seat | None = None
        self._risen = 0.0

    def new(self) -> Seat:
        return self._make_seat(self._member.hands, self._member.seat_changed)

    async def close(self, *, forget: bool = False) -> None:
        """Have none for now; with `forget`, nothing is kept of what it held."""
        seat, self.seat, self._risen = self.seat, None, 0.0
        if seat is not None:
            await seat.close(forget=forget)

    async def follow(self) -> None:
        """Have a seat as a manager, none as a worker. Raises Refusals while that cannot be."""
        identity = self._member.own
        if not identity.peer.manager:
            await self._stand_up(identity)
            return
        if self.seat is not None and self._risen:
            await self._sit_down_again(self.seat, identity)
        if self.seat is not None and self._member.hands.consensus.removed:
            # Taken out while it was away, and a manager all the same: it begins anew.
            await self._give_up(self.seat)
        if self.seat is None:
            await self._take(self._member.own)

    async def _take(self, identity: Identity) -> None:
        seat = self.new()
        if identity.consensus_certificate:
            start = ConsensusStart(identity.peer.node_id, peer_url(identity.advertise), files_of(identity))
        else:
            identity, start = await self._ask_for_seat(identity)
        try:
            await seat.listen(identity)
            await seat.open(start, identity)
            if identity is not self._member.identity:
                await self._member.save(identity)
        except BaseException:
            await seat.close()
            raise
        self.seat = seat
        self._member.seat_changed()

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
        if self.seat is None and not identity.consensus_certificate:
            return
        if self.seat is not None:
            now = self._clock.monotonic()
            self._risen = self._risen or now
            await self.seat.stand_down()
            if not await self.seat.taken_out() and now - self._risen < COUNTED:
                raise Unavailable("the other managers still count on this one")
        await self._give_up(self.seat or self.new())

    async def _give_up(self, seat: Seat) -> None:
        self.seat, self._risen = None, 0.0
        await seat.close(forget=True)
        self._member.seat_changed()
        await self._member.save(replace(self._member.own, store_key="", consensus_certificate="", consensus_key=""))

    async def _ask_for_seat(self, identity: Identity) -> tuple[Identity, ConsensusStart]:
        assert self._member.agent is not None
        await self._member.hands.consensus.stop(forget=True)
        consensus_key, csr = self._member.hands.authority.request((self._member.address,))
        request = encode(SeatRequest(identity.advertise, csr))
        answer = decode(SeatAnswer, await self._member.agent.ask("seat", request, patience=PATIENCE))
        identity = replace(
            identity,
            store_key=answer.key,
            consensus_certificate=answer.consensus_certificate,
            consensus_key=consensus_key,
        )
        members = members_of(answer.initial_cluster)
        url = peer_url(identity.advertise)
        return identity, ConsensusStart(identity.peer.node_id, url, files_of(identity), members, join=True)
