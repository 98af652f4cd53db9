"""`docker update`: limits and restart policy of a container, running or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fairlead.core.containers.options import check, check_policy, check_processors, check_update
from fairlead.engine.containers.context import Context
from fairlead.model.container import REMOVING, Container, Resources, RestartPolicy
from fairlead.model.errors import Conflict, Invalid, RuntimeRefused


class Updating:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def update(
        self, reference: str, change: Callable[[Resources], Resources], policy: RestartPolicy | None
    ) -> None:
        """Check, apply to the running process, then write down."""
        container_id = self._context.state.container(reference).id
        async with self._context.turns.of(container_id):
            container = self._context.state.container(container_id)
            if container.state.status == REMOVING:
                raise Conflict("container is marked for removal and cannot be updated")
            updated = self._updated(container, change, policy)
            if container.state.pid and updated.spec.resources != container.spec.resources:
                try:
                    await self._context.runtime.update(container_id, updated.spec.resources)
                except RuntimeRefused as refused:
                    raise Conflict(f"Cannot update container {container_id}: {refused.message}") from refused
            spec = updated.spec
            await self._context.change(container_id, lambda current: replace(current, spec=spec))
        self._context.announce(updated, "update")

    def _updated(
        self, container: Container, change: Callable[[Resources], Resources], policy: RestartPolicy | None
    ) -> Container:
        spec = replace(container.spec, resources=change(container.spec.resources))
        check_update(container.spec.resources, spec.resources)
        if policy is not None:
            check_policy(policy)
            if spec.auto_remove and policy.name not in ("", "no"):
                raise Invalid("Restart policy cannot be updated because AutoRemove is enabled for the container")
            spec = replace(spec, restart=policy)
        check(spec, init_available=True)
        check_processors(spec.resources, self._context.system.host.cpus)
        return replace(container, spec=spec)
