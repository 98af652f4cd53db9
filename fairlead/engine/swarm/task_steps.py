"""What the steps of a task are on this host: verbs of the one-host engine, nothing of their own.

Every refusal reads as it shall stand in the ERROR column of `service ps`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from fairlead.core.swarm.naming import container_name
from fairlead.core.swarm.task_container import bound_ports, container_spec, grace
from fairlead.core.swarm.task_files import missing, task_files
from fairlead.core.swarm.worker import Act, Seen, seen
from fairlead.engine.blame import blamed
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.signs import Signs
from fairlead.engine.swarm.task_networks import TaskNetworks
from fairlead.engine.swarm.told import Told
from fairlead.model.errors import Conflict, NotFound, NotModified, Refusal
from fairlead.model.swarm.task import Task

PULLS_AT_ONCE, STARTS_AT_ONCE = 3, 8

log = logging.getLogger(__name__)


class TaskSteps:
    def __init__(self, host: OneHost, told: Told, networks: TaskNetworks, signs: Signs) -> None:
        self._host, self._told, self._networks, self._signs = host, told, networks, signs
        self._pulls = asyncio.Semaphore(PULLS_AT_ONCE)
        self.starts = asyncio.Semaphore(STARTS_AT_ONCE)

    def ready(self, task: Task, act: Act) -> bool:
        """Is everything known that the act needs, and the task still this node's for certain?"""
        if act is Act.STOP:
            return True
        return self._told.informed and self._signs.fresh and not missing(task, self._told.files)

    def look(self, task: Task, container_id: str) -> Seen | None:
        state = self._host.state
        container = state.containers.get(task.spec.attached_container or container_id)
        if container is None:
            return None
        published = (port for endpoint in state.endpoints_of(container.id) for port in endpoint.published)
        return seen(container, bound_ports(task, published))

    async def bring(self, task: Task) -> None:
        """Pull the image unless it is here: clients have pinned a name to a digest where a registry could be asked.
        May be cancelled. What the registry refuses is logged; the user reads that there is no such image."""
        template = task.spec.container
        images = self._host.images
        if template is None or images.find(template.image) is not None:
            return
        async with self._pulls:
            try:
                async for _ in images.pull(template.image, template.pull_auth):
                    pass
            except Refusal as refusal:
                log.warning("pulling an image failed: %s", refusal.message, extra={"image": template.image})

    async def make(self, task: Task) -> str:
        """The container, its id; it does not run yet. Raises Refusal."""
        await self._networks.ensure(task)
        spec = container_spec(task, self._told.node, self._told.networks)
        container_id, _ = await self._host.containers.create(container_name(task), spec)
        return container_id

    async def start(self, task: Task, container_id: str) -> None:
        with blamed("starting container failed: "), suppress(NotModified):
            files = task_files(task, self._told.node, self._told.files)
            await self._host.containers.start(container_id, files)

    async def answered(self, container_id: str, seconds: float) -> None:
        """Returns when whoever asks the task has been answered, or after `seconds`: some never hang up."""
        await self._host.containers.observing.answered(container_id, seconds)

    async def stop(self, task: Task, container_id: str) -> None:
        with suppress(NotModified, NotFound):
            await self._host.containers.stop(container_id, grace(task))

    async def kill(self, task: Task, container_id: str) -> None:
        """At once, whatever stop may be on its way; one that does not run, or was never made, is fine."""
        if container_id and not task.spec.attached_container:
            with suppress(Conflict, NotFound):
                await self._host.containers.kill(container_id)

    async def remove(self, container_id: str) -> None:
        """With its anonymous volumes; missing is fine, and so is a task that never had one."""
        if not container_id:
            return
        with suppress(NotFound):
            await self._host.containers.remove(container_id, force=True, volumes=True)
