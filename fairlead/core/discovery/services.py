"""The services of one network, put together from what their tasks say.

Tasks of one service say the same of it but for the time of an update. So a service counts who says what, and a task
that comes or goes changes a count, whatever the number of its brothers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from fairlead.core.discovery.differences import Named, Service, ServiceChange, ServiceHead
from fairlead.core.discovery.naming import head_of, merged, virtual_names
from fairlead.model.discovery import Presence

Renamed = tuple[Named | None, Named | None]


@dataclass(slots=True)
class _Tally:
    """Invariant: the counters count the heads of the tasks in both dicts, and of those in `serving`."""

    serving: dict[str, Presence] = field(default_factory=dict)
    leaving: dict[str, Presence] = field(default_factory=dict)
    heads: Counter[ServiceHead] = field(default_factory=Counter)
    serving_heads: Counter[ServiceHead] = field(default_factory=Counter)
    said: ServiceHead | None = None
    named: Named | None = None
    before: dict[str, Presence | None] = field(default_factory=dict)
    """The tasks that were touched since the last time, as they were."""

    def service(self) -> Service | None:
        head = merged(self.heads)
        if head is None:
            return None
        return Service(head, self.serving.values(), self.leaving.values())

    def task(self, endpoint_id: str) -> Presence | None:
        return self.serving.get(endpoint_id) or self.leaving.get(endpoint_id)

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
            tally = self._tallies[service_id]
            named, service = virtual_names(merged(tally.serving_heads)), tally.service()
            renamed.append((tally.named, named))
            if service is not None or tally.said is not None:
                changes.append(ServiceChange(service_id, tally.said, service, tally.take()))
            tally.said, tally.named = service.head if service else None, named
            if service is None:
                del self._tallies[service_id]
        return tuple(changes), tuple(renamed)

    def _add(self, task: Presence) -> None:
        tally, head = self._touch(task)
        tally.heads[head] += 1
        if task.serving:
            tally.serving_heads[head] += 1
        (tally.serving if task.serving else tally.leaving)[task.endpoint_id] = task

    def _remove(self, task: Presence) -> None:
        tally, head = self._touch(task)
        _less(tally.heads, head)
        if task.serving:
            _less(tally.serving_heads, head)
        present = tally.serving if task.serving else tally.leaving
        if present.get(task.endpoint_id) is task:
            del present[task.endpoint_id]

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
