"""What follows a task that ended by itself, or that cannot stay where it is.

A successor takes the same place (slot). It is born wished READY: it gets addresses and a node, and its image is pulled
there, while its predecessor still stops. It is wished RUNNING when nothing else runs in the place and its delay is
over. So a slot never has two containers, except where an update says start-first.

How often a place was restarted travels with the tasks (`Task.restarts`), so that a new leader counts on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fairlead.core.swarm.changes import Changes, Key
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import goal, gone, make, newest, wish
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import ANY, NONE, RestartPolicy

_SELF_ENDED = (TaskState.COMPLETE, TaskState.FAILED, TaskState.REJECTED)


def again(task: Task, policy: RestartPolicy, now: int) -> bool:
    """Shall a task that ended by itself be followed by another? By condition and by attempts left."""
    if policy.condition == NONE or (policy.condition != ANY and task.status.state == TaskState.COMPLETE):
        return False
    return not policy.attempts or len(counted(task, policy, now)) < policy.attempts


def counted(task: Task, policy: RestartPolicy, now: int) -> tuple[int, ...]:
    """The earlier restarts of the task's place that count at `now`."""
    if not policy.attempts:
        return ()
    return tuple(when for when in task.restarts if not policy.window or now - when < policy.window)


def rests(task: Task, service: Service, now: int) -> bool:
    """Has the task ended by itself for good? Then its place stays taken: nothing follows it until an update."""
    over = task.status.state in _SELF_ENDED and task.desired == TaskState.SHUTDOWN
    return over and not again(task, service.spec.template.restart, now)


def held(tasks: Mapping[str, Task], service: Service, now: int) -> bool:
    """Does somebody want, or rightly rest in, this place?"""
    if any(task.wanted for task in tasks.values()):
        return True
    return bool(tasks) and rests(newest(tasks.values()), service, now)


def successor(task: Task, service: Service, moment: Moment, *, moved: bool = False) -> Task:
    """The task that takes over from `task`: after the policy's delay, or with `moved` as soon as it has ended."""
    policy = service.spec.template.restart
    born = make(service, task.slot, "" if task.slot else task.node_id, moment)
    past = counted(task, policy, moment.now)
    return replace(
        born,
        desired=TaskState.READY,
        not_before=moment.now if moved else moment.now + policy.pause,
        restarts=past if moved or not policy.attempts else (*past, moment.now),
    )


def supersede(task: Task, service: Service, moment: Moment, out: Changes) -> None:
    """Move the work of `task`, which cannot stay where it is, to a successor. It is no restart: nothing failed."""
    out.put(wish(task, TaskState.SHUTDOWN))
    out.put(successor(task, service, moment, moved=True))


def tend(place: Key, service: Service, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    """Look at one place: follow what ended, and let go what waits."""
    tasks = snapshot.at(service.id, place[-1])
    for task in tasks.values():
        if task.wanted and task.status.state.ended and not _done(task):
            if task.desired == TaskState.READY and moment.now < task.not_before:
                # It failed while it was made ready (no image, say): its delay counts all the same.
                out.wake(task.not_before, place)
            else:
                _follow(task, tasks.values(), service, moment, out)
    for task in tasks.values():
        if task.desired == TaskState.READY and not task.status.state.ended:
            _let_go(task, place, snapshot, service, moment, out)


def _done(task: Task) -> bool:
    """A job's task that did what it was wished to do."""
    return task.desired == TaskState.COMPLETE and task.status.state == TaskState.COMPLETE


def _follow(task: Task, place: Iterable[Task], service: Service, moment: Moment, out: Changes) -> None:
    out.put(wish(task, TaskState.SHUTDOWN))
    if any(other.wanted and other is not task for other in place):
        return
    if again(task, service.spec.template.restart, moment.now) or task.status.state == TaskState.ORPHANED:
        out.put(successor(task, service, moment))


def _let_go(task: Task, place: Key, snapshot: Snapshot, service: Service, moment: Moment, out: Changes) -> None:
    siblings = snapshot.at(service.id, task.place)
    if any(one.live and one.desired > TaskState.READY for one in siblings.values()):
        # A start-first update had two tasks here when one had to move; the other is successor enough.
        out.put(wish(task, TaskState.SHUTDOWN))
        return
    if not clear(task, siblings, snapshot.nodes):
        return
    if moment.now < task.not_before:
        out.wake(task.not_before, place)
    else:
        out.put(wish(task, goal(service)))


def clear(task: Task, place: Mapping[str, Task], nodes: Mapping[str, Node]) -> bool:
    """Is nothing else in the place that may run?"""
    return all(other.id == task.id or gone(other, nodes) for other in place.values())
