"""The services of one network, put together from what their tasks say.

Tasks of one service say the same of it but for the time of an update. So a service counts who says what, and a task
that comes or goes changes a count, whatever the number of its brothers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.core.discovery.differences import Named, ServiceChange, ServiceHead
from fairlead.core.discovery.naming import head_of, merged, virtual_names
from fairlead.model.discovery import Presence

Renamed = tuple[Named | None, Named | None]


@dataclass(slots=True)
class Service:
    """`backends` are the tasks that serve, by endpoint id. `head` is what was last said of the service.

    Invariant: `known` counts the heads of all tasks, `serving` those of the backends.
    """

    head: ServiceHead | None = None
    backends: dict[str, Presence] = field(default_factory=dict)
    known: Counter[ServiceHead] = field(default_factory=Counter)
    serving: Counter[ServiceHead] = field(default_factory=Counter)
    named: Named | None = None
    joined: dict[str, Presence] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)


class Services:
    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._touched: dict[str, None] = {}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def backends(self, service_id: str) -> Mapping[str, Presence]:
        """The tasks that serve, by endpoint id."""
        service = self._services.get(service_id)
        return service.backends if service else {}

    def replace(self, old: Presence | None, new: Presence | None) -> None:
        """A task says something else than before, came (`old` None) or went (`new` None)."""
        if old == new:
            return
        if old is not None:
            self._remove(old)
        if new is not None:
            self._add(new)

    def take(self) -> tuple[tuple[ServiceChange, ...], tuple[Renamed, ...]]:
        """What changed of services since the last time, and what became of their names."""
        touched, self._touched = self._touched, {}
        changes, renamed = [], []
        for service_id in touched:
            service = self._services[service_id]
            named = virtual_names(merged(service.serving))
            renamed.append((service.named, named))
            if (change := _change(service_id, service)) is not None:
                changes.append(change)
            service.head, service.named = merged(service.known), named
            service.joined, service.left = {}, {}
            if service.head is None:
                del self._services[service_id]
        return tuple(changes), tuple(renamed)

    def _add(self, task: Presence) -> None:
        service = self._services.setdefault(task.service_id, Service())
        self._touched[task.service_id] = None
        head = head_of(task)
        assert head is not None, "only tasks of services are counted"
        service.known[head] += 1
        if task.serving:
            service.serving[head] += 1
            service.backends[task.endpoint_id] = service.joined[task.endpoint_id] = task

    def _remove(self, task: Presence) -> None:
        service = self._services[task.service_id]
        self._touched[task.service_id] = None
        head = head_of(task)
        assert head is not None, "only tasks of services are counted"
        _less(service.known, head)
        if task.serving:
            _less(service.serving, head)
            service.joined.pop(task.endpoint_id, None)
            if service.backends.get(task.endpoint_id) == task:
                del service.backends[task.endpoint_id]
            service.left[task.endpoint_id] = None


def _less(count: Counter[ServiceHead], head: ServiceHead) -> None:
    count[head] -= 1
    if not count[head]:
        del count[head]


def _change(service_id: str, service: Service) -> ServiceChange | None:
    """What to say of a service that was touched; None when it is as it was."""
    head = merged(service.known)
    left = tuple(key for key in service.left if key not in service.backends)
    if head == service.head and not service.joined and not left:
        return None
    return ServiceChange(service_id, head, tuple(service.joined.values()), left)
