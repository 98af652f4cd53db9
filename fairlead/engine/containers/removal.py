"""`docker rm` and `docker container prune`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

from fairlead.core.containers.filters import check_prune, prunable
from fairlead.engine import records
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.ending import Ending
from fairlead.engine.containers.storage import Storage
from fairlead.engine.fabric.legacy_links import parse
from fairlead.model.container import REMOVING, RESTARTING, Container
from fairlead.model.errors import Conflict, Failed, NotFound, Refusal
from fairlead.model.event import Event

KILL_PATIENCE = 10.0


class Removal:
    def __init__(self, context: Context, storage: Storage, ending: Ending) -> None:
        self._context = context
        self._storage, self._ending = storage, ending
        self.on_remove: list[Callable[[str], None]] = []

    async def remove(self, reference: str, force: bool = False, volumes: bool = False) -> None:
        """Remove a container, killing it first if `force`; with `volumes`, its anonymous volumes too."""
        container = self._context.state.container(reference)
        async with self._context.turns.of(container.id):
            current = self._context.state.containers.get(container.id)
            if current is None:
                return
            if current.state.running:
                if not force:
                    raise _still_runs(reference, current)
                await self._kill(current)
            await self._remove(self._context.state.containers[container.id], volumes or current.spec.auto_remove)

    async def unlink(self, path: str) -> None:
        """`docker rm --link parent/alias`: the parent forgets whom it calls so. Raises Conflict for a container's own
        name and NotFound for what is no link."""
        reference, _, alias = path.strip("/").rpartition("/")
        if not reference:
            raise Conflict("Conflict, cannot remove the default link name of the container")
        container = self._context.state.container(reference)
        sandboxes = self._context.sandboxes
        async with self._context.turns.of(container.id):
            container = self._context.state.container(container.id)
            network = container.spec.network
            kept = tuple(text for text in network.links if parse(text)[1] != alias)
            if kept == network.links:
                raise NotFound(f"No such link: /{container.name}/{alias}")
            await sandboxes.forget_link(container, alias)
            spec = replace(container.spec, network=replace(network, links=kept))
            await sandboxes.reopen_links(
                await self._context.change(container.id, lambda current: replace(current, spec=spec))
            )

    async def _kill(self, container: Container) -> None:
        context = self._context
        if container.state.status == RESTARTING:
            await self._ending.cancel_restart(container.id)
            return
        await context.change_state(container.id, lambda state: replace(state, manually_stopped=True))
        try:
            context.runtime.kill(container.id, signal.SIGKILL)
            context.announce(container, "kill", signal=str(int(signal.SIGKILL)))
        except ProcessLookupError:
            pass
        if container.state.status == "paused":
            await context.runtime.resume(container.id)
        if not await self._ending.until_stopped(container.id, KILL_PATIENCE):
            raise Failed(f"could not kill container {container.id}: it did not end within {KILL_PATIENCE:.0f} s")

    async def _remove(self, container: Container, volumes: bool) -> None:
        """From here on only forward: what a crash leaves is a container marked as being removed, finished at boot."""
        context = self._context
        container = await context.change_state(container.id, lambda state: replace(state, status=REMOVING))
        await context.sandboxes.stop(container.id)
        await self._storage.close(container)
        await context.rootfs.remove(container.id)
        await context.logs.remove_folder(container.id)
        await context.store.commit([records.delete(container), *context.sandboxes.removal(container.id)])
        context.state.drop_container(container.id)
        context.consoles.give_up(container.id)
        for hook in self.on_remove:
            hook(container.id)
        if volumes:
            await self._storage.remove_anonymous(container)
        context.announce(container, "destroy")
        context.waiting.removed(container.id, container.state.exit_code)

    async def finish(self, container: Container) -> None:
        """At boot: go on with a removal that a crash interrupted."""
        await self._context.runtime.discard(container.id)
        await self._remove(container, container.spec.auto_remove)

    async def prune(self, filters: dict[str, list[str]]) -> tuple[Sequence[str], int]:
        """Remove every container at rest that the filters allow: their ids, and the bytes that are free again."""
        removed: list[str] = []
        freed = 0
        now = self._context.clock.now()
        check_prune(filters, now)
        for container in list(self._context.state.containers.values()):
            if container.state.running or not prunable(container, filters, now):
                continue
            size = await self._context.files.size(self._context.rootfs.upper(container.id))
            try:
                await self.remove(container.id)
            except Refusal:
                continue
            removed.append(container.id)
            freed += size
        self._context.events.publish(Event("container", "prune", "", now, {"reclaimed": str(freed)}))
        return removed, freed


def _still_runs(reference: str, container: Container) -> Conflict:
    status = container.state.status
    advice = "unpause and stop" if status == "paused" else "stop"
    return Conflict(
        f'cannot remove container "{reference.removeprefix("/")}": container is {status}: {advice} the container '
        "before removing or force remove"
    )
