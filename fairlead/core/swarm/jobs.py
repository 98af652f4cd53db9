"""Jobs: tasks that shall complete.

A replicated job runs until `total` tasks completed, at most `concurrent` at a time; a global job once on each node. An
update of the service starts the next iteration: what still runs of the last one is removed. Completed tasks of the
current iteration are its memory and are kept as long as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.orchestrate_global import look, per_node_keys
from fairlead.core.swarm.orchestrate_replicated import born, keys_of
from fairlead.core.swarm.restart import held, tend
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import wish
from fairlead.model.swarm.service import GLOBAL_JOB, REPLICATED_JOB, Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "jobs"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    yield from keys_of(REPLICATED_JOB, old, new, snapshot)
    yield from per_node_keys(GLOBAL_JOB, old, new, snapshot)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for key in keys:
        service = snapshot.services.get(key[1])
        if service is None or not service.spec.mode.job:
            continue
        if key[0] == "service":
            _end_last_iteration(service, snapshot, out)
        if service.spec.mode.kind == REPLICATED_JOB:
            if key[0] == "place":
                tend(key, service, snapshot, moment, out)
            _fill(service, snapshot, moment, out)
        else:
            places = [key[2]] if key[0] == "place" else list(snapshot.nodes)
            for place in places:
                _once(service, place, snapshot, moment, out)
    return out


def current(task: Task, service: Service) -> bool:
    """Does the task belong to the run that the service is in?"""
    return service.job is None or task.iteration == service.job.iteration


def completed(task: Task, service: Service) -> bool:
    return task.status.state == TaskState.COMPLETE and current(task, service)


def _end_last_iteration(service: Service, snapshot: Snapshot, out: Changes) -> None:
    for task in snapshot.tasks_of(service.id):
        if not current(task, service):
            out.put(wish(task, TaskState.REMOVE))


def _fill(service: Service, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    mode = service.spec.mode
    places = snapshot.places(service.id)
    done = busy = 0
    free: list[int] = []
    for slot in range(1, mode.total + 1):
        tasks = {task.id: task for task in places.get(str(slot), {}).values() if current(task, service)}
        if any(completed(task, service) for task in tasks.values()):
            done += 1
        elif held(tasks, service, moment.now):
            busy += 1
        else:
            free.append(slot)
        if busy >= (mode.concurrent or mode.total):
            return
    for slot in free[: (mode.concurrent or mode.total) - busy]:
        born(service, slot, snapshot, moment, out)


def _once(service: Service, node_id: str, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    if not any(completed(task, service) for task in snapshot.at(service.id, node_id).values()):
        look(service, node_id, snapshot, moment, out)
