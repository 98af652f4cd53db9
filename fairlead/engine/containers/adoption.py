"""At boot: take the containers over that outlived the last daemon, and bring back those that shall run.

What the store says is compared with what is there. Recorded as running: it is watched, which also tells of an end that
nobody saw (its restart policy then applies). Not recorded as running, yet with a bundle: a start that was never
acknowledged, and is undone, with the mounts that it may have made before its bundle, and with what the runtime may
have made of it without leaving word. A removal that was begun is
finished, and a folder without a container is of a creation that never was.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fairlead.core.containers.restart import wanted_at_boot
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.ending import Ending
from fairlead.engine.containers.lifecycle import Lifecycle
from fairlead.engine.containers.removal import Removal
from fairlead.engine.containers.storage import Storage
from fairlead.model.container import EXITED, REMOVING, RESTARTING, Container
from fairlead.model.errors import NotModified, Refusal
from fairlead.model.runtime import Survivor

STARTS_AT_ONCE = 8
CONCLUDING = 5.0
"""Seconds that a boot waits at most until what ended meanwhile is shown as such."""

log = logging.getLogger(__name__)


class Adoption:
    def __init__(
        self, context: Context, storage: Storage, ending: Ending, removal: Removal, lifecycle: Lifecycle
    ) -> None:
        self._context, self._storage = context, storage
        self._ending, self._removal, self._lifecycle = ending, removal, lifecycle
        self._bringing_up: asyncio.Task[None] | None = None

    async def adopt(self) -> None:
        """Returns when everything that runs is watched, and what has ended is known for it; what shall be started is
        started behind it."""
        context = self._context
        for survivor in context.runtime.survivors():
            await self._settle(survivor)
        running = [container.id for container in context.state.containers.values() if container.state.pid]
        await context.runtime.sweep(running)
        await context.logs.keep_folders(context.state.containers)
        context.private.keep_only(running)
        wanted = []
        for container in list(context.state.containers.values()):
            if container.state.status == REMOVING:
                await self._removal.finish(container)
            elif container.state.pid:
                self._ending.started(container)
                context.logs.follow_rotation(container)
            else:
                await self._storage.close(container)
                if await self._shall_run(container):
                    wanted.append(container.id)
        self._bringing_up = asyncio.get_running_loop().create_task(self._bring_up(wanted))
        await self._ending.concluded(CONCLUDING)

    async def _settle(self, survivor: Survivor) -> None:
        """A bundle that nobody recorded as running is discarded; one that was recorded but not let go, is let go."""
        context = self._context
        container = context.state.containers.get(survivor.container_id)
        try:
            if container is None or not container.state.pid:
                log.info("discarding an unfinished start", extra={"container": survivor.container_id})
                await context.runtime.discard(survivor.container_id)
                await context.sandboxes.stop(survivor.container_id)
            elif survivor.monitor_pid and not survivor.started:
                await context.runtime.start(survivor.container_id)
        except Refusal as refusal:
            log.error(
                "a container cannot be taken over: %s", refusal.message, extra={"container": survivor.container_id}
            )

    async def _shall_run(self, container: Container) -> bool:
        state = container.state
        if state.status == RESTARTING:
            await self._context.change_state(container.id, lambda current: replace(current, status=EXITED))
            return True
        if not state.started:
            return False
        return wanted_at_boot(container.spec.restart, state.manually_stopped, was_running=False)

    async def _bring_up(self, container_ids: list[str]) -> None:
        limit = asyncio.Semaphore(STARTS_AT_ONCE)

        async def bring_up(container_id: str) -> None:
            async with limit:
                try:
                    await self._lifecycle.start(container_id)
                except NotModified:
                    return
                except Refusal as refusal:
                    log.error("a container did not come back: %s", refusal.message, extra={"container": container_id})

        await asyncio.gather(*(bring_up(container_id) for container_id in container_ids))

    def close(self) -> None:
        if self._bringing_up is not None:
            self._bringing_up.cancel()
