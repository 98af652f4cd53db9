"""Promotion and demotion: the role that a user wishes (`Node.spec.role`) against the one a node has (`Node.role`).

A worker becomes a manager at once. A manager becomes a worker only if those that remain can still decide: more than
half of them must be reachable. Until then the node says in its error why it waits. The manager's consensus follows
`Node.role`: who is a manager there is made a member, who is not is removed.

Keys: ("node", id).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Invalid
from fairlead.model.swarm.node import DOWN, MANAGER, REACHABLE, WORKER, Node

name = "roles"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    """A changed role, and every change of a manager while a demotion waits for it."""
    node = new or old
    if not isinstance(node, Node):
        return
    if isinstance(new, Node) and new.spec.role != new.role:
        yield ("node", new.id)
    if node.role == MANAGER:
        for other in snapshot.nodes.values():
            if other.error and other.role == MANAGER and other.spec.role == WORKER:
                yield ("node", other.id)


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    out = Changes()
    managers = {node.id: node for node in snapshot.nodes.values() if node.role == MANAGER}
    for _, node_id in keys:
        node = snapshot.nodes.get(node_id)
        if node is None or node.spec.role == node.role:
            continue
        if node.spec.role == MANAGER:
            out.put(replace(node, role=MANAGER, error=""))
            continue
        reason = loses_quorum(node, managers.values())
        if not reason:
            del managers[node.id]
            out.put(replace(node, role=WORKER, manager=None, error=""))
        elif node.error != reason:
            out.put(replace(node, error=reason))
    return out


def loses_quorum(leaving: Node, managers: Iterable[Node]) -> str:
    """Why the swarm could not decide any more without `leaving`; "" when it could. Managers without a member in the
    consensus (they left by force, or are not seated yet) neither decide nor are needed for it."""
    staying = [node for node in managers if node.id != leaving.id]
    if not staying:
        return "attempting to demote the last manager of the swarm"
    if not _has_seat(leaving):
        return ""
    seated = [node for node in staying if _has_seat(node)]
    if not seated:
        return "no other manager has taken its seat yet: wait until one is reachable"
    reachable = sum(node.manager is not None and node.manager.reachability == REACHABLE for node in seated)
    needed = len(seated) // 2 + 1
    if reachable >= needed:
        return ""
    return (
        f"without it {reachable} of {len(seated)} managers would be reachable and {needed} are needed: "
        "bring a manager back or demote an unreachable one first"
    )


def _has_seat(node: Node) -> bool:
    return node.manager is not None and bool(node.manager.member)


def may_demote(node: Node, managers: Iterable[Node]) -> None:
    """What the API checks before it takes the wish. Raises Invalid in Docker's words."""
    staying = [other for other in managers if other.id != node.id and other.spec.role == MANAGER]
    if not staying:
        raise Invalid(_precondition("attempting to demote the last manager of the swarm"))
    if reason := loses_quorum(node, managers):
        raise Invalid(_precondition(f"can't demote manager {node.id}: {reason}"))


def may_remove(node: Node, force: bool) -> None:
    """`docker node rm`: only workers that are down, or with `force` any worker. Raises Invalid in Docker's words."""
    if node.role == MANAGER or node.spec.role == MANAGER:
        raise Invalid(
            _precondition(
                f"node {node.id} is a cluster manager and is a member of the raft cluster. "
                "It must be demoted to worker before removal"
            )
        )
    if node.status.state != DOWN and not force:
        raise Invalid(_precondition(f"node {node.id} is not down and can't be removed"))


def _precondition(text: str) -> str:
    return f"rpc error: code = FailedPrecondition desc = {text}"
