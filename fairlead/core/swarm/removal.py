"""What a removed service leaves: its tasks are wished away; and networks that wait for their last task to be gone.

Keys: ("service", id), ("network", id).
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import wish
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

name = "removal"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    if isinstance(old, Service) and new is None:
        yield ("service", old.id)
    elif isinstance(new, SwarmNetwork) and new.pending_delete:
        yield ("network", new.id)
    elif isinstance(new, Task) and old is None and new.service_id and new.service_id not in snapshot.services:
        yield ("service", new.service_id)
    elif isinstance(old, Task) and (new is None or (isinstance(new, Task) and new.dead and not old.dead)):
        waiting = (snapshot.networks.get(attachment.network_id) for attachment in old.attachments)
        yield from (("network", network.id) for network in waiting if network is not None and network.pending_delete)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    for kind, key in keys:
        if kind == "service" and key not in snapshot.services:
            for task in snapshot.tasks_of(key):
                if task.desired != TaskState.REMOVE:
                    out.put(wish(task, TaskState.REMOVE))
        network = snapshot.networks.get(key)
        if network is not None and network.pending_delete and not in_use(network, snapshot):
            out.drop(network)
    return out


def in_use(network: SwarmNetwork, snapshot: Snapshot) -> bool:
    """Does a task that is not dead have a place on it?"""
    return any(
        attachment.network_id == network.id
        for task in snapshot.tasks.values()
        if not task.dead
        for attachment in task.attachments
    )
