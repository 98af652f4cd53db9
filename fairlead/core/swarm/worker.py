"""What a node does about a task: from the swarm's wish and the container as it is, to the state to report and the one
thing to do next.

    ASSIGNED ─ ACCEPTED ─ PREPARING ─(container made)─ READY ─(wished for)─ STARTING ─(runs, healthy)─ RUNNING
                              │                          │                      │                        │
                              └──── REJECTED ◀───────────┘                      └──────── FAILED ◀───────┤
                                                                                         COMPLETE ◀──────┘ (exit 0)
    any of them, wished to end ─(container stopped)─ SHUTDOWN

Nothing here remembers: whoever holds the task looks at its container and asks again, until `Act.REST` is the answer
and nothing changed; then again when wish or container change. So a daemon that was restarted goes on where the other
one stopped. The words are Docker's: a message says how far the task came, an error why it came no further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from fairlead.model.container import CREATED, Container
from fairlead.model.swarm.endpoint import PortConfig
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import ContainerStatus, Task, TaskStatus

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
MESSAGES = {
    TaskState.ACCEPTED: "accepted",
    TaskState.PREPARING: "preparing",
    TaskState.READY: "prepared",
    TaskState.STARTING: "starting",
    TaskState.RUNNING: "started",
    TaskState.COMPLETE: "finished",
    TaskState.SHUTDOWN: "shutdown",
}
UNHEALTHY_CAUSE = "dockerexec: unhealthy container"


class Act(Enum):
    """REST: nothing until wish or container change. PREPARE: image, networks and a container that does not run yet.
    STOP: let it end, killed if it takes too long."""

    REST = "rest"
    PREPARE = "prepare"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Seen:
    """The task's container as its engine has it. `health` is "" for one without a health check. `ports` are its
    host-mode ports as bound."""

    id: str
    begun: bool = False
    running: bool = False
    pid: int = 0
    exit_code: int = 0
    health: str = ""
    ports: tuple[PortConfig, ...] = ()

    @property
    def status(self) -> ContainerStatus:
        return ContainerStatus(self.id, self.pid, self.exit_code)


@dataclass(frozen=True, slots=True)
class Decision:
    status: TaskStatus
    act: Act = Act.REST


def seen(container: Container, ports: tuple[PortConfig, ...] = ()) -> Seen:
    state = container.state
    health = state.health.status if state.health is not None else ""
    return Seen(container.id, state.status != CREATED, state.running, state.pid, state.exit_code, health, ports)


def decide(task: Task, status: TaskStatus, container: Seen | None, now: int) -> Decision:
    """`status` is what was last decided of the task; `container` None when there is none (any more)."""
    if task.spec.container is None:
        return Decision(_attachment(task, status, container, now))
    runs = container is not None and container.running
    if runs and (status.state.ended or not task.wanted):
        return Decision(status, Act.STOP)
    if status.state.ended:
        return Decision(status)
    if not task.wanted:
        return Decision(_at(TaskState.SHUTDOWN, status, container, now))
    if status.state < TaskState.STARTING:
        return _before_start(task, status, container, now)
    if container is None:
        return Decision(failed(status, f"No such container: {_container_id(status)}", now))
    return _after_start(status, container, now)


def _attachment(task: Task, status: TaskStatus, container: Seen | None, now: int) -> TaskStatus:
    """A network-attachment task lives as long as the user's container that it stands for, which it never touches."""
    if status.state.ended:
        return status
    if not task.wanted:
        return _at(TaskState.SHUTDOWN, status, container, now)
    if container is None:
        return _at(TaskState.COMPLETE, status, None, now)
    return status if status.state == TaskState.RUNNING else _at(TaskState.RUNNING, status, container, now)


def _before_start(task: Task, status: TaskStatus, container: Seen | None, now: int) -> Decision:
    if status.state < TaskState.ACCEPTED:
        return Decision(_at(TaskState.ACCEPTED, status, None, now))
    if status.state == TaskState.ACCEPTED:
        return Decision(_at(TaskState.PREPARING, status, None, now))
    if container is None:
        return Decision(status, Act.PREPARE)
    if status.state == TaskState.PREPARING:
        return Decision(_at(TaskState.READY, status, None, now))
    if task.desired > TaskState.READY:
        return Decision(_at(TaskState.STARTING, status, container, now))
    return Decision(status)


def _after_start(status: TaskStatus, container: Seen, now: int) -> Decision:
    if not container.begun:
        return Decision(status, Act.START)
    if not container.running:
        return Decision(_over(status, container, now))
    if container.health == UNHEALTHY:
        return Decision(status, Act.STOP)
    if container.health == STARTING:
        return Decision(status)
    if status.state == TaskState.STARTING:
        return Decision(_at(TaskState.RUNNING, status, container, now))
    return Decision(replace(status, container=container.status, ports=container.ports))


def _over(status: TaskStatus, container: Seen, now: int) -> TaskStatus:
    """The container ended by itself, or because it was unhealthy."""
    unhealthy = container.health == UNHEALTHY
    if not container.exit_code and not unhealthy:
        return _at(TaskState.COMPLETE, status, container, now)
    status = replace(status, container=container.status)
    if not container.exit_code:
        return failed(status, "task: unhealthy container", now)
    cause = f": {UNHEALTHY_CAUSE}" if unhealthy else ""
    return failed(status, f"task: non-zero exit ({container.exit_code}){cause}", now)


def failed(status: TaskStatus, error: str, now: int) -> TaskStatus:
    """What could not be done ends the task: REJECTED before its container was to start, FAILED from then on. The
    message stays: it tells how far the task had come."""
    state = TaskState.REJECTED if status.state < TaskState.STARTING else TaskState.FAILED
    container = replace(status.container, pid=0) if status.container is not None else None
    return replace(status, state=state, at=now, error=error, container=container, ports=())


def _at(state: TaskState, status: TaskStatus, container: Seen | None, now: int) -> TaskStatus:
    return TaskStatus(
        state,
        at=now,
        started=now if state == TaskState.RUNNING else status.started,
        message=MESSAGES[state],
        container=container.status if container is not None else status.container,
        ports=container.ports if container is not None and state == TaskState.RUNNING else (),
    )


def _container_id(status: TaskStatus) -> str:
    return status.container.container_id if status.container is not None else ""
