"""What a loop answers: objects to write, objects to drop, moments to look again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.task import Task

Thing = Cluster | Node | Service | Task | SwarmNetwork | Secret | Config
Key = tuple[str, ...]
"""What a loop shall look at, in its own words: ("service", id), ("place", service id, place), ..."""


@dataclass(frozen=True, slots=True)
class Put:
    """Write `thing`, provided that the store still has the version that it was made from (`thing.version`; 0: none).
    `version` and `updated` are filled by who commits."""

    thing: Thing


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete `thing`, on the same condition."""

    thing: Thing


Change = Put | Drop


@dataclass(slots=True)
class Changes:
    """The answer while it grows. A later write of the same object replaces the earlier one."""

    _by_id: dict[tuple[type, str], Change] = field(default_factory=dict)
    wakes: list[tuple[int, Key]] = field(default_factory=list)

    def put(self, thing: Thing) -> None:
        self._by_id[type(thing), thing.id] = Put(thing)

    def drop(self, thing: Thing) -> None:
        self._by_id[type(thing), thing.id] = Drop(thing)

    def wake(self, when: int, key: Key) -> None:
        """Look at `key` again at `when`."""
        self.wakes.append((when, key))

    def __iter__(self) -> Iterator[Change]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
