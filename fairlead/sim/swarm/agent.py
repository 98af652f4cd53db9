"""A simulated node: it starts and stops what it is told to, takes its time, sometimes fails, and remembers when each
container ran, so that a test can ask whether a slot ever had two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from fairlead.core.swarm.dispatch import Difference
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.sim.gossip.schedule import Schedule

NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Seconds, and the probability that a container fails after it started. `images` that start with "bad" always
    fail at their start."""

    start: float = 0.5
    stop: float = 0.5
    failing: float = 0.0


@dataclass(slots=True)
class Container:
    """`started` and `ended` in virtual seconds; `ended` None while it runs."""

    task: Task
    started: float | None = None
    ended: float | None = None
    status: TaskStatus = field(default_factory=TaskStatus)
    stopping: bool = False

    def overlaps(self, other: Container) -> bool:
        if self.started is None or other.started is None:
            return False
        first, second = (self, other) if self.started <= other.started else (other, self)
        return first.ended is None or first.ended > (second.started or 0.0)


Report = Callable[[str, str, TaskStatus], None]


class Agent:
    """One node. `report(node id, task id, status)` tells the manager, if the network lets it."""

    def __init__(self, node_id: str, schedule: Schedule, random: Random, behaviour: Behaviour, report: Report) -> None:
        self.node_id = node_id
        self.containers: dict[str, Container] = {}
        self.past: list[Container] = []
        self.alive = True
        self._schedule, self._random, self._behaviour, self._report = schedule, random, behaviour, report

    def told(self, news: Difference, *, everything: bool = False) -> None:
        """Take over a difference, or with `everything` all assignments: what is not among them is stopped."""
        if not self.alive:
            return
        if everything:
            known = {task.id for task in news.tasks}
            for task_id in [task_id for task_id in self.containers if task_id not in known]:
                self._forget(task_id)
        for task_id in news.drop_tasks:
            self._forget(task_id)
        for task in news.tasks:
            self._take(task)

    def crash(self) -> None:
        """The machine is gone, and with it what ran."""
        self.alive = False
        for container in self.containers.values():
            self._end(container)
        self.past += self.containers.values()
        self.containers = {}

    def fail(self, task_id: str) -> None:
        """The container of a task ends by itself."""
        self._fail(self.containers[task_id])

    def tell_again(self) -> None:
        """After a new session: report what is."""
        for task_id, container in self.containers.items():
            if container.status.state > TaskState.ASSIGNED:
                self._report(self.node_id, task_id, container.status)

    def _take(self, task: Task) -> None:
        container = self.containers.setdefault(task.id, Container(task))
        container.task = task
        if task.desired > TaskState.COMPLETE:
            self._stop(container)
        elif container.status.state < TaskState.READY:
            self._say(container, TaskState.READY, "prepared")
        if task.desired in (TaskState.RUNNING, TaskState.COMPLETE) and container.status.state == TaskState.READY:
            self._say(container, TaskState.STARTING, "starting")
            container.started = self._schedule.now
            self._schedule.after(self._delay(self._behaviour.start), self._up, container)

    def _up(self, container: Container) -> None:
        if not self._current(container) or container.status.state != TaskState.STARTING or container.stopping:
            return
        spec = container.task.spec.container
        if spec is not None and spec.image.startswith("bad"):
            self._end(container)
            self._say(container, TaskState.FAILED, "started", "task: non-zero exit (1)")
        elif container.task.desired == TaskState.COMPLETE:
            self._end(container)
            self._say(container, TaskState.COMPLETE, "finished")
        else:
            self._say(container, TaskState.RUNNING, "started")
            if self._random.random() < self._behaviour.failing:
                self._schedule.after(self._delay(4.0), self._fail, container)

    def _fail(self, container: Container) -> None:
        if self._current(container) and container.status.state == TaskState.RUNNING and not container.stopping:
            self._end(container)
            self._say(container, TaskState.FAILED, "started", "task: non-zero exit (137)")

    def _stop(self, container: Container) -> None:
        if container.stopping or container.status.state.ended:
            return
        container.stopping = True
        delay = self._delay(self._behaviour.stop) if container.started is not None else 0.0
        self._schedule.after(delay, self._down, container)

    def _down(self, container: Container) -> None:
        if self.alive and not container.status.state.ended:
            self._end(container)
            self._say(container, TaskState.SHUTDOWN, "shutdown")

    def _end(self, container: Container) -> None:
        if container.started is not None and container.ended is None:
            container.ended = self._schedule.now

    def _forget(self, task_id: str) -> None:
        container = self.containers.pop(task_id, None)
        if container is not None:
            self._end(container)
            self.past.append(container)

    def _current(self, container: Container) -> bool:
        return self.alive and self.containers.get(container.task.id) is container

    def _delay(self, mean: float) -> float:
        return mean * (0.5 + self._random.random())

    def _say(self, container: Container, state: TaskState, message: str, error: str = "") -> None:
        container.status = TaskStatus(state, int(self._schedule.now * NANO), message=message, error=error)
        self._report(self.node_id, container.task.id, container.status)
