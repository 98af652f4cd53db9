"""Load balancing in this node's sandboxes: the virtual addresses of swarm networks, where their clients are.

The packet filter leads there; where the daemon was told so, IPVS does for what it can (`core.balance.servers`).

What is told is kept for every network, also for those on which no container of this host is. A sandbox's table is
written whole when the sandbox comes to its networks, or when it is not known what it holds (after a restart of the
daemon, or when it does not take a change); every other change moves elements only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.core.balance import servers
from fairlead.core.balance.servers import Servers
from fairlead.core.balance.service import Backend, Turnover, VirtualService
from fairlead.core.balance.virtual import Services, sandbox_table
from fairlead.core.balance.ways import NAME
from fairlead.engine.fabric.doors import Doors
from fairlead.engine.fabric.wiring import Wiring
from fairlead.engine.host import Host
from fairlead.engine.ports import Kernel
from fairlead.engine.state import State
from fairlead.model.config import IPVS, NFT
from fairlead.model.errors import Failed
from fairlead.model.network import Address
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Transaction
from fairlead.model.sandbox import INGRESS, Sandbox
from fairlead.model.servers import ServerKey

_log = logging.getLogger("fairlead.engine.balancing")


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a network, as the packet filter holds it and, where it is there, IPVS."""

    services: Services = field(default_factory=Services)
    servers: Servers | None = None


class Balancing:
    """Calls never raise for one sandbox's trouble: it is logged, and the sandbox is written whole at its next turn."""

    def __init__(self, state: State, kernel: Kernel, wiring: Wiring, host: Host, balancer: str = NFT) -> None:
        self._state, self._kernel, self._host = state, kernel, host
        self.balancer = balancer
        self.doors = Doors(state, kernel, wiring)
        self._told: dict[str, _Told] = {}
        self._keys: set[ServerKey] = set()
        self._written: set[str] = set()

    def check(self) -> None:
        """Raises Failed where the daemon was told to use what this kernel has not."""
        if self.balancer == IPVS and servers.FEATURE not in self._host.facts.features:
            raise Failed(
                f'"fairlead-balancer": "{IPVS}" is not possible: this kernel has no IPVS (module ip_vs with the '
                f'schedulers rr, wrr, wlc and sh); leave it out, or say "{NFT}"'
            )

    async def services(
        self, network_id: str, told: Mapping[Address, VirtualService | Turnover[Backend] | None]
    ) -> None:
        """These virtual addresses of the network are served so from now on; None: no longer at all.

        Returns when every sandbox of this host that is on the network has it."""
        known = self._told.setdefault(network_id, self._nothing())
        rules = known.services.change(told)
        served = known.servers.change(told) if known.servers else servers.ServersChange()
        if rules or served:
            plans = (
                (sandbox, served.plan(rules.transaction(_phase(sandbox)), sandbox.ns, _phase(sandbox)))
                for sandbox in self._on(network_id)
            )
            await self._write(plans)

    def _nothing(self) -> _Told:
        features = self._host.facts.features
        return _Told(servers=Servers(features, self._keys) if self.balancer == IPVS else None)

    async def complete(self, network_id: str) -> None:
        """All virtual addresses of the network have been told since the start: what an earlier life of the daemon left
        in sandboxes beyond them is out of date."""
        await self._write((sandbox, None) for sandbox in self._on(network_id) if sandbox.ns not in self._written)

    def drop(self, network_id: str) -> None:
        """Nothing is known of the network any more (this node has left it)."""
        known = self._told.pop(network_id, None)
        if known is not None and known.servers is not None:
            known.servers.close()

    async def settle(self, sandbox: Sandbox) -> None:
        """The sandbox has come to a network or gone from one; its endpoints in the state are those it has now."""
        if sandbox.ns and (sandbox.ns in self._written or self._of(sandbox)):
            self._written.discard(sandbox.ns)
            await self._write([(sandbox, None)])
        await self.doors.settle(sandbox)

    async def rewrite(self, sandbox: Sandbox) -> None:
        """Somebody else has changed the sandbox's tables."""
        self.doors.doubt(sandbox)
        await self.settle(sandbox)

    def forget(self, sandbox: Sandbox) -> None:
        """The sandbox is gone."""
        self._kernel.neglect(sandbox.ns)
        self._written.discard(sandbox.ns)
        self.doors.forget(sandbox)

    def _on(self, network_id: str) -> list[Sandbox]:
        """The node's own end of the mesh is nobody's client, and has a table of its own."""
        containers = {endpoint.container_id for endpoint in self._state.endpoints_on(network_id)} - {INGRESS}
        sandboxes = (self._state.sandboxes.get(container) for container in containers)
        return [sandbox for sandbox in sandboxes if sandbox is not None and sandbox.ns]

    def _of(self, sandbox: Sandbox) -> list[_Told]:
        endpoints = self._state.endpoints_of(sandbox.container_id) if sandbox.container_id != INGRESS else ()
        return [known for endpoint in endpoints if (known := self._told.get(endpoint.network_id))]

    async def _write(self, changes: Iterable[tuple[Sandbox, Plan | None]]) -> None:
        """Change sandboxes; one whose contents are not known is written whole."""
        await asyncio.gather(*(self._change(sandbox, change) for sandbox, change in changes))

    async def _change(self, sandbox: Sandbox, change: Plan | None) -> None:
        """What was changed by somebody else does not take a change: it is written anew."""
        known = change is not None and sandbox.ns in self._written
        if known and change is not None and not await self._kernel.attempt(change):
            return
        self._written.add(sandbox.ns)
        self._kernel.guard(sandbox.ns, NAME)
        for fault in await self._kernel.attempt(self._whole(sandbox)):
            self._written.discard(sandbox.ns)
            if sandbox.container_id in self._state.sandboxes:
                _log.error("virtual addresses: %s", fault, extra={"sandbox": sandbox.id})

    def _whole(self, sandbox: Sandbox) -> Plan:
        told, phase = self._of(sandbox), _phase(sandbox)
        elements = tuple(element for known in told for element in known.services.elements(phase))
        table = sandbox_table(servers.SERVED if self.balancer == IPVS else 0)
        rules = Transaction(table.family, table.name, replace=table, add=elements)
        if self.balancer != IPVS:
            return Plan((ChangeRules(rules, sandbox.ns),))
        return servers.whole([known.servers for known in told if known.servers], rules, sandbox.ns, phase)


def _phase(sandbox: Sandbox) -> int:
    """Where the sandbox begins to take turns: a number of its own that stays."""
    return int(sandbox.id[:8], 16)
