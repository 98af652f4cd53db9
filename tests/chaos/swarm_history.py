"""The whole history of a swarm's store, transaction by transaction, and what must have been true after each of them.

Read from a manager's own etcd, past the daemon, and opened with the key that the managers' disks have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager

from fairlead.core.swarm.changes import Drop, Put, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import gone
from fairlead.effects.etcd import flags
from fairlead.effects.etcd.gateway import Gateway
from fairlead.effects.etcd.store import EtcdStore
from fairlead.effects.pki.sealed_store import SealedStore
from fairlead.engine.swarm import store_records
from fairlead.lab.machine import Machine
from fairlead.model.swarm.endpoint import INGRESS
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.store import Entry
from fairlead.model.swarm.task import Task

Lease = tuple[str, ...]
SECONDS = 60.0


@contextmanager
def store_of(manager: Machine) -> Iterator[SealedStore]:
    """The store as that manager reaches it; for one whose swarm is not locked."""
    key = (manager.directory / "data/swarm/certificates/swarm-store.key").read_text().strip()
    gateway = Gateway(manager.directory / "exec/swarm" / flags.SOCKET)
    try:
        yield SealedStore(EtcdStore(gateway, "history"), key)
    finally:
        gateway.close()


async def read_store(manager: Machine) -> Snapshot:
    """All that the swarm's managers know now."""
    with store_of(manager) as store:
        entries, _ = await store.load()
    return Snapshot(store_records.thing(entry) for entry in entries)


class History:
    """Follows one swarm; `read` goes on where it stopped. `faults` tells what was ever wrong."""

    def __init__(self) -> None:
        self._after = 0
        self._snapshot = Snapshot()
        self._holders: dict[Lease, str] = {}
        self._held: dict[str, set[Lease]] = {}
        self.transactions = 0
        self.faults: list[str] = []

    def read(self, through: Machine) -> None:
        """Everything up to now, from the consensus member of that manager. Raises Stale if it was compacted."""
        asyncio.run(asyncio.wait_for(self._read(through), SECONDS))

    async def _read(self, through: Machine) -> None:
        with store_of(through) as store:
            until = await store.revision()
            if until == self._after:
                return
            async with aclosing(store.watch(self._after)) as batches:
                async for entries, revision in batches:
                    self._take(entries, revision)
                    if revision >= until:
                        return

    def _take(self, entries: Sequence[Entry], revision: int) -> None:
        self._after = revision
        self.transactions += bool(entries)
        things = [(entry, None if entry.value is None else store_records.thing(entry)) for entry in entries]
        for entry, _ in things:
            for lease in self._held.pop(entry.id, ()):
                self._holders.pop(lease, None)
        idle = [entry.id for entry, thing in things if isinstance(thing, Task) and not self._told_to_run(thing.id)]
        for entry, thing in things:
            self._note(entry, thing, revision)
        for task_id in idle:
            self._check_place(self._snapshot.tasks[task_id], revision)

    def _told_to_run(self, task_id: str) -> bool:
        task = self._snapshot.tasks.get(task_id)
        return task is not None and _told_to_run(task)

    def _note(self, entry: Entry, thing: Thing | None, revision: int) -> None:
        before = self._snapshot.find(entry.kind, entry.id) if entry.kind != "cluster" else None
        if thing is None:
            if before is not None:
                self._snapshot.apply(Drop(before))
            return
        if isinstance(before, Task) and isinstance(thing, Task):
            self._check_steps(before, thing, revision)
        self._snapshot.apply(Put(thing))
        leases = set(leased(thing))
        for lease in leases:
            if lease in self._holders:
                self.faults.append(f"revision {revision}: {lease} is {self._holders[lease]}'s, and {thing.id} has it")
            self._holders[lease] = thing.id
        self._held[entry.id] = leases

    def _check_steps(self, before: Task, after: Task, revision: int) -> None:
        """States and wishes only go on."""
        if after.status.state < before.status.state or after.desired < before.desired:
            self.faults.append(f"revision {revision}: task {after.id} went back: {_said(before)} -> {_said(after)}")

    def _check_place(self, task: Task, revision: int) -> None:
        """No task may be told to run while another of its place may still be running."""
        if not _told_to_run(task):
            return
        for other in self._snapshot.at(task.service_id, task.place).values():
            running = other.status.state >= TaskState.ASSIGNED and not gone(other, self._snapshot.nodes)
            if other.id != task.id and running and other.desired != TaskState.READY:
                text = f"{task.id} is to run while {other.id} is {_said(other)}"
                self.faults.append(f"revision {revision}: {task.service_name}.{task.slot}: {text}")


def _said(task: Task) -> str:
    return f"{task.status.state.name}/{task.desired.name}"


def _told_to_run(task: Task) -> bool:
    return task.desired == TaskState.RUNNING and TaskState.ASSIGNED <= task.status.state <= TaskState.RUNNING


def leased(thing: Thing) -> Iterator[Lease]:
    """What no other object may have at the same time."""
    if (isinstance(thing, Task) and not thing.dead) or isinstance(thing, Node):
        for attachment in thing.attachments:
            for address in attachment.addresses:
                yield "address", attachment.network_id, str(address.ip)
    elif isinstance(thing, Service) and thing.endpoint is not None:
        for vip in thing.endpoint.virtual_ips:
            for address in vip.addresses:
                yield "address", vip.network_id, str(address.ip)
        for port in thing.endpoint.ports:
            if port.mode == INGRESS:
                yield "port", port.protocol, str(port.published)
    elif isinstance(thing, SwarmNetwork):
        for vni in thing.vnis:
            yield "VXLAN id", str(vni)
        for pool in thing.pools:
            yield "subnet", str(pool.subnet)
            if pool.gateway is not None:
                yield "address", thing.id, str(pool.gateway)
