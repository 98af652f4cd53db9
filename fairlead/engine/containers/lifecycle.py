"""start, stop, kill, restart, pause, unpause: each in the container's turn."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace

from fairlead.core.containers.options import signal_number
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.ending import Ending
from fairlead.engine.containers.removal import Removal
from fairlead.engine.containers.starting import Starting
from fairlead.model.container import DEAD, PAUSED, REMOVING, RESTARTING, RUNNING, Container
from fairlead.model.errors import Conflict, Failed, NotModified, Refusal
from fairlead.model.runtime import PrivateFile

DEFAULT_STOP_TIMEOUT = 10
KILL_PATIENCE = 10.0
"""Seconds that SIGKILL may take before we say that it failed."""


class Lifecycle:
    def __init__(self, context: Context, starting: Starting, ending: Ending, removal: Removal) -> None:
        self._context = context
        self._starting, self._ending, self._removal = starting, ending, removal

    async def start(self, reference: str, private: Sequence[PrivateFile] = ()) -> None:
        """`private` are files that it gets for this run alone. Raises NotModified when it runs already; on failure the
        container stays as it was, with the error kept."""
        container_id = self._context.state.container(reference).id
        try:
            async with self._context.turns.of(container_id):
                container = self._context.state.container(container_id)
                _check_startable(container)
                await self._ending.cancel_restart(container_id)
                await self._start(replace(container, state=replace(container.state, restart_count=0)), private)
        except Refusal:
            await self._remove_failed(container_id)
            raise

    async def _start(self, container: Container, private: Sequence[PrivateFile] = ()) -> None:
        running = await self._starting.launch(container, private)
        self._ending.started(running)

    async def _remove_failed(self, container_id: str) -> None:
        """`--rm` also holds for a container that could not start."""
        container = self._context.state.containers.get(container_id)
        if container is not None and container.spec.auto_remove and container.state.error and not container.state.pid:
            await self._removal.remove(container_id)

    async def relaunch(self, container_id: str) -> None:
        """Run a container again by its restart policy, unless someone else has decided meanwhile."""
        async with self._context.turns.of(container_id):
            container = self._context.state.containers.get(container_id)
            if container is not None and container.state.status == RESTARTING:
                await self._start(container)

    async def stop(self, reference: str, timeout: int | None = None, signal_text: str = "") -> None:
        """Ask it to end, and kill it after `timeout` seconds (-1: never). Raises NotModified when it does not run."""
        container_id = self._context.state.container(reference).id
        async with self._context.turns.of(container_id):
            container = self._context.state.container(container_id)
            if not container.state.running:
                raise NotModified(f"container {container.id} is not running")
            await self._stop(container, timeout, signal_text)

    async def _stop(self, container: Container, timeout: int | None, signal_text: str = "") -> None:
        context = self._context
        if await self._ending.cancel_restart(container.id):
            context.announce(container, "stop")
            return
        await self._by_user(container.id)
        number = signal_number(signal_text or container.stop_signal or "SIGTERM")
        await self._send(container, number)
        if container.state.status == PAUSED:
            await context.runtime.resume(container.id)
        patience = _patience(container, timeout)
        if not await self._ending.until_stopped(container.id, patience):
            await self._kill_at_last(container)
        context.announce(container, "stop")

    async def _kill_at_last(self, container: Container) -> None:
        await self._send(container, signal.SIGKILL)
        if not await self._ending.until_stopped(container.id, KILL_PATIENCE):
            raise Failed(
                f"cannot stop container: {container.id}: tried to kill container, but did not receive an exit event"
            )

    async def kill(self, reference: str, signal_text: str = "") -> None:
        """Send a signal; SIGKILL (the default) is waited for. Raises Conflict when it does not run."""
        container = self._context.state.container(reference)
        number = signal_number(signal_text) if signal_text else signal.SIGKILL
        if container.state.status == RESTARTING and await self._ending.cancel_restart(container.id):
            return
        if not container.state.pid:
            raise Conflict(f"cannot kill container: {reference}: container {container.id} is not running")
        await self._by_user(container.id)
        await self._send(container, number)
        if container.state.status == PAUSED and number == signal.SIGKILL:
            await self._context.runtime.resume(container.id)
        if number == signal.SIGKILL:
            await self._ending.until_stopped(container.id, KILL_PATIENCE)

    async def _by_user(self, container_id: str) -> None:
        """A user wants it stopped: no restart policy overrules that."""
        await self._context.change_state(container_id, lambda state: replace(state, manually_stopped=True))

    async def _send(self, container: Container, number: int) -> None:
        try:
            self._context.runtime.kill(container.id, number)
        except ProcessLookupError:
            return  # it has just ended by itself, which is what was wanted
        self._context.announce(container, "kill", signal=str(int(number)))

    async def restart(self, reference: str, timeout: int | None = None, signal_text: str = "") -> None:
        container_id = self._context.state.container(reference).id
        async with self._context.turns.of(container_id):
            container = self._context.state.container(container_id)
            if container.state.running:
                await self._stop(container, timeout, signal_text)
                container = self._context.state.container(container_id)
            _check_startable(container)
            await self._start(container)
            self._context.announce(container, "restart")

    async def pause(self, reference: str) -> None:
        container_id = self._context.state.container(reference).id
        async with self._context.turns.of(container_id):
            container = self._context.state.container(container_id)
            if not container.state.pid:
                raise Conflict(f"container {container.id} is not running")
            if container.state.status == PAUSED:
                raise Conflict(f"container {container.id} is already paused")
            await self._context.runtime.pause(container.id)
            await self._status(container, PAUSED, "pause")

    async def unpause(self, reference: str) -> None:
        container_id = self._context.state.container(reference).id
        async with self._context.turns.of(container_id):
            container = self._context.state.container(container_id)
            if container.state.status != PAUSED:
                raise Conflict(f"container {container.id} is not paused")
            await self._context.runtime.resume(container.id)
            await self._status(container, RUNNING, "unpause")

    async def _status(self, container: Container, status: str, action: str) -> None:
        changed = await self._context.change_state(container.id, lambda state: replace(state, status=status))
        self._context.announce(changed, action)


def _check_startable(container: Container) -> None:
    status = container.state.status
    if status == PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    if status == RUNNING:
        raise NotModified(f"container {container.id} is already running")
    if status in (REMOVING, DEAD):
        raise Conflict("container is marked for removal and cannot be started")


def _patience(container: Container, timeout: int | None) -> float | None:
    """Seconds to wait before the kill; None for ever."""
    if timeout is None:
        timeout = container.spec.stop_timeout
    if timeout is None:
        timeout = DEFAULT_STOP_TIMEOUT
    return None if timeout < 0 else float(timeout)
