"""One task on its node: look, decide (`core.swarm.worker`), do, and again, as long as the managers name the task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace

from fairlead.core.swarm.worker import Act, decide, failed
from fairlead.engine.ports import Clock
from fairlead.engine.swarm.presences import Presences
from fairlead.engine.swarm.task_steps import TaskSteps
from fairlead.model.errors import Refusal
from fairlead.model.swarm.assignment import Assignment
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus

QUIESCE = 3.0
"""Seconds that the other nodes have to send nobody to a task any more before it is asked to stop."""
ANSWERING = 2.0
"""Seconds in which it may answer those who have reached it."""
RETRY = 1.0
"""Seconds after which a stop or removal that failed is tried again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all tasks of the node share. `tell` writes a state down and reports it; `forget` does away with the task's
    document."""

    steps: TaskSteps
    presences: Presences
    clock: Clock
    tell: Callable[[Assignment], Awaitable[None]]
    forget: Callable[[str], Awaitable[None]]


class TaskRunner:
    def __init__(self, task: Task, status: TaskStatus, container_id: str, workshop: Workshop) -> None:
        self.task, self.status = task, status
        self.container_id = container_id
        self._workshop = workshop
        self._steps = workshop.steps
        self._changed = asyncio.Event()
        self._dropped = self._hurried = False
        self._gone = False

    @property
    def live(self) -> bool:
        """It has not ended."""
        return not self.status.state.ended

    def wish(self, task: Task) -> None:
        """The managers' last word. A wish moves only towards the end, whatever order words arrive in."""
        self.task = replace(task, desired=max(task.desired, self.task.desired))
        self.wake()

    def drop(self) -> None:
        """The managers have forgotten the task: end it, and leave nothing of it."""
        self._dropped = True
        self.wish(replace(self.task, desired=TaskState.REMOVE))

    def abandon(self) -> None:
        """The node leaves the swarm: end the task at once, and leave nothing of it."""
        self._hurried = True
        self.drop()

    def wake(self) -> None:
        """Something may have changed: look again."""
        self._changed.set()

    async def run(self) -> None:
        """Returns when the task was dropped and nothing of it is left."""
        while not self._gone:
            self._changed.clear()
            try:
                await self._turn()
            except Refusal as refusal:
                log.error("a task is stuck: %s", refusal.message, extra={"task": self.task.id})
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("a task is stuck", extra={"task": self.task.id})
                await asyncio.sleep(RETRY)

    async def _turn(self) -> None:
        container = self._steps.look(self.task, self.container_id)
        decision = decide(self.task, self.status, container, self._workshop.clock.now())
        if decision.status != self.status:
            await self._enter(decision.status)
            return
        if decision.act is not Act.STOP:
            serving = self.status.state == TaskState.RUNNING and self.task.wanted
            await self._workshop.presences.follow(self.task, self.container_id, serving=serving)
        if decision.act is Act.REST and self._dropped:
            await self._remove()
        elif decision.act is Act.REST or not self._steps.ready(self.task, decision.act):
            await self._changed.wait()
        else:
            await self._do(decision.act)

    async def _enter(self, status: TaskStatus) -> None:
        if not self._dropped:
            await self._workshop.tell(Assignment(self.task.id, self.task, status))
        self.status = status

    async def _do(self, act: Act) -> None:
        if act is Act.STOP:
            await self._stop()
            return
        try:
            await (self._prepare() if act is Act.PREPARE else self._start())
        except Refusal as refusal:
            error = refusal.message
        except Exception as fault:
            log.exception("a task's step broke", extra={"task": self.task.id})
            error = f"internal error: {fault!r}"
        else:
            return
        await self._enter(failed(self.status, error, self._workshop.clock.now()))

    async def _prepare(self) -> None:
        await self._while_wanted(self._steps.bring(self.task))
        if self.task.wanted:
            self.container_id = await self._steps.make(self.task)

    async def _while_wanted(self, step: Coroutine[None, None, None]) -> None:
        """Carry a step out that may take long; it is broken off when nobody wants the task any more."""
        doing = asyncio.create_task(step)
        doing.add_done_callback(lambda _: self.wake())
        try:
            while not doing.done() and self.task.wanted:
                self._changed.clear()
                await self._changed.wait()
        finally:
            doing.cancel()
        await asyncio.gather(doing, return_exceptions=not self.task.wanted)

    async def _start(self) -> None:
        async with self._steps.starts:
            if self.task.wanted and self._steps.ready(self.task, Act.START):
                await self._steps.start(self.task, self.container_id)

    async def _stop(self) -> None:
        """First nobody is sent to it any more, then who is there is answered, then it is asked to end."""
        if self._hurried:
            await self._steps.kill(self.task, self.container_id)
            return
        if await self._workshop.presences.retire(self.task, self.container_id, QUIESCE):
            await self._steps.answered(self.container_id, ANSWERING)
        await self._steps.stop(self.task, self.container_id)

    async def _remove(self) -> None:
        if not self.task.spec.attached_container:
            await self._steps.remove(self.container_id)
        await self._workshop.presences.follow(self.task, self.container_id, serving=False)
        await self._workshop.forget(self.task.id)
        self._gone = True
