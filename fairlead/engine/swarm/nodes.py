"""Nodes: one method per verb of `docker node`, on the managers' store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairlead.core.swarm import revise, roles, validate
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm import filtering
from fairlead.engine.swarm.filtering import Filters
from fairlead.engine.swarm.lookup import find
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.writing import write
from fairlead.model.swarm.node import MANAGER, WORKER, Node, NodeSpec

FILTERS = frozenset({"id", "label", "membership", "name", "node.label", "role"})
ACCEPTED = "accepted"


class Nodes:
    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def list(self, filters: Filters) -> Sequence[Node]:
        """By id. Raises Invalid for filters that do not exist."""
        nodes = self._manager.snapshot.nodes.values()
        filtering.check(filters, FILTERS)
        return sorted((node for node in nodes if _matches(node, filters)), key=lambda node: node.id)

    def get(self, reference: str) -> Node:
        return _find(self._manager.snapshot, reference)

    async def update(self, reference: str, spec: NodeSpec, version: int) -> None:
        """Raises Failed when `version` is not the node's, Invalid for what may not be."""
        validate.node(spec)

        def decide(snapshot: Snapshot) -> Iterator[Change]:
            node = _find(snapshot, reference)
            revise.in_sequence(node, version)
            if node.spec.role == MANAGER and spec.role == WORKER:
                roles.may_demote(node, [other for other in snapshot.nodes.values() if other.role == MANAGER])
            yield Put(replace(node, spec=spec))

        await write(self._manager, decide)

    async def remove(self, reference: str, *, force: bool) -> None:
        """The node's certificate is worth nothing from then on."""

        def decide(snapshot: Snapshot) -> Iterator[Change]:
            node = _find(snapshot, reference)
            roles.may_remove(node, force)
            yield Drop(node)

        await write(self._manager, decide)


def _find(snapshot: Snapshot, reference: str) -> Node:
    return find("node", reference, snapshot.nodes, lambda node: node.description.hostname)


def _matches(node: Node, filters: Filters) -> bool:
    membership = filters.get("membership")
    return (
        filtering.begins(filters, "id", node.id)
        and filtering.begins(filters, "name", node.description.hostname)
        and filtering.among(filters, "role", node.role)
        and filtering.labelled(filters, node.description.engine_labels)
        and filtering.labelled({"label": filters.get("node.label", ())}, node.spec.labels)
        and (not membership or ACCEPTED in membership)
    )
