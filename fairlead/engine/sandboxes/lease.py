"""What happens to a running container when the lease of its address changes, or is lost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fairlead.engine import records
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.leasing import leased
from fairlead.model.endpoint import Endpoint
from fairlead.model.lease import Lease

_log = logging.getLogger("fairlead.engine.leasing")


class SandboxLease:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._running: set[asyncio.Task[None]] = set()
        fabric.leasing.watch(self._changed)

    def _changed(self, endpoint_id: str, lease: Lease | None) -> None:
        task = asyncio.get_running_loop().create_task(self._follow(endpoint_id, lease))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _follow(self, endpoint_id: str, lease: Lease | None) -> None:
        endpoint = self._fabric.state.endpoints.get(endpoint_id)
        if endpoint is None:
            return
        async with self._fabric.turns.of(endpoint.container_id):
            endpoint = self._fabric.state.endpoints.get(endpoint_id)
            if endpoint is None:
                return
            changed = leased(endpoint, lease)
            await self._fabric.store.commit([records.put(changed)])
            if (changed.ipv4, changed.gateway4) == (endpoint.ipv4, endpoint.gateway4):
                self._fabric.state.put_endpoint(changed)
            else:
                await self._move(endpoint, changed)

    async def _move(self, endpoint: Endpoint, changed: Endpoint) -> None:
        """Make the interface anew with the address that it has now, or without one."""
        fabric = self._fabric
        had, has = endpoint.ipv4 or "none", changed.ipv4 or "none"
        _log.warning("a leased address changed", extra={"endpoint": endpoint.id, "had": had, "has": has})
        sandbox = fabric.state.sandboxes[endpoint.container_id]
        before = fabric.state.endpoints_of(endpoint.container_id)
        after = [changed if item.id == endpoint.id else item for item in before]
        without = [replace(item, gateway4=None, gateway6=None) if item.id == endpoint.id else item for item in before]
        plan = fabric.wiring.detach(sandbox, endpoint, alive=True) + fabric.wiring.attach(sandbox, changed)
        for fault in await fabric.kernel.attempt(plan + fabric.wiring.reroute(sandbox, without, after)):
            _log.error("a leased address could not be set: %s", fault, extra={"endpoint": endpoint.id})
        fabric.state.put_endpoint(changed)
        fabric.resolvers.know(sandbox, after, [changed])
        container = fabric.state.containers.get(endpoint.container_id)
        if container is not None:
            fabric.etc.drop_lines(container, endpoint)
            fabric.etc.add_lines(container, changed)
