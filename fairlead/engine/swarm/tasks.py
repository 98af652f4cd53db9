"""Tasks as users may look at them; only the swarm itself changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairlead.core.swarm.naming import container_name
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.core.swarm.tasks import outdated
from fairlead.engine.swarm import filtering
from fairlead.engine.swarm.filtering import Filters
from fairlead.engine.swarm.lookup import find
from fairlead.engine.swarm.manager_node import Manager
from fairlead.model.errors import Invalid
from fairlead.model.swarm.states import parse_state
from fairlead.model.swarm.task import Task

UP_TO_DATE = "_up-to-date"
"""Tasks that their service would make the same today; what clients that wait for an update count."""
FILTERS = frozenset({"desired-state", "id", "label", "name", "node", "runtime", "service", UP_TO_DATE})
CONTAINER, ATTACHMENT = "container", "attachment"


class Tasks:
    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def get(self, reference: str) -> Task:
        """By id, by the name of its container, or by the beginning of its id."""
        return find("task", reference, self._manager.snapshot.tasks, container_name)

    def list(self, filters: Filters) -> Sequence[Task]:
        """Raises Invalid for filters that do not exist, NotFound for services and nodes that do not."""
        snapshot = self._manager.snapshot
        filtering.check(filters, FILTERS)
        wish = self._wish(filters, snapshot)
        return [task for task in _candidates(wish, snapshot) if wish.meets(task) and _matches(task, filters)]

    def _wish(self, filters: Filters, snapshot: Snapshot) -> _Wish:
        nodes = (self._manager.standing.node_id if one == "self" else one for one in filters.get("node", ()))
        return _Wish(
            snapshot,
            [
                find("service", one, snapshot.services, lambda service: service.spec.name).id
                for one in filters.get("service", ())
            ],
            [find("node", one, snapshot.nodes, lambda node: node.description.hostname).id for one in nodes],
            _states(filters.get("desired-state", ())),
            filtering.truth(filters, UP_TO_DATE),
        )


@dataclass(frozen=True, slots=True)
class _Wish:
    """Filters that mean other objects."""

    snapshot: Snapshot
    services: Sequence[str]
    nodes: Sequence[str]
    desired: frozenset[int]
    up_to_date: bool | None

    def meets(self, task: Task) -> bool:
        return (
            (not self.services or task.service_id in self.services)
            and (not self.nodes or task.node_id in self.nodes)
            and (not self.desired or task.desired in self.desired)
            and (not self.up_to_date or self._current(task))
        )

    def _current(self, task: Task) -> bool:
        service = self.snapshot.services.get(task.service_id)
        return service is not None and not outdated(task, service, self.snapshot.nodes)


def _candidates(wish: _Wish, snapshot: Snapshot) -> Iterable[Task]:
    """Those worth looking at: of one service or node there are few, of the swarm many."""
    if wish.services:
        return (task for service_id in dict.fromkeys(wish.services) for task in snapshot.tasks_of(service_id))
    if wish.nodes:
        return (task for node_id in dict.fromkeys(wish.nodes) for task in snapshot.tasks_on(node_id).values())
    return snapshot.tasks.values()


def _states(words: Iterable[str]) -> frozenset[int]:
    known = {word: parse_state(word) for word in words if word}
    for word, state in known.items():
        if state is None:
            raise Invalid(f"Invalid desired-state filter: '{word}'")
    return frozenset(state for state in known.values() if state is not None)


def _matches(task: Task, filters: Filters) -> bool:
    runtime = CONTAINER if task.spec.container is not None else ATTACHMENT
    return (
        filtering.begins(filters, "id", task.id)
        and filtering.begins(filters, "name", container_name(task))
        and filtering.labelled(filters, task.labels)
        and runtime in (filters.get("runtime") or (CONTAINER,))
    )
