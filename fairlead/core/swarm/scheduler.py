"""A node for every task that waits for one.

Tasks of one service that were made alike are one demand: nodes are asked once per task placed and all of them only
when none will do, because then the explanation must count them; it stands in the task's error until it is placed.

Keys: ("task", id) of a task that became PENDING; ("all",) when nodes changed or something was freed, so that tasks
that found no place may find one now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heapreplace

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.filters import Demand, explain, fits, refusal
from fairlead.core.swarm.load import Load
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.orchestrate_global import standing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.spread import failing_nodes, grow, pick
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus

name = "scheduler"
ASSIGNED = "scheduler assigned task to node"


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
    if isinstance(new, Node) and not (isinstance(old, Node) and standing(old) == standing(new)):
        return [("all",)]
    if isinstance(new, Task) and new.id in snapshot.unplaced:
        waited = isinstance(old, Task) and old.status.state == TaskState.PENDING and old.desired == new.desired
        return [] if waited else [("task", new.id)]
    freed = isinstance(old, Task) and old.holds_resources and not (isinstance(new, Task) and new.holds_resources)
    return [("all",)] if freed else []


def decide(snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
    wanted = set(keys)
    ids = list(snapshot.unplaced) if ("all",) in wanted else [key[1] for key in wanted if key[1] in snapshot.unplaced]
    round_ = Round(snapshot, moment)
    for tasks in _alike([snapshot.tasks[task_id] for task_id in ids]):
        round_.place(tasks)
    return round_.out


def _alike(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    groups: dict[tuple[str, int, str], list[Task]] = {}
    for task in sorted(tasks, key=lambda task: (task.created, task.slot, task.id)):
        groups.setdefault((task.service_id, id(task.spec), task.node_id), []).append(task)
    yield from groups.values()


class Round:
    """One answer in the making. Nodes that were given tasks in it have their load copied and counted on; the
    snapshot's own is not touched."""

    def __init__(self, snapshot: Snapshot, moment: Moment) -> None:
        self.out = Changes()
        self._snapshot = snapshot
        self._moment = moment
        self._loads: dict[str, Load] = {}

    def place(self, tasks: list[Task]) -> None:
        """Place tasks that are alike, as many as find a node."""
        demand = self._demand(tasks[0])
        if tasks[0].node_id:
            for task in tasks:
                self._at_home(task, demand)
        elif tasks[0].spec.placement.preferences:
            self._by_preference(tasks, demand)
        else:
            self._by_spread(tasks, demand)

    def _demand(self, task: Task) -> Demand:
        networks = (self._snapshot.networks.get(one.network_id) for one in task.attachments)
        drivers = {network.driver or network.spec.driver for network in networks if network is not None}
        return Demand(task, tuple(sorted(drivers - {""})))

    def _load(self, node_id: str) -> Load:
        return self._loads.get(node_id) or self._snapshot.loads.of(node_id)

    def _at_home(self, task: Task, demand: Demand) -> None:
        """A task that was born for one node: that, or wait."""
        node = self._snapshot.nodes.get(task.node_id)
        if node is None:
            return
        if task.spec.container is None or fits(demand, node, self._load(node.id)):
            self._assign(task, node.id)
        else:
            self._refuse([task], demand, [node])

    def _by_spread(self, tasks: list[Task], demand: Demand) -> None:
        """Nodes without the service are taken as they come, from the emptiest, so that the first that fits ends the
        search; nodes that have it (or fail it) are ranked, and only if the others do not suffice."""
        service_id = demand.task.service_id
        failing = failing_nodes(service_id, self._snapshot, self._moment.now)
        waiting = tasks[::-1]
        ranked: list[str] = []
        for node_id in self._snapshot.loads.by_total():
            if not waiting:
                return
            known = node_id in failing or node_id in self._loads or self._load(node_id).count(service_id) > 0
            if not known and self._takes(node_id, demand):
                self._assign(waiting.pop(), node_id)
                known = True
            if known:
                ranked.append(node_id)
        if waiting:
            self._by_rank(waiting[::-1], demand, ranked, failing)

    def _by_rank(self, tasks: list[Task], demand: Demand, candidates: list[str], failing: set[str]) -> None:
        """Always to the node of the lowest rank that fits."""
        rank = self._rank(demand.task.service_id, failing)
        heap = [(*rank(node_id), node_id) for node_id in candidates if self._takes(node_id, demand)]
        heapify(heap)
        for index, task in enumerate(tasks):
            while heap and not self._takes(heap[0][-1], demand):
                heappop(heap)
            if not heap:
                self._refuse(tasks[index:], demand, self._snapshot.nodes.values())
                return
            node_id = heap[0][-1]
            self._assign(task, node_id)
            heapreplace(heap, (*rank(node_id), node_id))

    def _by_preference(self, tasks: list[Task], demand: Demand) -> None:
        service_id = demand.task.service_id
        rank = self._rank(service_id, failing_nodes(service_id, self._snapshot, self._moment.now))
        nodes = (node for node in self._snapshot.nodes.values() if self._takes(node.id, demand))
        preferences = demand.task.spec.placement.preferences
        root = grow(nodes, preferences, lambda node_id: self._load(node_id).count(service_id))
        for index, task in enumerate(tasks):
            node_id = pick(root, rank, lambda node_id: self._takes(node_id, demand))
            if not node_id:
                self._refuse(tasks[index:], demand, self._snapshot.nodes.values())
                return
            self._assign(task, node_id)

    def _rank(self, service_id: str, failing: set[str]) -> Callable[[str], tuple[bool, int, int]]:
        def rank(node_id: str) -> tuple[bool, int, int]:
            load = self._load(node_id)
            return node_id in failing, load.count(service_id), load.tasks

        return rank

    def _takes(self, node_id: str, demand: Demand) -> bool:
        node = self._snapshot.nodes.get(node_id)
        return node is not None and fits(demand, node, self._load(node_id))

    def _assign(self, task: Task, node_id: str) -> None:
        status = TaskStatus(TaskState.ASSIGNED, at=self._moment.now, message=ASSIGNED)
        if node_id not in self._loads:
            self._loads[node_id] = self._snapshot.loads.of(node_id).copy()
        resources = self._resources(task, node_id)
        placed = replace(task, node_id=node_id, status=status, resources=resources)
        self._loads[node_id].add(placed)
        self.out.put(placed)

    def _resources(self, task: Task, node_id: str) -> Mapping[str, tuple[str, ...]]:
        """Which of the node's generic resources with names the task gets: the first that nobody has."""
        asked, held = task.spec.reservations.generic, self._loads[node_id].named
        if not asked:
            return {}
        named = self._snapshot.nodes[node_id].description.named
        return {
            kind: tuple(name for name in named[kind] if name not in held.get(kind, ()))[:amount]
            for kind, amount in asked.items()
            if kind in named
        }

    def _refuse(self, tasks: list[Task], demand: Demand, nodes: Iterable[Node]) -> None:
        reasons = ((node, refusal(demand, node, self._load(node.id))) for node in nodes)
        refused = ((node, *reason) for node, reason in reasons if reason is not None)
        error = explain(refused, self._snapshot.services)
        for task in tasks:
            if task.status.error != error:
                self.out.put(replace(task, status=replace(task.status, error=error)))
