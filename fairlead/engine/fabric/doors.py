"""Tasks' side of the routing mesh: their ingress interfaces, open to the nodes' entrances and to nobody else.

Which ports a task shows and which nodes there are comes from discovery; until it has spoken, nothing may come in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from fairlead.core import sandbox as routes
from fairlead.core.balance import mesh
from fairlead.core.balance.near import Legs
from fairlead.core.balance.service import Entrance, MeshBackend, MeshKey, MeshService, Turnover
from fairlead.core.balance.ways import NAME
from fairlead.engine.fabric.wiring import Wiring
from fairlead.engine.ports import Kernel
from fairlead.engine.state import State
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Address, Network
from fairlead.model.plan import Plan
from fairlead.model.sandbox import INGRESS, Sandbox

_log = logging.getLogger("fairlead.engine.mesh")

_Port = tuple[int, int]


class Doors:
    def __init__(self, state: State, kernel: Kernel, wiring: Wiring) -> None:
        self._state, self._kernel, self._wiring = state, kernel, wiring
        self._entrances: frozenset[Entrance] = frozenset()
        self._ports: dict[Address, dict[MeshKey, _Port]] = {}
        self._tasks: dict[MeshKey, dict[Address, None]] = {}
        self._at: dict[Address, Sandbox] = {}
        self._written: dict[str, tuple[mesh.Door, frozenset[Entrance]]] = {}
        self._legs: dict[str, Legs] = {}
        self.moved: Callable[[], Awaitable[None]] | None = None
        """Who wants to know that `legs` are others."""

    def legs(self) -> Legs:
        """Tasks of this host that answer by docker_gwbridge."""
        return {address: leg for legs in self._legs.values() for address, leg in legs.items()}

    async def entrances(self, nodes: Iterable[Entrance]) -> None:
        """All nodes' ends of the mesh."""
        self._entrances = frozenset(nodes)
        networks = [network for network in self._state.networks.values() if network.ingress]
        tasks = {endpoint.container_id for network in networks for endpoint in self._state.endpoints_on(network.id)}
        sandboxes = [found for task in tasks if (found := self._state.sandboxes.get(task)) is not None]
        await asyncio.gather(*(self.settle(sandbox) for sandbox in sandboxes))

    async def services(self, told: Mapping[MeshKey, MeshService | Turnover[MeshBackend] | None]) -> None:
        """Who shows which port now."""
        concerned: dict[Address, None] = {}
        for key, news in told.items():
            concerned.update(dict.fromkeys(self._follow(key, news)))
        sandboxes = {found.id: found for address in concerned if (found := self._at.get(address)) is not None}
        await asyncio.gather(*(self.settle(sandbox) for sandbox in sandboxes.values()))

    def _follow(self, key: MeshKey, news: MeshService | Turnover[MeshBackend] | None) -> Iterable[Address]:
        """The tasks that may show a port more or less. One that leaves keeps what it had: not every node knows yet."""
        before = self._tasks.setdefault(key, {})
        if isinstance(news, Turnover):
            tasks = news.tasks
        else:
            service = news or MeshService(key)
            leaving = {address: MeshBackend(address, 0, 0) for address in service.leaving}
            tasks = {**dict.fromkeys(before), **leaving, **{one.address: one for one in service.backends}}
        for address, task in tasks.items():
            ports = self._ports.setdefault(address, {})
            if task is None:
                ports.pop(key, None)
                before.pop(address, None)
            elif task.weight:
                ports[key] = mesh.NUMBERS[key.protocol], task.port
                before[address] = None
            if not ports:
                del self._ports[address]
        if not before:
            del self._tasks[key]
        return tasks

    async def settle(self, sandbox: Sandbox) -> None:
        """The sandbox has come to a network or gone from one, or something was told that concerns it."""
        door = self._door(sandbox)
        if door is None:
            self.forget(sandbox)
            return
        self._at.update(dict.fromkeys((address.ip for address in door.addresses), sandbox))
        now = (door, self._entrances)
        plan = self._difference(self._written.get(sandbox.ns), now)
        self._written[sandbox.ns] = now
        self._kernel.guard(sandbox.ns, NAME)
        for fault in await self._kernel.attempt(plan):
            self._written.pop(sandbox.ns, None)
            if sandbox.container_id in self._state.sandboxes:
                _log.error("the routing mesh: %s", fault, extra={"sandbox": sandbox.id})
        before = self._legs.get(sandbox.id)
        self._legs[sandbox.id] = self._legs_of(door, sandbox)
        if self.moved is not None and before != self._legs[sandbox.id]:
            await self.moved()

    def _legs_of(self, door: mesh.Door, sandbox: Sandbox) -> Legs:
        """Where its ingress addresses are reached by docker_gwbridge, if that is its way out."""
        endpoints = self._state.endpoints_of(sandbox.container_id)
        legs = {address.ip for endpoint in endpoints if endpoint.egress for address in endpoint.addresses}
        found = ((own.ip, door.answers.get(own.version)) for own in door.addresses)
        return {address: leg for address, leg in found if leg in legs}

    def doubt(self, sandbox: Sandbox) -> None:
        """What its tables hold is not known."""
        self._written.pop(sandbox.ns, None)

    def forget(self, sandbox: Sandbox) -> None:
        self._written.pop(sandbox.ns, None)
        self._legs.pop(sandbox.id, None)
        for address in [address for address, there in self._at.items() if there.id == sandbox.id]:
            del self._at[address]

    def _difference(
        self, was: tuple[mesh.Door, frozenset[Entrance]] | None, now: tuple[mesh.Door, frozenset[Entrance]]
    ) -> Plan:
        if was is None or replace(was[0], ports=frozenset()) != replace(now[0], ports=frozenset()):
            return mesh.door_plan(*now)
        ports = mesh.ports_change(now[0].ns, was[0].ports, now[0].ports)
        return ports + mesh.entrances_change(now[0].ns, was[1], now[1])

    def _door(self, sandbox: Sandbox) -> mesh.Door | None:
        """The sandbox's door, if it is a task's on the ingress network."""
        if sandbox.container_id == INGRESS or not sandbox.ns:
            return None
        endpoints = self._state.endpoints_of(sandbox.container_id)
        found = ((endpoint, self._wiring.network(endpoint)) for endpoint in endpoints)
        task = next(((endpoint, network) for endpoint, network in found if network.ingress), None)
        if task is None:
            return None
        endpoint, network = task
        return mesh.Door(
            sandbox.ns,
            endpoint.ifname,
            endpoint.addresses,
            _gateways(network, endpoint),
            self._answers(endpoints),
            frozenset(port for own in endpoint.addresses for port in self._ports.get(own.ip, {}).values()),
        )

    def _answers(self, endpoints: list[Endpoint]) -> dict[int, Address]:
        """The addresses that packets to anywhere leave with."""
        legs, by_id = self._wiring.legs(endpoints), {endpoint.id: endpoint for endpoint in endpoints}
        ways = ((version, routes.way_out(legs, version)) for version in routes.VERSIONS)
        return {
            version: address.ip
            for version, leg in ways
            if leg is not None
            for address in by_id[leg.endpoint_id].addresses
            if address.version == version
        }


def _gateways(network: Network, endpoint: Endpoint) -> tuple[Address, ...]:
    """The network's own addresses in the subnets that the endpoint is in."""
    pools = (pool for pool in network.pools if any(own.ip in pool.subnet for own in endpoint.addresses))
    return tuple(pool.gateway for pool in pools if pool.gateway is not None)
