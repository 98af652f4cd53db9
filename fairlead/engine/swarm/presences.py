"""What this node has announced about the endpoints of its tasks, kept equal to what is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

from fairlead.core.balance.service import LABEL
from fairlead.core.swarm.labels import weight
from fairlead.core.swarm.task_presence import Host, presence
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.surroundings import Discovery
from fairlead.engine.swarm.told import Told
from fairlead.model.discovery import Presence
from fairlead.model.errors import Refusal
from fairlead.model.network import PREDEFINED
from fairlead.model.swarm.task import Task

_Announced = dict[str, tuple[str, Presence]]
"""By endpoint id: the network and what was said."""

ARRIVING = 0.3
"""Seconds in which a client that was given a task's address uses it."""

log = logging.getLogger(__name__)


class Presences:
    def __init__(self, host: OneHost, told: Told, discovery: Discovery | None) -> None:
        self._host, self._told, self._discovery = host, told, discovery
        self._announced: dict[str, _Announced] = {}

    async def retire(self, task: Task, container_id: str, patience: float) -> bool:
        """Announce that nobody shall be sent to the task any more, and return when nobody is: when every node heeds it
        (not longer than `patience` seconds), and who was sent a moment ago has arrived. False when nobody ever was."""
        if self._discovery is None or not await self.follow(task, container_id, serving=False):
            return False
        told = self._announced.get(task.id, {})
        waits = (self._discovery.heeded(network_id, one, patience) for one, (network_id, _) in told.items())
        heeded, _ = await asyncio.gather(asyncio.gather(*waits), asyncio.sleep(ARRIVING))
        if not all(heeded):
            log.info("a task ends although not all nodes have heard of it", extra={"task": task.id})
        return True

    async def follow(self, task: Task, container_id: str, *, serving: bool) -> bool:
        """Announce what is now, withdraw what is no more. True when somebody was asked before to use what now serves
        no longer."""
        if self._discovery is None:
            return False
        before = self._announced.get(task.id, {})
        now = dict(self._present(task, container_id, serving))
        self._announced[task.id] = now
        try:
            for endpoint_id, (network_id, said) in now.items():
                if before.get(endpoint_id) != (network_id, said):
                    await self._discovery.announce(network_id, said)
            for endpoint_id in before.keys() - now.keys():
                await self._discovery.withdraw(before[endpoint_id][0], endpoint_id)
        except Refusal as refusal:
            log.error("a task's endpoints are not announced: %s", refusal.message, extra={"task": task.id})
            self._announced[task.id] = before
        if not now:
            self._announced.pop(task.id, None)
        return not serving and any(said.serving for _, said in before.values())

    def _present(self, task: Task, container_id: str, serving: bool) -> Iterator[tuple[str, tuple[str, Presence]]]:
        node = self._told.node
        host = Host(node.id, self._told.data_address, weight(node.spec.labels))
        for endpoint in self._host.state.endpoints_of(container_id):
            network = self._told.networks.get(endpoint.network_id)
            if network is not None and network.name not in PREDEFINED:
                said = presence(task, endpoint, network, host, serving=serving)
                yield endpoint.id, (network.id, replace(said, balance=task.labels.get(LABEL, "")))
