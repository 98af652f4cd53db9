"""All tasks of this node: a runner for each, woken when its wish or its container changes, and a memory on disk.

What the node was told and how far each task came is written down before it counts, so that another daemon goes on
from there: what runs goes on running, and nothing is started twice. No manager is needed for that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping

from fairlead.core.swarm.dispatch import Difference
from fairlead.core.swarm.naming import PREFIX
from fairlead.engine import records
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.presences import Presences
from fairlead.engine.swarm.signs import Signs
from fairlead.engine.swarm.surroundings import Surroundings
from fairlead.engine.swarm.task_networks import TaskNetworks
from fairlead.engine.swarm.task_reports import TaskReports
from fairlead.engine.swarm.task_runner import TaskRunner, Workshop
from fairlead.engine.swarm.task_steps import TaskSteps
from fairlead.engine.swarm.told import Told
from fairlead.model.change import Change, Delete
from fairlead.model.errors import Refusal
from fairlead.model.event import Event
from fairlead.model.swarm.assignment import Assignment
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus

KIND = records.kind_of(Assignment)
WORTH_WRITING = TaskState.READY
"""Before that nothing was made that could not be made again."""
ABANDONING = 6.0
"""Seconds that killed tasks have to be gone."""

log = logging.getLogger(__name__)


class Executor:
    def __init__(
        self, host: OneHost, told: Told, surroundings: Surroundings, reports: TaskReports, signs: Signs
    ) -> None:
        self._host, self._told, self._reports = host, told, reports
        self.networks = TaskNetworks(host, told, surroundings.overlays)
        self._steps = TaskSteps(host, told, self.networks, signs)
        presences = Presences(host, told, surroundings.discovery)
        self._workshop = Workshop(self._steps, presences, host.clock, self._tell, self._forget)
        self._runners: dict[str, TaskRunner] = {}
        self._attached: dict[str, str] = {}
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()

    # --- what the node does -----------------------------------------------------------------------

    def adopt(self) -> None:
        """At boot: go on with the tasks that the store remembers."""
        self._start("events", self._listen())
        self._start("networks", self._release_networks())
        containers = self._containers()
        for assignment in records.load(Assignment, self._host.store.load()):
            self._run(assignment.task, assignment.status, containers.get(assignment.id, ""))

    async def take(self, change: Difference, *, everything: bool) -> None:
        """Take over what the managers say; with `everything` all other tasks end here, and containers of none go."""
        known = {task.id for task in change.tasks}
        dropped = set(change.drop_tasks) | (self._runners.keys() - known if everything else set())
        await self._write([self._assignment(task) for task in change.tasks])
        containers = self._containers() if any(task.id not in self._runners for task in change.tasks) else {}
        for task in change.tasks:
            if (runner := self._runners.get(task.id)) is not None:
                runner.wish(task)
            else:
                self._run(task, task.status, containers.get(task.id, ""))
        for task_id in dropped & self._runners.keys():
            self._reports.forget(task_id)
            self._runners[task_id].drop()
        if everything:
            self._start("strays", self._remove_strays())
        self.wake()

    def wake(self) -> None:
        """What tasks wait for may be known now."""
        for runner in self._runners.values():
            runner.wake()

    def look_for_unused_networks(self) -> None:
        """A network that was removed while no task was on it goes now."""
        self._ended.set()

    @property
    def statuses(self) -> Mapping[str, TaskStatus]:
        """Of all tasks about which something can be told."""
        return {
            task_id: runner.status
            for task_id, runner in self._runners.items()
            if runner.status.state > TaskState.ASSIGNED
        }

    def container_of(self, task_id: str) -> str:
        """ "" when it has none (yet)."""
        runner = self._runners.get(task_id)
        return runner.container_id if runner is not None else ""

    async def abandon(self) -> None:
        """The node leaves the swarm: kill all tasks, as Docker does, and return when nothing of them is left. One that
        cannot be ended keeps nobody here: its container stays, for its user to remove."""
        runners = list(self._runners.values())
        doing = [task for task_id, task in self._doing.items() if task_id in self._runners]
        for runner in runners:
            runner.abandon()
        kills = (self._steps.kill(runner.task, runner.container_id) for runner in runners)
        try:
            async with asyncio.timeout(ABANDONING):
                await asyncio.gather(*kills, return_exceptions=True)
                await asyncio.gather(*doing, return_exceptions=True)
        except TimeoutError:
            stuck = ", ".join(sorted(self._runners))
            log.error("tasks of the swarm that was left could not be ended: %s", stuck)

    async def close(self) -> None:
        """Look after nothing any more; containers run on."""
        doing = list(self._doing.values())
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)

    # --- runners ----------------------------------------------------------------------------------

    def _run(self, task: Task, status: TaskStatus, container_id: str) -> None:
        runner = self._runners[task.id] = TaskRunner(task, status, container_id, self._workshop)
        if task.spec.attached_container:
            self._attached[task.spec.attached_container] = task.id
        self._start(task.id, self._attend(runner))

    async def _attend(self, runner: TaskRunner) -> None:
        await runner.run()
        self._runners.pop(runner.task.id, None)
        self._attached.pop(runner.task.spec.attached_container, None)
        self._ended.set()

    def _start(self, name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._doing[name] = task
        task.add_done_callback(lambda done: self._done(name, done))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        if self._doing.get(name) is task:
            del self._doing[name]
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("looking after a task broke", exc_info=fault, extra={"task": name})

    async def _listen(self) -> None:
        """Containers change by themselves and by their user's hand."""
        while True:
            async for event in self._host.events.subscribe(wanted=_of_container):
                runner = self._runners.get(self._task_of(event))
                if runner is not None:
                    runner.wake()
            self.wake()

    def _task_of(self, event: Event) -> str:
        return event.attributes.get(f"{PREFIX}task.id") or self._attached.get(event.actor, "")

    # --- memory -----------------------------------------------------------------------------------

    def _containers(self) -> dict[str, str]:
        """The containers of tasks, by task."""
        containers = self._host.state.containers.values()
        return {container.spec.task_id: container.id for container in containers if container.spec.task_id}

    def _assignment(self, task: Task) -> Assignment:
        runner = self._runners.get(task.id)
        return Assignment(task.id, task, runner.status if runner is not None else task.status)

    async def _write(self, assignments: list[Assignment]) -> None:
        changes: list[Change] = [records.put(assignment) for assignment in assignments]
        if changes:
            await self._host.store.commit(changes)

    async def _tell(self, assignment: Assignment) -> None:
        if assignment.status.state >= WORTH_WRITING:
            await self._write([assignment])
        self._reports.put(assignment.id, assignment.status)
        if assignment.status.state.ended:
            self._ended.set()

    async def _forget(self, task_id: str) -> None:
        await self._host.store.commit([Delete(KIND, task_id)])
        self._reports.forget(task_id)

    async def _release_networks(self) -> None:
        """A network goes after the last task that was on it."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            try:
                await self.networks.release([runner.task for runner in self._runners.values() if runner.live])
            except Refusal as refusal:
                log.error("a network of the swarm was not let go: %s", refusal.message)

    async def _remove_strays(self) -> None:
        """Containers that some membership has left behind."""
        for task_id, container_id in self._containers().items():
            if task_id not in self._runners:
                log.info("removing the container of a task that is not this node's", extra={"task": task_id})
                try:
                    await self._steps.remove(container_id)
                except Refusal as refusal:
                    log.error("a stray container stays: %s", refusal.message, extra={"container": container_id})


def _of_container(event: Event) -> bool:
    return event.kind == "container" and event.action.startswith(("start", "die", "destroy", "health_status"))
