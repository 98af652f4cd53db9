"""What becomes of nodes and tasks in the store by what nodes say, or do not say any more: decisions for the reign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fairlead.core.swarm import dispatch
from fairlead.core.swarm.changes import Change, Put, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm.messages import SessionRequest, TaskReport
from fairlead.model.errors import NotAllowed
from fairlead.model.swarm.node import DOWN, MANAGER, ManagerStatus, NodeStatus
from fairlead.model.swarm.task import Task

LEFT = "the node left the swarm"


def _rewritten(old: Thing | None, new: Thing | None) -> Iterator[Change]:
    if new is not None and new != old:
        yield Put(new)


def everybody_unknown(now: int, snapshot: Snapshot) -> Iterator[Change]:
    """What a new leader knows of the nodes."""
    for node in snapshot.nodes.values():
        yield from _rewritten(node, dispatch.unknown(node, now))


def opened(request: SessionRequest, node_id: str, now: int, snapshot: Snapshot) -> Iterator[Change]:
    """The node is well, and where and what it says. Raises NotAllowed when there is no such node."""
    node = snapshot.nodes.get(node_id)
    if node is None:
        raise NotAllowed(f"node {node_id} is not part of this swarm")
    ready = dispatch.opened(node, request.description, request.address, now)
    manager = node.manager
    if node.role == MANAGER and request.manager_address:
        manager = replace(manager or ManagerStatus(), address=request.manager_address)
    return _rewritten(node, replace(ready, data_address=request.data_address, manager=manager))


def reported(reports: Iterable[TaskReport], node_id: str, snapshot: Snapshot) -> Iterator[Change]:
    """Each task as the last of its reports leaves it."""
    changed: dict[str, Task] = {}
    for one in reports:
        task = changed.get(one.task_id) or snapshot.tasks.get(one.task_id)
        if task is not None and (after := dispatch.report(task, one.status, node_id)) is not None:
            changed[task.id] = after
    return map(Put, changed.values())


def left(node_id: str, now: int, snapshot: Snapshot) -> Iterator[Change]:
    """The node went by itself."""
    node = snapshot.nodes.get(node_id)
    if node is not None:
        status = NodeStatus(DOWN, LEFT, node.status.address, now)
        yield from _rewritten(node, replace(node, status=status))


def given_up(sessions: Mapping[str, dispatch.Session], now: int, snapshot: Snapshot) -> Iterator[Change]:
    """The nodes (by id) of sessions that are over."""
    for node_id, session in sessions.items():
        node = snapshot.nodes.get(node_id)
        if node is not None and node.status.state != DOWN:
            yield Put(dispatch.given_up(node, session, now))
