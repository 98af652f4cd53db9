"""Who comes into the swarm, and with which papers: the calls that any manager answers.

A stranger asks for the `root`, checks it against its token, and joins with the token; a node renews its certificate
and thereby takes on the role that the store says it has; a new manager asks for a seat in the consensus.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from fairlead.core.swarm.changes import Change, Put
from fairlead.core.swarm.identity import role_of
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.records import encode
from fairlead.engine.swarm.briefing import managers
from fairlead.engine.swarm.dispatcher import caller
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.hearing import check_manager, heard
from fairlead.engine.swarm.keeper import peer_url
from fairlead.engine.swarm.messages import (
    JoinAnswer,
    JoinRequest,
    RenewAnswer,
    RenewRequest,
    RootAnswer,
    SeatAnswer,
    SeatRequest,
)
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Answerer, Call
from fairlead.model.errors import Invalid, NotAllowed, Unavailable
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.identity import Peer, Root
from fairlead.model.swarm.node import AVAILABILITIES, MANAGER, ManagerStatus, Node, NodeSpec

_log = logging.getLogger("fairlead.swarm.admission")

Decide = Callable[[Snapshot], Iterable[Change]]


class Admission:
    """`write` writes what a decision makes of the present, anew while others are quicker; `store_key` is what managers
    seal the store with."""

    def __init__(
        self,
        mirror: Mirror,
        write: Callable[[Decide], Awaitable[None]],
        hands: Hands,
        clock: Clock,
        entropy: Entropy,
        store_key: str,
    ) -> None:
        self._mirror, self._write, self._hands = mirror, write, hands
        self._clock, self._entropy, self._store_key = clock, entropy, store_key
        self.calls: Mapping[str, Answerer] = {
            "root": self.root,
            "join": self.join,
            "renew": self.renew,
            "seat": self.seat,
        }

    async def root(self, call: Call) -> bytes:
        return encode(RootAnswer(self._cluster().root.trust))

    async def join(self, call: Call) -> bytes:
        """Raises NotAllowed for a token that invites nobody."""
        request, cluster = heard(JoinRequest, call), self._cluster()
        role = role_of(request.token, cluster.tokens)
        if request.availability not in AVAILABILITIES:
            raise Invalid(f'invalid Availability: "{request.availability}"')
        peer = Peer(self._entropy.swarm_id(), role, cluster.id)
        certificate = self._issue(cluster, request.csr, peer)
        spec, now = NodeSpec(role, request.availability), self._clock.now()
        node = Node(peer.node_id, spec, role=role, issuer=cluster.root.digest, created=now, updated=now)
        await self._write(lambda snapshot: [Put(node)])
        _log.info("a node joins", extra={"node": node.id, "role": role, "address": call.address})
        addresses, _ = managers(self._mirror.snapshot.nodes.values())
        return encode(JoinAnswer(node.id, cluster.id, role, certificate, cluster.root.trust, addresses))

    async def renew(self, call: Call) -> bytes:
        request, peer, cluster = heard(RenewRequest, call), caller(call), self._cluster()
        node = self._node(peer.node_id)
        peer = Peer(node.id, node.role, cluster.id)
        certificate = self._issue(cluster, request.csr, peer)
        consensus = ""
        if request.consensus_csr and node.role == MANAGER:
            consensus = self._issue_consensus(cluster, request.consensus_csr, peer)
        await self._write(lambda snapshot: signed(node.id, cluster.root.digest, snapshot))
        return encode(RenewAnswer(node.role, certificate, cluster.root.trust, consensus))

    async def seat(self, call: Call) -> bytes:
        """Raises NotAllowed for a node that the store does not call a manager."""
        request, peer, cluster = heard(SeatRequest, call), caller(call), self._cluster()
        check_manager(request.address)
        node = self._node(peer.node_id)
        if node.role != MANAGER:
            raise NotAllowed(f"node {node.id} is not a manager")
        certificate = self._issue_consensus(cluster, request.consensus_csr, peer)
        await self._write(lambda snapshot: seated(node.id, request.address, snapshot))
        initial = await self._add_member(peer_url(request.address), node.id)
        _log.info("a manager takes its seat", extra={"node": node.id, "address": request.address})
        return encode(SeatAnswer(initial, self._store_key, certificate))

    async def _add_member(self, url: str, name: str) -> str:
        """Who asks has no data: a member that ran there before has lost it, and is replaced."""
        consensus = self._hands.consensus
        for member in await consensus.members():
            if member.peer_url == url and member.started:
                await consensus.remove(member.id)
        return await consensus.add(url, name)

    def _cluster(self) -> Cluster:
        cluster = self._mirror.snapshot.cluster
        if cluster is None:
            raise Unavailable("the swarm is being made")
        return cluster

    def _node(self, node_id: str) -> Node:
        node = self._mirror.snapshot.nodes.get(node_id)
        if node is None:
            raise NotAllowed(f"node {node_id} is not part of this swarm")
        return node

    def _issue(self, cluster: Cluster, csr: str, peer: Peer) -> str:
        return self._hands.authority.issue(root_of(cluster), csr, peer, self._clock.now(), cluster.spec.cert_expiry)

    def _issue_consensus(self, cluster: Cluster, csr: str, peer: Peer) -> str:
        expiry = cluster.spec.cert_expiry
        return self._hands.authority.issue_consensus(root_of(cluster), csr, peer, self._clock.now(), expiry)


def root_of(cluster: Cluster) -> Root:
    return Root(cluster.root.cert, cluster.root.key, cluster.root.cross)


def signed(node_id: str, issuer: str, snapshot: Snapshot) -> Iterator[Change]:
    node = snapshot.nodes.get(node_id)
    if node is not None and node.issuer != issuer:
        yield Put(replace(node, issuer=issuer))


def seated(node_id: str, address: str, snapshot: Snapshot) -> Iterator[Change]:
    """Before the member is added: who has no manager's address there is taken out of the consensus."""
    node = snapshot.nodes.get(node_id)
    if node is not None and (node.manager is None or node.manager.address != address):
        yield Put(replace(node, manager=replace(node.manager or ManagerStatus(), address=address)))
