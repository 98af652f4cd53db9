"""From a container at rest to one whose process runs.

    root mounted ┐
                 ├─> runtime.create ─> early clients connected ─> committed as running ─> process let go ─> watched
    network wired┘

The network is there before the first instruction. Until the commit nothing has been promised: a crash leaves a
bundle whose container is not recorded as running, which the next boot discards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from fairlead.core.containers import health
from fairlead.core.containers.failure import UNKNOWN, start_failure
from fairlead.core.containers.merge import process_environment
from fairlead.core.containers.options import log_limits
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.joining import Joined, join
from fairlead.engine.containers.storage import Storage
from fairlead.engine.sandboxes.views import StartedSandbox
from fairlead.model.container import RUNNING, Container, HealthState
from fairlead.model.errors import Failed, Refusal, RuntimeRefused
from fairlead.model.runtime import Launch, Launched, MountPoint, PrivateFile

NO_LOG = "none"
A = TypeVar("A")
B = TypeVar("B")


class Starting:
    """`launch` runs a container. It is called in the container's turn, with the container at rest."""

    def __init__(self, context: Context, storage: Storage) -> None:
        self._context = context
        self._storage = storage

    async def launch(self, container: Container, private: Sequence[PrivateFile] = ()) -> Container:
        """Run it; the container as it is then. On failure all is undone and the refusal is kept in its state."""
        context = self._context
        try:
            running = await self._launch(container, private)
        except RuntimeRefused as refused:
            code, refusal = start_failure(refused.message)
            await self._failed(container, code, refusal)
            raise refusal from refused
        except Refusal as refusal:
            await self._failed(container, UNKNOWN, refusal)
            raise
        except OSError as error:
            failure = Failed(str(error))
            await self._failed(container, UNKNOWN, failure)
            raise failure from error
        context.announce(running, "start")
        return running

    async def _launch(self, container: Container, private: Sequence[PrivateFile]) -> Container:
        context = self._context
        joined = join(container, context.state, self._shm_of)
        opening, wiring = self._storage.open(container), context.sandboxes.start(container)
        (rootfs, mounts), sandbox = await _both(opening, wiring)
        mounts = (*mounts, *context.private.give(container.id, private))
        launch = self._describe(container, str(rootfs), mounts, sandbox, joined)
        launched = await context.runtime.create(launch)
        context.consoles.connect_early(container.id)
        running = await self._record(container, sandbox, launched)
        # In another's network it must not see what that one was just disconnected from.
        await context.sandboxes.settled(running)
        await context.runtime.start(container.id)
        context.logs.follow_rotation(running)
        return running

    def _describe(
        self,
        container: Container,
        rootfs: str,
        mounts: tuple[MountPoint, ...],
        sandbox: StartedSandbox,
        joined: Joined,
    ) -> Launch:
        spec = container.spec
        size, files = log_limits(spec)
        own_log = spec.log_driver != NO_LOG
        return Launch(
            container=container,
            rootfs=rootfs,
            netns=sandbox.netns_path,
            hostname=sandbox.hostname,
            domainname=sandbox.domainname,
            env=process_environment(container.env, sandbox.hostname, spec.tty, sandbox.link_env),
            mounts=(*_network_files(sandbox, mounts), *mounts),
            ipc=joined.ipc,
            pid=joined.pid,
            uts=joined.uts,
            shm_path=joined.shm_path,
            log_path=str(self._context.logs.path(container.id)) if own_log else "",
            log_size=size if files == 1 else 0,
            init=self._context.runtime.init_program if spec.init else "",
        )

    def _shm_of(self, container_id: str) -> Path:
        return self._context.config.exec_root / "containers" / container_id / "shm"

    async def _record(self, container: Container, sandbox: StartedSandbox, launched: Launched) -> Container:
        now = self._context.clock.now()

        def running(current: Container) -> Container:
            state = replace(
                current.state,
                status=RUNNING,
                pid=launched.pid,
                conmon_pid=launched.monitor_pid,
                exit_code=0,
                error="",
                oom_killed=False,
                started=now,
                manually_stopped=False,
                health=HealthState(health.STARTING) if health.enabled(current.health) else None,
            )
            return replace(current, state=state, sandbox=sandbox.sandbox_id, netns=sandbox.netns_path)

        return await self._context.change(container.id, running)

    async def _failed(self, container: Container, code: int, refusal: Refusal) -> None:
        """Undo whatever there is by now, and keep the reason where inspect shows it."""
        context = self._context
        context.consoles.give_up(container.id)
        await context.runtime.discard(container.id)
        await context.sandboxes.stop(container.id)
        await self._storage.close(container)
        context.private.take_back(container.id)
        at_rest = container.state.status if not container.state.running else "exited"

        def failed(current: Container) -> Container:
            state = replace(current.state, status=at_rest, exit_code=code, error=refusal.message, pid=0, conmon_pid=0)
            return replace(current, state=state, sandbox="", netns="")

        await context.change(container.id, failed)
        context.waiting.stopped(container.id, code)


def _network_files(sandbox: StartedSandbox, mounts: tuple[MountPoint, ...]) -> tuple[MountPoint, ...]:
    """resolv.conf, hostname and hosts, unless the user mounts something there himself."""
    taken = {mount.target for mount in mounts}
    files = (
        (sandbox.resolv_conf_path, "/etc/resolv.conf"),
        (sandbox.hostname_path, "/etc/hostname"),
        (sandbox.hosts_path, "/etc/hosts"),
    )
    return tuple(
        MountPoint("bind", source, target, ("rbind", "rprivate"))
        for source, target in files
        if source and target not in taken
    )


async def _both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Both at once; if one fails, the other is waited for before the failure goes on: undoing meets no rival."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(tuple[A, B], tuple(results))
