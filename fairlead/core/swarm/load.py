"""What each node carries, kept up to date task by task, so that the scheduler never counts.

`Loads.by_total()` gives nodes from the least to the most loaded without sorting them: nodes lie in buckets by their
number of tasks, and there are few distinct numbers. A change of one task moves one node to a neighbouring bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.model.swarm.endpoint import HOST, PortConfig
from fairlead.model.swarm.task import Task

HostPort = tuple[int, str]


@dataclass(slots=True)
class Load:
    """One node's. `services` counts live tasks per service, `ports` the holder (a service id) per host-mode port,
    `named` has the generic resources with names that somebody holds."""

    tasks: int = 0
    nano_cpus: int = 0
    memory: int = 0
    generic: dict[str, int] = field(default_factory=dict)
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    ports: dict[HostPort, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> Load:
        return Load(
            self.tasks,
            self.nano_cpus,
            self.memory,
            dict(self.generic),
            dict(self.named),
            dict(self.services),
            {port: dict(holders) for port, holders in self.ports.items()},
        )

    def count(self, service_id: str) -> int:
        return self.services.get(service_id, 0)

    def add(self, task: Task, sign: int = 1) -> None:
        """Take `task` on, or with `sign` -1 off."""
        asked = task.spec.reservations
        self.tasks += sign
        self.nano_cpus += sign * asked.nano_cpus
        self.memory += sign * asked.memory
        for kind, amount in asked.generic.items():
            self.generic[kind] = self.generic.get(kind, 0) + sign * amount
        for kind, names in task.resources.items():
            held = self.named.get(kind, frozenset())
            self.named[kind] = held.union(names) if sign > 0 else held.difference(names)
        if task.live:
            self._count(task.service_id, sign)
        for port in host_ports(task):
            holders = self.ports.setdefault(port, {})
            if sign > 0:
                holders[task.id] = task.service_id
            else:
                holders.pop(task.id, None)
            if not holders:
                del self.ports[port]

    def _count(self, service_id: str, sign: int) -> None:
        count = self.services.get(service_id, 0) + sign
        if count > 0:
            self.services[service_id] = count
        else:
            self.services.pop(service_id, None)


EMPTY = Load()


class Loads:
    """All nodes'. A node is known from its first task or from `know`, until `forget`."""

    def __init__(self) -> None:
        self._by_node: dict[str, Load] = {}
        self._buckets: dict[int, dict[str, None]] = {}

    def of(self, node_id: str) -> Load:
        """Not to be changed by the caller."""
        return self._by_node.get(node_id, EMPTY)

    def know(self, node_id: str) -> None:
        if node_id not in self._by_node:
            self._by_node[node_id] = Load()
            self._buckets.setdefault(0, {})[node_id] = None

    def forget(self, node_id: str) -> None:
        load = self._by_node.get(node_id)
        if load is not None and load.tasks == 0:
            del self._by_node[node_id]
            self._leave(load.tasks, node_id)

    def add(self, task: Task, sign: int = 1) -> None:
        self.know(task.node_id)
        load = self._by_node[task.node_id]
        self._leave(load.tasks, task.node_id)
        load.add(task, sign)
        self._buckets.setdefault(load.tasks, {})[task.node_id] = None

    def by_total(self) -> Iterator[str]:
        """Node ids, those with the fewest tasks first; among equals the one that changed longest ago."""
        for total in sorted(self._buckets):
            yield from self._buckets[total]

    def _leave(self, total: int, node_id: str) -> None:
        bucket = self._buckets[total]
        del bucket[node_id]
        if not bucket:
            del self._buckets[total]


def host_ports(task: Task) -> list[HostPort]:
    """The fixed ports of its node that a task needs."""
    ports: tuple[PortConfig, ...] = task.endpoint.ports if task.endpoint is not None else ()
    return [(port.published, port.protocol) for port in ports if port.mode == HOST and port.published]


def holders(load: Load, ports: list[HostPort]) -> Mapping[HostPort, str]:
    """Which of `ports` are taken, and by which service."""
    return {port: next(iter(load.ports[port].values())) for port in ports if port in load.ports}
