"""The services of one network, put together from what their tasks say.

Tasks of one service say the same of it but for the time of an update. So a service counts who says what, and a task
that comes or goes changes a count, whatever the number of its brothers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from fairlead.core.discovery.differences import Named, Service, ServiceChange, ServiceHead
from fairlead.core.discovery.naming import head_of, merged, virtual_names
from fairlead.model.discovery import Presence

Renamed = tuple[Named | None, Named | None]


@dataclass(frozen=True, slots=True)
class Told:
    """A task as it stands to others. `unheard`: its node is lost, and it served when that was last heard."""

    task: Presence
    unheard: bool = False


@dataclass(slots=True)
class _Tally:
    """Invariant: the counters count the heads of the tasks in `serving` and `leaving`, and of those in `serving`.

    `unheard` are those of `leaving` that may serve as well as ever: nobody knows. They are led to, and the service
    keeps its names, while nobody else serves: an attempt is better than a refusal."""

    serving: dict[str, Presence] = field(default_factory=dict)
    leaving: dict[str, Presence] = field(default_factory=dict)
    unheard: dict[str, Presence] = field(default_factory=dict)
    heads: Counter[ServiceHead] = field(default_factory=Counter)
    serving_heads: Counter[ServiceHead] = field(default_factory=Counter)
    said: ServiceHead | None = None
    named: Named | None = None
    before: dict[str, Presence | None] = field(default_factory=dict)
    """The tasks that were touched since the last time, as they were."""

    @property
    def hoping(self) -> bool:
        return not self.serving and bool(self.unheard)

    def service(self) -> Service | None:
        head = merged(self.heads)
        if head is None:
            return None
        if self.hoping:
            known = [task for endpoint_id, task in self.leaving.items() if endpoint_id not in self.unheard]
            return Service(head, self.unheard.values(), known)
        return Service(head, self.serving.values(), self.leaving.values())

    def serving_head(self) -> ServiceHead | None:
        if self.hoping:
            return merged(Counter(head for task in self.unheard.values() if (head := head_of(task)) is not None))
        return merged(self.serving_heads)

    def task(self, endpoint_id: str) -> Presence | None:
        hoped = self.unheard.get(endpoint_id) if self.hoping else None
        return hoped or self.serving.get(endpoint_id) or self.leaving.get(endpoint_id)

    def add(self, told: Told, head: ServiceHead) -> None:
        task, endpoint_id = told.task, told.task.endpoint_id
        was, stood = self.hoping, self._standing()
        self.heads[head] += 1
        if told.unheard:
            self.leaving[endpoint_id], self.unheard[endpoint_id] = replace(task, serving=False), task
        elif task.serving:
            self.serving_heads[head] += 1
            self.serving[endpoint_id] = task
        else:
            self.leaving[endpoint_id] = task
        self._turn(was, stood)

    def remove(self, told: Told, head: ServiceHead) -> None:
        task, endpoint_id = told.task, told.task.endpoint_id
        was, stood = self.hoping, self._standing()
        _less(self.heads, head)
        if told.unheard:
            if self.unheard.get(endpoint_id) == task:
                del self.leaving[endpoint_id], self.unheard[endpoint_id]
        elif task.serving:
            _less(self.serving_heads, head)
            if self.serving.get(endpoint_id) == task:
                del self.serving[endpoint_id]
        elif self.leaving.get(endpoint_id) == task:
            del self.leaving[endpoint_id]
        self._turn(was, stood)

    def _standing(self) -> dict[str, Presence | None]:
        """The tasks that nobody hears, as they stand, if that can change now."""
        return {} if len(self.serving) > 1 else {endpoint_id: self.task(endpoint_id) for endpoint_id in self.unheard}

    def _turn(self, was: bool, stood: Mapping[str, Presence | None]) -> None:
        """Where hope begins or ends, all whom it concerns are touched."""
        if self.hoping != was:
            for endpoint_id, task in stood.items():
                self.before.setdefault(endpoint_id, task)

    def take(self) -> tuple[tuple[Presence | None, Presence | None], ...]:
        """What became of the tasks that were touched."""
        touched, self.before = self.before, {}
        pairs = ((was, self.task(endpoint_id)) for endpoint_id, was in touched.items())
        return tuple((was, now) for was, now in pairs if was != now)


class Services:
    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._touched: dict[str, None] = {}

    def __iter__(self) -> Iterator[Service]:
        return (service for tally in self._tallies.values() if (service := tally.service()) is not None)

    def replace(self, old: Told | None, new: Told | None) -> None:
        """A task says something else than before, came (`old` None) or went (`new` None)."""
        if old == new:
            return
        if old is not None:
            tally, head = self._touch(old.task)
            tally.remove(old, head)
        if new is not None:
            tally, head = self._touch(new.task)
            tally.add(new, head)

    def take(self) -> tuple[tuple[ServiceChange, ...], tuple[Renamed, ...]]:
        """What changed of services since the last time, and what became of their names."""
        touched, self._touched = self._touched, {}
        changes, renamed = [], []
        for service_id in touched:
            tally = self._tallies[service_id]
            named, service = virtual_names(tally.serving_head()), tally.service()
            renamed.append((tally.named, named))
            if service is not None or tally.said is not None:
                changes.append(ServiceChange(service_id, tally.said, service, tally.take()))
            tally.said, tally.named = service.head if service else None, named
            if service is None:
                del self._tallies[service_id]
        return tuple(changes), tuple(renamed)

    def _touch(self, task: Presence) -> tuple[_Tally, ServiceHead]:
        self._touched[task.service_id] = None
        head = head_of(task)
        assert head is not None, "only tasks of services are counted"
        tally = self._tallies.setdefault(task.service_id, _Tally())
        tally.before.setdefault(task.endpoint_id, tally.task(task.endpoint_id))
        return tally, head


def _less(count: Counter[ServiceHead], head: ServiceHead) -> None:
    count[head] -= 1
    if not count[head]:
        del count[head]
