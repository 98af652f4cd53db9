"""What the leader looks after besides the loops: who sits in the consensus, how managers are reached, the swarm's keys,
and the end of a change of the root certificate.

A member of the consensus is a manager's by its peer address. Learners are made voters when they have caught up; who is
no manager any more is taken out, as soon as the others can decide without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from fairlead.core.swarm import keys
from fairlead.core.swarm.changes import Change, Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm.dispatcher import Propose
from fairlead.engine.swarm.founding import fresh_key
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Consensus, ConsensusMember
from fairlead.engine.swarm.subscription import Subscription
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.errors import Deposed
from fairlead.model.swarm.node import MANAGER, REACHABLE, UNREACHABLE, ManagerStatus, Node

INTERVAL, CALM = 1.0, 3.0
"""Seconds between looks: while something is not as it shall be, and while all is well and nobody changed a node."""

_log = logging.getLogger("fairlead.swarm.leader")


def peer_url(address: str) -> str:
    """Where the consensus member of the manager at HOST:PORT is reached: one port further."""
    host, _, port = address.rpartition(":")
    return f"https://{host}:{int(port) + 1}"


class Keeper:
    """`own` is the id of the node that leads."""

    def __init__(
        self, own: str, mirror: Mirror, consensus: Consensus, propose: Propose, clock: Clock, entropy: Entropy
    ) -> None:
        self._own, self._mirror, self._consensus = own, mirror, consensus
        self._propose, self._clock, self._entropy = propose, clock, entropy

    async def run(self) -> None:
        """Until cancelled. Raises Deposed when this node is not to be a manager any more."""
        with closing(self._mirror.changes()) as subscription:
            while True:
                well = await self._look()
                await asyncio.sleep(INTERVAL)
                if well and not _of_nodes(subscription.drain()):
                    await first_of(_until_nodes_change(subscription), seconds=CALM - INTERVAL)

    async def _look(self) -> bool:
        """Tells whether all managers are seated and well."""
        snapshot = self._mirror.snapshot
        own = snapshot.nodes.get(self._own)
        if own is None or own.role != MANAGER:
            raise Deposed("this node is not a manager any more")
        try:
            members = await self._consensus.members()
            await self._settle(members, snapshot)
        except Unavailable as refusal:
            _log.debug("the consensus does not answer", extra={"reason": refusal.message})
            return False
        if any(True for _ in self._due(members, snapshot)):
            await self._propose(lambda present: self._due(members, present))
        voters = {member.peer_url for member in members if member.healthy and not member.learner}
        return voters == set(seats(snapshot)) and len(members) == len(voters)

    def _due(self, members: Sequence[ConsensusMember], snapshot: Snapshot) -> Iterator[Change]:
        yield from statuses(members, self._own, snapshot)
        if snapshot.cluster is not None:
            cluster = self._with_keys(with_settled_root(snapshot.cluster, snapshot.nodes.values()))
            if cluster != snapshot.cluster:
                yield Put(cluster)

    def _with_keys(self, cluster: Cluster) -> Cluster:
        if keys.due(cluster) > self._clock.now():
            return cluster
        return keys.rotate(cluster, self._clock.now(), lambda: fresh_key(self._entropy))

    async def _settle(self, members: Sequence[ConsensusMember], snapshot: Snapshot) -> None:
        """Bring the consensus in line with who is a manager, one step at a time."""
        wanted = set(seats(snapshot))
        for member in members:
            if member.peer_url not in wanted:
                if decides_without(member, members):
                    await self._consensus.remove(member.id)
                    _log.info("a manager was taken out of the consensus", extra={"member": member.name or member.id})
                return
        for member in members:
            if member.learner and member.started and await self._consensus.promote(member.id):
                _log.info("a manager has a vote now", extra={"node": member.name})


def _of_nodes(changes: Iterable[Change]) -> bool:
    return any(isinstance(change.thing, Node | Cluster) for change in changes)


async def _until_nodes_change(subscription: Subscription) -> None:
    while not _of_nodes(subscription.drain()):
        await subscription.wait()


def seats(snapshot: Snapshot) -> dict[str, Node]:
    """The managers by the peer address of their consensus members."""
    return {
        peer_url(node.manager.address): node
        for node in snapshot.nodes.values()
        if node.role == MANAGER and node.manager is not None and node.manager.address
    }


def decides_without(leaving: ConsensusMember, members: Iterable[ConsensusMember]) -> bool:
    """Would those that stay be a majority that answers?"""
    voters = [member for member in members if not member.learner and member.id != leaving.id]
    return leaving.learner or sum(member.healthy for member in voters) > len(voters) // 2


def statuses(members: Iterable[ConsensusMember], own: str, snapshot: Snapshot) -> Iterator[Change]:
    """How each manager stands, where it is not written so."""
    by_url = {member.peer_url: member for member in members}
    for node in snapshot.nodes.values():
        if node.role != MANAGER:
            continue
        address = node.manager.address if node.manager is not None else ""
        member = by_url.get(peer_url(address)) if address else None
        well = member is not None and member.healthy and not member.learner
        seen = ManagerStatus(
            member=member.id if member is not None else "",
            address=address,
            leader=node.id == own,
            reachability=REACHABLE if well or node.id == own else UNREACHABLE,
        )
        if seen != node.manager:
            yield Put(replace(node, manager=seen))


def with_settled_root(cluster: Cluster, nodes: Iterable[Node]) -> Cluster:
    """Without the former root, once nobody has a certificate of it."""
    if not cluster.root.rotating or any(node.issuer != cluster.root.digest for node in nodes):
        return cluster
    return replace(cluster, root=replace(cluster.root, previous="", cross=""))
