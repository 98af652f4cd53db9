"""Places on attachable networks for users' own containers.

A node asks for one (`attach`); a task that stands for the container is made, the allocator gives it addresses, and the
answer goes out when the store has them. The task keeps the network from being removed, until `detach`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.records import encode
from fairlead.engine.swarm.dispatcher import Propose, caller
from fairlead.engine.swarm.hearing import heard
from fairlead.engine.swarm.messages import AttachAnswer, AttachRequest, DetachRequest
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Answerer, Call
from fairlead.model.errors import Failed, NotAllowed, NotFound, Refusal
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import NetworkAttachmentSpec, TaskTemplate

PATIENCE = 20.0


class Attaching:
    """`propose` is the reign's."""

    def __init__(self, mirror: Mirror, propose: Propose, clock: Clock, entropy: Entropy) -> None:
        self._mirror, self._propose = mirror, propose
        self._clock, self._entropy = clock, entropy
        self.calls: Mapping[str, Answerer] = {"attach": self.attach, "detach": self.detach}

    async def attach(self, call: Call) -> bytes:
        """Raises NotFound, NotAllowed (not attachable), or Failed with the reason why there is no address."""
        request, node_id = heard(AttachRequest, call), caller(call).node_id
        network = attachable(self._mirror.snapshot, request.network)
        task_id, now = self._entropy.swarm_id(), self._clock.now()

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            if attached(snapshot, node_id, network.id, request.container_id) is None:
                yield Put(_task(task_id, network, request, node_id, now))

        await self._propose(decide)
        task = attached(self._mirror.snapshot, node_id, network.id, request.container_id)
        try:
            async with asyncio.timeout(PATIENCE):
                task = await self._ready(task.id if task is not None else task_id)
        except (TimeoutError, Refusal) as error:
            await self._drop(task_id, node_id)
            reason = error.message if isinstance(error, Refusal) else "context deadline exceeded"
            text = "attaching to network failed, make sure your network options are correct and check manager logs"
            raise Failed(f"{text}: {reason}") from error
        network = self._mirror.snapshot.networks.get(network.id, network)
        return encode(AttachAnswer(network, task, task.attachments[0]))

    async def detach(self, call: Call) -> bytes:
        await self._drop(heard(DetachRequest, call).task_id, caller(call).node_id)
        return b""

    async def _ready(self, task_id: str) -> Task:
        """The task once it has its addresses. Raises Failed with the allocator's reason when it cannot."""
        subscription = self._mirror.changes()
        try:
            while True:
                task = self._mirror.snapshot.tasks.get(task_id)
                if task is None:
                    raise Failed("the attachment was taken back")
                if task.status.state >= TaskState.ASSIGNED:
                    return task
                if task.status.error:
                    raise Failed(task.status.error)
                await subscription.wait()
                subscription.drain()
        finally:
            subscription.close()

    async def _drop(self, task_id: str, node_id: str) -> None:
        def decide(snapshot: Snapshot) -> Iterator[Change]:
            task = snapshot.tasks.get(task_id)
            if task is not None and task.node_id == node_id and task.spec.container is None:
                yield Drop(task)

        await self._propose(decide)


def attachable(snapshot: Snapshot, reference: str) -> SwarmNetwork:
    """The network of that id or name. Raises as Docker words it."""
    network = snapshot.networks.get(reference) or snapshot.named("network", reference)
    if not isinstance(network, SwarmNetwork) or network.pending_delete:
        raise NotFound(f"network {reference} not found")
    if not network.spec.attachable:
        text = f"network {network.name} not manually attachable"
        raise NotAllowed(f"rpc error: code = PermissionDenied desc = {text}")
    return network


def attached(snapshot: Snapshot, node_id: str, network_id: str, container_id: str) -> Task | None:
    """The task that stands for the container on the network: an answer that was lost is asked for again."""
    for task in snapshot.tasks_on(node_id).values():
        of_container = task.live and task.spec.attached_container == container_id
        if of_container and task.spec.networks[0].target == network_id:
            return task
    return None


def _task(task_id: str, network: SwarmNetwork, request: AttachRequest, node_id: str, now: int) -> Task:
    join = NetworkAttachmentSpec(network.id, request.addresses)
    spec = TaskTemplate(attached_container=request.container_id, networks=(join,))
    return Task(task_id, "", spec, node_id=node_id, status=TaskStatus(at=now), created=now, updated=now)
