"""The managers' working copy of the store, indexed for the questions that the loops ask.

`apply` is the only way to change it, and costs the same however much it holds. Objects in it are values: a loop that
keeps one may compare it later, and writes a changed copy through `Changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fairlead.core.swarm.changes import Change, Drop, Thing
from fairlead.core.swarm.load import Loads
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

Places = Mapping[str, Mapping[str, Task]]
_NOTHING: dict[str, Task] = {}
_NOWHERE: dict[str, dict[str, Task]] = {}


class Snapshot:
    """Nodes, services, tasks, networks, secrets and configs by id; one cluster at most."""

    def __init__(self, things: Iterable[Thing] = ()) -> None:
        self.cluster: Cluster | None = None
        self.nodes: dict[str, Node] = {}
        self.services: dict[str, Service] = {}
        self.tasks: dict[str, Task] = {}
        self.networks: dict[str, SwarmNetwork] = {}
        self.secrets: dict[str, Secret] = {}
        self.configs: dict[str, Config] = {}
        self.loads = Loads()
        self.unplaced: dict[str, None] = {}
        self._by_place: dict[str, dict[str, dict[str, Task]]] = {}
        self._by_node: dict[str, dict[str, Task]] = {}
        for thing in things:
            self.put(thing)

    # --- questions ----------------------------------------------------------------------------

    def places(self, service_id: str) -> Places:
        """The tasks of a service by place (slot or node), dead ones too."""
        return self._by_place.get(service_id, _NOWHERE)

    def at(self, service_id: str, place: str) -> Mapping[str, Task]:
        """The tasks of one place, by id."""
        return self._by_place.get(service_id, _NOWHERE).get(place, _NOTHING)

    def tasks_of(self, service_id: str) -> Iterator[Task]:
        for tasks in self._by_place.get(service_id, _NOWHERE).values():
            yield from tasks.values()

    def tasks_on(self, node_id: str) -> Mapping[str, Task]:
        return self._by_node.get(node_id, _NOTHING)

    def named(self, kind: str, name: str) -> Service | SwarmNetwork | Secret | Config | None:
        """The object of `kind` ("service", "network", "secret", "config") that is called `name`, in whatever case. A
        network that is to be deleted has given its name up."""
        found: Mapping[str, Service | SwarmNetwork | Secret | Config] = getattr(self, f"{kind}s")
        called = (thing for thing in found.values() if thing.spec.name.lower() == name.lower())
        return next((thing for thing in called if not (isinstance(thing, SwarmNetwork) and thing.pending_delete)), None)

    def find(self, kind: str, id_: str) -> Thing | None:
        """The object of `kind` ("node", "service", "task", "network", "secret", "config") with this id."""
        found: Mapping[str, Thing] = getattr(self, f"{kind}s")
        return found.get(id_)

    def present(self, thing: Thing) -> Thing | None:
        """What it holds of the same kind under the same id."""
        return self.cluster if isinstance(thing, Cluster) else self._table(thing).get(thing.id)

    def ingress(self) -> SwarmNetwork | None:
        """The routing mesh's network. One that is to be deleted is it no more, while its last tasks still stop."""
        entrances = (network for network in self.networks.values() if network.spec.ingress)
        return next((network for network in entrances if not network.pending_delete), None)

    def things(self) -> Iterator[Thing]:
        """Everything, in the order in which a new leader should look at it."""
        if self.cluster is not None:
            yield self.cluster
        for table in (self.networks, self.nodes, self.services, self.tasks, self.secrets, self.configs):
            yield from table.values()

    # --- changes ------------------------------------------------------------------------------

    def apply(self, change: Change) -> Thing | None:
        """What the change replaced, if anything."""
        return self.drop(change.thing) if isinstance(change, Drop) else self.put(change.thing)

    def put(self, thing: Thing) -> Thing | None:
        if isinstance(thing, Cluster):
            before, self.cluster = self.cluster, thing
            return before
        table = self._table(thing)
        old = table.get(thing.id)
        table[thing.id] = thing
        if isinstance(thing, Task):
            self._reindex(old if isinstance(old, Task) else None, thing)
        elif isinstance(thing, Node):
            self.loads.know(thing.id)
        return old

    def drop(self, thing: Thing) -> Thing | None:
        if isinstance(thing, Cluster):
            before, self.cluster = self.cluster, None
            return before
        old = self._table(thing).pop(thing.id, None)
        if isinstance(old, Task):
            self._reindex(old, None)
        elif isinstance(old, Node):
            self.loads.forget(old.id)
        return old

    def _table(self, thing: Thing) -> dict[str, Thing]:
        return getattr(self, _TABLES[type(thing)])  # type: ignore[no-any-return]

    def _reindex(self, old: Task | None, new: Task | None) -> None:
        if old is not None and (new is None or old.node_id != new.node_id or old.place != new.place):
            self._unindex(old)
        if new is not None:
            self._by_place.setdefault(new.service_id, {}).setdefault(new.place, {})[new.id] = new
            if new.node_id:
                self._by_node.setdefault(new.node_id, {})[new.id] = new
        self._weigh(old, new)
        task = new or old
        assert task is not None
        if new is not None and new.wanted and new.status.state == TaskState.PENDING:
            self.unplaced[task.id] = None
        else:
            self.unplaced.pop(task.id, None)

    def _unindex(self, task: Task) -> None:
        places = self._by_place[task.service_id]
        del places[task.place][task.id]
        if not places[task.place]:
            del places[task.place]
        if not places:
            del self._by_place[task.service_id]
        if task.node_id:
            there = self._by_node[task.node_id]
            del there[task.id]
            if not there:
                del self._by_node[task.node_id]

    def _weigh(self, old: Task | None, new: Task | None) -> None:
        held = old if old is not None and old.holds_resources else None
        holds = new if new is not None and new.holds_resources else None
        if held is not None and holds is not None and _weighs_the_same(held, holds):
            return
        if held is not None:
            self.loads.add(held, -1)
        if holds is not None:
            self.loads.add(holds)


def _weighs_the_same(old: Task, new: Task) -> bool:
    return old.live == new.live and old.node_id == new.node_id and old.endpoint is new.endpoint


_TABLES: Mapping[type, str] = {
    Node: "nodes",
    Service: "services",
    Task: "tasks",
    SwarmNetwork: "networks",
    Secret: "secrets",
    Config: "configs",
}
