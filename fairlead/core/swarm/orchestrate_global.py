"""Global services: one task on each node that satisfies the constraints.

A node that is paused keeps its task and gets no new one; a drained or lost one has its task shut down, and gets a new
one when it comes back. Keys: ("service", id), ("place", service id, node id).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.constraints import satisfies
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.orchestrate_replicated import keys_of
from fairlead.core.swarm.restart import clear, held, tend
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import make, wish
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import GLOBAL, GLOBAL_JOB, Service
from fairlead.model.swarm.states import TaskState

name = "global"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    return per_node_keys(GLOBAL, old, new, snapshot)


def per_node_keys(kind: str, old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterator[Key]:
    """A changed node is a place of every service of `kind`."""
    yield from keys_of(kind, old, new, snapshot)
    if isinstance(new, Node) and (not isinstance(old, Node) or standing(old) != standing(new)):
        for service in snapshot.services.values():
            if service.spec.mode.kind == kind:
                yield ("place", service.id, new.id)


def standing(node: Node) -> tuple[object, ...]:
    """All of a node that decides which tasks it may have."""
    return (node.takes_tasks, node.keeps_tasks, node.role, node.spec.labels, node.description, node.status.address)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for key in keys:
        service = snapshot.services.get(key[1])
        if service is None or service.spec.mode.kind not in (GLOBAL, GLOBAL_JOB):
            continue
        places = [key[2]] if key[0] == "place" else [*snapshot.nodes, *snapshot.places(service.id)]
        for place in dict.fromkeys(places):
            look(service, place, snapshot, moment, out)
    return out


def look(service: Service, node_id: str, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    """One node of one service."""
    node = snapshot.nodes.get(node_id)
    tasks = snapshot.at(service.id, node_id)
    if node is None or not node.keeps_tasks or not satisfies(node, service.spec.template.placement.constraints):
        for task in tasks.values():
            if task.wanted:
                out.put(wish(task, TaskState.SHUTDOWN))
    elif held(tasks, service, moment.now):
        tend(("place", service.id, node_id), service, snapshot, moment, out)
    elif node.takes_tasks:
        task = make(service, 0, node_id, moment)
        if not clear(task, tasks, snapshot.nodes):
            task = replace(task, desired=TaskState.READY, not_before=moment.now)
        out.put(task)
