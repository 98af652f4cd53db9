"""Forgetting tasks: those wished away once nothing of them runs, and the oldest dead ones of a place beyond the history
that the cluster keeps (`--task-history-limit`, 5; a negative limit keeps all).

Keys: ("task", id) of a task that may be forgotten, ("place", service id, place) of one whose history may be too long.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.jobs import completed
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import gone
from fairlead.model.swarm.cluster import Cluster, ClusterSpec
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "reaper"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    if isinstance(new, Task):
        if new.dead and new.desired == TaskState.REMOVE:
            yield ("task", new.id)
        if old is None or new.dead:
            yield ("place", new.service_id, new.place)
    elif isinstance(old, Node) and new is None:
        yield from (("task", task.id) for task in snapshot.tasks_on(old.id).values())
    elif isinstance(new, Cluster) and isinstance(old, Cluster) and old.spec.history_limit != new.spec.history_limit:
        for service_id in snapshot.services:
            yield from (("place", service_id, place) for place in snapshot.places(service_id))


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for key in keys:
        if key[0] == "task":
            _forget(key[1], snapshot, out)
        else:
            _shorten(key[1], key[2], snapshot, out)
    return out


def _forget(task_id: str, snapshot: Snapshot, out: Changes) -> None:
    task = snapshot.tasks.get(task_id)
    if task is None or task.desired != TaskState.REMOVE:
        return
    if task.dead or (task.node_id not in snapshot.nodes and gone(task, snapshot.nodes)):
        out.drop(task)


def _shorten(service_id: str, place: str, snapshot: Snapshot, out: Changes) -> None:
    limit = (snapshot.cluster.spec if snapshot.cluster is not None else ClusterSpec()).history_limit
    tasks = snapshot.at(service_id, place)
    if limit < 0 or len(tasks) <= limit:
        return
    service = snapshot.services.get(service_id)
    history = [task for task in tasks.values() if task.dead and not _remembered(task, service)]
    history.sort(key=lambda task: (task.created, task.id))
    keep = limit if any(task.wanted for task in tasks.values()) or not history else max(limit, 1)
    for task in history[: max(0, len(history) - keep)]:
        out.drop(task)


def _remembered(task: Task, service: Service | None) -> bool:
    """Wished still, or what a job counts by."""
    job = service is not None and service.spec.mode.job
    return task.wanted or (service is not None and job and completed(task, service))
