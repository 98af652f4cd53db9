"""Tasks of nodes that do not come back: of a removed node at once, of a lost one after a day.

An orphan is dead: its addresses and ports are given to others. A node that comes back later than that is told that its
tasks are not wanted any more before it is told anything else. Keys: ("node", id).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.node import DOWN, Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus

name = "orphans"
PATIENCE = 24 * HOUR


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    if isinstance(new, Node) and new.status.state == DOWN:
        yield ("node", new.id)
    elif isinstance(old, Node) and new is None:
        yield ("node", old.id)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for key in keys:
        node = snapshot.nodes.get(key[1])
        if node is not None and node.status.state != DOWN:
            continue
        if node is not None and moment.now < node.status.since + PATIENCE:
            out.wake(node.status.since + PATIENCE, key)
            continue
        reason = "the node was removed" if node is None else "the node was lost for 24 hours"
        for task in snapshot.tasks_on(key[1]).values():
            if task.holds_resources:
                out.put(orphaned(task, reason, moment.now))
    return out


def orphaned(task: Task, reason: str, now: int) -> Task:
    status = TaskStatus(TaskState.ORPHANED, now, task.status.started, "orphaned", reason, task.status.container)
    return replace(task, status=status)
