"""What a node has been told in its session, and what it must be told next.

A change of the store marks what it concerns; `next` compares the marked parts with what was told and answers with the
difference. A node that is told slowly is told less often, never less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from fairlead.core.swarm.dispatch import Assignments, Difference, beat_every, difference, full, step
from fairlead.core.swarm.keys import primary
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm.messages import LogWish, News
from fairlead.model.network import Address
from fairlead.model.swarm.cluster import Cluster, GossipKey
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import DOWN, MANAGER, Node

SELF, NETWORKS, MANAGERS, PEERS, CLUSTER = "self", "networks", "managers", "peers", "cluster"
_EVERYTHING = frozenset({SELF, NETWORKS, MANAGERS, PEERS, CLUSTER})


class Briefing:
    """Of one session. `told` is what the node has of each part."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._assignments: Assignments | None = None
        self._told = News()
        self._tasks: dict[str, None] = {}
        self._parts = set(_EVERYTHING)
        self._wishes: list[LogWish] = []

    def mark_task(self, task_id: str) -> None:
        """A task of this node changed or is gone."""
        self._tasks[task_id] = None
        self._parts.add(NETWORKS)

    def mark_network(self, network_id: str) -> bool:
        """A network changed. Tells whether this node is on it."""
        concerned = any(one.id == network_id for one in self._told.networks or ())
        if concerned:
            self._parts.add(NETWORKS)
        return concerned

    def mark(self, *parts: str) -> None:
        self._parts.update(parts)

    def wish(self, wish: LogWish) -> None:
        """To be told next, once."""
        self._wishes.append(wish)

    def next(self, snapshot: Snapshot) -> News | None:
        """None when the node knows everything. What is answered counts as told."""
        first = self._assignments is None
        changed = self._difference(snapshot)
        parts, self._parts = self._parts, set()
        wishes, self._wishes = tuple(self._wishes), []
        now = self._present(snapshot, parts)
        news = News(everything=first, difference=changed, logs=wishes, **_new(self._told, now))
        self._told = now
        return news if first or news != News() else None

    def _difference(self, snapshot: Snapshot) -> Difference:
        changed, self._tasks = self._tasks, {}
        if self._assignments is None:
            self._assignments = full(snapshot, self._node_id)
            return difference(Assignments(), self._assignments)
        if not changed:
            return Difference()
        self._assignments, answer = step(self._assignments, changed, snapshot, self._node_id)
        return answer

    def _present(self, snapshot: Snapshot, parts: Iterable[str]) -> News:
        """The told parts, with those of `parts` as they are now."""
        values: dict[str, Any] = {name: getattr(self._told, name) for name in _FIELDS}
        node, cluster = snapshot.nodes.get(self._node_id), snapshot.cluster
        for part in parts:
            if part == SELF:
                values |= {"node": node, "force_renew": must_renew(cluster, node)}
            elif part == NETWORKS:
                values["networks"] = self._networks(snapshot, node)
            elif part == MANAGERS:
                values["managers"], values["manager_ids"] = managers(snapshot.nodes.values())
            elif part == PEERS:
                values["peers"] = peers(snapshot.nodes.values(), self._node_id)
            elif part == CLUSTER and cluster is not None:
                values |= {**of_cluster(cluster), "force_renew": must_renew(cluster, node)}
        return News(**values)

    def _networks(self, snapshot: Snapshot, node: Node | None) -> tuple[SwarmNetwork, ...]:
        tasks = self._assignments.tasks.values() if self._assignments is not None else ()
        attachments = [one for task in tasks if task.wanted for one in task.attachments]
        attachments += node.attachments if node is not None else ()
        ids = dict.fromkeys(one.network_id for one in attachments)
        return tuple(network for id_ in ids if (network := snapshot.networks.get(id_)) is not None)


_FIELDS = (
    *("node", "networks", "managers", "manager_ids", "peers"),
    *("keys", "root", "beat_every", "data_path_port", "cluster_id", "force_renew"),
)


def _new(told: News, now: News) -> Mapping[str, Any]:
    """The fields in which `now` differs; the others are left as `News` says "unchanged"."""
    return {name: value for name in _FIELDS if (value := getattr(now, name)) != getattr(told, name)}


def managers(nodes: Iterable[Node]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses and ids of the managers, whoever leads first."""
    known = [node for node in nodes if node.role == MANAGER and node.manager is not None and node.manager.address]
    known.sort(key=lambda node: (not (node.manager is not None and node.manager.leader), node.id))
    addresses = tuple(node.manager.address for node in known if node.manager is not None)
    return addresses, tuple(node.id for node in known)


def peers(nodes: Iterable[Node], own: str) -> tuple[Address, ...]:
    """Where the other nodes' packets arrive, of those that are not lost."""
    up = (node for node in nodes if node.id != own and node.status.state != DOWN and node.data_address)
    return tuple(ip_address(node.data_address) for node in sorted(up, key=lambda node: node.id))


def must_renew(cluster: Cluster | None, node: Node | None) -> bool:
    """Is the node's newest certificate of a root that is on its way out?"""
    return bool(cluster and node and node.issuer and node.issuer != cluster.root.digest)


def of_cluster(cluster: Cluster) -> Mapping[str, Any]:
    primaries = {primary(cluster, key.subsystem) for key in cluster.keys}
    return {
        "keys": tuple(GossipKey(key, key in primaries) for key in cluster.keys),
        "root": cluster.root.trust,
        "beat_every": beat_every(cluster.spec.heartbeat),
        "data_path_port": cluster.data_path_port,
        "cluster_id": cluster.id,
    }
