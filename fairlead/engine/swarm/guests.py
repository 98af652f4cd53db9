"""This node's side of places for users' own containers on attachable networks: asked for, and given back."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fairlead.engine.fabric.lodgings import Given
from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.messages import AttachAnswer, AttachRequest, DetachRequest
from fairlead.model.errors import Failed, NotFound, Refusal, Unavailable

if TYPE_CHECKING:
    from fairlead.engine.swarm.agent import Agent
    from fairlead.engine.swarm.membership import Membership

PATIENCE = 25.0
"""Longer than managers look for an address."""

GIVE_BACK_SECONDS = 10.0
TRIES = 30

_log = logging.getLogger("fairlead.engine.swarm.guests")


class Guests:
    """A `lodgings.Keeper`. What cannot be given back, because no manager is heard for minutes, managers notice when the
    container is removed."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._leaving: dict[str, asyncio.Task[None]] = {}

    async def lodge(self, container_id: str, network: str, addresses: tuple[str, ...]) -> Given:
        agent = self._membership.agent
        if agent is None:
            raise NotFound(f"network {network} not found")
        request = AttachRequest(network, container_id, addresses)
        try:
            answer = decode(AttachAnswer, await agent.ask("attach", encode(request), PATIENCE))
            await agent.networks.ensure_for_guest(answer.network, answer.task.id)
        except NotFound:
            raise
        except Refusal as refusal:
            raise Failed(f"Could not attach to network {network}: {refusal.message}") from refusal
        return Given(answer.network.id, answer.task.id, answer.attachment.addresses)

    def leave(self, task_id: str) -> None:
        if self._membership.agent is not None:
            self._membership.agent.networks.leave_guest(task_id)
        task = self._leaving[task_id] = asyncio.get_running_loop().create_task(self._give_back(task_id))
        task.add_done_callback(lambda _: self._leaving.pop(task_id, None))

    async def left(self, task_id: str) -> None:
        task = self._leaving.get(task_id)
        if task is not None:
            await asyncio.wait([task], timeout=GIVE_BACK_SECONDS)

    async def _give_back(self, task_id: str) -> None:
        for _ in range(TRIES):
            agent = self._membership.agent
            if agent is None:
                return
            try:
                await self._detach(agent, task_id)
            except Unavailable:
                continue
            except Refusal as refusal:
                _log.error("a place was not given back: %s", refusal.message, extra={"task": task_id})
            return

    async def _detach(self, agent: Agent, task_id: str) -> None:
        await agent.ask("detach", encode(DetachRequest(task_id)), GIVE_BACK_SECONDS)
