"""The swarm's networks on this node: there while a task needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fairlead.core.drivers.contract import Neighbourhood
from fairlead.engine.locks import KeyedLocks
from fairlead.engine.networks.creation import Identity, resolve
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.surroundings import Overlays
from fairlead.engine.swarm.told import Told
from fairlead.model.errors import Failed, NotFound
from fairlead.model.network import PREDEFINED, SWARM
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.task import Task

OVERLAY = "overlay"


class TaskNetworks:
    def __init__(self, host: OneHost, told: Told, overlays: Overlays | None) -> None:
        self._host, self._told, self._overlays = host, told, overlays
        self._turns = KeyedLocks()
        self._guests: dict[str, str] = {}
        """By task, the networks of places that were given and are not assigned yet."""

    async def ensure(self, task: Task) -> None:
        """From now on the task's container can be put on its networks. Raises Refusal."""
        for attachment in task.attachments:
            network = self._told.networks.get(attachment.network_id)
            if network is None:
                raise NotFound(f"network {attachment.network_id} not found")
            await self._ensure(network)

    async def ensure_for_guest(self, network: SwarmNetwork, task_id: str) -> None:
        """The same for a container of a user, who was given the place `task_id` on the network: it is needed although
        the assignment of the place may come only later. Raises Refusal."""
        self._guests[task_id] = network.id
        try:
            await self._ensure(network)
        except BaseException:
            self.leave_guest(task_id)
            raise

    def leave_guest(self, task_id: str) -> None:
        """The place is given back; unknown is fine."""
        self._guests.pop(task_id, None)

    async def ensure_ingress(self) -> None:
        """The routing mesh enters at every node that has an address on the ingress network, while there is one."""
        entrances = (one for one in self._told.networks.values() if one.spec.ingress)
        network = min(entrances, key=lambda one: one.pending_delete, default=None)
        if self._overlays is None:
            return
        if network is None:
            await self._host.ingress.close()
            return
        await self._ensure(network)
        own = next((one for one in self._told.node.attachments if one.network_id == network.id), None)
        if own is not None and own.addresses:
            await self._host.ingress.open(self._host.state.networks[network.id], own.addresses)

    async def _ensure(self, network: SwarmNetwork) -> None:
        if network.name in PREDEFINED:
            return
        async with self._turns.of(network.id):
            if (network.driver or network.spec.driver) == OVERLAY:
                if self._overlays is None:
                    raise Failed(f"network {network.name}: this node has no overlay networks")
                await self._overlays.ensure(network, self._told.data_address, self._told.data_path_port)
            elif network.id not in self._host.state.networks:
                await self._make(network)

    async def _make(self, network: SwarmNetwork) -> None:
        """A network whose addresses are each host's own affair (`--config-from` names what this host has of it)."""
        host = self._host
        facts = await host.fabric.host.look()
        ground = host.networks.ground()
        identity = Identity(network.id, host.clock.now())
        resolved, _ = resolve(replace(network.spec, scope=""), ground, identity)
        local = replace(resolved, scope=SWARM)
        host.state.claimed_networks[local.id] = local
        try:
            await host.networks.make(local, Neighbourhood(facts, ground.networks))
        finally:
            del host.state.claimed_networks[local.id]
        host.fabric.announce(local, "create")

    async def release(self, tasks: Iterable[Task]) -> None:
        """Let go of swarm networks that none of `tasks` (those that live) and no endpoint needs."""
        needed = set()
        for task in tasks:
            self.leave_guest(task.id)
            needed |= {one.network_id for one in task.attachments}
        needed.update(self._guests.values())
        for network in list(self._host.state.networks.values()):
            entrance = network.ingress and network.id in self._told.networks
            if network.scope != SWARM or entrance or network.id in needed:
                continue
            async with self._turns.of(network.id):
                if self._host.state.users_of(network.id):
                    continue
                if network.driver != OVERLAY:
                    await self._host.networks.remove(network.id)
                elif self._overlays is not None:
                    await self._overlays.release(network.id)
