"""Updates: one place after another gets the service's new template.

A place is *outdated* while somebody in it was made from another template. The state of an update follows from the
tasks alone, so a new leader goes on where the last one stood; only the count of failures is written down.

    updating ──all places new, running, watched for `monitor`──▶ completed
       │ more failures than `max_failure_ratio`
       ├─ pause ────▶ paused           (until the user changes the spec)
       ├─ continue ─▶ updating
       └─ rollback ─▶ rollback_started ──▶ rollback_completed, or ──failures──▶ rollback_paused

stop-first: the old task is shut down, and its successor let go when it has ended. start-first: the new task is let
go at once, and the old one is shut down when the new one runs (which with a health check means: is healthy); where it
fails and the update goes on, the old one stays. At most `parallelism` places are busy: from the change until the new
task runs and `delay` has passed.

Keys: ("service", id).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.restart import held
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import make, newest, outdated, wish
from fairlead.model.swarm.node import DRAIN
from fairlead.model.swarm.service import (
    COMPLETED,
    CONTINUE,
    PAUSED,
    ROLLBACK,
    ROLLBACK_COMPLETED,
    ROLLBACK_PAUSED,
    ROLLBACK_STARTED,
    START_FIRST,
    UPDATING,
    Service,
    UpdateConfig,
    UpdateStatus,
)
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "rollout"
_FAILED = (TaskState.FAILED, TaskState.REJECTED, TaskState.COMPLETE)


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    if isinstance(new, Service):
        if not isinstance(old, Service) or (old.spec, old.update) != (new.spec, new.update):
            return [("service", new.id)]
    elif isinstance(new, Task) and new.service_id:
        service = snapshot.services.get(new.service_id)
        if service is not None and service.update is not None and service.update.in_progress:
            return [("service", service.id)]
    return []


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for _, service_id in keys:
        service = snapshot.services.get(service_id)
        if service is None or service.spec.mode.job or (service.update is not None and service.update.halted):
            continue
        view = look(service, snapshot, moment.now)
        if service.update is None and view.outdated:
            out.put(replace(service, update=_begun(len(view.outdated), moment.now)))
        elif service.update is not None and service.update.in_progress:
            _go_on(service, view, snapshot, moment, out)
    return out


def _begun(total: int, now: int) -> UpdateStatus:
    return UpdateStatus(UPDATING, started=now, message="update in progress", total=total)


@dataclass(slots=True)
class View:
    """The places of a service, sorted. `doubled` have a new task beside an old one; `busy` have a new task that has
    not come up, or came up less than `delay` ago; `failed` maps a place to the task that failed there; `watched` is
    until when the last task that came up is watched (0: nothing left to watch)."""

    outdated: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    starting: bool = False
    watched: int = 0
    next_free: int = 0


def config_of(service: Service) -> UpdateConfig:
    """How the service is to be changed now: forward or back."""
    rolling_back = service.update is not None and service.update.rolling_back
    return (service.spec.rollback if rolling_back else service.spec.update) or UpdateConfig()


def look(service: Service, snapshot: Snapshot, now: int) -> View:
    """Sort the places of a service by what its update has done with them."""
    view, config = View(), config_of(service)
    for place, tasks in snapshot.places(service.id).items():
        if not held(tasks, service, now):
            continue
        wanted = [task for task in tasks.values() if task.wanted] or [newest(tasks.values())]
        old = [task for task in wanted if outdated(task, service, snapshot.nodes)]
        _watch(place, list(tasks.values()), service, config, now, view)
        if len(old) == len(wanted) and place not in view.failed:
            view.outdated.append(place)
        elif 0 < len(old) < len(wanted):
            view.doubled.append(place)
    view.outdated.sort(key=lambda place: (_running(snapshot, service, place), len(place), place))
    return view


def _running(snapshot: Snapshot, service: Service, place: str) -> bool:
    tasks = snapshot.at(service.id, place).values()
    return any(task.wanted and task.status.state == TaskState.RUNNING for task in tasks)


def _watch(place: str, tasks: list[Task], service: Service, config: UpdateConfig, now: int, view: View) -> None:
    """Note of one place how its new tasks fare."""
    since = service.update.started if service.update is not None else now
    fresh = [task for task in tasks if task.created >= since and task.spec == service.spec.template]
    for task in fresh:
        if _failed_early(task, config.monitor):
            view.failed[place] = task.id
    if not fresh:
        return
    task = newest(fresh)
    if task.status.state == TaskState.RUNNING and task.status.started:
        free, watched = task.status.started + config.delay, task.status.started + config.monitor
        if free > now:
            view.busy.append(place)
            view.next_free = min(view.next_free or free, free)
        if watched > now:
            view.watched = max(view.watched, watched)
    elif not task.status.state.ended and place not in view.failed:
        view.starting = True
        view.busy.append(place)


def _failed_early(task: Task, monitor: int) -> bool:
    """Did a new task end by itself before it ran for `monitor`?"""
    status = task.status
    return status.state in _FAILED and (not status.started or status.at - status.started <= monitor)


# --- going on -------------------------------------------------------------------------------------


def _go_on(service: Service, view: View, snapshot: Snapshot, moment: Moment, out: Changes) -> None:
    config, update = config_of(service), service.update
    assert update is not None
    fresh = [place for place in view.failed if place not in update.failures]
    if fresh:
        service = replace(service, update=replace(update, failures=(*update.failures, *fresh)))
        after = _after_failure(service, config, view.failed[fresh[-1]], moment.now)
        out.put(after)
        if after.update is None or not after.update.in_progress or after.spec is not service.spec:
            return
    for place in view.doubled:
        _retire(service, place, snapshot, out)
    free = (config.parallelism or len(view.outdated)) - len(view.busy)
    for place in view.outdated[: max(0, free)]:
        _change(service, place, config, snapshot, moment, out)
    if view.next_free:
        out.wake(view.next_free, ("service", service.id))
    if not view.outdated and not view.doubled and not view.starting:
        _finish(service, view, moment.now, out)


def _finish(service: Service, view: View, now: int, out: Changes) -> None:
    update = service.update
    assert update is not None
    if view.watched:
        out.wake(view.watched, ("service", service.id))
        return
    back = update.rolling_back
    state, message = (ROLLBACK_COMPLETED, "rollback completed") if back else (COMPLETED, "update completed")
    out.put(replace(service, update=replace(update, state=state, message=message, completed=now)))


def _after_failure(service: Service, config: UpdateConfig, task_id: str, now: int) -> Service:
    """The service once its update's failures are one more."""
    update = service.update
    assert update is not None
    tolerable = len(update.failures) / max(update.total, 1) <= config.max_failure_ratio
    if tolerable or config.failure_action == CONTINUE:
        return service
    cause = f"due to failure or early termination of task {task_id}"
    if config.failure_action == ROLLBACK and not update.rolling_back and service.previous is not None:
        # What failed is nothing to go back to: a `service rollback` after this one is refused, as Docker does.
        return replace(rolled_back(service, f"update rolled back {cause}", now), previous=None)
    state, word = (ROLLBACK_PAUSED, "rollback") if update.rolling_back else (PAUSED, "update")
    return replace(service, update=replace(update, state=state, message=f"{word} paused {cause}"))


