"""Replicated services: as many places as the spec says, each with one task.

Keys: ("service", id) when a service came or changed: count its places. ("place", service id, slot) when a task of it
moved: tend that place alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.restart import clear, held, tend
from fairlead.core.swarm.snapshot import Places, Snapshot
from fairlead.core.swarm.tasks import make, wish
from fairlead.model.swarm.node import DOWN, Node
from fairlead.model.swarm.service import REPLICATED, Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "replicated"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    """Changed specs and moved tasks of replicated services; and a node that is lost, since places wait for it."""
    return keys_of(REPLICATED, old, new, snapshot)


def keys_of(kind: str, old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterator[Key]:
    """The keys that any loop over places of services of `kind` has."""
    if isinstance(new, Service):
        if new.spec.mode.kind == kind and (not isinstance(old, Service) or old.spec is not new.spec):
            yield ("service", new.id)
    elif isinstance(new, Task) or isinstance(old, Task):
        yield from _keys_of_task(kind, old, new, snapshot)
    elif isinstance(old, Node) and (not isinstance(new, Node) or _lost(old, new)):
        for task in snapshot.tasks_on(old.id).values():
            if _of_kind(task, kind, snapshot):
                yield ("place", task.service_id, task.place)


def _keys_of_task(kind: str, old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterator[Key]:
    task = new if isinstance(new, Task) else old
    assert isinstance(task, Task)
    if not _of_kind(task, kind, snapshot):
        return
    if isinstance(old, Task) and isinstance(new, Task):
        if old.status.state == new.status.state and old.desired == new.desired:
            return
        if new.dead or new.desired != old.desired:
            yield ("place", task.service_id, task.place)
    else:
        yield ("place", task.service_id, task.place)


def _of_kind(task: Task, kind: str, snapshot: Snapshot) -> bool:
    service = snapshot.services.get(task.service_id)
    return service is not None and service.spec.mode.kind == kind


def _lost(old: Node, new: Node) -> bool:
    return new.status.state == DOWN and old.status.state != DOWN


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for key in keys:
        service = snapshot.services.get(key[1])
        if service is None or service.spec.mode.kind != REPLICATED:
            continue
        if key[0] == "place":
            tend(key, service, snapshot, moment, out)
        else:
            _count_places(service, snapshot, moment, out)
    return out


def _count_places(service: Service, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    places = snapshot.places(service.id)
    taken = [place for place, tasks in places.items() if held(tasks, service, moment.now)]
    missing = service.spec.mode.replicas - len(taken)
    if missing > 0:
        for slot in _free_slots(set(taken), missing):
            born(service, slot, snapshot, moment, out)
    elif missing < 0:
        for place in _least_useful(taken, places)[:-missing]:
            for task in places[place].values():
                out.put(wish(task, TaskState.REMOVE))


def born(service: Service, slot: int, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    """A task in a free slot. It is wished READY first where an earlier task of the slot still stops."""
    task = make(service, slot, "", moment)
    if not clear(task, snapshot.at(service.id, task.place), snapshot.nodes):
        task = replace(task, desired=TaskState.READY, not_before=moment.now)
    out.put(task)


def _free_slots(taken: set[str], wanted: int) -> list[int]:
    free = (slot for slot in count(1) if str(slot) not in taken)
    return [next(free) for _ in range(wanted)]


def _least_useful(taken: list[str], places: Places) -> list[str]:
    """Places in the order in which to give them up: those that do not run, then from the fullest nodes, then the
    highest slots. A node's count goes down with each place that it gives up."""
    by_node: dict[str, list[str]] = {}
    for place in sorted(taken, key=int):
        by_node.setdefault(_runs_on(places[place].values()), []).append(place)
    idle = by_node.pop("", [])
    ranked = ((rank, int(place), place) for mine in by_node.values() for rank, place in enumerate(mine, 1))
    return [*reversed(idle), *(place for _, _, place in sorted(ranked, reverse=True))]


def _runs_on(tasks: Iterable[Task]) -> str:
    """The node on which the place's task runs, or ""."""
    alive = (task.node_id for task in tasks if task.wanted and task.status.state == TaskState.RUNNING)
    return next(alive, "")
