"""Tasks that may no longer be where they are.

A node that is drained, lost or removed, that no longer satisfies a task's constraints, or that offers less than its
tasks reserve, gives tasks up. Those of replicated services and jobs are superseded elsewhere at once; those of global
services belong to the node and are `orchestrate_global`'s. Keys: ("node", id).
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.constraints import satisfies
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.orchestrate_global import standing
from fairlead.core.swarm.restart import supersede
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import wish
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "enforcer"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    """A node whose standing changed. A task that reached a node in the moment it went is the scheduler's race: it is
    looked at through its node too."""
    if isinstance(new, Task) and new.node_id and new.live and not (isinstance(old, Task) and old.node_id):
        yield ("node", new.node_id)
    elif isinstance(old, Node) and not (isinstance(new, Node) and standing(old) == standing(new)):
        yield ("node", old.id)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    superseded: set[tuple[str, str]] = set()
    for _, node_id in keys:
        node = snapshot.nodes.get(node_id)
        for task in _unfit(node, [task for task in snapshot.tasks_on(node_id).values() if task.live]):
            service = snapshot.services.get(task.service_id)
            if service is None:
                _give_up(task, node, out)
            elif task.slot and (task.service_id, task.place) in superseded:
                out.put(wish(task, TaskState.SHUTDOWN))
            elif task.slot:
                superseded.add((task.service_id, task.place))
                supersede(task, service, moment, out)
    return out


def _give_up(task: Task, node: Node | None, out: Changes) -> None:
    """A task that stands for a user's own container: a drained node keeps it, a lost one has lost it."""
    if node is None or (not node.takes_tasks and node.status.state == "down"):
        out.put(wish(task, TaskState.SHUTDOWN))


def _unfit(node: Node | None, tasks: list[Task]) -> Iterable[Task]:
    if node is None or not node.keeps_tasks:
        return tasks
    fitting = {task.id: satisfies(node, task.spec.placement.constraints) for task in tasks}
    misplaced = [task for task in tasks if not fitting[task.id]]
    return [*misplaced, *_overflow(node, [task for task in tasks if fitting[task.id]])]


def _overflow(node: Node, tasks: list[Task]) -> list[Task]:
    """The youngest tasks whose reservations the node no longer covers."""
    cpus, memory = node.description.nano_cpus, node.description.memory
    out: list[Task] = []
    for task in sorted(tasks, key=lambda task: (task.created, task.id)):
        asked = task.spec.reservations
        cpus, memory = cpus - asked.nano_cpus, memory - asked.memory
        if (asked.nano_cpus and cpus < 0) or (asked.memory and memory < 0):
            out.append(task)
            cpus, memory = cpus + asked.nano_cpus, memory + asked.memory
    return out
