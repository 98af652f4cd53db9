"""What happens when a container's process ends, whoever ended it.

conmon's pidfd wakes us; one task per end takes the process, the network and the mounts away, writes the result down,
announces the death, tells those who wait, and decides whether the container shall run again (`core.containers.restart`)
or go for good (`--rm`). What conmon wrote of the end goes last, in the step of the loop in which the result becomes
visible: whenever we are killed one of the two is there, and the remains of one run are never in the way of the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fairlead.core.containers.restart import Ending as EndOfRun
from fairlead.core.containers.restart import delay_before_restart
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.storage import Storage
from fairlead.engine.containers.waiting import AT_REST
from fairlead.model.container import EXITED, RESTARTING, Container
from fairlead.model.errors import NotFound, Refusal
from fairlead.model.runtime import Ended

KILLED = 137
"""What a container exits with when nobody saw how it ended: only a kill takes conmon away."""
_SECOND = 1_000_000_000

log = logging.getLogger(__name__)

Verb = Callable[[str], Awaitable[object]]


class Ending:
    """`relaunch` and `remove` are the verbs that follow an end; they are set by whoever joins the parts."""

    relaunch: Verb
    remove: Verb

    def __init__(self, context: Context, storage: Storage) -> None:
        self._context = context
        self._storage = storage
        self._concluding: dict[str, asyncio.Task[None]] = {}
        self._restarts: dict[str, asyncio.Task[None]] = {}
        self._delays: dict[str, float] = {}
        self._closing = False
        self.on_start: list[Callable[[Container], None]] = []
        self.on_end: list[Callable[[Container], None]] = []

    def started(self, container: Container) -> None:
        """A container runs: from now on its end will be noticed, also if it has come already."""
        for hook in self.on_start:
            hook(container)
        self._context.runtime.watch(container.id, lambda ended: self._begin(container.id, ended))

    def _begin(self, container_id: str, ended: Ended) -> None:
        task = asyncio.get_running_loop().create_task(self._conclude(container_id, ended))
        self._concluding[container_id] = task
        task.add_done_callback(lambda done: self._concluded(container_id, done))

    def _concluded(self, container_id: str, task: asyncio.Task[None]) -> None:
        if self._concluding.get(container_id) is task:
            del self._concluding[container_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the end of a container was not handled", exc_info=error, extra={"container": container_id})

    async def until_stopped(self, container_id: str, seconds: float | None = None) -> bool:
        """Wait until the container has ended and everything of it is taken down; False after `seconds`."""
        container = self._context.state.containers.get(container_id)
        if container is None or not container.state.pid:
            return True
        waiter = self._context.waiting.join(container_id, AT_REST)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return False
        finally:
            waiter.cancel()
        return True

    async def concluded(self, seconds: float) -> None:
        """Returns when every end that is known by now is handled, or the time is over."""
        await asyncio.sleep(0)  # ends that came before anybody watched are told in the loop's next turn
        if self._concluding:
            await asyncio.wait(self._concluding.values(), timeout=seconds)

    async def _conclude(self, container_id: str, ended: Ended) -> None:
        context = self._context
        container = context.state.containers.get(container_id)
        if container is None or not container.state.pid:
            return
        code = KILLED if ended.exit_code is None else ended.exit_code
        finished = ended.at or context.clock.now()
        lasted = max(0, finished - container.state.started)
        if ended.oom_killed:
            context.announce(container, "oom")
        for hook in self.on_end:
            hook(container)
        await self._take_down(container)
        container = await self._record(container_id, ended, code, finished, lasted / _SECOND)
        context.runtime.forget_end(container_id)
        context.announce(container, "die", exitCode=str(code), execDuration=str(lasted // _SECOND))
        if container.state.status == RESTARTING:
            self._schedule(container)
            context.waiting.restarting(container_id, code)
        else:
            self._delays.pop(container_id, None)
            context.waiting.stopped(container_id, code)
            if container.spec.auto_remove and not self._closing:
                with contextlib.suppress(NotFound):
                    await self.remove(container_id)

    async def _take_down(self, container: Container) -> None:
        """Each step is tried whatever became of the others: one bad thing must not keep the rest."""
        context = self._context
        for what, step in (
            ("the process", context.runtime.clear(container.id)),
            ("the network", context.sandboxes.stop(container.id)),
            ("the mounts", self._storage.close(container)),
        ):
            try:
                await step
            except (Refusal, OSError) as error:
                log.error("taking down %s of a container failed: %s", what, error, extra={"container": container.id})
        context.private.take_back(container.id)

    async def _record(self, container_id: str, ended: Ended, code: int, finished: int, lasted: float) -> Container:
        """Commit the end, as exited or as waiting to run again."""

        def over(current: Container) -> Container:
            state = current.state
            run = EndOfRun(
                code, state.manually_stopped, lasted, state.restart_count, self._delays.get(container_id, 0.0)
            )
            delay = None if self._closing else delay_before_restart(current.spec.restart, run)
            if delay is not None:
                self._delays[container_id] = delay
            state = replace(
                state,
                status=EXITED if delay is None else RESTARTING,
                pid=0,
                conmon_pid=0,
                exit_code=code,
                oom_killed=ended.oom_killed,
                finished=finished,
                restart_count=state.restart_count + (delay is not None),
            )
            return replace(current, state=state, sandbox="", netns="")

        return await self._context.change(container_id, over)

    def _schedule(self, container: Container) -> None:
        task = asyncio.get_running_loop().create_task(self._restart_later(container.id, self._delays[container.id]))
        self._restarts[container.id] = task

    async def _restart_later(self, container_id: str, delay: float) -> None:
        await asyncio.sleep(delay)
        self._restarts.pop(container_id, None)
        try:
            await self.relaunch(container_id)
        except Refusal as refusal:
            log.warning("restarting a container failed: %s", refusal.message, extra={"container": container_id})

    async def cancel_restart(self, container_id: str) -> bool:
        """A user does not want it back: True if it was waiting to run again, and now is at rest."""
        task = self._restarts.pop(container_id, None)
        self._delays.pop(container_id, None)
        container = self._context.state.containers.get(container_id)
        if container is None or container.state.status != RESTARTING:
            return False
        if task is not None:
            task.cancel()
        stopped = await self._context.change_state(
            container_id, lambda state: replace(state, status=EXITED, manually_stopped=True)
        )
        self._context.waiting.stopped(container_id, stopped.state.exit_code)
        return True

    def close(self) -> None:
        """The daemon goes: containers that run go on, those waiting to run again wait for the next daemon."""
        self._closing = True
        self._context.runtime.unwatch_all()
        for task in self._restarts.values():
            task.cancel()
