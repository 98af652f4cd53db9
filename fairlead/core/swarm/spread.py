"""In which order nodes are offered to the tasks of a service: those with the fewest tasks of that service first, then
those with the fewest tasks; nodes on which the service failed lately come last.

With placement preferences nodes are a tree: each level divides its tasks evenly among the values of one attribute
(nodes without it form a value of their own); only among the nodes of one leaf that order matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fairlead.core.swarm.constraints import label
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.template import SECOND

FAILURES, FAILURE_WINDOW = 3, 300 * SECOND
"""A node where so many tasks of the service failed within this time is offered last."""


def failing_nodes(service_id: str, snapshot: Snapshot, now: int) -> set[str]:
    """Nodes on which the service failed too often of late, from the history that tasks are."""
    failures: dict[str, int] = {}
    for task in snapshot.tasks_of(service_id):
        ended = task.status
        if ended.state in (TaskState.FAILED, TaskState.REJECTED) and now - ended.at < FAILURE_WINDOW and task.node_id:
            failures[task.node_id] = failures.get(task.node_id, 0) + 1
    return {node_id for node_id, count in failures.items() if count >= FAILURES}


@dataclass(slots=True)
class Branch:
    """A value of a preference: the nodes below it, or the branches of the next preference."""

    nodes: list[str] = field(default_factory=list)
    branches: dict[str, Branch] = field(default_factory=dict)
    tasks: int = 0


def grow(nodes: Iterable[Node], preferences: Sequence[str], count: Callable[[str], int]) -> Branch:
    """The tree of `nodes` under `preferences` ("node.labels.zone"); `count` gives a node's tasks of the service."""
    root = Branch()
    for node in nodes:
        branch, own = root, count(node.id)
        branch.tasks += own
        for preference in preferences:
            branch = branch.branches.setdefault(label(node, preference) or "", Branch())
            branch.tasks += own
        branch.nodes.append(node.id)
    return root


def pick(root: Branch, rank: Callable[[str], tuple[int, ...]], takes: Callable[[str], bool]) -> str:
    """The node for the next task: down the branch with the fewest tasks, then by `rank`. Counts the task, and prunes
    nodes that `takes` no longer. "" when no node is left."""
    while root.nodes or root.branches:
        path = _descend(root)
        node_id = min(path[-1].nodes, key=rank)
        if takes(node_id):
            for branch in path:
                branch.tasks += 1
            return node_id
        path[-1].nodes.remove(node_id)
        for above, below in zip(path[-2::-1], path[:0:-1], strict=True):
            if not below.nodes and not below.branches:
                above.branches = {value: one for value, one in above.branches.items() if one is not below}
    return ""


def _descend(root: Branch) -> list[Branch]:
    path = [root]
    while path[-1].branches:
        branches = path[-1].branches
        path.append(branches[min(branches, key=lambda value: (branches[value].tasks, value))])
    return path