def rolled_back(service: Service, message: str, now: int) -> Service:
    """The service with its previous spec, on its way there. A place that is as it was needs no change."""
    assert service.previous is not None
    total = max(service.previous.mode.replicas, service.update.total if service.update is not None else 1)
    status = UpdateStatus(ROLLBACK_STARTED, started=now, message=message, total=total)
    return replace(service, spec=service.previous, previous=service.spec, update=status)


def _change(
    service: Service, place: str, config: UpdateConfig, snapshot: Snapshot, moment: Moment, out: Changes
) -> None:
    """Put a new task into an outdated place, before or after the old one has stopped. With start-first the one that
    serves stays; what an earlier update left there half done does not."""
    tasks = snapshot.at(service.id, place)
    slot = newest(tasks.values()).slot
    task = make(service, slot, "" if slot else place, moment)
    if config.order == START_FIRST and not _leaving(tasks.values(), snapshot):
        serving = [old for old in tasks.values() if old.wanted and old.status.state == TaskState.RUNNING][-1:]
        for old in tasks.values():
            if old.wanted and old not in serving:
                out.put(wish(old, TaskState.SHUTDOWN))
        out.put(task)
        return
    for old in tasks.values():
        if old.wanted:
            out.put(wish(old, TaskState.SHUTDOWN))
    out.put(replace(task, desired=TaskState.READY, not_before=moment.now))


def _leaving(tasks: Iterable[Task], snapshot: Snapshot) -> bool:
    """Is an old task on a node that is being emptied? Then it goes first, whatever the order."""
    nodes = (snapshot.nodes.get(task.node_id) for task in tasks if task.wanted)
    return any(node is not None and node.spec.availability == DRAIN for node in nodes)


def _retire(service: Service, place: str, snapshot: Snapshot, out: Changes) -> None:
    """start-first: the new task runs, so the old one may go."""
    wanted = [task for task in snapshot.at(service.id, place).values() if task.wanted]
    old = [task for task in wanted if outdated(task, service, snapshot.nodes)]
    if any(task not in old and task.status.state == TaskState.RUNNING for task in wanted):
        for task in old:
            out.put(wish(task, TaskState.SHUTDOWN))
