"""Keeping a membership in line with what the managers say: a new role, other roots, a forced renewal, a certificate
that grows old, other managers, the sealing of keys.

What is heard only marks what is due. One task looks at everything that may be, one thing after another, and tries again
until nothing is left; so it does not matter in which order news come, nor whether the daemon stopped in between.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fairlead.core.swarm.identity import renewal
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.member import Member
from fairlead.engine.swarm.messages import News, RenewAnswer, RenewRequest
from fairlead.engine.swarm.seating import Seating
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import Failed, NotAllowed, Refusal
from fairlead.model.swarm.identity import Identity

RETRY, LONGEST_RETRY = 1.0, 30.0
"""Seconds between attempts at what did not succeed; the longer ones where managers refuse, for they seldom change their
mind, and if they do they say so."""
LONGEST_SLEEP, UNSETTLED_SLEEP = 24 * 3600.0, 2.0
EXPIRED = "Swarm certificates have expired. To replace them, leave the swarm and join again."

_log = logging.getLogger("fairlead.swarm")


class Tending:
    """`error` is why the node is not in line yet, "" when it is."""

    def __init__(self, member: Member, seating: Seating, clock: Clock, entropy: Entropy) -> None:
        self._member, self._seating = member, seating
        self._clock, self._entropy = clock, entropy
        self.error = ""
        self._due = asyncio.Event()
        self._must_renew = False
        self._role = self._trust = ""
        self._renew_at = 0
        self._pause = RETRY

    def begin(self, identity: Identity) -> None:
        """From here on the membership is `identity`."""
        self.error, self._pause = "", RETRY
        self._role, self._trust, self._must_renew = identity.peer.role, identity.trust, False
        self._plan_renewal(identity)

    def heard(self, news: News) -> None:
        if news.node is not None:
            self._role = news.node.role
        if news.root:
            self._trust = news.root
        self._must_renew |= news.force_renew
        self.look()

    def look(self) -> None:
        """Something may be due."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            longest = LONGEST_SLEEP if self._settled else UNSETTLED_SLEEP
            seconds = min((self._renew_at - self._clock.now()) / 1e9, longest)
            await first_of(self._due.wait(), seconds=seconds)
            self._due.clear()
            try:
                await self._fall_in()
            except Refusal as refusal:
                if refusal.message != self.error:
                    _log.warning("not in line with the swarm yet", extra={"reason": refusal.message})
                self.error = refusal.message
                await self._rest(refusal)
            except Exception as fault:
                _log.exception("tending the membership failed")
                self.error = str(fault)
                await self._rest(fault)
            else:
                self.error, self._pause = "", RETRY

    async def _rest(self, reason: Exception) -> None:
        """Before the next attempt. News end the longer waiting that follows a manager's no."""
        await asyncio.sleep(RETRY)
        if isinstance(reason, NotAllowed):
            await first_of(self._due.wait(), seconds=self._pause - RETRY)
            self._pause = min(2 * self._pause, LONGEST_RETRY)
        self._due.set()

    @property
    def _settled(self) -> bool:
        standing = self._member.standing
        return standing.manager == standing.seated

    async def _fall_in(self) -> None:
        """One look at everything that may be due."""
        member = self._member
        identity, now = member.own, self._clock.now()
        if member.hands.authority.lifetime(identity.certificate)[1] <= now:
            raise Failed(EXPIRED)
        if self._trust != identity.trust:
            await self._become(replace(identity, trust=self._trust))
        if self._role != identity.peer.role or self._must_renew or self._renew_at <= now:
            await self._renew()
        known = tuple(address for _, address in member.remote_managers)
        if known and set(known) != set(member.own.managers):
            await member.save(replace(member.own, managers=known))
        await self._seating.follow()
        await self._seal()

    async def _renew(self) -> None:
        """A new certificate, in the role that the managers say."""
        member = self._member
        identity, agent = member.own, member.agent
        assert agent is not None
        key, csr = member.hands.authority.request()
        consensus_key, consensus_csr = "", ""
        if identity.consensus_certificate:
            consensus_key, consensus_csr = member.hands.authority.request((member.address,))
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
            agent.move(member.place(renewed))

    def _plan_renewal(self, identity: Identity) -> None:
        fraction = self._entropy.number(1 << 16) / (1 << 16)
        self._renew_at = renewal(self._member.hands.authority.lifetime(identity.certificate), fraction)

    async def _become(self, identity: Identity) -> None:
        """Show other papers, or believe others."""
        await self._member.save(identity)
        self._member.hands.caller.renew(identity)
        if self._seating.seat is not None:
            await self._seating.seat.renew(identity)

    async def _seal(self) -> None:
        """Keep the keys sealed as the cluster says: with the newest unlock key, or not at all."""
        member, seat = self._member, self._seating.seat
        cluster = seat.mirror.snapshot.cluster if seat is not None and seat.seated else None
        if cluster is None:
            return
        key = cluster.unlock_keys[0] if cluster.spec.autolock and cluster.unlock_keys else ""
        identity = member.own
        if identity.autolock != bool(key) or member.unlock_key != key:
            member.unlock_key = key
            await member.save(replace(identity, autolock=bool(key)))
