"""Ways into a swarm: make one, or join one.

A joiner believes only the root whose digest its token names; to that it shows the token, and gets a certificate in the
role that the token invites to. Nothing is kept of an attempt that fails.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from fairlead.core.swarm import validate, whereabouts
from fairlead.core.swarm.identity import parse_token
from fairlead.engine.one_host import OneHost
from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.consensus_trust import files_of
from fairlead.engine.swarm.founding import chance, founded, taken_over
from fairlead.engine.swarm.keeper import peer_url
from fairlead.engine.swarm.membership import Membership
from fairlead.engine.swarm.messages import JoinAnswer, JoinRequest
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import ConsensusStart
from fairlead.engine.swarm.standing import must_be_outside
from fairlead.model.errors import Failed, Invalid, NotAllowed, Refusal, Unavailable
from fairlead.model.swarm.errors import Outdated
from fairlead.model.swarm.identity import Identity, Peer, Root
from fairlead.model.swarm.node import AVAILABILITIES, MANAGER
from fairlead.model.swarm.orders import InitOrder, JoinOrder, Whereabouts

STORE_KEY_BYTES = 32

_log = logging.getLogger("fairlead.swarm")


class Entering:
    def __init__(self, host: OneHost, membership: Membership) -> None:
        self._host, self._membership = host, membership

    # --- making one ---------------------------------------------------------------------------

    async def init(self, order: InitOrder) -> str:
        """The id of this node, the new swarm's first manager. Raises Refusals in Docker's words."""
        async with self._membership.turn:
            if order.force_new and self._membership.standing.manager:
                return await self._begin_anew(order)
            must_be_outside(self._membership.standing)
            validate.cluster(order.spec)
            _check_availability(order.availability)
            where = await self._whereabouts(order.where)
            root, identity = self._first_papers(order, where)
            return await self._found(order, root, identity)

    def _first_papers(self, order: InitOrder, where: Whereabouts) -> tuple[Root, Identity]:
        authority, entropy, now = self._membership.hands.authority, self._host.entropy, self._host.clock.now()
        root = Root(order.root.certificate, order.root.key) if order.root.certificate else authority.root(now)
        authority.examine(root, now)
        peer = Peer(entropy.swarm_id(), MANAGER, entropy.swarm_id())
        key, csr = authority.request()
        host = whereabouts.split(where.advertise)[0]
        consensus_key, consensus_csr = authority.request((host,))
        expiry = order.spec.cert_expiry
        return root, Identity(
            peer=peer,
            certificate=authority.issue(root, csr, peer, now, expiry),
            key=key,
            trust=root.certificate,
            managers=(where.advertise,),
            store_key=chance(entropy, STORE_KEY_BYTES).hex(),
            consensus_certificate=authority.issue_consensus(root, consensus_csr, peer, now, expiry),
            consensus_key=consensus_key,
            listen=where.listen,
            advertise=where.advertise,
            data_path=where.data_path,
        )

    async def _found(self, order: InitOrder, root: Root, identity: Identity) -> str:
        membership, seat = self._membership, self._membership.new_seat()
        node_id = identity.peer.node_id
        try:
            await self._membership.hands.consensus.stop(forget=True)
            try:
                await seat.listen(identity)
            except Failed as refusal:
                text = f"manager stopped: failed to listen on remote API address: {refusal.message}"
                raise Failed(text) from refusal
            start = ConsensusStart(node_id, peer_url(identity.advertise), files_of(identity))
            await seat.open(start, identity)
            await seat.ready()
            await seat.mirror.write(founded(identity, order, root, self._host.clock.now(), self._host.entropy))
            await membership.save(identity)
        except BaseException:
            await seat.close(forget=True)
            await membership.forget()
            raise
        await membership.enter(identity, seat)
        await membership.entered()
        _log.info("a swarm was made", extra={"swarm": identity.peer.cluster_id, "node": node_id})
        return node_id

    async def _begin_anew(self, order: InitOrder) -> str:
        """`--force-new-cluster`: go on alone with what this manager has of the store."""
        membership = self._membership
        identity = membership.identity
        assert identity is not None
        await membership.pause()
        if order.where.advertise:
            where = await self._whereabouts(order.where)
            identity = replace(identity, listen=where.listen, advertise=where.advertise, data_path=where.data_path)
            await membership.save(identity)
        seat = membership.new_seat()
        node_id = identity.peer.node_id
        try:
            await seat.listen(identity)
            url = peer_url(identity.advertise)
            await seat.open(ConsensusStart(node_id, url, files_of(identity), force_new=True), identity)
            await seat.ready()
            await _take_over(node_id, seat.mirror)
        except BaseException:
            await seat.close()
            await membership.enter(identity)
            raise
        await membership.enter(identity, seat)
        await membership.entered()
        return node_id

    # --- joining one --------------------------------------------------------------------------

    async def join(self, order: JoinOrder) -> None:
        """Raises Refusals in Docker's words; Unavailable also when the managers take their time, while the node goes on
        trying."""
        membership = self._membership
        async with membership.turn:
            must_be_outside(membership.standing)
            _check_availability(order.availability)
            token = _token(order)
            remotes = [whereabouts.with_port(remote) for remote in order.remotes]
            where = await self._whereabouts(order.where, whereabouts.split(remotes[0])[0])
            remote, root = await self._first_answer(remotes, token)
            identity = await self._admitted(order, where, remote, root)
            await self._membership.hands.consensus.stop(forget=True)
            await membership.save(identity)
            await membership.enter(identity)
            await membership.entered()

    async def _first_answer(self, remotes: list[str], digest: str) -> tuple[str, str]:
        """The first manager that answers, and its root. Raises as Docker words it."""
        last: Refusal = Invalid("at least one RemoteAddr is required to join")
        for remote in remotes:
            try:
                return remote, await self._membership.hands.caller.root(remote, digest)
            except NotAllowed as refusal:
                raise Failed(refusal.message) from refusal
            except Unavailable as refusal:
                text = f'rpc error: code = Unavailable desc = connection error: desc = "transport: {refusal.message}"'
                last = Unavailable(text)
        raise last

    async def _admitted(self, order: JoinOrder, where: Whereabouts, remote: str, root: str) -> Identity:
        key, csr = self._membership.hands.authority.request()
        request = encode(JoinRequest(order.token.strip(), csr, order.availability))
        try:
            answer = decode(JoinAnswer, await self._membership.hands.caller.join(remote, root, request))
        except NotAllowed as refusal:
            raise Invalid(f"rpc error: code = InvalidArgument desc = {refusal.message}") from refusal
        return Identity(
            peer=Peer(answer.node_id, answer.role, answer.cluster_id),
            certificate=answer.certificate,
            key=key,
            trust=answer.root,
            managers=tuple(dict.fromkeys((remote, *answer.managers))),
            listen=where.listen,
            advertise=where.advertise,
            data_path=where.data_path,
        )

    # --- addresses ----------------------------------------------------------------------------

    async def _whereabouts(self, asked: Whereabouts, towards: str = "") -> Whereabouts:
        """Resolved. `towards` is a manager: the address that leads there is this node's, unless it was told another."""
        facts = await self._host.fabric.kernel.facts()
        own = [pool.subnet for network in self._host.state.networks.values() for pool in network.pools]
        listen = whereabouts.listening(asked.listen, facts.held)
        data_path = whereabouts.data_path(asked.data_path, facts.held)
        advertise = asked.advertise or self._host.config.swarm_advertise
        if not advertise and towards:
            advertise = self._host.system.source_towards(towards)
        return Whereabouts(listen, whereabouts.advertised(advertise, listen, facts.held, own), data_path)


async def _take_over(own: str, mirror: Mirror) -> None:
    """The loops are at work already, and may be quicker."""
    while True:
        try:
            await mirror.write(taken_over(own, mirror.snapshot))
        except Outdated:
            await mirror.refresh()
        else:
            return


def _check_availability(availability: str) -> None:
    if availability not in AVAILABILITIES:
        raise Invalid(f'invalid Availability: "{availability}"')


def _token(order: JoinOrder) -> str:
    """The digest of the root that the token names."""
    try:
        return parse_token(order.token).digest
    except Invalid as refusal:
        raise Failed(refusal.message) from refusal
