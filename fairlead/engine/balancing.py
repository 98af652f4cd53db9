"""Load balancing in this node's sandboxes: the virtual addresses of swarm networks, where their clients are.

What is told is kept for every network, also for those on which no container of this host is. A sandbox's table is
written whole when the sandbox comes to its networks, or when it is not known what it holds (after a restart of the
daemon, or when it does not take a change); every other change moves elements only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

from fairlead.core.balance.service import Backend, Turnover, VirtualService
from fairlead.core.balance.virtual import Services, sandbox_table
from fairlead.engine.doors import Doors
from fairlead.engine.ports import Kernel
from fairlead.engine.state import State
from fairlead.engine.wiring import Wiring
from fairlead.model.network import Address
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Transaction
from fairlead.model.sandbox import INGRESS, Sandbox

_log = logging.getLogger("fairlead.engine.balancing")


class Balancing:
    """Calls never raise for one sandbox's trouble: it is logged, and the sandbox is written whole at its next turn."""

    def __init__(self, state: State, kernel: Kernel, wiring: Wiring) -> None:
        self._state, self._kernel = state, kernel
        self.doors = Doors(state, kernel, wiring)
        self._services: dict[str, Services] = {}
        self._written: set[str] = set()

    async def services(
        self, network_id: str, told: Mapping[Address, VirtualService | Turnover[Backend] | None]
    ) -> None:
        """These virtual addresses of the network are served so from now on; None: no longer at all.

        Returns when every sandbox of this host that is on the network has it."""
        change = self._services.setdefault(network_id, Services()).change(told)
        if change:
            await self._write((sandbox, change.transaction(_phase(sandbox))) for sandbox in self._on(network_id))

    def drop(self, network_id: str) -> None:
        """Nothing is known of the network any more (this node has left it)."""
        self._services.pop(network_id, None)

    async def settle(self, sandbox: Sandbox) -> None:
        """The sandbox has come to a network or gone from one; its endpoints in the state are those it has now."""
        if sandbox.ns and (sandbox.ns in self._written or self._of(sandbox)):
            self._written.discard(sandbox.ns)
            await self._write([(sandbox, None)])
        await self.doors.settle(sandbox)

    def forget(self, sandbox: Sandbox) -> None:
        """The sandbox is gone."""
        self._written.discard(sandbox.ns)
        self.doors.forget(sandbox)

    def _on(self, network_id: str) -> list[Sandbox]:
        """The node's own end of the mesh is nobody's client, and has a table of its own."""
        containers = {endpoint.container_id for endpoint in self._state.endpoints_on(network_id)} - {INGRESS}
        sandboxes = (self._state.sandboxes.get(container) for container in containers)
        return [sandbox for sandbox in sandboxes if sandbox is not None and sandbox.ns]

    def _of(self, sandbox: Sandbox) -> list[Services]:
        endpoints = self._state.endpoints_of(sandbox.container_id) if sandbox.container_id != INGRESS else ()
        return [known for endpoint in endpoints if (known := self._services.get(endpoint.network_id))]

    async def _write(self, changes: Iterable[tuple[Sandbox, Transaction | None]]) -> None:
        """Change sandboxes' tables; one whose contents are not known is written whole."""
        await asyncio.gather(*(self._change(sandbox, change) for sandbox, change in changes))

    async def _change(self, sandbox: Sandbox, change: Transaction | None) -> None:
        """What was changed by somebody else does not take a change: it is written anew."""
        known = change is not None and sandbox.ns in self._written
        if known and change is not None and not await self._do(sandbox, change):
            return
        self._written.add(sandbox.ns)
        for fault in await self._do(sandbox, self._whole(sandbox)):
            self._written.discard(sandbox.ns)
            if sandbox.container_id in self._state.sandboxes:
                _log.error("virtual addresses: %s", fault, extra={"sandbox": sandbox.id})

    async def _do(self, sandbox: Sandbox, change: Transaction) -> Sequence[Exception]:
        return await self._kernel.attempt(Plan((ChangeRules(change, sandbox.ns),)))

    def _whole(self, sandbox: Sandbox) -> Transaction:
        table = sandbox_table()
        elements = (element for services in self._of(sandbox) for element in services.elements(_phase(sandbox)))
        return Transaction(table.family, table.name, replace=table, add=tuple(elements))


def _phase(sandbox: Sandbox) -> int:
    """Where the sandbox begins to take turns: a number of its own that stays."""
    return int(sandbox.id[:8], 16)
