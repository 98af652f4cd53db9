"""Taking a sandbox down. It is forgotten in the store first, so that what is left of it after a crash is garbage."""

from __future__ import annotations

import logging

from fairlead.engine import journal, records
from fairlead.engine.fabric.fabric import Fabric
from fairlead.model.endpoint import Endpoint
from fairlead.model.plan import Plan
from fairlead.model.sandbox import Sandbox

_log = logging.getLogger("fairlead.engine.sandboxes")


class SandboxStop:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    async def run(self, sandbox: Sandbox) -> list[Endpoint]:
        """Remove everything of the sandbox; returns the endpoints that it had. What the kernel refuses to remove
        stays intended, and the next boot tries again."""
        fabric = self._fabric
        endpoints = fabric.state.endpoints_of(sandbox.container_id)
        unmade = [change for endpoint in endpoints for change in journal.unmade(endpoint)]
        durable = await fabric.store.write([records.delete(sandbox), *unmade])
        fabric.state.sandboxes.pop(sandbox.container_id, None)
        await fabric.resolvers.close(sandbox)
        plans = (fabric.wiring.detach(sandbox, endpoint, alive=False) for endpoint in endpoints)
        faults = await fabric.kernel.attempt(sum(plans, Plan()))
        for endpoint in endpoints:
            await self._give_back(endpoint)
        await fabric.remotes.settle(endpoint.network_id for endpoint in endpoints)
        fabric.balancing.forget(sandbox)
        if sandbox.ns:
            await fabric.namespaces.release(sandbox.ns)
        await durable
        if faults:
            _log.error("a sandbox was not wholly removed: %s", faults[0], extra={"sandbox": sandbox.id})
        else:
            fabric.store.post([journal.settle(endpoint) for endpoint in endpoints])
        return endpoints

    async def _give_back(self, endpoint: Endpoint) -> None:
        self._fabric.resolvers.forget(endpoint)
        if endpoint.published:
            await self._fabric.publisher.withdraw(endpoint.id, endpoint.published)
        container = self._fabric.state.containers.get(endpoint.container_id)
        await self._fabric.leasing.release(container, endpoint, self._fabric.wiring.network(endpoint))
        self._fabric.claims.abandon(endpoint)
